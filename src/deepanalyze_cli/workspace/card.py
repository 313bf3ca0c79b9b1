"""The data as a few lines of a prompt: what a small model needs to write code that runs at the first attempt.

Exact names, types, ranges, category values, missing counts, joins; what matters most comes first. A card never takes
more than its budget: it starts from the shortest form of every table, spends what is left on detail, and says what it
left out. Everything that comes from the data is made inert (`text`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from ..types import Column, Table
from .profile import CATEGORIES, CONSTANT, EXACT_ROWS, MANY, MISSING, are_categories
from .relate import Relation
from .text import clean, harmless, inert, label, plural

if TYPE_CHECKING:
    from . import Workspace

HIDDEN, NAMED, BEGUN, LISTED, TYPED, RANGED, SAMPLED, FULL = range(-1, 7)
"""Forms of a table: not shown, its name, its first columns, all column names, names by type, a line a column with range
and missing values, a few example values as well, everything."""

SHORT_RUN, LONG_RUN = 5, 20
"""So many numbered columns of one type in a row (`v1, v2, ...`) are written as one; from `LONG_RUN` on in all forms."""

MOST_TABLES = 500
"""Tables that are considered for a card that does not hold them all."""

FIRST_COLUMNS = 10
FEW_VALUES = 5
LINE_LENGTH = 200

# What to spend on, in order, and how full the card may be by then. Breadth goes first, but a long list of names must
# leave room for columns, and joins for ranges.
_PHASES: tuple[tuple[int | Literal["joins", "notes"], float], ...] = (
    (NAMED, 0.25),
    (BEGUN, 0.75),
    (LISTED, 1),
    ("joins", 0.5),
    (TYPED, 1),
    ("joins", 0.9),
    (RANGED, 1),
    (SAMPLED, 1),
    ("joins", 1),
    (NAMED, 1),
    ("notes", 1),
    (FULL, 1),
)

_LEFT_OUT = {
    HIDDEN: "{}",
    NAMED: "columns of {}",
    BEGUN: "some columns of {}",
    LISTED: "types of {}",
    TYPED: "ranges of {}",
    RANGED: "examples of {}",
    SAMPLED: "details of {}",
}


@dataclass(frozen=True, slots=True)
class _Shape:
    """How much is written: the form of each table, how many joins, how many notes."""

    forms: tuple[int, ...]
    joins: int = 0
    notes: int = 0


def card(workspace: Workspace, *, budget: int, count: Callable[[str], int]) -> str:
    """The card of `workspace` in at most `budget` tokens as `count` counts them; empty where nothing fits.

    `count` is called once for each form of a table that is tried and a few times for the whole card.
    """
    draft = _Draft(workspace)
    tables, joins, notes = len(workspace.tables), len(workspace.relations), len(workspace.notes)
    whole = draft.text(_Shape((FULL,) * tables, joins, notes))
    if count(whole) <= budget:
        return whole
    shapes = [_Shape((HIDDEN,) * tables)]
    shapes += _growing(draft, shapes[0], budget, count)
    # The parts were counted apart, and a tokenizer may count the whole a little differently.
    return next((text for s in reversed(shapes) if count(text := draft.text(s)) <= budget), "")


def _growing(draft: _Draft, shape: _Shape, budget: int, count: Callable[[str], int]) -> Iterator[_Shape]:
    """Ever richer shapes, each within the budget by the sum of its parts."""
    costs: dict[str, int] = {"": 0}

    def cost(text: str) -> int:
        if text not in costs:
            costs[text] = count(text + "\n")
        return costs[text]

    spent = cost(draft.most_left_out) + cost("Joins:") + cost("Other tables:")
    for what, share in _PHASES:
        for k in range(draft.size(what)):
            richer, old, new = draft.step(shape, what, k)
            rise = cost(new) - cost(old)
            if richer != shape and spent + rise <= share * budget:
                spent += rise
                shape = richer
                yield shape


class _Draft:
    """The pieces a card is put together from."""

    def __init__(self, workspace: Workspace):
        self._tables = workspace.tables
        self._sources = {t.name: s.name for s in workspace.sources for t in s.tables}
        self.joins = [_join(r) for r in workspace.relations]
        self.notes = [f"Note: {inert(clean(note, LINE_LENGTH))}" for note in workspace.notes]
        self._blocks: dict[tuple[int, int], str] = {}

    @cached_property
    def _twins(self) -> dict[str, str]:
        """For each table of the same columns as an earlier one, that one's name."""
        first: dict[tuple[tuple[str, str], ...], str] = {}
        twins = {}
        for table in self._tables:
            known = first.setdefault(tuple((c.name, c.type) for c in table.columns), table.name)
            if known != table.name:
                twins[table.name] = known
        return twins

    def size(self, what: int | Literal["joins", "notes"]) -> int:
        """How many steps there are of one phase."""
        if what == "joins":
            return len(self.joins)
        return len(self.notes) if what == "notes" else min(len(self._tables), MOST_TABLES)

    def step(self, shape: _Shape, what: int | Literal["joins", "notes"], k: int) -> tuple[_Shape, str, str]:
        """The shape with step `k` taken (or itself), the text that goes, and the text that comes."""
        if what == "joins":
            return (replace(shape, joins=k + 1), "", self.joins[k]) if shape.joins == k else (shape, "", "")
        if what == "notes":
            return (replace(shape, notes=k + 1), "", self.notes[k]) if shape.notes == k else (shape, "", "")
        before = shape.forms[k]
        if before >= what:
            return shape, "", ""
        richer = replace(shape, forms=(*shape.forms[:k], what, *shape.forms[k + 1 :]))
        return richer, self.block(k, before), self.block(k, what)

    def block(self, i: int, form: int) -> str:
        """Table `i` in one of its forms."""
        if (i, form) not in self._blocks:
            self._blocks[i, form] = self._block(self._tables[i], form)
        return self._blocks[i, form]

    def _block(self, table: Table, form: int) -> str:
        if form <= NAMED:
            return "" if form == HIDDEN else f"{table.name},"
        source = inert(harmless(self._sources[table.name], LINE_LENGTH))
        size = f"{plural(table.rows, 'row')} x {plural(len(table.columns), 'column')}"
        heading = f"{table.name}: {size}, from {source}"
        twin = self._twins.get(table.name)
        if twin and form < FULL:
            return f"{heading}, columns as in {twin}"
        return "\n".join([heading, *(inert(line) for line in _columns(table, form)), *_notes(table, form)])

    def text(self, shape: _Shape) -> str:
        """The whole card."""
        blocks = [self.block(i, form) for i, form in enumerate(shape.forms) if form > NAMED]
        names = [self._tables[i].name for i, form in enumerate(shape.forms) if form == NAMED]
        if names:
            blocks.append(f"{'Other tables' if blocks else 'Tables'}: {', '.join(names)}")
        if shape.joins:
            blocks.append("\n".join(["Joins:", *self.joins[: shape.joins]]))
        blocks += ["\n".join(self.notes[: shape.notes])] if shape.notes else []
        missing = self._left_out(shape)
        return "\n".join([*blocks, missing] if missing else blocks)

    def _left_out(self, shape: _Shape) -> str:
        parts = []
        for form, words in _LEFT_OUT.items():
            less = [i for i, f in enumerate(shape.forms) if f == form and self._is_less(i, f)]
            if less:
                parts.append(words.format(plural(len(less), "table") if len(self._tables) > 1 else "the table"))
        if shape.joins < len(self.joins):
            parts.append(plural(len(self.joins) - shape.joins, "join"))
        if shape.notes < len(self.notes):
            parts.append(plural(len(self.notes) - shape.notes, "note"))
        return f"Left out for space: {'; '.join(parts)}." if parts else ""

    def _is_less(self, i: int, form: int) -> bool:
        twin = self._tables[i].name in self._twins and form > NAMED
        return not twin and self.block(i, form) != self.block(i, FULL)

    @cached_property
    def most_left_out(self) -> str:
        """About the longest that the last line can become."""
        tables = plural(len(self._tables), "table")
        parts = [words.format(tables) for words in _LEFT_OUT.values()][-len(self._tables) :]
        parts += ["100 joins"] if self.joins else []
        return f"Left out for space: {'; '.join(parts)}."


