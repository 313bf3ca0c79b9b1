"""Whether a GGUF file from anywhere is what its header says, found out without llama.cpp.

llama.cpp believes much of what a file says of itself, and its faults in reading one are written about in public before
they are mended. So the header is read here first, in Python, where a lie is an error and not a write out of bounds.
This makes no file safe: `trial` loads it once in a process that may crash, and a pinned digest is better than both.

Format: ggml, docs/gguf.md (versions 2 and 3, little-endian). Faults that were used: llama.cpp #14145, #20735, #24888,
#25258, #25475, #25969, #26690.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from ..errors import ModelError

HEADER = 256 << 20
"""Most bytes of a header; vocabularies of 260,000 tokens take some 20 million."""
STRINGS = 4_000_000
"""Most strings in one array."""
_KEY, _TEXT = 65_535, 16 << 20
"""Most bytes of a key (as the format says) and of any other string."""
_DIMENSIONS, _NAME = 4, 64
"""Of a tensor: GGML_MAX_DIMS and GGML_MAX_NAME in ggml.h."""

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9

QUANTS = {
    **{0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36)},
    **{10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66)},
    **{17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136)},
    **{24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54)},
    **{35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18), 42: (64, 18)},
}
"""Type of a tensor -> elements of a block and bytes of a block (ggml.c, `type_traits`)."""

_PARALLEL = {"scores": "f", "token_type": "i"}
"""Arrays beside the tokens, one element for each, and the one type that llama.cpp reads them as."""
_NO_TOKEN = (-1, 0xFFFFFFFF)


class _Unsound(Exception):
    """What is wrong with the file."""


@dataclass(frozen=True, slots=True)
class Array:
    """An array of numbers: the letter of its type (as in `struct`) and how many. The numbers are not kept."""

    type: str
    count: int


Value = int | float | bool | bytes | Array | list[bytes]


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: `offset` counts from the begin of the data."""

    name: bytes
    shape: tuple[int, ...]
    type: int
    offset: int


def check(path: Path) -> None:
    """Pass if the header of a GGUF file is whole, fits the file's length and does not contradict itself.

    Raises:
        ModelError: says in one line what is wrong.
    """
    try:
        with path.open("rb") as file:
            _check(file, path.stat().st_size)
    except OSError as error:
        raise ModelError(f"{str(path)!r} cannot be read: {error.strerror}", "check its permissions") from None
    except _Unsound as why:
        raise unsound(path, str(why)) from None


def unsound(path: Path, why: str) -> ModelError:
    """What to raise for a file that is not to be loaded."""
    return ModelError(f"{path.name!r} is not a sound GGUF file ({why})", "fetch it again, from where you trust it")


def _check(file: BinaryIO, size: int) -> None:
    reader = _Reader(file, size)
    magic, version, tensors, pairs = reader.unpack("4sIQQ")
    if magic != b"GGUF":
        raise _Unsound("it does not begin with GGUF")
    if version not in (2, 3):
        raise _Unsound(f"version {version} of the format, or of another byte order")
    # The shortest pair is an empty key with one byte, the shortest tensor has an empty name and one dimension.
    if pairs * 13 + tensors * 32 > size:
        raise _Unsound(f"{pairs:,} entries and {tensors:,} tensors do not fit into {size:,} bytes")
    values: dict[bytes, Value] = {}
    for _ in range(pairs):
        key = reader.string(_KEY)
        if key in values:
            raise _Unsound(f"{_shown(key)} is there twice")
        values[key] = reader.value()
    listed = [reader.tensor() for _ in range(tensors)]
    _check_vocabulary(values)
    _check_tensors(listed, _alignment(values), reader.at, size)


def _alignment(values: dict[bytes, Value]) -> int:
    if not isinstance(values.get(b"general.architecture"), bytes):
        raise _Unsound("it does not name its architecture")
    alignment = values.get(b"general.alignment", 32)
    if type(alignment) is not int or not 8 <= alignment <= 65_536 or alignment & (alignment - 1):
        raise _Unsound("its alignment is not a power of two from 8 to 65,536")
    return alignment


def _check_vocabulary(values: dict[bytes, Value]) -> None:
    """The arrays and ids by which llama.cpp goes through the tokens, unchecked in some of its versions."""
    tokens = values.get(b"tokenizer.ggml.tokens")
    if not isinstance(tokens, list):
        raise _Unsound("it has no vocabulary")
    if len(tokens) < 32:  # ids that a tokenizer takes for granted go up to 11
        raise _Unsound(f"a vocabulary of {len(tokens)} tokens")
    for name, letter in _PARALLEL.items():
        found = values.get(f"tokenizer.ggml.{name}".encode())
        if found is not None and found != Array(letter, len(tokens)):
            raise _Unsound(f"tokenizer.ggml.{name} does not fit its {len(tokens):,} tokens")
    suppressed = values.get(b"tokenizer.ggml.suppress_tokens")
    if suppressed is not None and not (isinstance(suppressed, Array) and suppressed.type == "i"):
        raise _Unsound("tokenizer.ggml.suppress_tokens are no ids")
    charsmap = values.get(b"tokenizer.ggml.precompiled_charsmap")
    if charsmap is not None and not (isinstance(charsmap, Array) and charsmap.type in "bB" and charsmap.count >= 4):
        raise _Unsound("tokenizer.ggml.precompiled_charsmap is no table of characters")
    ids = {k: v for k, v in values.items() if k.startswith(b"tokenizer.ggml.") and k.endswith(b"_token_id")}
    for key, value in ids.items():
        if type(value) is not int or not (0 <= value < len(tokens) or value in _NO_TOKEN):
            raise _Unsound(f"{_shown(key)} is none of its {len(tokens):,} tokens")
    if bad := next((token for token in tokens if _misshapen_byte(token)), None):
        raise _Unsound(f"the token {_shown(bad)} stands for no byte")


