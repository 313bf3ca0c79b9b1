"""Numerals in a text: where they stand and what they are worth. Enough to match and subtract, not to judge a claim."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_NUMERAL = re.compile(
    r"(?<![\w.,])(?P<sign>[-−+]?)(?P<whole>\d{1,3}(?:,\d{3})+|\d+)(?P<rest>\.\d+)?(?:[eE][-+]?\d+)?"
    r"(?P<unit>\s?%)?(?![\w]|,\d|\.\d)"
)


@dataclass(frozen=True, slots=True)
class Numeral:
    """One numeral: as written, from `start` to `end`, with its value, decimals, and whether it is a percentage."""

    text: str
    value: float
    decimals: int
    percent: bool
    start: int
    end: int

    def rounds(self, other: Numeral) -> bool:
        """Whether this is the other, rounded to as many decimals as are written here; 0.382 may be 38.2 %."""
        scales = (1.0, 100.0) if self.percent and not other.percent else (1.0,)
        half = 0.5 * 10.0**-self.decimals
        return any(
            abs(abs(self.value) - abs(other.value) * s) <= half * (1 + 1e-9) and self._fine(other, s) for s in scales
        )

    def _fine(self, other: Numeral, scale: float) -> bool:
        return other.decimals - (2 if scale != 1 else 0) >= self.decimals or abs(self.value) == abs(other.value) * scale


def numerals(text: str) -> Iterator[Numeral]:
    """The numerals of a text, in order. Parts of words and of versions are none."""
    for found in _NUMERAL.finditer(text):
        written = found.group()
        bare = written.rstrip("% ").replace(",", "").replace("−", "-")
        try:
            value = float(bare)
        except ValueError:
            continue
        decimals = len(found["rest"] or ".") - 1
        yield Numeral(written.strip(), value, decimals, bool(found["unit"]), found.start(), found.end())
