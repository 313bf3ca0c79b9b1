"""What became of the data from one run to another: files, tables, columns, types, rows and the sizes of groups.

Works on what was recorded of both runs' data and looks at none. A column that is gone and one that is new are taken for
one that was renamed where type, counts and examples agree well enough, and better than with any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ..types import Column, DataSource, Table

ALIKE = 4
"""Points of `_likeness` (at most 7) that make two columns one that was renamed."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference of the data; `where` is the file, with the column where it is one of a column."""

    kind: Literal["source", "table", "rows", "renamed", "column", "type", "missing", "group"]
    where: str
    before: str
    after: str


def drift(before: Sequence[DataSource], after: Sequence[DataSource]) -> tuple[Drift, ...]:
    """All differences, in the order of the files; a file with the same bytes has none."""
    return tuple(_drift(before, after))


def renames(found: Sequence[Drift]) -> dict[str, str]:
    """New name -> old name of the columns that were renamed."""
    return {one.after: one.before for one in found if one.kind == "renamed"}


def _drift(before: Sequence[DataSource], after: Sequence[DataSource]) -> Iterator[Drift]:
    new = {source.name: source for source in after}
    if len(before) == len(after) == 1:  # one file each is the same data, whatever it is called
        new = {before[0].name: after[0]}
    for old in before:
        if (now := new.pop(old.name, None)) is None:
            yield Drift("source", old.name, f"{old.bytes:,} bytes", "gone")
        elif now.sha256 != old.sha256:
            found = list(_tables(old, now))
            yield from found or [
                Drift("source", old.name, "its content", "another content with the same schema and rows")
            ]
    yield from (Drift("source", name, "not there", f"{source.bytes:,} bytes") for name, source in new.items())


def _tables(old: DataSource, now: DataSource) -> Iterator[Drift]:
    new = {table.name: table for table in now.tables}
    if len(old.tables) == len(now.tables) == 1:
        new = {old.tables[0].name: now.tables[0]}
    for table in old.tables:
        where = old.name if len(old.tables) == 1 else f"{old.name}, {table.name}"
        if (other := new.pop(table.name, None)) is None:
            yield Drift("table", where, f"{table.rows:,} rows", "gone")
        else:
            yield from _columns(where, table, other)
    yield from (Drift("table", f"{now.name}, {name}", "not there", f"{t.rows:,} rows") for name, t in new.items())


def _columns(where: str, old: Table, now: Table) -> Iterator[Drift]:
    if old.rows != now.rows:
        yield Drift("rows", where, f"{old.rows:,}", f"{now.rows:,}")
    there = {column.name: column for column in now.columns}
    renamed = {was.name: is_now.name for was, is_now in _renamed(old, now)}
    for column in old.columns:
        if column.name in renamed:
            yield Drift("renamed", f"{where}, {column.name}", column.name, renamed[column.name])
        other = there.pop(renamed.get(column.name, column.name), None)
        if other is None:
            yield Drift("column", f"{where}, {column.name}", column.type, "gone")
        else:
            yield from _column(f"{where}, {column.name}", column, other)
    yield from (Drift("column", f"{where}, {name}", "not there", column.type) for name, column in there.items())


def _column(where: str, old: Column, now: Column) -> Iterator[Drift]:
    if old.type != now.type:
        yield Drift("type", where, old.type, now.type)
    if old.nulls != now.nulls:
        yield Drift("missing", where, f"{old.nulls:,}", f"{now.nulls:,}")
    before, after = _counts(old), _counts(now)
    if not before or not after:
        return
    for value in dict.fromkeys((*before, *after)):
        if before.get(value) != after.get(value) and (value in before or old.distinct <= len(before)):
            said, now_said = (f"{c[value]:,} rows" if value in c else "none listed" for c in (before, after))
            yield Drift("group", f"{where} = {value}", said, now_said)


def _counts(column: Column) -> dict[str, int]:
    """Value -> rows, where the profile lists values with their counts: `Adelie (152)`."""
    found = (re.fullmatch(r"(.*) \(([\d,]+)\)", example) for example in column.examples)
    return {match[1]: int(match[2].replace(",", "")) for match in found if match}


def _renamed(old: Table, now: Table) -> Iterator[tuple[Column, Column]]:
    """Pairs of columns that are most alike, each used once; where two are as much alike, neither is."""
    names, others = {c.name for c in old.columns}, {c.name for c in now.columns}
    gone = [(place, c) for place, c in enumerate(old.columns) if c.name not in others]
    come = [(place, c) for place, c in enumerate(now.columns) if c.name not in names]
    points = {(a.name, b.name): _likeness(i, a, j, b) for i, a in gone for j, b in come}
    for _, a in gone:
        for _, b in come:
            rivals = [p for (x, y), p in points.items() if (x == a.name) != (y == b.name)]
            if points[a.name, b.name] >= ALIKE and points[a.name, b.name] > max(rivals, default=0):
                yield a, b


def _likeness(place: int, a: Column, other_place: int, b: Column) -> int:
    """From 0 to 7: the same type is needed; missing, distinct, range, examples and place speak for it."""
    if a.type != b.type:
        return 0
    common = {*a.examples} & {*b.examples}
    return (
        1
        + (a.nulls == b.nulls)
        + (abs(a.distinct - b.distinct) <= max(a.distinct, b.distinct) // 10)
        + ((a.low, a.high) == (b.low, b.high) or (bool(a.low) and (a.low == b.low or a.high == b.high)))
        + 2 * (bool(common) and 3 * len(common) >= len({*a.examples} | {*b.examples}))
        + (place == other_place)
    )