def _misshapen_byte(token: bytes) -> bool:
    if len(token) != 6 or not token.startswith(b"<0x") or not token.endswith(b">"):
        return False
    return any(digit not in b"0123456789abcdefABCDEF" for digit in token[3:5])


def _check_tensors(listed: list[Tensor], alignment: int, header: int, size: int) -> None:
    data = size - -(-header // alignment) * alignment
    names = set()
    for tensor in listed:
        name = _shown(tensor.name)
        if tensor.name in names:
            raise _Unsound(f"the tensor {name} is there twice")
        names.add(tensor.name)
        if tensor.offset % alignment:
            raise _Unsound(f"the tensor {name} begins at {tensor.offset:,}, not a multiple of {alignment}")
        if tensor.offset + _length(tensor) > data:
            raise _Unsound(f"the tensor {name} ends behind the file's {size:,} bytes")
    if not listed:
        raise _Unsound("it has no tensors")
    for one, next_one in pairwise(sorted(listed, key=lambda tensor: tensor.offset)):
        if one.offset + _length(one) > next_one.offset:
            raise _Unsound(f"the tensors {_shown(one.name)} and {_shown(next_one.name)} overlap")


def _length(tensor: Tensor) -> int:
    """Bytes of a tensor. Of a type newer than this file only that there are some: what it is, the trial shows."""
    elements, size = QUANTS.get(tensor.type, (1, 0))
    if tensor.shape[0] % elements:
        name, row = _shown(tensor.name), tensor.shape[0]
        raise _Unsound(f"the tensor {name} has rows of {row:,}, and its type blocks of {elements}")
    return max(math.prod(tensor.shape) // elements * size, 1)


def _shown(name: bytes) -> str:
    """A name that the file gives, as ASCII without control characters."""
    return ascii(name.decode("utf-8", "replace"))[:80]


class _Reader:
    """Reads a header from front to back, and never behind its end."""

    def __init__(self, file: BinaryIO, size: int):
        self._file = file
        self._end = min(size, HEADER)
        self.at = 0

    def bytes(self, count: int) -> bytes:
        if count > self._end - self.at:
            raise _Unsound("it ends, or goes on for ever, inside its header")
        read = self._file.read(count)
        if len(read) < count:
            raise _Unsound("it became shorter while it was read")
        self.at += count
        return read

    def unpack(self, letters: str) -> tuple:
        return struct.unpack(f"<{letters}", self.bytes(struct.calcsize(f"<{letters}")))

    def string(self, most: int) -> bytes:
        (length,) = self.unpack("Q")
        if length > most:
            raise _Unsound(f"a text of {length:,} bytes in its header")
        return self.bytes(length)

    def value(self) -> Value:
        (kind,) = self.unpack("I")
        if kind == _STRING:
            return self.string(_TEXT)
        if kind == _ARRAY:
            return self._array()
        return self.unpack(self._letter(kind))[0]

    def tensor(self) -> Tensor:
        name = self.string(_NAME - 1)
        (dimensions,) = self.unpack("I")
        if not 1 <= dimensions <= _DIMENSIONS:
            raise _Unsound(f"the tensor {_shown(name)} has {dimensions:,} dimensions")
        shape = self.unpack("Q" * dimensions)
        if not all(shape) or math.prod(shape) >= 1 << 62:
            raise _Unsound(f"the tensor {_shown(name)} has {' x '.join(f'{n:,}' for n in shape)} elements")
        kind, offset = self.unpack("IQ")
        return Tensor(name, shape, kind, offset)

    def _array(self) -> Array | list[bytes]:
        kind, count = self.unpack("IQ")
        if kind == _STRING:
            if count > min(STRINGS, (self._end - self.at) // 8):
                raise _Unsound(f"a list of {count:,} texts in its header")
            return list(self._strings(count))
        letter = self._letter(kind)
        self.bytes(count * struct.calcsize(f"<{letter}"))
        return Array(letter, count)

    def _strings(self, count: int) -> Iterator[bytes]:
        for _ in range(count):
            yield self.string(_TEXT)

    def _letter(self, kind: int) -> str:
        if kind not in _SCALARS:  # an array of arrays too, which llama.cpp does not read either
            raise _Unsound(f"a value of the type {kind:,}")
        return _SCALARS[kind]
