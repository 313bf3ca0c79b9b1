"""The numerals of a text as values: how much, in what unit, written how exactly, and whether they claim anything.

Reads prose as people write it (`1,234`, `1 234`, `1.2 million`, `38 %`, `twice`, `21 December 2021`). Knows nothing of
where a number comes from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from . import notation as kept
from .notation import MONTHS, listed

Kind = Literal["number", "multiple", "fraction", "ordinal", "date", "time", "label"]
Hedge = Literal["", "about", "over", "under"]


@dataclass(frozen=True, slots=True)
class Numeral:
    """One number as written in `text[start:end]`.

    `value` is in `unit` ("%", "pp", a currency sign, "mm", "" where none is written), scales multiplied out. `step` is
    what the last written digit is worth: 0.1 for `3.5`, 10,000 for `1.23 million`. Dates have the value of their year,
    times of their hours. A `label` (`Figure 2`, `95 % CI`, `v1.2.3`, `B6`) claims nothing.
    """

    text: str
    start: int
    end: int
    value: float
    unit: str = ""
    kind: Kind = "number"
    step: float = 1.0
    hedge: Hedge = ""
    rounded: bool = False
    """Ends in zeros that may stand for what was left out: `5,000`, where `step` is still 1."""

    @property
    def digits(self) -> int:
        """Significant digits; closing zeros of a whole number do not count."""
        if self.kind in ("multiple", "fraction", "ordinal"):
            return 1
        return significant(self.value, self.step)

    @property
    def whole(self) -> bool:
        """A bare whole number, such as counts are."""
        return self.step >= 1 and not self.unit


def significant(value: float, step: float) -> int:
    """Significant digits of a number written to `step`; closing zeros of a whole number do not count."""
    if not value or not step or value != value or abs(value) == float("inf"):
        return 1
    digits = f"{round(abs(value) / step):d}" if abs(value) / step < 1e18 else "1" * 18
    return len(digits.rstrip("0") if step >= 1 else digits) or 1


def numerals(text: str) -> tuple[Numeral, ...]:
    """Every numeral of a text in order, also those that claim nothing. Total: any text is read."""
    found: list[Numeral] = []
    taken = bytearray(len(text))
    for start, end in kept.untold(text):
        taken[start:end] = b"\1" * (end - start)
    for reader in (_dates, _times, _names, _words, _figures):
        for numeral in reader(text, taken):
            if not any(taken[numeral.start : numeral.end]):
                taken[numeral.start : numeral.end] = b"\1" * (numeral.end - numeral.start)
                found.append(numeral)
    return tuple(sorted(found, key=lambda numeral: numeral.start))


def claims(text: str) -> tuple[Numeral, ...]:
    """The numerals of a text that claim something."""
    return tuple(numeral for numeral in numerals(text) if numeral.kind != "label")


# --- dates, times, names ----------------------------------------------------------------------------------------------

_MONTH = "|".join(sorted((*MONTHS, *(name[:3] + r"\.?" for name in MONTHS)), key=len, reverse=True))
_DATE = re.compile(
    rf"""(?<![\w.])(?:
      (?P<y>\d{{4}})-(?P<m>0[1-9]|1[0-2])(?:-(?P<d>\d{{2}}))?(?![\w-])
    | (?P<d2>\d{{1,2}})(?:st|nd|rd|th)?\.?\ (?P<m2>{_MONTH}),?\ (?P<y2>\d{{4}})\b
    | (?P<m3>{_MONTH})\ (?P<d3>\d{{1,2}})(?:st|nd|rd|th)?,\ (?P<y3>\d{{4}})\b
    | (?P<m4>{_MONTH}),?\ (?P<y4>\d{{4}})\b
    | (?P<d5>\d{{1,2}})[./](?P<m5>\d{{1,2}})[./](?P<y5>\d{{4}})\b
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_TIME = re.compile(r"(?<![\w:.])([01]?\d|2[0-3]):([0-5]\d)(?::[0-5]\d(?:\.\d+)?)?(?: ?[ap]\.?m\.?\b)?(?![\w:])", re.I)


@dataclass(frozen=True, slots=True)
class Day:
    """A date as far as it is written: `month` and `day` are 0 where it does not say."""

    year: int
    month: int = 0
    day: int = 0


def day(text: str) -> Day | None:
    """The first date in a text; a bare year is none."""
    found = _DATE.search(text)
    return _day(found) if found else None


def _day(found: re.Match[str]) -> Day:
    parts = found.groupdict()
    year = next(parts[k] for k in ("y", "y2", "y3", "y4", "y5") if parts[k])
    month = next((parts[k] for k in ("m", "m2", "m3", "m4", "m5") if parts[k]), "0")
    number = next((parts[k] for k in ("d", "d2", "d3", "d5") if parts[k]), "0")
    return Day(int(year), int(month) if month.isdecimal() else _month(month), int(number))


def _month(name: str) -> int:
    return next(n for n, full in enumerate(MONTHS, 1) if full.startswith(name.lower().rstrip(".")[:3]))


def _dates(text: str, taken: bytearray) -> Iterator[Numeral]:
    for found in _DATE.finditer(text):
        if not any(taken[found.start() : found.end()]):
            yield Numeral(found[0], found.start(), found.end(), float(_day(found).year), kind="date")


def _times(text: str, taken: bytearray) -> Iterator[Numeral]:
    for found in _TIME.finditer(text):
        yield Numeral(found[0], found.start(), found.end(), int(found[1]) + int(found[2]) / 60, "h", "time", 1 / 60)


def _names(text: str, taken: bytearray) -> Iterator[Numeral]:
    for start, end in kept.names(text):
        yield Numeral(text[start:end], start, end, 0.0, kind="label")


# --- words ------------------------------------------------------------------------------------------------------------

_SMALL = listed("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen")
_SMALL += listed("seventeen eighteen nineteen twenty")
_WORD = {word: float(number) for number, word in enumerate(_SMALL)}
_WORD |= {word: float(ten) for ten, word in zip(range(30, 100, 10), kept.TENS, strict=True)} | {"dozen": 12.0}
_MULTIPLE = {"twice": 2.0, "double": 2.0, "doubled": 2.0, "doubles": 2.0, "triple": 3.0, "tripled": 3.0, "thrice": 3.0}
_FRACTION = {"half": 0.5, "one half": 0.5, "a third": 1 / 3, "one third": 1 / 3, "two thirds": 2 / 3}
_FRACTION |= {"a quarter": 0.25, "one quarter": 0.25, "three quarters": 0.75, "a fifth": 0.2, "one fifth": 0.2}
_FRACTION |= {"a tenth": 0.1, "one tenth": 0.1}
_ORDINAL = dict(
    zip(listed("first second third fourth fifth sixth seventh eighth ninth tenth"), range(1, 11), strict=True)
)
_RANKED = r"(?=[ -](?:most|least|place|rank|position|\w{3,}est)\b)"
_ORDINALS = "|".join(_ORDINAL)
_WORDS = re.compile(
    rf"""\b(?:
      (?P<times>(?:{"|".join(k for k in _WORD if k not in ("zero", "one"))})[ -](?:times|fold))
    | (?P<multiple>{"|".join(_MULTIPLE)})\b
    | (?P<fraction>{"|".join(k.replace(" ", "[ -]") for k in sorted(_FRACTION, key=len, reverse=True))})\b(?!-)
    | (?P<ordinal>(?:{_ORDINALS})|\d+(?:st|nd|rd|th)){_RANKED}
    | (?:rank(?:s|ed|ing)?|comes?|places?)\ (?:in\ )?(?P<rank>(?:{_ORDINALS})|\d+(?:st|nd|rd|th))\b
    | (?P<word>{"|".join(sorted((k for k in _WORD if k not in ("zero", "one")), key=len, reverse=True))})\b(?!-)
    )""",
    re.VERBOSE | re.IGNORECASE,
)


def _words(text: str, taken: bytearray) -> Iterator[Numeral]:
    for found in _WORDS.finditer(text):
        name = found.lastgroup or ""
        start, end = found.span(name)
        word = text[start:end]
        low = " ".join(re.split(r"[ -]", word.lower()))
        hedge = kept.hedge(text, start)
        if name == "times":
            yield Numeral(word, start, end, _WORD[low.split()[0]], "times", "multiple", 1.0, hedge)
        elif name == "multiple":
            yield Numeral(word, start, end, _MULTIPLE[low], "times", "multiple", 1.0, hedge)
        elif name == "fraction":
            yield Numeral(word, start, end, _FRACTION[low], "", "fraction", 0.05, hedge)
        elif name in ("ordinal", "rank"):
            number = _ORDINAL.get(low) or float(re.sub(r"\D", "", low) or 0)
            yield Numeral(word, start, end, float(number), "", "ordinal")
        else:
            kind: Kind = "label" if kept.CHOSEN.search(text[max(0, start - 8) : start]) else "number"
            scale, end = _scaled(text, end, False)
            percent = kept.PERCENT.match(text, end)
            unit, end = ("%", percent.end()) if percent else ("", end)
            step = 10.0**scale
            yield Numeral(text[start:end], start, end, _WORD[low] * step, unit, kind, step, hedge)


# --- figures ----------------------------------------------------------------------------------------------------------

_GAPS = "\u00a0\u202f\u2009'’"
_FIGURE = re.compile(
    rf"""(?P<currency>(?:[$€£¥]|\b(?:USD|EUR|GBP|CHF)\ )\ ?)?
    (?P<sign>(?<![\w.,%)\]])[-−–+])?(?P<currency2>[$€£¥])?
    (?P<number>
        \d{{1,3}}(?:,\d{{3}})+(?!\d|,\d)(?:\.\d+)?
      | \d{{1,3}}(?:[{_GAPS}]\d{{3}})+(?!\d)(?:[.,]\d+)?
      | (?<!\d\ )\d{{1,3}}(?:\ \d{{3}})+(?![\d\w]|\ \d)(?:[.,]\d+)?
      | \d{{1,3}}(?:\.\d{{3}})+,\d+ | \d{{1,3}}(?:\.\d{{3}}){{2,}}(?![\d.])
      | \d+,\d+(?=\ ?%|\ [a-zA-Z€]) | 0,\d+
      | (?<!\d)\.\d+ | \d+(?:\.\d+)?
    )
    (?P<exponent>[eE][+-]?\d+|\ ?[×x·*]\ ?10(?:\^|\*\*)?(?P<power>\(?[-−+]?\d+\)?|[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+))?""",
    re.VERBOSE,
)
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺−", "0123456789-+-")
_SCALES = {"k": 3, "thousand": 3, "m": 6, "mn": 6, "mio": 6, "million": 6, "millions": 6}
_SCALES |= {"b": 9, "bn": 9, "mrd": 9, "billion": 9, "billions": 9, "trillion": 12, "tn": 12}
_SCALE = re.compile(
    r"(?: ?|-)(thousand|millions?|billions?|trillion|mn|bn|mio|mrd|tn)\b\.?|([kKMB])(?![\w²³])|(m)(?!\w)", re.I
)


def _figures(text: str, taken: bytearray) -> Iterator[Numeral]:
    left = "".join("\0" if gone else letter for letter, gone in zip(text, taken, strict=True)) if any(taken) else text
    for found in _FIGURE.finditer(left):
        if found.start("number") and text[found.start("number") - 1].isalnum():
            continue
        if not any(taken[found.start("number") : found.end()]):
            yield _figure(text, found)


def _figure(text: str, found: re.Match[str]) -> Numeral:
    value, step = valued(found["number"], found["exponent"] or "", found["power"] or "")
    currency = (found["currency"] or found["currency2"] or "").strip()
    start, end = found.start(), found.end()
    scale, end = _scaled(text, end, bool(currency))
    value, step = value * 10.0**scale, step * 10.0**scale
    value = -value if found["sign"] in ("-", "−", "–") else value
    unit, end = kept.unit(text, end, currency)
    kind: Kind = "multiple" if unit == "times" else "number"
    if kept.is_label(text, start, end, unit):
        kind = "label"
    elif kept.is_year(text, start, end, found["number"], unit) and not found["sign"] and not scale:
        kind = "date"
    elif kind == "number" and (rank := kept.RANK.match(text, end)):
        end, kind = rank.end(), "ordinal"
    hedge = kept.hedge(text, start)
    rounded = step == 1 and value != 0 and value % 10 == 0
    return Numeral(text[start:end], start, end, value, unit, kind, step, hedge, rounded)


def _scaled(text: str, end: int, money: bool) -> tuple[int, int]:
    found = _SCALE.match(text, end)
    if not found or (found[3] and not money):
        return 0, end
    return _SCALES[next(g for g in found.groups() if g).lower()], found.end()


@lru_cache(maxsize=50_000)
def valued(number: str, exponent: str = "", power: str = "") -> tuple[float, float]:
    """The value of a written number, and what its last digit is worth."""
    bare = re.sub(rf"[{_GAPS} ]", "", number)
    if not exponent and (parts := re.fullmatch(r"(.*\d\.?)([eE][-+]?\d+)", bare)):
        bare, exponent = parts.groups()
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", bare) and not bare.startswith("0,"):
        bare = bare.replace(",", "")
    elif "," in bare:
        bare = bare.replace(".", "").replace(",", ".")
    elif bare.count(".") > 1:
        bare = bare.replace(".", "")
    raised = int(power.strip("()").translate(_RAISED)) if power else int(exponent[1:]) if exponent else 0
    raised = max(min(raised, 400), -400)
    decimals = len(bare.partition(".")[2])
    try:
        return float(f"{bare}e{raised}"), float(f"1e{raised - decimals}")
    except (OverflowError, ValueError):
        return float("inf"), 1.0
