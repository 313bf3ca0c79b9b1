"""What a table holds, column by column, computed in DuckDB with a fixed few queries however wide the table is.

First one aggregate over everything, then the frequent values of the columns that have some, then a closer look at what
seems wrong. It reports and never repairs: what is suspicious becomes a note.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ..types import Column, Table
from . import flags, payloads, strata
from .relate import is_identifier, is_own_identifier
from .text import harmless, label, number, plural, shown

if TYPE_CHECKING:
    import duckdb

EXACT_ROWS = 1_000_000
"""Rows up to which distinct values are counted at once. Beyond it they are estimated first, and counted where they are
few: DuckDB's estimate was 25 % off for 1,000 values (measured, 1.5.6)."""

DUPLICATE_ROWS = 20_000_000
"""Rows up to which duplicates are looked for."""

MANY = 100_000
"""Distinct values of a column that are no longer counted or compared in full in a table of more than `EXACT_ROWS`."""

FREQUENT_ROWS = 200_000
"""Rows from which frequent values are taken in that case."""

JOINED_ROWS = 50_000
"""Rows up to which all text of a row is searched for payloads at once: the pattern takes 5 ms to compile, for each
expression it stands in. Beyond it, searching each distinct value only is worth that."""

CATEGORIES = 12
"""A column with at most so many distinct values has them all listed."""

_CHUNK = 50
"""Columns in one query: planning grows faster than linearly with the number of expressions (measured: 500 number
columns take 0.8 s in tens of 50 and 4.8 s at once)."""

CONSTANT = "the same value in every row: "
MISSING = "entirely missing: "

_NOTED = 5
"""Columns named for one kind of suspicion."""

_SENTINEL = re.compile(r"-?9{2,}(\.9+|\.0+)?")
_NUMBER_AS_TEXT = r"[-+(]?\s?[$€£¥]?\s?(\d{1,3}([, .''’]\d{3})+|[1-9]\d*|0)?([.,]\d+)?\s?(%|[$€£¥]|k|K|M|bn)?\)?"


@dataclass(frozen=True, slots=True)
class _Seen:
    """One column while it is being profiled. `field` is its name in DuckDB, `sort` its DuckDB type."""

    field: str
    name: str
    sort: str
    type: str
    present: int = 0
    distinct: int = 0
    low: str = ""
    high: str = ""


@dataclass(frozen=True, slots=True)
class _Values:
    """What a look at the distinct values of a column found; `top` are pairs of value and count.

    `looked` counts the rows looked at, `padded` those with spaces around the value, `numeric` those that read like a
    number, `payloads` those meant for a program; `folded` counts the distinct values when case and spaces are ignored.
    """

    top: tuple[tuple[str, int], ...]
    distinct: int
    looked: int
    padded: int
    numeric: int
    payloads: int
    folded: int


def profile(
    con: duckdb.DuckDBPyConnection,
    name: str,
    columns: Sequence[str],
    load: str,
    engine: Literal["duckdb", "pandas"] = "duckdb",
    notes: Sequence[str] = (),
) -> Table:
    """Profile the DuckDB table `name`, whose columns c0, c1, ... are truly called `columns`.

    `notes` are what reading already found; the profile's own come after them.
    """
    rows = con.execute(f'SELECT count(*) FROM "{name}"').fetchall()[0][0]
    described = con.execute(f'DESCRIBE "{name}"').fetchall()
    seen = [
        _Seen(field, true, sort, friendly(sort)) for (field, sort, *_), true in zip(described, columns, strict=True)
    ]
    seen = [s for chunk in _chunks(seen) for s in _aggregate(con, name, rows, chunk)]
    listed = [s for s in seen if _has_values(s)]
    values = {s.field: v for chunk in _chunks(listed) for s, v in _values(con, name, rows, chunk)}
    seen = [_counted(s, values.get(s.field), rows) for s in seen]
    keys = _keys(con, name, rows, seen)
    seen = [replace(s, distinct=rows) if s.field in {k.field for k in keys} else s for s in seen]
    found = [
        *notes,
        *_row_notes(con, name, rows, seen, keys),
        *_key_notes(con, name, rows, seen, keys),
        *_extreme_notes(con, name, rows, seen),
        *_text_notes(con, name, seen, values),
        *flags.value_notes(con, name, _with_payloads(con, name, rows, seen, values)),
        *flags.name_notes("column name", columns),
        *_strata_notes(con, name, rows, seen, keys),
    ]
    done = tuple(_column(s, values.get(s.field), rows) for s in seen)
    return Table(name, rows, done, load, engine, tuple(s.name for s in keys), tuple(found))


def are_categories(distinct: int, present: int) -> bool:
    """Whether all values of a column are listed, with counts: there are few of them, and they repeat."""
    return distinct <= CATEGORIES and not distinct == present > 1


