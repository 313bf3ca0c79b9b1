"""A chart that a kernel sent, made fit to be shown: a PNG of sane size that holds its pixels and nothing else.

Only the frame of the file is read (PNG specification, 3rd edition, section 5): nothing is decompressed here. Of the
chunks, those that draw are kept; texts, profiles, animations and whatever follows the end of the picture are not.
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST = 8_000_000
"""Characters of base64; a chart is some 50,000."""
SIDE = 20_000
"""Pixels of the longer side."""
PIXELS = 60_000_000
"""Pixels in all, four bytes each once a viewer has unpacked them."""
_DRAWING = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"pHYs", b"gAMA", b"sRGB"})
_KINDS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Colour type -> bits, table 11.1."""


def picture(encoded: str) -> str:
    """The picture as base64 on one line; empty where `encoded` is none. Equal pictures give equal text."""
    if len(encoded) > MOST:
        return ""
    try:
        content = base64.b64decode("".join(encoded.split()), validate=True)
        kept = SIGNATURE + b"".join(_drawing(content))
    except (binascii.Error, struct.error, ValueError):
        return ""
    return base64.b64encode(kept).decode("ascii")


def size(encoded: str) -> tuple[int, int]:
    """Width and height in pixels of what `picture` gave."""
    width, height = struct.unpack(">II", base64.b64decode(encoded[:32])[16:24])
    return width, height


def _drawing(content: bytes) -> Iterator[bytes]:
    """The chunks that draw, checked, from the header to the end of the picture.

    Raises:
        ValueError, struct.error: it is no PNG, or one whose size is not sane.
    """
    if not content.startswith(SIGNATURE):
        raise ValueError("no PNG")
    at, kind, pixels = len(SIGNATURE), b"", False
    while kind != b"IEND":
        length, kind_now = struct.unpack_from(">I4s", content, at)
        data = content[at + 8 : at + 8 + length]
        (check,) = struct.unpack_from(">I", content, at + 8 + length)
        if check != zlib.crc32(kind_now + data) or (kind_now == b"IHDR") != (kind == b""):
            raise ValueError("damaged")
        kind = kind_now
        pixels |= kind == b"IDAT"
        if kind == b"IHDR":
            _check(data)
        if kind in _DRAWING:
            yield content[at : at + 12 + length]
        elif kind[:1].isupper():
            raise ValueError("a part that is unknown but needed")
        at += 12 + length
    if not pixels:
        raise ValueError("no pixels")


def _check(header: bytes) -> None:
    width, height, bits, colours, packing, filtering, interlacing = struct.unpack(">IIBBBBB", header)
    if not (0 < width <= SIDE and 0 < height <= SIDE and width * height <= PIXELS):
        raise ValueError("too large")
    if bits not in _KINDS.get(colours, ()) or packing or filtering or interlacing > 1:
        raise ValueError("unknown kind")
