"""Shares, sums, counts and ranks, recomputed from whole rows and columns of printed tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from .facts import Fact, Facts, Sheet
from .matching import fits, same_measure, same_name, support
from .operands import Derivation, eligible, held_by, is_amount, other_labels
from .ranking import column, place, row
from .stated import Stated
from .words import (
    EXTREME,
)

_SUM = re.compile(r"\b(?:total|together|combined|altogether|in all|sums?|overall|all)\b", re.IGNORECASE)
_SHARE = re.compile(
    r"\b(?:of|share|proportion|account\w*|make|makes|made|percent\w*|are|is|went|gave|represent\w*|compris\w*|constitut\w*)\b",
    re.I,
)
_REST = re.compile(r"\b(?:remaining|rest|others?|remainder)\b", re.IGNORECASE)


def shares(stated: Stated, others: Sequence[tuple[Stated, Fact | None]], facts: Facts) -> Iterator[Derivation]:
    if not _SHARE.search(stated.sentence.text):
        return
    factor = 100.0 if stated.unit == "%" else 1.0
    said = [f for other, f in others if f is not None and other is not stated and is_amount(f)]
    for part in said:
        for whole in said:
            if whole is not part and 0 < part.value < whole.value:
                yield _share(stated, part, whole.value, factor, whole)
    for part in _parts(stated, facts):
        among = column(part)
        if part.sheet is not None and len(among) > 1 and not part.sheet.grid.cut and all(f.value >= 0 for f in among):
            yield _share(stated, part, sum(f.value for f in among), factor)
    for part in _loose_parts(stated, facts):
        for whole in facts.facts:
            if (
                whole.sheet is None
                and whole.words & {"row", "respondent", "record", "total", "observation"}
                and whole.value > part.value > 0
            ):
                yield _share(stated, part, whole.value, factor, whole, certain=False)


def _share(
    stated: Stated, part: Fact, whole: float, factor: float, other: Fact | None = None, certain: bool = True
) -> Derivation:
    value = part.value / whole * factor if whole else float("nan")
    rule = f"share of {part.printed} in {other.printed if other else f'{whole:.10g}'}"
    operands = (part, other) if other else (part,)
    holds = bool(fits(stated.numeral, value))
    return Derivation(holds, rule, operands)


def _named_facts(stated: Stated, sheet: Sheet) -> Iterator[Fact]:
    """The facts in rows and columns that the sentence names."""
    found = {id(f): f for family, labels in stated.groups.items() for f in held_by(sheet, family, labels)}
    yield from found.values()


def _parts(stated: Stated, facts: Facts) -> Iterator[Fact]:
    """Amounts of the group that the sentence names."""
    for sheet in facts.sheets:
        for fact in _named_facts(stated, sheet):
            wanted = [f for f in fact.groups if f in stated.groups]
            named = len(wanted) == len(fact.groups) and all(stated.groups[f] == (fact.groups[f],) for f in wanted)
            if wanted and named and is_amount(fact) and _whole_amount(fact) and _fitting(stated, fact, facts):
                yield fact


def _whole_amount(fact: Fact) -> bool:
    return fact.step >= 1 or bool(fact.statistics & {"sum", "count"})


def _fitting(stated: Stated, fact: Fact, facts: Facts) -> bool:
    """Of a sum the sentence names what is summed; a count needs no name."""
    if "sum" in fact.statistics or fact.own:
        names = stated.all_measures
        named = any(same_name(m, o, facts.glossary.names) for m in names for o in fact.own) or any(
            m in fact.coded for m in names
        )
        return named or bool(
            stated.words
            & fact.words - {"sum"} - {w for label in fact.groups.values() for w in label.casefold().split()}
        )
    return True


def _loose_parts(stated: Stated, facts: Facts) -> Iterator[Fact]:
    """Counts of what is missing, in lines whose words the sentence has."""
    counted = (f for f in facts.facts if f.sheet is None and "missing" in f.statistics and is_amount(f) and f.step >= 1)
    yield from (fact for fact in counted if fact.words and len(fact.words & stated.words) * 2 >= len(fact.words))


def named_sums(stated: Stated, facts: Facts) -> Iterator[Derivation]:
    """`A and B together`: of one column, the rows that the sentence names."""
    if not re.search(r"\b(?:together|combined|in total|sum)\b", stated.sentence.text, re.I):
        return
    for family, labels in stated.others.items():
        for sheet in facts.sheets if len(labels) > 1 else ():
            for key in dict.fromkeys(other_labels(f, family) for f in held_by(sheet, family, labels)):
                among = [f for f in held_by(sheet, family, labels) if other_labels(f, family) == key]
                fraction = stated.unit == "%" and all(abs(f.value) <= 1 for f in among)
                total = sum(f.value for f in among) * (100 if fraction else 1)
                apt = stated.unit != "%" or fraction or among[0].unit == "%" if among else False
                if (
                    len(among) == len(labels)
                    and apt
                    and _agreeing(stated, among, facts)
                    and fits(stated.numeral, total)
                ):
                    yield Derivation(True, f"sum of {' and '.join(f.printed for f in among)}", tuple(among))


def sums(stated: Stated, facts: Facts) -> Iterator[Derivation]:
    text = stated.sentence.text
    if stated.unit == "%":
        return
    if not _SUM.search(text) and stated.numeral.step < 1:
        return
    for sheet in facts.sheets:
        if sheet.grid.cut or len(sheet.facts) > 5000:
            continue
        for among, label in _lines(sheet, stated):
            summed = len(among) > 1 and (_counts_of(among) or "sum" in among[0].statistics)
            if not summed or not _agreeing(stated, among, facts):
                continue
            if fits(stated.numeral, sum(f.value for f in among)) and (_SUM.search(text) or label):
                yield Derivation(True, f"sum of {len(among)} printed values{label}", tuple(among[:12]))


def _lines(sheet: Sheet, stated: Stated) -> Iterator[tuple[list[Fact], str]]:
    """The columns of a table, of which a sentence names no row, and the rows and columns that it names."""
    named = [(family, label) for family, labels in stated.groups.items() for label in labels]
    rows = {n for group in named for n in sheet.rows_of.get(group, ())}
    columns = {n for group in named for n in sheet.columns_of.get(group, ())}
    for number, held in sheet.by_column.items():
        if not rows and not fits(stated.numeral, sheet.sums[number]):
            continue
        if first := next((fact for fact in held if fact.row not in rows), None):
            yield column(first), f" for {sheet.grid.columns[number][-1]}" if number in columns else ""
    for number in sorted(rows):
        if first := next((fact for fact in sheet.by_row.get(number, ()) if fact.column not in columns), None):
            yield row(first), f" for {', '.join(sheet.grid.rows[number])}"


def _counts_of(among: Sequence[Fact]) -> bool:
    return all(f.step >= 1 and is_amount(f) for f in among)


def _agreeing(stated: Stated, among: Sequence[Fact], facts: Facts) -> bool:
    return same_measure(stated, among[0], facts) and not (
        stated.unit not in ("", "%") and among[0].unit and stated.unit != among[0].unit
    )


_GROUPS = ("group", "category", "categorie")
_LIMITED = re.compile(r"\b(?:head|nlargest|nsmallest|tail)\(|\bLIMIT\b")
"""Code that prints some of the rows only."""


def counts(stated: Stated, facts: Facts) -> Iterator[Derivation]:
    """Rows that were printed, where the sentence calls them by the name of their level: `three species`."""
    numeral = stated.numeral
    words = re.findall(r"\w+", stated.sentence.text[numeral.end : numeral.end + 80])[:2]
    nouns = {_singular(word) for word in (words[:1] if words and words[0].endswith("s") else words)}
    if not nouns or re.search(r"(?:\d|\bt\w+) of\s*$", stated.sentence.text[: numeral.start]):
        return
    for sheet in facts.sheets:
        if sheet.grid.cut or _LIMITED.search(sheet.printing.code):
            continue
        for family, labels in sheet.families.items():
            named = nouns & {*_GROUPS, *(_singular(word) for word in re.findall(r"\w+", family))}
            if len(labels) > 1 and (named or _listed(stated, family, labels)):
                rule = f"count of {len(labels)} printed rows"
                yield Derivation(numeral.value == len(labels), rule, tuple(list(sheet.facts.values())[:3]))


def _listed(stated: Stated, family: str, labels: set[str]) -> bool:
    return (
        set(stated.others.get(family, ())) == labels
        and re.search(r":", stated.sentence.text[stated.numeral.end :]) is not None
    )


def _singular(word: str) -> str:
    low = word.casefold()
    return low[:-1] if low.endswith("s") and len(low) > 3 else low


def ranks(stated: Stated, facts: Facts) -> Iterator[Derivation]:
    text = stated.sentence.text
    extreme = EXTREME.search(text[stated.numeral.end :])
    low = bool(extreme and extreme.lastgroup == "low")
    for fact in _rankable(stated, facts):
        rank = place(fact, column(fact))[1 if low else 0]
        yield Derivation(rank == stated.numeral.value, f"rank {rank} of {len(column(fact))} printed values", (fact,))


def _rankable(stated: Stated, facts: Facts) -> list[Fact]:
    """The facts of the group that the sentence names which support it most."""
    named = [fact for sheet in facts.sheets for fact in _named_facts(stated, sheet) if len(fact.groups) == 1]
    found = [
        (support(stated, fact, facts), fact)
        for fact in named
        if all(f in stated.groups and fact.groups[f] == stated.groups[f][0] for f in fact.groups)
        and eligible(stated, fact, facts, "", loose=True)
        and len(column(fact)) > 1
        and "std" not in fact.statistics
    ]
    best = max((score for score, _ in found), default=0)
    return [fact for score, fact in found if score == best]