def friendly(sort: str) -> str:
    """A DuckDB type in a word: integer, number, text, date, timestamp, boolean, list, struct ..."""
    plain = re.sub(r"\(.*", "", sort, flags=re.DOTALL).strip()
    if sort.endswith("]"):
        return "list"
    if plain in ("DOUBLE", "FLOAT", "DECIMAL"):
        return "number"
    if plain == "TIMESTAMP WITH TIME ZONE":
        return "timestamp with time zone"
    words = {"VARCHAR": "text", "ENUM": "text", "UUID": "text", "JSON": "text", "BLOB": "binary", "MAP": "struct"}
    words |= {"INTERVAL": "duration"}
    if plain.endswith("INT") or plain == "INTEGER":
        return "integer"
    return words.get(plain, plain.split("_")[0].lower())


def _chunks(seen: Sequence[_Seen]) -> Iterator[Sequence[_Seen]]:
    for start in range(0, len(seen), _CHUNK):
        yield seen[start : start + _CHUNK]


def _is_ordered(column: _Seen) -> bool:
    return column.type in ("integer", "number", "date", "time", "duration") or column.type.startswith("timestamp")


def _aggregate(con: duckdb.DuckDBPyConnection, name: str, rows: int, seen: Sequence[_Seen]) -> Iterator[_Seen]:
    """Counts and ranges of these columns, in one pass, or two where there are many rows."""
    distinct = "count(DISTINCT {})" if rows <= EXACT_ROWS else "approx_count_distinct({})"
    parts = []
    for column in seen:
        # A small table's text values are counted when they are listed.
        counted = distinct.format(column.field) if column.type != "text" or rows > EXACT_ROWS else "0"
        ends = [f"{end}({column.field})::VARCHAR" if _is_ordered(column) else "''" for end in ("min", "max")]
        parts += [f"count({column.field})", counted, *ends]
    row = con.execute(f'SELECT {", ".join(parts)} FROM "{name}"').fetchall()[0]
    counts = list(row[1::4])
    few = [i for i, c in enumerate(seen) if rows > EXACT_ROWS and c.type != "text" and counts[i] <= MANY]
    if few:
        exact = ", ".join(f"count(DISTINCT {seen[i].field})" for i in few)
        for i, count in zip(few, con.execute(f'SELECT {exact} FROM "{name}"').fetchall()[0], strict=True):
            counts[i] = count
    for i, column in enumerate(seen):
        present, _, low, high = row[4 * i : 4 * i + 4]
        yield replace(column, present=present, distinct=min(counts[i], present), low=low or "", high=high or "")


def _has_values(column: _Seen) -> bool:
    """Whether to list values: text and booleans, and whole numbers that are rather codes than amounts."""
    if column.type == "integer" and 0 < column.distinct <= CATEGORIES:
        return column.present > column.distinct < int(column.high) - int(column.low) + 1
    return column.present > 0 and column.type in ("text", "boolean", "list", "struct")


def _values(
    con: duckdb.DuckDBPyConnection, name: str, rows: int, seen: Sequence[_Seen]
) -> Iterator[tuple[_Seen, _Values]]:
    """The frequent values of these columns, in one query."""
    parts = []
    payload = "regexp_matches(v, $payload)" if rows > JOINED_ROWS else "false"
    for i, column in enumerate(seen):
        source = f'"{name}"'
        if _is_sampled(column, rows):
            source = f"(SELECT {column.field} FROM {source} LIMIT {FREQUENT_ROWS})"
        parts.append(f"""(
            SELECT {i}, arg_min(struct_pack(v := v[:200], n := n), row(-n, v), {CATEGORIES}), count(*),
                coalesce(sum(n), 0),
                coalesce(sum(n) FILTER (v <> trim(v)), 0),
                coalesce(sum(n) FILTER (regexp_full_match(trim(v), $pattern) AND regexp_matches(v, '\\d')), 0),
                coalesce(sum(n) FILTER ({payload}), 0),
                count(DISTINCT lower(trim(v)))
            FROM (SELECT {column.field}::VARCHAR AS v, count(*) AS n FROM {source}
                  WHERE {column.field} IS NOT NULL GROUP BY 1))""")
    if not parts:
        return
    patterns = {"pattern": _NUMBER_AS_TEXT} | ({"payload": payloads.ANY} if rows > JOINED_ROWS else {})
    for i, top, *counts in con.execute(" UNION ALL ".join(parts), patterns).fetchall():
        yield seen[i], _Values(tuple((t["v"], t["n"]) for t in top or ()), *counts)


def _is_sampled(column: _Seen, rows: int) -> bool:
    """Whether only the first rows are looked at for frequent values."""
    return rows > EXACT_ROWS and column.distinct > MANY