def _columns(table: Table, form: int) -> Iterator[str]:
    if form == BEGUN:
        names = ", ".join(label(c.name) for c in table.columns[:FIRST_COLUMNS])
        more = len(table.columns) - FIRST_COLUMNS
        yield f"- {names}" + (f" and {plural(more, 'more column')}" if more > 0 else "")
        return
    runs = list(_runs(table.columns, LONG_RUN if form == FULL else SHORT_RUN))
    if form == LISTED:
        yield f"- {', '.join(map(_run_name, runs))}"
    elif form == TYPED:
        for kind in dict.fromkeys(run[0].type for run in runs):
            yield f"- {kind}: {', '.join(_run_name(run) for run in runs if run[0].type == kind)}"
    else:
        for run in runs:
            yield _run_line(run) if len(run) > 1 else _line(table, run[0], form)


def _notes(table: Table, form: int) -> list[str]:
    # The column lines say as much themselves.
    notes = [note for note in table.notes if not note.startswith((CONSTANT, MISSING))]
    kept = notes if form == FULL else notes[:3] if form == SAMPLED else ()
    return [f"! {inert(clean(note, LINE_LENGTH))}" for note in kept]


def _runs(columns: Sequence[Column], least: int) -> Iterator[list[Column]]:
    """The columns in order, with `v1, v2, v3 ...` of one type taken together from `least` of them on."""
    run: list[Column] = []
    for column in columns:
        if run and not _follows(run[-1], column):
            yield from [run] if len(run) >= least else [[c] for c in run]
            run = []
        run.append(column)
    yield from [run] if len(run) >= least else [[c] for c in run]


