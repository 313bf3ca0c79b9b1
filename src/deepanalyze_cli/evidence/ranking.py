"""Superlatives and ranks: whether the group that a sentence calls the highest is the highest in the printed column."""

from __future__ import annotations

import re

from .facts import Fact
from .glossary import AFFIRMED, DENIED
from .stated import Stated
from .words import EXTREME, stem, stems

_WITHIN = re.compile(r"^(?:within|among|in|for|on|at|of)\b|^[^,.]{1,40}:", re.IGNORECASE)
_ORDINAL_BEFORE = re.compile(r"(?:second|third|fourth|fifth|\d(?:st|nd|rd|th))[ -]$", re.IGNORECASE)
_ONE_OF = re.compile(r"\b(?:one of|among) the (?:\w+ )?$", re.IGNORECASE)


def place(fact: Fact, among: list[Fact]) -> tuple[int, int]:
    """The rank of a fact counted from the highest and from the lowest, both from 1; equals share the better one."""
    above = sum(other.value > fact.value for other in among)
    below = sum(other.value < fact.value for other in among)
    return above + 1, below + 1


def column(fact: Fact) -> list[Fact]:
    """The facts of a fact's column, without rows of totals."""
    if fact.sheet is None:
        return []
    rows, _ = fact.sheet.totals
    return [other for other in fact.sheet.by_column[fact.column] if other is fact or other.row not in rows]


def row(fact: Fact) -> list[Fact]:
    """The facts of a fact's row, without columns of totals."""
    if fact.sheet is None:
        return []
    _, columns = fact.sheet.totals
    return [other for other in fact.sheet.by_row[fact.row] if other is fact or other.column not in columns]


def untrue(stated: Stated, fact: Fact) -> str:
    """Why a sentence's superlative does not hold for the group of `fact`; empty if it holds or there is none."""
    if not stated.extreme or stated.extreme == "some" or fact.sheet is None or not fact.groups:
        return ""
    text = stated.sentence.text
    found = [m for m in EXTREME.finditer(text) if m.lastgroup == stated.extreme]
    if not found or all(_ORDINAL_BEFORE.search(text[: m.start()]) or _ONE_OF.search(text[: m.start()]) for m in found):
        return ""
    high = stated.extreme == "high"
    if ("max" if high else "min") in fact.statistics and _follows(stated, fact, found[-1].end()):
        return ""
    if ("max" if high else "min") in fact.code_statistics and _is_within(stated, fact):
        return ""
    if _two_sided(fact) and (among := _across(stated, fact)):
        return "" if place(fact, among)[0 if high else 1] == 1 else _not_best(among, high)
    axes = [_all(fact)] if _two_sided(fact) and not _WITHIN.search(text) else [column(fact)]
    axes += [row(fact)] if _two_sided(fact) and _WITHIN.search(text) else []
    for among in axes:
        if place(fact, among)[0 if high else 1] == 1:
            return ""
    return _not_best(axes[0], high)


def _not_best(among: list[Fact], high: bool) -> str:
    best = (max if high else min)(among, key=lambda other: other.value)
    name = ", ".join(best.groups.values()) or best.evidence.line.strip()
    return f"{'highest' if high else 'lowest'} is {name} with {best.printed}"


_YES_OR_NO = frozenset((*AFFIRMED, *DENIED))


def _across(stated: Stated, fact: Fact) -> list[Fact]:
    """The axis of a pivot table that a superlative runs along, where the sentence tells: `the most of all regions`."""
    assert fact.sheet is not None
    rows, columns = dict(fact.sheet.row_groups[fact.row]), dict(fact.sheet.column_groups[fact.column])
    for fixed, line in ((columns, column(fact)), (rows, row(fact))):
        if any(label.casefold() in _YES_OR_NO for label in fixed.values()):
            return line
    for fixed, line in ((columns, column(fact)), (rows, row(fact))):
        if any(
            re.match(
                rf"(?:(?:with)?in|for|among|at|on|of)? ?(?:the )?{re.escape(label)}\w{{0,2}}[:,]",
                stated.sentence.text,
                re.I,
            )
            for label in fixed.values()
        ):
            return line
    named = re.search(r"\b(?:of|among) (?:all |the )?(?:\w+ )?(\w+)\s*[.,)]", stated.sentence.text)
    for family, line in ((rows, column(fact)), (columns, row(fact))):
        if named and any(stem(named[1]) in stems(name.replace("_", " ")) for name in family):
            return line
    return []


def _follows(stated: Stated, fact: Fact, at: int) -> bool:
    """Whether the group is named after the superlative, and so is where it holds: `the most expensive Napa wine`."""
    labels = [label.casefold() for label in fact.groups.values()]
    return any(label in stated.sentence.text[at:].casefold() for label in labels)


def _is_within(stated: Stated, fact: Fact) -> bool:
    """Whether the superlative is of values inside a group: `the strongest wind at JFK`."""
    named = "|".join(re.escape(label) for label in fact.groups.values())
    pattern = rf"(?:{EXTREME.pattern}) (?:\w+ ){{1,4}}(?:at|in|for|of|on|from|by) (?:the )?(?:{named})\b"
    return bool(re.search(pattern, stated.sentence.text, re.IGNORECASE))


def _two_sided(fact: Fact) -> bool:
    """Whether rows and columns are groups of one quantity, as in a pivot table."""
    assert fact.sheet is not None
    return bool(fact.sheet.row_groups[fact.row]) and bool(fact.sheet.column_groups[fact.column])


def _all(fact: Fact) -> list[Fact]:
    assert fact.sheet is not None
    rows, columns = fact.sheet.totals
    return [other for (r, c), other in fact.sheet.facts.items() if r not in rows and c not in columns]
