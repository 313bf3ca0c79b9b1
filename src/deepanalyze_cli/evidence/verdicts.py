"""The verdict on one number of a sentence: the printed value that it is, or another one in its place.

A number is verified by a printed value that it rounds to, if nothing that is said of it speaks against that value and
no other printed value fits the words as well.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from ..types import Evidence, Verdict
from . import derived, ranking
from .book import MOST_UNNAMED, Book
from .facts import Fact, Facts
from .matching import COUNTABLE, agrees, counts_rows, is_count, is_of_all, named, rounding, scales, support
from .notation import UNITS, listed
from .numbers import day
from .stated import Stated
from .words import (
    content,
    statistics,
    stems,
)

MOST_BOUNDED = 20


@dataclass(frozen=True, slots=True)
class Judged:
    verdict: Verdict
    evidence: tuple[Evidence, ...] = ()
    rule: str = ""
    fact: Fact | None = None


def judge_number(book: Book, stated: Stated, sentence: Sequence[Stated], taken: Collection[int] = ()) -> Judged:
    numeral = stated.numeral
    if numeral.kind in ("date", "time"):
        return _dated(book, stated)
    if numeral.kind in ("ordinal", "multiple"):
        return Judged("unsupported")
    verified = _verified(book, stated, sentence, taken)
    if verified is not None:
        return verified
    if numeral.kind == "fraction" or derived.is_difference(stated):
        return Judged("unsupported")
    if book.was_typed(numeral):
        return Judged("unsupported", (), _TYPED)
    if any(_may_be_meant(stated, fact) for fact in _fitting(book, stated)):
        return Judged("unsupported")
    return _contradicted(book, stated) or Judged("unsupported")


_TYPED = "the cell prints only what was typed"


def _may_be_meant(stated: Stated, fact: Fact) -> bool:
    """Whether a printed value that the number rounds to is of no other group than the sentence names.

    Too little to verify the number, enough not to call it false.
    """
    for family, label in fact.groups.items():
        said = stated.groups.get(family, ()) or stated.others.get(family, ())
        if said and label not in said:
            return False
    elsewhere = (labels for family, labels in stated.groups.items() if family not in fact.groups)
    about = fact.about.casefold()
    return all(any(label.casefold() in about for label in labels) for labels in elsewhere)


def _verified(book: Book, stated: Stated, sentence: Sequence[Stated], taken: Collection[int]) -> Judged | None:
    """The printed value that the number is, if the words fit it better than any other value."""
    difference = derived.is_difference(stated)
    untrue = None
    fitting = [(support(stated, fact, book.facts), fact) for fact in _fitting(book, stated)]
    for score, fact in sorted(fitting, key=lambda pair: -pair[0]):
        if score < _needed(stated):
            break
        if difference and not _is_change(fact):
            continue
        if not agrees(stated, fact, book.facts):
            continue
        if wrong := ranking.untrue(stated, fact):
            untrue = untrue or Judged("contradicted", (fact.evidence,), wrong)
            continue
        if not _connected(stated, fact, book.facts) or _has_rival(book, stated, fact, score, sentence, taken):
            continue
        rule = rounding(stated, fact)
        return untrue or Judged("derived" if " as " in rule else "verified", (fact.evidence,), rule, fact)
    return untrue


def _is_change(fact: Fact) -> bool:
    """Whether a printed value is itself a difference or change."""
    named = any("change" in statistics(measure) for measure in fact.own | fact.coded)
    return named or "change" in fact.statistics | fact.code_statistics


def _fitting(book: Book, stated: Stated) -> list[Fact]:
    near = book.near(stated.numeral, stated.unit)
    found = [fact for fact in near if rounding(stated, fact)]
    if stated.numeral.hedge == "under":
        found += _probabilities(book, stated.numeral.value)
    return found


def _probabilities(book: Book, below: float) -> list[Fact]:
    """p-values under a bound, which is all that `p < 0.001` says."""
    known = (f for f in book.facts.facts if "pvalue" in f.statistics or f.code_statistics == {"pvalue"})
    return [fact for fact in known if 0 <= fact.value < below][:MOST_BOUNDED]


def _needed(stated: Stated) -> float:
    """The support a number needs: few digits prove little."""
    digits = stated.numeral.digits
    return 0.75 if digits >= 5 else 1.2 if digits >= 3 else 1.5


def _has_rival(
    book: Book, stated: Stated, fact: Fact, score: float, sentence: Sequence[Stated], taken: Collection[int]
) -> bool:
    """Whether another value that was printed fits the words as well: then they do not say which is meant."""
    for other in _beside(book, stated, fact):
        if other is fact or id(other) in taken or not agrees(stated, other, book.facts):
            continue
        if rounding(stated, other) or _within(stated, other) or _is_too_coarse(stated, fact, other):
            continue
        if _is_the_part(stated, other, sentence):
            continue
        rivalling = support(stated, other, book.facts)
        if rivalling > score:
            return True
        apart = _goes_without_saying(stated, fact, other) or _in_order(stated, fact, other, sentence)
        if rivalling == score and not apart:
            return True
    return False


def _is_too_coarse(stated: Stated, fact: Fact, other: Fact) -> bool:
    """Whether a value was printed to fewer decimals than are stated, and so is not where the number comes from."""
    if is_count(other) and stated.numeral.step < 1 and stated.unit != "%":
        return True
    factor = max((factor for factor, _ in scales(stated, other)), default=1.0)
    return other.step * factor > max(stated.numeral.step, fact.step * factor) * (1 + 1e-9)


def _is_the_part(stated: Stated, other: Fact, sentence: Sequence[Stated]) -> bool:
    """Whether a value is the 56 of `56 of 152`, where the 152 is looked for."""
    if not stated.whole:
        return False
    before = [one for one in sentence if one.numeral.end <= stated.numeral.start]
    return bool(before) and bool(rounding(before[-1], other))


def _in_order(stated: Stated, fact: Fact, other: Fact, sentence: Sequence[Stated]) -> bool:
    """Whether the sentence states both numbers, in the order in which they were printed: `139 of 180`."""
    if fact.evidence.turn != other.evidence.turn or fact.evidence.output != other.evidence.output:
        return False
    same_line = fact.sheet is other.sheet and fact.row == other.row and fact.evidence.line == other.evidence.line
    if not same_line:
        return False
    after = other.place > fact.place
    return any(
        (one.numeral.start > stated.numeral.start) == after and rounding(one, other)
        for one in sentence
        if one is not stated
    )


def _connected(stated: Stated, fact: Fact, facts: Facts) -> bool:
    """Whether more than its group ties a fact to the sentence: its column, statistic, measure or unit."""
    if stated.numeral.digits >= 5 or fact.statistics & stated.statistics or (stated.unit and stated.unit == fact.unit):
        return True
    if fact.sheet is not None and not _mixed(fact):
        return True
    if fact.sheet is not None and stated.unit == "%":
        row = fact.sheet.by_row[fact.row]
        if [other for other in row if scales(stated, other)] == [fact]:
            return True
    labels = {stem for label in fact.groups.values() for stem in stems(label)} if fact.sheet is not None else set()
    if (fact.words - labels | fact.around) & stated.words or fact.own & set(stated.all_measures):
        return True
    names = {stem for measure in fact.own for stem in facts.glossary.names.get(measure, ())}
    if names & stated.words or (stated.extreme and fact.statistics & {"min", "max"}):
        return True
    if any(is_of_all(labels, fact, family) for family, labels in stated.groups.items()):
        return True
    if any(m in fact.coded for m in stated.all_measures) or counts_rows(stated, fact, facts):
        return True
    return stated.numeral.step >= 1 and stated.unit in ("", *COUNTABLE) and is_count(fact)


def _goes_without_saying(stated: Stated, fact: Fact, other: Fact) -> bool:
    """Whether two numbers of a row are told apart by their exact value only, for the statistic is not said."""
    if fact.sheet is None or fact.sheet is not other.sheet or fact.row != other.row or stated.statistics:
        return False
    return stated.numeral.digits >= 3 and bool(fact.statistics) and bool(other.statistics) and fact.own == other.own


def _beside(book: Book, stated: Stated, fact: Fact) -> Iterator[Fact]:
    """The facts that might be meant instead: of the same row and column, and those with words of the sentence."""
    if fact.sheet is not None:
        yield from fact.sheet.by_row[fact.row]
        yield from fact.sheet.by_column[fact.column][:MOST_UNNAMED]
    yield from book.spoken_of(stated)


def _contradicted(book: Book, stated: Stated) -> Judged | None:
    """The printed value of the same quantity, where it is another.

    A table of which some was left out proves nothing: what is spoken of may stand in that part.
    """
    if stated.numeral.kind != "number":
        return None
    found = [
        (support(stated, fact, book.facts), fact)
        for fact in _same_quantity(book, stated)
        if not _within(stated, fact) and not rounding(stated, fact) and fact.step <= max(stated.numeral.step, 1)
        if not _is_partial(fact)
    ]
    if not found:
        return None
    score, fact = max(found, key=lambda pair: pair[0])
    if score < (2.0 if fact.groups or fact.sheet else 1.4):
        return None
    return Judged("contradicted", (fact.evidence,), f"printed is {fact.printed}")


def _is_partial(fact: Fact) -> bool:
    """Whether rows or columns beside a value were left out of what was printed."""
    shown = fact.evidence.line if fact.sheet is None else fact.sheet.printing.text
    return " ..." in shown or (fact.sheet is not None and fact.sheet.grid.cut)


def _mixed(fact: Fact) -> bool:
    """Whether the columns (or unnamed rows) of a table are different quantities."""
    assert fact.sheet is not None
    uniform = len(fact.sheet.by_column) == 1 or all(fact.sheet.column_groups)
    return not uniform or (not fact.groups and len(fact.sheet.facts) > 1)


def _column_is_named(stated: Stated, fact: Fact) -> bool:
    assert fact.sheet is not None
    grid = fact.sheet.grid
    if fact.sheet.column_groups[fact.column] or fact.own & frozenset(stated.all_measures):
        return True
    if (
        fact.statistics | fact.code_statistics if len(fact.code_statistics) == 1 else fact.statistics
    ) & stated.statistics:
        return True
    if "share" in fact.statistics and (stated.unit == "%" or stated.numeral.kind == "fraction"):
        return True
    if (
        len(fact.sheet.by_column) == 1
        and fact.groups
        and (stated.unit in UNITS or (is_count(fact) and stated.numeral.whole))
    ):
        return True
    named = content(" ".join((*grid.columns[fact.column], grid.name, fact.sheet.caption))) & stated.words
    return bool(named) or bool(stated.unit and stated.unit == fact.unit)


def _within(stated: Stated, fact: Fact) -> bool:
    """Whether a bound that is stated holds: below 0.05, more than 1,000."""
    hedge, bound = stated.numeral.hedge, stated.numeral.value
    return (hedge == "under" and fact.value <= bound) or (hedge == "over" and fact.value >= bound)


def _same_quantity(book: Book, stated: Stated) -> Iterator[Fact]:
    for fact in book.spoken_of(stated):
        if not fact.groups and ((stated.others and not stated.overall) or _restricted(stated)):
            continue
        if (fact.groups and not named(stated, fact)) or not _counts_the_same(stated, fact, book.facts):
            continue
        if not agrees(stated, fact, book.facts):
            continue
        if fact.sheet is not None and not (_column_is_named(stated, fact) or not _mixed(fact)):
            continue
        if not fact.groups and not (fact.own & set(stated.measures) and fact.statistics & stated.statistics):
            shared = fact.words & stated.words
            if not fact.words or len(shared) * 4 < len(fact.words) * 3:
                continue
        yield fact


_NOUN = re.compile(r"\s+(?:\w+\s+)??(\w{3,}(?:s|people|men|women|children))\b")
_GENERIC = frozenset(listed("row record observation entrie case line sample rows"))


def _restricted(stated: Stated) -> bool:
    """Whether more is said of what is counted than what it is: `851 respondents recommend it`."""
    found = _NOUN.match(stated.sentence.text, stated.numeral.end)
    if not found or not stated.numeral.whole:
        return False
    rest = stated.sentence.text[found.end() :]
    return not re.match(r"\s*(?:$|[.,;:)]|and\b|in\b|with\b|are listed|were listed|lie\b)", rest)


def _counts_the_same(stated: Stated, fact: Fact, facts: Facts) -> bool:
    """Whether a counted thing is what the fact counts, and a quantity with a unit is no count."""
    if stated.unit not in ("", "%") and not fact.unit:
        return bool(fact.own & set(stated.measures) or fact.statistics & stated.statistics or fact.groups)
    found = _NOUN.match(stated.sentence.text, stated.numeral.end)
    if not found or not stated.numeral.whole or stated.statistics - {"count"}:
        return True
    noun = stems(found[1])[0]
    known = fact.words | _GENERIC | {stem for label in facts.glossary.tables for stem in stems(label)}
    return noun in known


def _dated(book: Book, stated: Stated) -> Judged:
    """A date, month, year or time that was printed."""
    text = stated.numeral.text
    named = day(text)
    if stated.numeral.kind == "time":
        key = text
    elif named is None:
        key = f"{int(stated.numeral.value)}"
    else:
        key = (
            f"{named.year}"
            + (f"-{named.month:02d}" if named.month else "")
            + (f"-{named.day:02d}" if named.day else "")
        )
    evidence = book.facts.dates.get(key)
    if evidence is None:
        return Judged("unsupported")
    if stated.numeral.kind == "date" and (fact := _false_extreme(book, stated)):
        return fact
    same = [f for f in book.facts.facts if f.value == stated.numeral.value and f.sheet is not None]
    tied = [f for f in same if any(family in stated.groups for family in f.groups)]
    fact = next((f for f in tied if agrees(stated, f, book.facts)), None)
    if tied and fact is None and stated.numeral.text not in {v for f in book.facts.facts for v in f.groups.values()}:
        return Judged("contradicted", (tied[0].evidence,), f"printed for {', '.join(tied[0].groups.values())}")
    return Judged("verified", (evidence,), "exact", fact)


def _false_extreme(book: Book, stated: Stated) -> Judged | None:
    """`Sales peaked in 2008`, where the column peaks elsewhere."""
    if stated.extreme in ("", "some"):
        return None
    label = stated.numeral.text
    for fact in book.facts.facts:
        if (
            fact.sheet is not None
            and label in fact.groups.values()
            and len(fact.groups) == 1
            and support(stated, fact, book.facts) >= 1.4
        ) and (wrong := ranking.untrue(stated, fact)):
            return Judged("contradicted", (fact.evidence,), wrong)
    return None
