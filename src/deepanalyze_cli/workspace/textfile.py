"""The beginning of a text file and how its bytes are to be read; says so when it is no text at all."""

from __future__ import annotations

import codecs
import gzip
import re
from dataclasses import dataclass
from pathlib import Path

from .read import Unreadable

HEAD = 1_000_000
"""Bytes that are looked at."""

# The encodings a guess may end in. Left to itself charset-normalizer takes short Western text for DOS code pages.
_LIKELY = ["cp1250", "cp1251", "cp1252", "cp1253", "cp932", "euc_jp", "gb18030", "big5", "cp949"]


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file, its encoding (`utf-8` also with a byte order mark), and its first lines, blank ones left out."""

    path: Path
    encoding: str
    lines: tuple[str, ...]


def look(path: Path) -> TextFile:
    """Look at the beginning of a text file.

    Raises:
        Unreadable: it is empty, is not text, or is damaged gzip.
    """
    try:
        head = read_bytes(path, HEAD)
    except (OSError, EOFError) as error:
        raise Unreadable("is a damaged gzip file", "pack it again") from error
    encoding = _encoding(path, head)
    text = head.decode(encoding, errors="replace").removeprefix("\ufeff")
    lines = tuple(line for line in re.split(r"\r\n|\r|\n", text) if line.strip())
    if not lines:
        raise Unreadable("is empty", "leave it out, or export it again")
    return TextFile(path, encoding, lines if len(head) < HEAD else lines[:-1] or lines)


def read_bytes(path: Path, size: int = -1) -> bytes:
    """The first bytes of a file, unpacked if it ends in `.gz`."""
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        return bytes(file.read(size))


def _encoding(path: Path, head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in head:
        even, odd = head[0::2].count(0), head[1::2].count(0)
        if max(even, odd) > 0.3 * len(head) / 2 and min(even, odd) < 0.05 * len(head) / 2:
            return "utf-16-le" if odd > even else "utf-16-be"
        raise Unreadable("is not text but binary data", "give it the ending of its real format")
    if sum(head.count(bytes([c])) for c in range(32) if c not in (9, 10, 12, 13, 26, 27)) > 0.01 * len(head):
        raise Unreadable("is not text but binary data", "give it the ending of its real format")
    if _is_utf8(path):
        return "utf-8"
    return _guess(b"".join(line for line in head.splitlines(True) if not line.isascii())[:200_000] or head)


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        try:
            while block := file.read(1 << 22):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _guess(sample: bytes) -> str:
    """charset-normalizer's guess, but Windows Western where the text may as well be that.

    It takes every Western text for Central European (cp1250), and data with a lone degree sign for Chinese.
    """
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=_LIKELY).best()
    guess = best.encoding if best else "cp1252"
    high = sum(b > 127 for b in sample) / len(re.sub(rb"[\s\d,;|.]", b"", sample) or b"-")
    # Letters outside ASCII are the exception in Western text and the rule in other scripts.
    western = guess in ("cp1250", "cp1252") or high < 0.45
    if not western:
        return guess
    try:
        text = sample.decode("cp1252")
    except UnicodeDecodeError:
        return guess
    polish = re.search(r"[^\W\d_][³¹¿£¯¼¾][^\W\d_]", text)
    czech = re.search("[šžŠŽ]", text) and re.search("[øìØÌ]", text)
    return "cp1250" if polish or czech else "cp1252"
