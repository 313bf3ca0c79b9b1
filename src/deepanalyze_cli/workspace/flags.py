"""Notes that say where in the data `payloads` are. They are treated as data; the reader should know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from . import payloads
from .text import label, plural

if TYPE_CHECKING:
    import duckdb

MOST = 10
"""Columns of a table that are spoken of one by one."""


def value_notes(con: duckdb.DuckDBPyConnection, table: str, columns: Sequence[tuple[str, str]]) -> Iterator[str]:
    """What is in these columns of `table`, which are pairs of a DuckDB column and its true name."""
    for field, name in columns[:MOST]:
        parts = ", ".join(f"count_if(p{i}), min(r) FILTER (p{i})" for i in range(len(payloads.SORTS)))
        tests = ", ".join(f"regexp_matches(v, ${i + 1}) AS p{i}" for i in range(len(payloads.SORTS)))
        row = con.execute(
            f"SELECT {parts} FROM (SELECT r, {tests} FROM "
            f'(SELECT {field}::VARCHAR AS v, row_number() OVER () AS r FROM "{table}"))',
            [sort.pattern for sort in payloads.SORTS],
        ).fetchall()[0]
        for sort, count, first in zip(payloads.SORTS, row[::2], row[1::2], strict=True):
            if count:
                where = f"row {first}" if count == 1 else f"first: row {first}"
                said = f"{plural(count, 'value')} {sort.one if count == 1 else sort.several}"
                yield f"{label(name)}: {said} ({where}); treated as data"
    if len(columns) > MOST:
        yield f"the like in {plural(len(columns) - MOST, 'more column')}"


def name_notes(what: str, names: Sequence[str]) -> Iterator[str]:
    """The same for names, which are told by their place only, as a note should not spread them; `what` they name."""
    found = [(i, payloads.sorts_of(name)) for i, name in enumerate(names, 1)]
    for sort in payloads.SORTS:
        places = [i for i, sorts in found if sort in sorts]
        if places:
            where = f"number {places[0]}" if len(places) == 1 else f"first: number {places[0]}"
            verb = sort.one if len(places) == 1 else sort.several
            yield f"{plural(len(places), what)} {verb} ({where}); treated as data"
