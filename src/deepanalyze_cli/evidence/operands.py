"""Which printed values a sentence may compute with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .facts import Fact, Facts, Sheet
from .matching import same_measure, same_name, same_statistic
from .stated import Stated


@dataclass(frozen=True, slots=True)
class Derivation:
    """A number recomputed: whether it comes out as stated, by which rule, from what. `strict`: operands are certain."""

    holds: bool
    rule: str
    operands: tuple[Fact, ...]


def held_by(sheet: Sheet, family: str, labels: Sequence[str]) -> list[Fact]:
    """The facts of a table in rows and columns of some labels."""
    rows = [
        fact for label in labels for row in sheet.rows_of.get((family, label), ()) for fact in sheet.by_row.get(row, ())
    ]
    columns = [
        f for label in labels for c in sheet.columns_of.get((family, label), ()) for f in sheet.by_column.get(c, ())
    ]
    return rows + columns


def other_labels(fact: Fact, family: str) -> tuple[object, ...]:
    others = tuple(sorted((k, v) for k, v in fact.groups.items() if k != family and not _identified(fact, family, k)))
    axis = fact.column if fact.sheet is None or not fact.sheet.column_groups[fact.column] else -1
    return (*others, axis if axis >= 0 and not _on_columns(fact, family) else -1)


def _identified(fact: Fact, family: str, other: str) -> bool:
    """Whether another label of the row only says again which row it is, as a code beside a name does."""
    if fact.sheet is None:
        return False
    beside = {name for name, _ in fact.sheet.row_groups[fact.row]}
    return family in beside and other in beside and fact.sheet.identifies(family)


def _on_columns(fact: Fact, family: str) -> bool:
    return fact.sheet is not None and any(name == family for name, _ in fact.sheet.column_groups[fact.column])


def eligible(stated: Stated, fact: Fact, facts: Facts, family: str, loose: bool = False) -> bool:
    """Whether a fact may be an operand: it agrees with what else the sentence names."""
    for name, labels in stated.others.items():
        if name != family and not loose and name in fact.groups and fact.groups[name] not in labels:
            return False
    if not same_measure(stated, fact, facts):
        return False
    own = set(stated.all_measures)
    if fact.own and own and not any(same_name(m, o, facts.glossary.names) for m in own for o in fact.own):
        return False
    if fact.statistics & {"std", "count"} and not fact.statistics & stated.statistics and not _counted(stated, fact):
        return False
    return loose or same_statistic(stated, fact)


def _counted(stated: Stated, fact: Fact) -> bool:
    return (
        "count" in fact.statistics
        and stated.unit in ("", "times")
        and not (stated.statistics - {"count", "sum", "share"})
    )


def is_amount(fact: Fact) -> bool:
    return fact.unit not in ("%", "pp") and not fact.statistics & {"mean", "std", "median", "corr", "pvalue", "share"}
