"""Which columns join which tables, judged by names and by values.

A join is looked for from any column to a key (a unique, non-missing column) of another table and kept when enough of
its values are found there. Two columns that are keys of nothing are joined only when both are called like an
identifier. Joins over several columns are not looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..types import Column, Table

if TYPE_CHECKING:
    import duckdb

CHECKS = 400
"""Pairs of columns whose values are compared; those with like names come first."""

MOST = 50
"""Joins that are reported."""

FEWEST = 3
"""Distinct values below which a match says nothing."""

ROWS = 2_000_000
"""Rows of the left table whose values are compared."""

NAMED = 0.5
"""Share of the rows that must find a partner where the names say that they should."""

UNNAMED = 0.9
"""Share of the distinct values that must be found where only the values speak for a join."""

_GENERIC = {"id", "key", "index", "code", "name", "no", "nr", "nbr", "num", "number", "rowid", "uuid", "title", "label"}
_GENERIC |= {"type", "date", "value", "status", "unnamed0", "column0"}
_OWN = ("id", "key", "uuid", "rowid")
_IDENTIFIER = re.compile(r"(?:^|[_\W])(?:id|key|code|uuid|no|nr|number)$|[a-z](?:Id|ID|Key|Code)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Relation:
    """A likely join. `matched` is the share of the left table's non-missing rows that find a partner (0 to 1)."""

    left_table: str
    left_column: str
    right_table: str
    right_column: str
    cardinality: Literal["1:1", "n:1", "n:m"]
    matched: float


@dataclass(frozen=True, slots=True)
class _Pair:
    left: Table
    left_at: int
    right: Table
    right_at: int
    named: bool

    @property
    def columns(self) -> tuple[Column, Column]:
        return self.left.columns[self.left_at], self.right.columns[self.right_at]

    def is_key(self, side: Literal["left", "right"]) -> bool:
        table, column = (self.left, self.columns[0]) if side == "left" else (self.right, self.columns[1])
        return column.name in table.keys


def relate(con: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> tuple[Relation, ...]:
    """Likely joins between `tables`, which stand in `con` under their names with columns c0, c1, ...

    At most `CHECKS` pairs of columns are compared, each over at most `ROWS` rows.
    """
    pairs = sorted(_pairs(tables), key=lambda pair: not pair.named)[:CHECKS]
    found = [relation for pair in pairs if (relation := _check(con, pair)) is not None]
    return tuple(_without_mirrors(found))[:MOST]


def _pairs(tables: Sequence[Table]) -> Iterator[_Pair]:
    shapes = {t.name: [(c.name, c.type) for c in t.columns] for t in tables}
    for left in tables:
        for right in tables:
            # Tables of one shape are parts of one (sales_2023, sales_2024), not partners.
            if left is right or shapes[left.name] == shapes[right.name]:
                continue
            for i, a in enumerate(left.columns):
                for j, b in enumerate(right.columns):
                    if a.distinct and b.distinct >= FEWEST and _fits(a, b):
                        named = _is_named(a, right, b)
                        if _is_worth(left, a, right, b, named=named):
                            yield _Pair(left, i, right, j, named)


def _fits(a: Column, b: Column) -> bool:
    numeric = ("integer", "number")
    return a.type == b.type != "list" or (a.type in numeric and b.type in numeric)


def _is_named(a: Column, right: Table, b: Column) -> bool:
    """Whether the name of `a` says that it refers to `b`: `carrier` = `carrier`, `customer_id` -> `customers.id`."""
    left_name, right_name = _folded(a.name), _folded(b.name)
    if left_name == right_name and left_name not in _GENERIC:
        return True
    return right_name in _GENERIC and any(
        left_name == s or left_name.endswith(s + right_name) for s in _singulars(right.name)
    )


def _singulars(table: str) -> set[str]:
    """What one row of a table may be called: `order`, for `orders`."""
    name = _folded(table)
    endings = (r"(?<=[a-z])ies$", "y"), (r"(?<=..)s$", ""), (r"(?<=..)es$", "")
    return {s for s in (name, *(re.sub(ending, other, name) for ending, other in endings)) if len(s) > 1}


def is_identifier(column: str) -> bool:
    """Whether a column is called like one that identifies something: `customer_id`, `orderNo`, `key`."""
    return bool(_IDENTIFIER.search(column))


def is_own_identifier(column: str, table: str) -> bool:
    """Whether a column is called like the one that tells the rows of its table apart: `id`, `order_id` in `orders`."""
    name = _folded(column)
    return name in _OWN or any(name == s + own for s in _singulars(table) for own in _OWN)


def _folded(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


def _is_worth(left: Table, a: Column, right: Table, b: Column, *, named: bool) -> bool:
    """Whether comparing the values could show anything."""
    if b.name in right.keys:
        # Any small whole numbers are found in any running number, so numbers need a name that says so.
        return named or (a.type == "text" and a.distinct > 1 and b.distinct >= UNNAMED * a.distinct)
    return named and a.name not in left.keys and left.name < right.name and is_identifier(a.name)


def _check(con: duckdb.DuckDBPyConnection, pair: _Pair) -> Relation | None:
    a, b = pair.columns
    values, found, rows, matched = con.execute(f"""
        WITH l AS (
            SELECT v, count(*) AS n FROM (SELECT c{pair.left_at} AS v FROM "{pair.left.name}" LIMIT {ROWS})
            WHERE v IS NOT NULL GROUP BY v),
        r AS (SELECT DISTINCT c{pair.right_at} AS v FROM "{pair.right.name}")
        SELECT count(*), count(r.v), coalesce(sum(n), 0), coalesce(sum(n) FILTER (r.v IS NOT NULL), 0)
        FROM l LEFT JOIN r ON l.v = r.v""").fetchall()[0]
    if not rows or (matched < NAMED * rows if pair.named else found < UNNAMED * values):
        return None
    cardinality: Literal["1:1", "n:1", "n:m"] = "n:m"
    if pair.is_key("right"):
        cardinality = "1:1" if pair.is_key("left") else "n:1"
    return Relation(pair.left.name, a.name, pair.right.name, b.name, cardinality, matched / rows)


def _without_mirrors(found: Sequence[Relation]) -> Iterator[Relation]:
    """Each 1:1 join once, seen from the side that finds more partners."""
    best = {(r.left_table, r.left_column, r.right_table, r.right_column): r.matched for r in found}
    for r in found:
        mirror = best.get((r.right_table, r.right_column, r.left_table, r.left_column))
        first = (r.left_table, r.left_column) < (r.right_table, r.right_column)
        if mirror is None or r.matched > mirror or (r.matched == mirror and first):
            yield r
