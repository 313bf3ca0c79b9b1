"""What executed cells printed, as facts: a number with the groups, statistics and measures that its labels name.

The types only; `reading` makes them. Knows nothing of reports.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ..types import Evidence
from .glossary import Glossary
from .tables import Grid


@dataclass(frozen=True, slots=True)
class Printing:
    """One output of a cell as text, and the code that made it: its own and that of what it uses."""

    turn: int
    output: int
    text: str
    code: str = ""
    lineage: str = ""
    telling: bool = False
    statements: tuple[tuple[str, str], ...] = ()
    """For each of its `print`s in order, if they run once each: how the line begins, and the code behind its values."""


_AGGREGATES = re.compile(r"\b(?:all|total|overall|sum|mean|avg|average|accuracy)\b", re.IGNORECASE)


@dataclass(slots=True)
class Sheet:
    """A table with what its rows and columns mean. `groups` of a row or column are (family, label)."""

    grid: Grid
    printing: Printing
    caption: str
    row_groups: list[tuple[tuple[str, str], ...]] = field(default_factory=list)
    column_groups: list[tuple[tuple[str, str], ...]] = field(default_factory=list)
    steps: dict[int, float] = field(default_factory=dict)
    facts: dict[tuple[int, int], Fact] = field(default_factory=dict)
    by_row: dict[int, list[Fact]] = field(default_factory=dict)
    by_column: dict[int, list[Fact]] = field(default_factory=dict)
    rows_of: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    columns_of: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    totals: tuple[set[int], set[int]] = field(default_factory=lambda: (set(), set()))
    """Rows and columns that sum up or average the others."""
    families: dict[str, set[str]] = field(default_factory=dict)
    """Family -> its labels among the rows and columns."""
    sums: dict[int, float] = field(default_factory=dict)
    """Of each column, without the rows of totals."""
    fractions: set[int] = field(default_factory=set)
    """Columns of which all values lie between -1 and 1."""

    def index(self) -> None:
        """Make the ways to find its facts, once it is complete."""
        for (row, column), fact in self.facts.items():
            self.by_row.setdefault(row, []).append(fact)
            self.by_column.setdefault(column, []).append(fact)
        self.fractions = {k for k, held in self.by_column.items() if all(abs(fact.value) <= 1 for fact in held)}
        for found, labels in zip(self.totals, (self.grid.rows, self.grid.columns), strict=True):
            found.update(n for n, label in enumerate(labels) if _AGGREGATES.search(" ".join(label)))
        for labels, where in ((self.row_groups, self.rows_of), (self.column_groups, self.columns_of)):
            for number, groups in enumerate(labels):
                for group in groups:
                    where.setdefault(group, []).append(number)
                    self.families.setdefault(group[0], set()).add(group[1])
        totals, _ = self.totals
        for number, held in self.by_column.items():
            self.sums[number] = sum(fact.value for fact in held if fact.row not in totals)

    def identifies(self, family: str) -> bool:
        """Whether the labels of a family tell all rows apart."""
        found = [rows for (name, _), rows in self.rows_of.items() if name == family]
        return bool(found) and all(len(rows) == 1 for rows in found)


@dataclass(slots=True)
class Fact:
    """One printed number. `own` are the measures that its labels name, `coded` those that its code touches."""

    value: float
    step: float
    printed: str
    evidence: Evidence
    groups: dict[str, str]
    statistics: frozenset[str]
    own: frozenset[str]
    coded: frozenset[str]
    code_statistics: frozenset[str]
    unit: str
    words: frozenset[str]
    around: frozenset[str]
    """Words of what stands about it: the caption, the names of the levels."""
    about: str
    """Text in which a group may be named besides: caption, line, and the strings of the code."""
    place: int = 0
    """Its order in its line."""
    scale: float = 1.0
    """What it is to be multiplied with, as its label says: 1,000 for `price_k`."""
    sheet: Sheet | None = None
    row: int = -1
    column: int = -1


@dataclass(frozen=True, slots=True)
class Facts:
    """All facts, the tables they stand in, the glossary that reads sentences as it read labels, and whole lines."""

    facts: tuple[Fact, ...]
    sheets: tuple[Sheet, ...]
    glossary: Glossary
    lines: tuple[tuple[str, Evidence, bool], ...]
    """(text, where, whether it tells a finding) of the lines that are sentences."""
    dates: dict[str, Evidence]
