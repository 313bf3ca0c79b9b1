"""Delimited text to a table: DuckDB where the file is sound, pandas where it is not UTF-8 or has broken lines.

DuckDB's sniffer decides delimiter, quotes, header and types, and its choice is checked: on ragged lines or a broken
quote it would rather see one wide column, or quotes inside the values, than an error. Then the lines are counted here,
what can be read is read, and the notes say how much was not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .discover import kind, stem
from .lines import Scan, delimiter, looks_quoted, scan
from .read import Empty, Loaded, Place, Unreadable, call, evaluate, keep, store
from .text import label, plural
from .textfile import TextFile, look

MISSING = ["", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "#N/A"]
"""Spellings read as missing, all of which pandas takes for missing, too."""

SMALLEST_SAMPLED = 40_000
"""Bytes; DuckDB looks at 20,480 rows by itself, and fewer bytes than this cannot hold more of them."""

LARGEST_SAMPLED = 64_000_000
"""Bytes up to which the types are taken from all rows; beyond it from the first `SAMPLE` rows."""

SAMPLE = 500_000

COMMA = "the comma is read as the decimal point: 1,5 is 1.5"

LOST = 0.5
"""A file of which more than this share of the lines cannot be read is refused."""


@dataclass(frozen=True, slots=True)
class _Sniffed:
    separator: str
    quote: str
    skipped: int
    header: bool
    comment: str
    columns: int


def read_delimited(place: Place) -> Iterator[Loaded]:
    """The one table of a csv, tsv or txt file.

    Raises:
        Unreadable: it is not text, has no rows, or most of its lines are broken; the first such line is named.
    """
    text = look(place.file)
    separator, share = delimiter(text.lines)
    if kind(place.file) == "text" and (share < 0.9 or len(text.lines) < 2):
        raise Unreadable("is not a delimited table", "save it as .csv if it is one")
    name = place.name(stem(place.file))
    pattern = place.pattern() if text.encoding == "utf-8" else None
    loaded = _by_duckdb(place, name, pattern, text, separator) if pattern else None
    yield loaded or _by_pandas(place, name, text, separator)


def _by_duckdb(place: Place, name: str, pattern: str, text: TextFile, separator: str) -> Loaded | None:
    """The table as DuckDB reads it, or `None` where its reading cannot be trusted."""
    size = place.file.stat().st_size
    sample = None if size < SMALLEST_SAMPLED else -1 if size <= LARGEST_SAMPLED else SAMPLE
    sniffed = _sniff(place, pattern, sample)
    if sniffed is None or _is_doubtful(sniffed, text, separator):
        return None
    options: dict[str, Any] = {
        "sep": sniffed.separator if sniffed.separator != "," else None,
        "header": None if sniffed.header else _has_header(text, sniffed),
        "na_values": MISSING,
        "sample_size": sample,
    }
    notes = _sniffed_notes(sniffed, options["header"])
    attempts = [options]
    if sample != -1 and size >= SMALLEST_SAMPLED:
        attempts.append({**options, "sample_size": -1})
    if sniffed.separator == ";" and _more_numbers(place, pattern, options):
        attempts = [{**a, "decimal": ","} for a in attempts]
        notes = (*notes, COMMA)
    for attempt in attempts:
        load = call("con.read_csv", pattern, **attempt)
        try:
            columns = store(place, name, load, "duckdb")
            more = [*_quote_notes(place, name, columns, sniffed), *_none_notes(place, pattern, attempt, text, columns)]
            return Loaded(name, columns, load, "duckdb", (*notes, *more))
        except Empty:
            raise
        except Unreadable:
            continue
    return None


def _sniff(place: Place, pattern: str, sample: int | None) -> _Sniffed | None:
    import duckdb

    query = (
        "SELECT Delimiter, replace(Quote, '(empty)', ''), SkipRows, HasHeader, replace(Comment, '(empty)', ''), "
        "len(Columns) FROM sniff_csv(?, nullstr = ?, sample_size = ?)"
    )
    try:
        row = place.con.execute(query, [str(evaluate(pattern, place)), MISSING, sample or 20_480]).fetchone()
    except duckdb.Error:
        return None
    return _Sniffed(*row) if row else None


def _is_doubtful(sniffed: _Sniffed, text: TextFile, separator: str) -> bool:
    one_wide_column = sniffed.columns == 1 and separator in text.lines[0]
    # With one quote never closed, no quotes at all or another kind fits the lines better.
    quotes_as_data = sniffed.quote != '"' and looks_quoted(text.lines, sniffed.separator)
    header_lost = sniffed.skipped > 0 and not sniffed.header
    return one_wide_column or quotes_as_data or header_lost


def _has_header(text: TextFile, sniffed: _Sniffed) -> bool:
    """Whether the first line names columns although its types are those of the rows: `2001,2002` does not."""
    cells = [c.strip().strip('"') for c in text.lines[0].split(sniffed.separator)]
    return len(set(cells)) == len(cells) and all(re.match(r"[^\W\d]", c) for c in cells)


def _sniffed_notes(sniffed: _Sniffed, header: bool | None) -> tuple[str, ...]:
    notes = []
    if header is False:
        notes.append("the file has no header line: the columns are called column0, column1, ...")
    if sniffed.skipped:
        notes.append(f"the first {plural(sniffed.skipped, 'line')} of the file stand before the table")
    if sniffed.comment:
        notes.append(f"lines after {sniffed.comment} are comments and left out")
    return tuple(notes)


def _more_numbers(place: Place, pattern: str, options: dict[str, Any]) -> bool:
    """Whether `1,5` is a number here: more columns are numbers with a decimal comma, and none fewer."""
    try:
        point = evaluate(call("con.read_csv", pattern, **options), place)
        comma = evaluate(call("con.read_csv", pattern, **options, decimal=","), place)
    except Unreadable:
        return False
    text = [i for i, t in enumerate(point.types) if str(t) == "VARCHAR"]
    still = [i for i, t in enumerate(comma.types) if str(t) == "VARCHAR"]
    return set(still) < set(text)


def _quote_notes(place: Place, name: str, columns: tuple[str, ...], sniffed: _Sniffed) -> Iterator[str]:
    """Where a quote was opened and never closed: DuckDB then takes all quotes for a part of the values."""
    if sniffed.quote == '"':
        return
    for column in columns:
        if column.startswith('"') and not column.endswith('"'):
            yield f"the name {label(column)} begins with a quote that is not closed"
    described = place.con.execute(f'DESCRIBE "{name}"').fetchall()
    texts = [i for i, (_, sort, *_) in enumerate(described) if sort == "VARCHAR"]
    if not texts:
        return
    tests = [f"""starts_with(c{i}, '"') AND NOT (c{i} LIKE '_%"')""" for i in texts]
    counts = place.con.execute(
        f"SELECT {', '.join(f'count_if({test}), min(r) FILTER ({test})' for test in tests)} "
        f'FROM (SELECT *, row_number() OVER () AS r FROM "{name}")'
    ).fetchall()[0]
    for i, count, first in zip(texts, counts[::2], counts[1::2], strict=True):
        if count:
            yield (
                f"{label(columns[i])}: {plural(count, 'value')} with a quote that is opened and not closed, "
                f"kept as it stands (first: row {first})"
            )


def _none_notes(
    place: Place, pattern: str, options: dict[str, Any], text: TextFile, columns: tuple[str, ...]
) -> Iterator[str]:
    """Where the word None was read as missing: in a column of damages it may well be a value."""
    if place.file.stat().st_size > LARGEST_SAMPLED or not any("None" in line for line in text.lines):
        return
    raw = evaluate(call("con.read_csv", pattern, **{**options, "na_values": [""], "all_varchar": True}), place)
    counts = raw.project(", ".join(f"#{i} = 'None' AS c{i}" for i in range(1, len(columns) + 1)))
    row = counts.aggregate(", ".join(f"count_if(c{i})" for i in range(1, len(columns) + 1))).fetchall()[0]
    for column, count in zip(columns, row, strict=True):
        if count:
            yield f"{label(column)}: {plural(count, 'value')} spelled None read as missing"


def _by_pandas(place: Place, name: str, text: TextFile, separator: str) -> Loaded:
    import pandas as pd

    found = scan(text, separator)
    options: dict[str, Any] = {
        "sep": separator if separator != "," else None,
        "encoding": text.encoding if text.encoding != "utf-8" else None,
        "on_bad_lines": "skip" if found.broken else None,
        "low_memory": False,
    }
    load = call("pd.read_csv", place.path, **options)
    try:
        frame = evaluate(load, place)
        if separator == ";":
            load, frame = _with_decimal_comma(place, load, frame)
        if isinstance(frame.index, pd.MultiIndex):
            raise _at_line(found)
        if not isinstance(frame.index, pd.RangeIndex):
            load, frame = f"{load}.reset_index()", frame.reset_index()
        columns = keep(place, name, frame, "pandas")
    except Empty:
        raise
    except Unreadable as error:
        raise _at_line(found) if found.broken else error from error
    lost = found.rows - len(frame)
    if found.broken and lost > LOST * found.rows:
        raise _at_line(found)
    notes = _lost_notes(found, lost)
    if load.endswith(".reset_index()"):
        notes.append(f"the header lacks a name for the first column, which is called {columns[0]}")
    if "decimal=" in load:
        notes.append(COMMA)
    if text.encoding not in ("utf-8", "utf-16"):
        notes.append(f"the text is not UTF-8 and is read as {text.encoding}")
    return Loaded(name, columns, load, "pandas", tuple(notes))


def _with_decimal_comma(place: Place, load: str, frame: Any) -> tuple[str, Any]:
    other_load = f"{load[:-1]}, decimal=',')"
    other = evaluate(other_load, place)
    text, still = (set(f.select_dtypes(object).columns) for f in (frame, other))
    return (other_load, other) if still < text else (load, frame)


def _at_line(found: Scan) -> Unreadable:
    """Why a file is refused, with the line to look at."""
    more = f" ({found.broken:,} such lines)" if found.broken > 1 else ""
    return Unreadable(f"is broken at line {found.first}: {found.reason}{more}", "correct it there, or export it again")


def _lost_notes(found: Scan, lost: int) -> list[str]:
    notes = []
    if found.broken:
        rows = f"{plural(lost, 'row')} skipped" if lost > 0 else "read as well as it can be"
        more = f" and {plural(found.broken - 1, 'more line')}" if found.broken > 1 else ""
        notes.append(f"line {found.first} of the file{more}: {found.reason}; {rows}")
    if found.short:
        notes.append(
            f"{plural(found.short, 'line')} with fewer fields than the header (first: line {found.first_short}); "
            "the rest is missing there"
        )
    return notes
