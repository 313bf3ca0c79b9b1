"""Bytes as a row of choices, so that one target serves both hypothesis and atheris: what is found by either is a file
of bytes that replays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """Each call uses up some of the bytes; at their end everything is 0 and empty."""

    def __init__(self, data: bytes):
        self._data = data
        self._at = 0

    @property
    def over(self) -> bool:
        return self._at >= len(self._data)

    def bytes(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def number(self, below: int) -> int:
        """A number from 0 to below - 1."""
        width = max((below - 1).bit_length() + 7, 8) // 8
        return int.from_bytes(self.bytes(width).ljust(width, b"\0"), "little") % below

    def pick(self, options: Sequence[T]) -> T:
        return options[self.number(len(options))]

    def text(self, most: int = 40) -> str:
        """Any text, half surrogates too."""
        count = self.number(most + 1)
        return self.bytes(count).decode("utf-8", "surrogateescape")

    def mixed(self, pieces: Sequence[str], most: int = 40) -> str:
        """Pieces that mean something and text that does not, in any order."""
        return "".join(
            self.text(12) if (at := self.number(len(pieces) + len(pieces) // 4 + 1)) >= len(pieces) else pieces[at]
            for _ in range(self.number(most))
            if not self.over
        )

    def spliced(self, seeds: Sequence[bytes]) -> bytes:
        """One of the seeds with some stretches replaced, left out, doubled or taken from another one."""
        data = bytearray(self.pick(seeds))
        for _ in range(self.number(6)):
            at, length = self.number(len(data) + 1), self.number(64)
            kind = self.number(5)
            if kind == 0:
                data[at : at + length] = self.bytes(length)
            elif kind == 1:
                del data[at : at + length]
            elif kind == 2:
                data[at:at] = data[at : at + length]
            elif kind == 3:
                other = self.pick(seeds)
                begin = self.number(len(other) + 1)
                data[at : at + length] = other[begin : begin + length]
            elif at < len(data):
                data[at] = self.number(256)
        return bytes(data)

    def json(self, depth: int = 4, words: Sequence[str] = ()) -> object:
        """Any value that JSON has; `words` are likely as keys and texts."""
        kind = self.number(9 if depth else 6)
        if kind == 0:
            return None
        if kind == 1:
            return self.number(2) == 1
        if kind == 2:
            return self.number(1 << 64) - (1 << 63)
        if kind == 3:
            return self.pick((0.5, 1e308, -1.0, 0, float("inf")))
        if kind < 6 or self.over:
            return self.pick(words) if words and self.number(2) else self.text()
        if kind == 6:
            return [self.json(depth - 1, words) for _ in range(self.number(4))]
        keys = [self.pick(words) if words and self.number(4) else self.text(8) for _ in range(self.number(5))]
        return {key: self.json(depth - 1, words) for key in keys}
