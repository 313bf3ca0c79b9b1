"""What stands around a figure: its unit, words that hedge it, and all the figures that claim nothing.

Tables of words and patterns for `numbers`, in English as reports are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal


def listed(text: str) -> list[str]:
    """The words of a text, for long lists of them."""
    return text.split()


def either(text: str) -> str:
    """The words of a text as a pattern that matches any of them."""
    return "|".join(text.split())


MONTHS = listed("january february march april may june july august september october november december")
TENS = listed("thirty forty fifty sixty seventy eighty ninety")

# --- spans that are not read ------------------------------------------------------------------------------------------

_UNTOLD = re.compile(
    r"""^[ \t]*(?P<fence>`{3,}|~{3,})[^\n]*\n.*?(?:^[ \t]*(?P=fence)[^\n]*$|\Z)   # code
    | (?<=\])\([^()\n]*\)                              # where a link or a picture points
    | \[\^[^\]\n]*\] | <[!/a-zA-Z][^<>\n]*>             # footnotes, tags
    | \b(?:https?|file|ftp)://\S+ | \bwww\.\S+ | \b[\w./-]*/[\w.-]+\.\w{1,5}\b
    | ^[ \t]*(?:\d{1,3}[.)]|\#{1,6}[ \t]+\d+(?:\.\d+)*[.)]?)(?=[ \t])   # the numbers of lists and headings
    """,
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)
_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_PLAIN = re.compile(r"[-−+]?[$€£]?[\d., ]*\d ?[%$€£]?(?: ?\w{1,3})?")


def untold(text: str) -> Iterator[tuple[int, int]]:
    """Spans of a Markdown text in which no number claims anything: code, addresses, list numbers."""
    for found in _UNTOLD.finditer(text):
        yield found.span()
    for found in _CODE.finditer(text):
        if not _PLAIN.fullmatch(found[1].strip()):
            yield found.span()


# --- names ------------------------------------------------------------------------------------------------------------

_ATTACHED = (
    r"(?:mm|cm|km|kg|mg|ml|g|m|h|s|ms|min|k|M|K|B|bn|mn|x|pp|st|nd|rd|th|[eE][+-]?\d+|°[CF]?|[ap]m|kWh|GB|MB|KB|px)"
)
_NAME = re.compile(
    rf"""(?<![\w.])(?:
      v?\d+(?:\.\d+){{2,}}[\w.+-]*                       # versions, addresses
    | [^\W\d_][\w]*(?:-\d[\w.-]*)+ | [^\W\d]\w*\d[\w-]*    # B6, COVID-19, x_1, Q3
    | \d+(?!{_ATTACHED}(?!\w))(?:[^\W\d]|_)[\w-]*           # 9E, 3M_x, 2nd_run
    | \d+-(?!to\b|fold\b)[^\W\d_]{{2,}}[\w-]*              # 2013-style, 12-month
    | \#\d+\b | 0x[0-9a-fA-F]+ | [0-9a-f]{{8,}}(?<=[a-f]..)[0-9a-f]*
    )""",
    re.VERBOSE,
)


def names(text: str) -> Iterator[tuple[int, int]]:
    """Spans of names that contain digits: columns, codes, versions, ids."""
    for found in _NAME.finditer(text):
        if not _TIMES.fullmatch(found[0]) and any(c.isdigit() for c in found[0]):
            yield found.span()


_TIMES = re.compile(r"\d+(?:\.\d+)?-?(?:x|fold|times)")
_BEFORE = re.compile(
    r"(?:\b(?:figures?|fig|sections?|tables?|chapters?|cells?|steps?|models?|versions?|v|appendix|equations?|eq|notes?|"
    r"parts?|pages?|p\.|no|nr|question|hypothesis|cluster|class|group|category|level|stage|grade|zone|id|week|day|"
    r"month|line|column|row|item|rank|finding|top|bottom|first|last|python|pandas|seed|random_state|page|option|"
    r"bin|decile|quartile|type|store|lag|k ?=|alpha ?=|α ?=)\.? ?[#(]?|\[)$",
    re.IGNORECASE,
)
CHOSEN = re.compile(r"\b(?:top|bottom|first|last|next) $", re.IGNORECASE)
"""Before a number word that says how many are shown: `the top five`."""
_CONFIDENCE = re.compile(r"(?:[ -]*(?:-|\()?(?:confidence|credible|prediction|CI\b|HDI\b|level of confidence))", re.I)
_PERCENTILE = re.compile(r"(?:st|nd|rd|th)[ -](?:percentile|quantile|quartile|quarter|century|decile|grade)", re.I)
_ORDINAL_DAY = re.compile(r"(?:st|nd|rd|th)\b(?![ -](?:most|least|place|rank|position|\w{3,}est\b))", re.I)
RANK = re.compile(r"(?:st|nd|rd|th)\b")


def is_label(text: str, start: int, end: int, unit: str) -> bool:
    """Whether a figure only names something: `Section 7`, `95 % CI`, `75th percentile`, `month 9`."""
    if unit == "%" and _CONFIDENCE.match(text, end):
        return True
    if _PERCENTILE.match(text, end) or _ORDINAL_DAY.match(text, end):
        return True
    before = _BEFORE.search(re.sub(r"\d+ ?[-–] ?$", "", text[max(0, start - 24) : start]))
    if before and before[0].lower().startswith("["):
        return end < len(text) and text[end] == "]"
    return bool(before) and unit not in ("%", "pp") and "." not in text[start:end]


_NO_YEAR = re.compile(
    r" (?:rows?|records?|observations?|samples?|people|flights|customers|units|items|cases|times|and more)\b", re.I
)


_BEFORE_YEAR = re.compile(
    rf"(?:\b(?:{either('in since from to until of and or by between during year years before after through than as')})"
    r"|[-–(,/:|])\s*$"
)


def is_year(text: str, start: int, end: int, number: str, unit: str) -> bool:
    """Whether a bare figure of four digits is a year, by its size and what is counted after it."""
    if unit or len(number) != 4 or not number.isdecimal() or not 1800 <= int(number) <= 2100:
        return False
    if _NO_YEAR.match(text, end):
        return False
    before = text[max(0, start - 16) : start].lower()
    return bool(_BEFORE_YEAR.search(before)) or not before.strip()


# --- hedges and units -------------------------------------------------------------------------------------------------

_HEDGE = re.compile(
    r"(?:\b(?P<about>about|around|roughly|approximately|approx\.?|nearly|almost|circa|ca\.|some|close to)|(?P<a2>[~≈])|"
    r"\b(?P<over>over|more than|above|exceed(?:s|ing)?|greater than|upwards of)|(?P<o2>[>≥])|"
    r"\b(?P<under>under|below|less than|fewer than|smaller than)|(?P<u2>[<≤]))\s*[$€£]?$",
    re.IGNORECASE,
)


def hedge(text: str, start: int) -> Literal["", "about", "over", "under"]:
    """What the words before a figure make of it."""
    found = _HEDGE.search(text[max(0, start - 20) : start])
    if not found:
        return ""
    name = found.lastgroup or ""
    return {"about": "about", "a2": "about", "over": "over", "o2": "over", "under": "under", "u2": "under"}[name]


PERCENT = re.compile(r"\s?(?:%|percent\b|per ?cent\b)(?!\s?-?points?|age)", re.IGNORECASE)
_POINTS = re.compile(
    r"(?:\s?|-)(?:percentage[ -]points?\b|%-?\s?points?\b|percent points?\b|pp\b|p\.p\.)", re.IGNORECASE
)
_MULTIPLE = re.compile(r"(?: ?x\b|-?fold\b| times\b|×(?! ?\d))")
CURRENCY = {"$": "$", "usd": "$", "us$": "$", "dollar": "$", "dollars": "$", "€": "€", "eur": "€", "euro": "€"}
CURRENCY |= {"euros": "€", "£": "£", "gbp": "£", "pounds": "£", "¥": "¥", "chf": "CHF"}
_MONEY = re.compile(r" ?(usd|eur|gbp|chf|us\$|dollars?|euros?|pounds|[$€£¥])(?!\w)", re.IGNORECASE)

UNITS: dict[str, tuple[str, float]] = {
    "mm": ("m", 1e-3), "cm": ("m", 1e-2), "m": ("m", 1.0), "km": ("m", 1e3), "metres": ("m", 1.0),
    "meters": ("m", 1.0), "mile": ("mi", 1.0), "miles": ("mi", 1.0), "ft": ("ft", 1.0), "feet": ("ft", 1.0),
    "mg": ("g", 1e-3), "g": ("g", 1.0), "gram": ("g", 1.0), "grams": ("g", 1.0), "kg": ("g", 1e3),
    "kilograms": ("g", 1e3), "t": ("g", 1e6), "tonnes": ("g", 1e6), "tons": ("g", 1e6),
    "s": ("s", 1.0), "sec": ("s", 1.0), "seconds": ("s", 1.0), "ms": ("s", 1e-3), "min": ("s", 60.0),
    "mins": ("s", 60.0), "minute": ("s", 60.0), "minutes": ("s", 60.0), "h": ("s", 3600.0), "hour": ("s", 3600.0),
    "hours": ("s", 3600.0), "days": ("s", 86400.0), "day": ("s", 86400.0),
    "wh": ("Wh", 1.0), "kwh": ("Wh", 1e3), "mwh": ("Wh", 1e6), "gwh": ("Wh", 1e9), "twh": ("Wh", 1e12),
    "ml": ("l", 1e-3), "l": ("l", 1.0), "litres": ("l", 1.0), "liters": ("l", 1.0),
    "mph": ("mph", 1.0), "kmh": ("km/h", 1.0),
    "°c": ("°C", 1.0), "°f": ("°F", 1.0), "f": ("°F", 1.0), "c": ("°C", 1.0),
}  # fmt: skip
"""Unit -> (what it measures, in what part of it). Two units of one kind convert, those of two kinds contradict."""
_UNIT = re.compile(
    r"(?: ?|-)(" + "|".join(sorted((re.escape(u) for u in UNITS), key=len, reverse=True)) + r")(?![\w²³/'’])",
    re.IGNORECASE,
)
_CASED = frozenset("mgtshlfcMGTSHLFC")
"""Units of one letter, which stand for something else in the other case or as words."""


def unit(text: str, end: int, currency: str) -> tuple[str, int]:
    """The unit written after a figure that ends at `end`, and where that ends; a currency may stand before it."""
    if found := _POINTS.match(text, end):
        return "pp", found.end()
    if found := PERCENT.match(text, end):
        return "%", found.end()
    if currency:
        return CURRENCY[currency.lower()], end
    if found := _MULTIPLE.match(text, end):
        return "times", found.end()
    if found := _MONEY.match(text, end):
        return CURRENCY[found[1].lower()], found.end()
    if (found := _UNIT.match(text, end)) and (found[1] not in _CASED or found[1] in "mgshlFC"):
        return found[1].lower() if found[1].lower() in UNITS else found[1], found.end()
    return "", end