def _counted(column: _Seen, values: _Values | None, rows: int) -> _Seen:
    if values is None or _is_sampled(column, rows):
        return column
    return replace(column, distinct=values.distinct)


def _keys(con: duckdb.DuckDBPyConnection, name: str, rows: int, seen: Sequence[_Seen]) -> list[_Seen]:
    """The columns without a missing or repeated value. An estimate that comes near is counted exactly."""
    able = [s for s in seen if rows > 1 and s.present == rows and s.type not in ("number", "list", "struct", "binary")]
    if rows <= EXACT_ROWS:
        return [s for s in able if s.distinct == rows]
    near = [s for s in able if s.distinct > 0.9 * rows][:8]
    if not near:
        return []
    counts = ", ".join(f"count(DISTINCT {s.field})" for s in near)
    row = con.execute(f'SELECT {counts} FROM "{name}"').fetchall()[0]
    return [s for s, count in zip(near, row, strict=True) if count == rows]


def _column(column: _Seen, values: _Values | None, rows: int) -> Column:
    return Column(
        name=column.name,
        type=column.type,
        nulls=rows - column.present,
        distinct=column.distinct,
        examples=_examples(column, values) if values else (),
        low=_end(column, column.low),
        high=_end(column, column.high),
    )


def _examples(column: _Seen, values: _Values) -> tuple[str, ...]:
    if column.type in ("list", "struct"):
        return tuple(harmless(v) for v, _ in values.top[:1])
    texts = [v.capitalize() if column.type == "boolean" else shown(v) for v, _ in values.top]
    if not are_categories(column.distinct, column.present):
        return tuple(dict.fromkeys(texts[:3]))
    return tuple(f"{text} ({count:,})" for text, (_, count) in zip(texts, values.top, strict=True))


def _end(column: _Seen, text: str) -> str:
    """One end of a range, for reading."""
    if column.type == "number" and text:
        return number(float(text))
    if column.type.startswith("timestamp"):
        # Stamps with a zone come in UTC, as the connection is set to it.
        return re.sub(r"( 00:00)?:00$", "", text.removesuffix("+00"))
    return text


def _names(columns: Sequence[_Seen]) -> str:
    listed = ", ".join(label(c.name) for c in columns[:5])
    return listed if len(columns) <= 5 else f"{listed} and {len(columns) - 5} more"


def _row_notes(
    con: duckdb.DuckDBPyConnection, name: str, rows: int, seen: Sequence[_Seen], keys: Sequence[_Seen]
) -> Iterator[str]:
    if not keys and len(seen) > 1 and 1 < rows <= DUPLICATE_ROWS:
        fields = ", ".join(s.field for s in seen)
        unique = con.execute(f'SELECT count(DISTINCT hash({fields})) FROM "{name}"').fetchall()[0][0]
        if unique < rows:
            yield plural(rows - unique, "duplicate row")
    missing = [s for s in seen if s.present == 0]
    constant = [s for s in seen if s.distinct == 1 and s.present == rows and rows > 1]
    if missing:
        yield MISSING + _names(missing)
    if constant:
        yield CONSTANT + _names(constant)


def _key_notes(
    con: duckdb.DuckDBPyConnection, name: str, rows: int, seen: Sequence[_Seen], keys: Sequence[_Seen]
) -> Iterator[str]:
    """Columns that by their name should tell the rows apart, and do not."""
    named = [s for s in seen if s.present > 1 and s not in keys and is_identifier(s.name)]
    own = [s for s in named if is_own_identifier(s.name, name) or (not keys and s.distinct >= 0.9 * s.present)]
    if not own or rows > DUPLICATE_ROWS:
        return
    counts = ", ".join(f"count({s.field}) - count(DISTINCT {s.field})" for s in own[:_NOTED])
    row = con.execute(f'SELECT {counts} FROM "{name}"').fetchall()[0]
    for s, repeats in zip(own, row, strict=False):
        if repeats:
            verb = "repeats" if repeats == 1 else "repeat"
            yield f"{label(s.name)}: called like a key but not unique, {plural(repeats, 'row')} {verb} an earlier value"


def _strata_notes(
    con: duckdb.DuckDBPyConnection, name: str, rows: int, seen: Sequence[_Seen], keys: Sequence[_Seen]
) -> Iterator[str]:
    unique = {k.field for k in keys}
    fields = [strata.Field(i, s.field, s.name, s.type, s.distinct) for i, s in enumerate(seen)]
    if rows <= DUPLICATE_ROWS:
        yield from strata.notes(con, name, rows, [f for f in fields if f.field not in unique])


