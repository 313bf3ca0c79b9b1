"""Numerals in prose: what is a number there, and what it says. Where a number comes from is not asked here."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NUMERAL = re.compile(
    r"(?<![\w.])(?P<sign>[-−–])?[$€£]?(?P<digits>\d{1,3}(?:,\d{3})+|\d+)(?P<fraction>\.\d+)?(?P<exponent>[eE][+-]?\d+)?"
    r"(?P<percent>\s?%|\s?percent\b)?(?![\w]|\.\d)"
)
_UNIT_JOINED = re.compile(r"(?<=\d)(?=(?:mm|cm|m|km|g|kg|s|ms|h|k|M)\b)")
_LIST_NUMBER = re.compile(r"^\s*\d+[.)]\s", re.MULTILINE)

SMALL = 12
"""Whole numbers up to this are words of counting ("two groups", "the top 3") and are not looked up."""


@dataclass(frozen=True, slots=True)
class Numeral:
    """A number as written: its text, its value, the decimals it shows, and whether a percent sign follows."""

    text: str
    value: float
    decimals: int
    percent: bool


def numerals(text: str) -> tuple[Numeral, ...]:
    """Every numeral of a text. Digits inside words (`Q3`, `x1`) and list numbers are not meant."""
    text = _UNIT_JOINED.sub(" ", _LIST_NUMBER.sub(lambda m: " " * len(m.group()), text))
    found = []
    for match in _NUMERAL.finditer(text):
        digits = match["digits"].replace(",", "") + (match["fraction"] or "") + (match["exponent"] or "")
        decimals = len(match["fraction"] or ".") - 1
        found.append(Numeral(match.group().strip(), float(digits), decimals, bool(match["percent"])))
    return tuple(found)