def _follows(one: Column, other: Column) -> bool:
    first, second = (re.fullmatch(r"(.*?)(\d{1,9})", c.name, re.DOTALL) for c in (one, other))
    if not first or not second or one.type != other.type:
        return False
    return first[1] == second[1] and int(first[2]) + 1 == int(second[2])


def _run_name(run: Sequence[Column]) -> str:
    return label(run[0].name) if len(run) == 1 else f"{label(run[0].name)}..{label(run[-1].name)}"


def _run_line(run: Sequence[Column]) -> str:
    line = f"- {_run_name(run)}: {len(run)} {run[0].type} columns"
    if run[0].type in ("integer", "number") and (present := [c for c in run if c.low]):
        line += f", {min(present, key=lambda c: float(c.low)).low}..{max(present, key=lambda c: float(c.high)).high}"
    nulls = sum(c.nulls for c in run)
    return f"{line}, {nulls:,} missing in all" if nulls else line


def _line(table: Table, column: Column, form: int) -> str:
    """`- body_mass_g: integer, 2700..6300, 2 missing`"""
    line = f"- {label(column.name)}: {column.type}"
    if column.nulls == table.rows:
        return f"{line}, all missing"
    if column.name in table.keys:
        line += ", unique"
    values = _values(table, column, form)
    if column.low and not (values and ":" in values and column.type == "integer"):
        line += f", {column.low}..{column.high}" if column.low != column.high else f", always {column.low}"
    if values:
        line += f", {values}"
    if column.nulls:
        line += f"{';' if values and ' ' in values else ','} {column.nulls:,} missing"
    return line


def _values(table: Table, column: Column, form: int) -> str:
    """`3 values: Adelie (152), ...` or `4,043 values, e.g. N725MQ, ...`"""
    if column.low and column.low == column.high:
        return ""
    estimated = table.rows > EXACT_ROWS and column.distinct > MANY
    many = f"{'about ' if estimated else ''}{plural(column.distinct, 'value')}"
    if not column.examples:
        telling = column.low and column.distinct <= CATEGORIES and column.name not in table.keys
        return many if telling else ""
    if column.type in ("list", "struct"):
        return f"e.g. {column.examples[0]}" if form > RANGED else ""
    if column.name in table.keys:
        return f"e.g. {', '.join(column.examples[: 1 if form < FULL else None])}" if form > RANGED else ""
    if form == RANGED:
        return many
    if not are_categories(column.distinct, table.rows - column.nulls):
        return f"{many}, e.g. {', '.join(column.examples[: 1 if form < FULL else None])}"
    if form == FULL:
        return f"{many}: {', '.join(column.examples)}"
    few = [re.sub(r" \([\d,]+\)$", "", e) for e in column.examples[:FEW_VALUES]]
    return f"{many}: {', '.join(few)}" + (", ..." if len(column.examples) > FEW_VALUES else "")


def _join(relation: Relation) -> str:
    left = _field(relation.left_table, relation.left_column)
    right = _field(relation.right_table, relation.right_column)
    share = math.floor(relation.matched * 1000) / 10
    rows = "all rows match" if relation.matched == 1 else f"{share:g} % of rows match"
    many = ": a merge multiplies rows" if relation.cardinality == "n:m" else ""
    return f"- {left} = {right} ({relation.cardinality}{many}, {rows})"


def _field(table: str, column: str) -> str:
    name = label(column)
    if name.isidentifier():
        return f"{table}.{name}"
    quoted = name if name.startswith(("'", '"')) else repr(name)
    return f"{table}[{quoted}]"
