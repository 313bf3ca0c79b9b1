"""The facts of a run, found by value and by what a sentence names."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from .facts import Fact, Facts, Printing
from .numbers import Numeral, numerals
from .stated import Stated

MOST_CANDIDATES = 3_000
MOST_UNNAMED = 500
"""A word or a table of more facts than this tells none of them apart."""


@dataclass(slots=True)
class Book:
    """The facts, found by value."""

    facts: Facts
    typed: list[Printing]
    _order: list[Fact] = field(default_factory=list)
    _values: list[float] = field(default_factory=list)
    _typed: set[float] = field(default_factory=set)
    _loose: dict[str, list[Fact]] = field(default_factory=dict)
    _lines: list[Fact] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lines = [fact for fact in self.facts.facts if fact.sheet is None]
        for fact in self.facts.facts:
            for word in (*fact.words, *fact.groups.values()) if fact.sheet is None else ():
                self._loose.setdefault(word, []).append(fact)
        self._loose = {word: found for word, found in self._loose.items() if len(found) <= MOST_UNNAMED}
        finite = [f for f in self.facts.facts if f.value == f.value]
        self._order = sorted(finite, key=lambda fact: abs(fact.value))
        self._values = [abs(fact.value) for fact in self._order]
        for printing in self.typed:
            self._typed.update(abs(n.value) for n in numerals(printing.text))

    def near(self, numeral: Numeral, unit: str) -> list[Fact]:
        """Facts whose value, in some scale, may be what is written."""
        found: dict[int, Fact] = {}
        reach = max(numeral.step, 0.1 * abs(numeral.value) if numeral.hedge else numeral.step)
        factors = (
            (1.0, 100.0)
            if unit == "%"
            else (1.0, *((1e3, 1e-3, 1e6, 1e-6, 10.0, 0.1, 100.0, 0.01, 60.0, 1 / 60) if unit else ()))
        )
        if numeral.value >= 1000:
            factors = (*factors, 1e3, 1e6)
        for factor in factors:
            low, high = (abs(numeral.value) - reach) / factor, (abs(numeral.value) + reach) / factor
            for k in range(bisect_left(self._values, low * (1 - 1e-9)), bisect_right(self._values, high * (1 + 1e-9))):
                found.setdefault(id(self._order[k]), self._order[k])
                if len(found) > MOST_CANDIDATES:
                    break
        return list(found.values())

    def spoken_of(self, stated: Stated) -> Iterator[Fact]:
        """Facts that may be of what the sentence names: rows of its groups, lines with its words."""
        for sheet in self.facts.sheets:
            if any(sheet.rows_of):
                found = {
                    n
                    for f, labels in stated.groups.items()
                    for label in labels
                    for n in sheet.rows_of.get((f, label), ())
                }
                yield from (fact for row in sorted(found) for fact in sheet.by_row.get(row, ()))
            elif len(sheet.facts) <= MOST_UNNAMED:
                yield from sheet.facts.values()
        if len(self._lines) <= MOST_UNNAMED:
            yield from self._lines
            return
        found_lines = {id(f): f for word in sorted(stated.words) for f in self._loose.get(word, ())}
        found_lines |= {
            id(f): f for labels in stated.groups.values() for label in labels for f in self._loose.get(label, ())
        }
        yield from found_lines.values()

    def was_typed(self, numeral: Numeral) -> bool:
        """Whether only a cell that prints what was typed shows this number."""
        return any(
            abs(value * f - abs(numeral.value)) <= numeral.step / 2 for value in self._typed for f in (1.0, 100.0, 0.01)
        )