def _extreme_notes(con: duckdb.DuckDBPyConnection, name: str, rows: int, seen: Sequence[_Seen]) -> Iterator[str]:
    """Ends that lie far from all other values: codes like -999 or 9999 for missing, and slips of the pen."""
    numeric = [s for s in seen if s.type in ("integer", "number") and s.distinct > 2]
    if rows > EXACT_ROWS:
        numeric = [s for s in numeric if _SENTINEL.fullmatch(s.low) or _SENTINEL.fullmatch(s.high)]
    for chunk in _chunks(numeric):
        parts = []
        for s in chunk:
            within = f"{s.field} > '{s.low}'::{s.sort} AND {s.field} < '{s.high}'::{s.sort}"
            parts += [f"min({s.field}) FILTER ({within})::DOUBLE", f"max({s.field}) FILTER ({within})::DOUBLE"]
            parts += [f"count_if({s.field} = '{end}'::{s.sort})" for end in (s.low, s.high)]
        row = con.execute(f'SELECT {", ".join(parts)} FROM "{name}"').fetchall()[0]
        for i, s in enumerate(chunk):
            yield from _extremes(s, *row[4 * i : 4 * i + 4])


def _extremes(column: _Seen, first: float, last: float, lows: int, highs: int) -> Iterator[str]:
    """`first` and `last` are the ends of what lies between lowest and highest value."""
    spread = max(last - first, 1)
    ends = ((column.low, lows, first, first - float(column.low)), (column.high, highs, last, float(column.high) - last))
    for end, count, following, gap in ends:
        if _SENTINEL.fullmatch(end) and gap > spread:
            verb = "looks" if count == 1 else "look"
            yield f"{label(column.name)}: {plural(count, 'value')} of {number(float(end))} {verb} like missing"
        elif column.distinct > CATEGORIES and gap > 3 * spread:
            yield f"{label(column.name)}: {number(float(end))} is far off, the next value is {number(following)}"


def _text_notes(
    con: duckdb.DuckDBPyConnection, name: str, seen: Sequence[_Seen], values: dict[str, _Values]
) -> Iterator[str]:
    texts = [(s, values[s.field]) for s in seen if s.type == "text" and s.field in values]
    numeric = [(s, v) for s, v in texts if v.numeric > 0 and v.numeric >= 0.9 * v.looked]
    for s, v in numeric[:_NOTED]:
        example = next((text for text, _ in v.top if re.search(r"\d", text)), "")
        yield f"{label(s.name)}: numbers stored as text, e.g. {shown(example)}"
    padded = [(s, v) for s, v in texts if v.padded]
    for s, v in padded[:_NOTED]:
        yield f"{label(s.name)}: {plural(v.padded, 'value')} with spaces before or after"
    alike = [s for s, v in texts if v.folded < v.distinct <= 1000]
    for s in alike[:_NOTED]:
        yield f"{label(s.name)}: values that differ only in case or spaces, e.g. {_alike(con, name, s)}"
    more = sum(max(len(kind) - _NOTED, 0) for kind in (numeric, padded, alike))
    if more:
        yield f"the like in {plural(more, 'more column')}"


def _with_payloads(
    con: duckdb.DuckDBPyConnection, name: str, rows: int, seen: Sequence[_Seen], values: dict[str, _Values]
) -> list[tuple[str, str]]:
    """The columns with values that are meant for a program, looked for in every row."""
    listed = [s for s in seen if s.field in values]
    found = {s.field for s in listed if values[s.field].payloads}
    pattern = {"payload": f"(?m){payloads.ANY}"}
    for chunk in _chunks([s for s in listed if rows <= JOINED_ROWS or _is_sampled(s, rows)]):
        texts = [f"{s.field}::VARCHAR" for s in chunk]
        line = f"regexp_matches(concat_ws(chr(10), {', '.join(texts)}), $payload)"
        if con.execute(f'SELECT bool_or({line}) FROM "{name}"', pattern).fetchall()[0][0]:
            each = ", ".join(f"bool_or(regexp_matches({text}, $payload))" for text in texts)
            row = con.execute(f'SELECT {each} FROM "{name}"', pattern).fetchall()[0]
            found |= {s.field for s, there in zip(chunk, row, strict=True) if there}
    return [(s.field, s.name) for s in seen if s.field in found]


def _alike(con: duckdb.DuckDBPyConnection, name: str, column: _Seen) -> str:
    pair = con.execute(
        f'SELECT list(v ORDER BY n DESC, v)[:2] FROM (SELECT {column.field}::VARCHAR AS v, count(*) AS n FROM "{name}" '
        f"WHERE {column.field} IS NOT NULL GROUP BY 1) GROUP BY lower(trim(v)) HAVING count(*) > 1 "
        "ORDER BY sum(n) DESC, 1 LIMIT 1"
    ).fetchall()[0][0]
    return " and ".join(f"'{harmless(v)}'" for v in pair)
