"""JSON to tables: an array of records, one record a line, or one document with records somewhere inside.

Records go through DuckDB, which keeps nested values as lists and structs; a document goes through pandas, which
flattens them to dotted columns (`properties.mag`).
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from typing import Any

from .discover import kind, stem
from .read import Loaded, Place, Unreadable, call, evaluate, keep, store
from .text import label

SMALLEST_SAMPLED = 160_000
"""Bytes; DuckDB looks at 20,480 records by itself, and fewer bytes than this cannot hold more of them."""

LARGEST_SAMPLED = 64_000_000
"""Bytes up to which the types are taken from all records."""

LARGEST_DOCUMENT = 500_000_000
"""Bytes of one JSON document, unpacked, that are taken into memory."""

_DEPTH = 3


def read_json(place: Place) -> Iterator[Loaded]:
    """The tables of one JSON file.

    Raises:
        Unreadable: it is not JSON, is empty, or is one document too large for memory.
    """
    encoding, head = _start(place)
    if not head:
        raise Unreadable("is empty", "leave it out, or export it again")
    if head[0] == "[" or (head[0] == "{" and _is_one_a_line(place, head)):
        yield _records(place, encoding, lines=head[0] == "{")
    elif head[0] == "{":
        yield from _document(place, encoding)
    else:
        raise Unreadable("is not valid JSON: it begins with neither [ nor {")


def _start(place: Place) -> tuple[str | None, str]:
    """The encoding if it is not plain UTF-8, and the first million bytes as text."""
    try:
        with _opened(place) as file:
            head = file.read(1_000_000)
    except (OSError, EOFError) as error:
        raise Unreadable("is a damaged gzip file", "pack it again") from error
    encoding = None
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif head.startswith(b"\xef\xbb\xbf"):
        encoding = "utf-8-sig"
    return encoding, head.decode(encoding or "utf-8", errors="replace").strip()


def _opened(place: Place) -> Any:
    return gzip.open(place.file) if place.file.suffix.lower() == ".gz" else place.file.open("rb")


def _is_one_a_line(place: Place, head: str) -> bool:
    """Whether each line is an object of its own, as it may be under the name `.json`, too."""
    first, _, rest = head.partition("\n")
    try:
        json.loads(first)
    except ValueError:
        return kind(place.file) == "jsonl"
    return bool(rest) or kind(place.file) == "jsonl"


def _records(place: Place, encoding: str | None, *, lines: bool) -> Loaded:
    name = place.name(stem(place.file))
    pattern = None if encoding else place.pattern()
    if pattern is None:
        load = call("pd.read_json", place.path, lines=lines or None, encoding=encoding, convert_dates=False)
        return Loaded(name, store(place, name, load, "pandas"), load, "pandas")
    size = place.file.stat().st_size
    sample = -1 if SMALLEST_SAMPLED < size <= LARGEST_SAMPLED else None
    load, notes = call("con.read_json", pattern, sample_size=sample), []
    try:
        relation = evaluate(load, place)
        mixed = [c for c, t in zip(relation.columns, relation.types, strict=True) if str(t) == "JSON"]
        if mixed:
            # DuckDB's JSON type would keep the quotes of "The Land Girls".
            quoted = ['"' + c.replace('"', '""') + '"' for c in mixed]
            parts = ", ".join(f"{q} ->> '$' AS {q}" for q in quoted)
            load += f".project({f'* REPLACE ({parts})'!r})"
            notes = [f"{label(c)} has values of several types, read as text" for c in mixed]
        return Loaded(name, store(place, name, load, "duckdb"), load, "duckdb", tuple(notes))
    except Unreadable as error:
        raise _located(error) from error


def _located(error: Unreadable) -> Unreadable:
    found = re.search(r"Malformed JSON.* in (line \d+|record/value \d+): (.+?)\.?\s*$", error.reason)
    if not found:
        return error
    return Unreadable(f"is not valid JSON: {found[1].replace('/value', '')}, {found[2]}", "correct it there")


def _document(place: Place, encoding: str | None) -> Iterator[Loaded]:
    try:
        with _opened(place) as file:
            text = file.read(LARGEST_DOCUMENT + 1)
            if len(text) > LARGEST_DOCUMENT:
                reason = "is one JSON document too large for memory"
                raise Unreadable(reason, "convert it to one record a line (.jsonl)")
            document = json.loads(text.decode(encoding or "utf-8"))
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            yield _records(place, encoding, lines=True)
            return
        reason = f"is not valid JSON: line {error.lineno}, column {error.colno}, {error.msg.lower()}"
        raise Unreadable(reason, "correct it there") from error
    except (UnicodeDecodeError, RecursionError, EOFError, OSError) as error:
        raise Unreadable("is not valid JSON text in UTF-8") from error
    if not document:
        raise Unreadable("is an empty object", "leave it out")
    for part, load, notes in _loads(place, encoding, document):
        name = place.name(stem(place.file) + (f"_{part}" if part else ""))
        columns = keep(place, name, evaluate(load, place), "pandas")
        yield Loaded(name, columns, load, "pandas", notes)


def _loads(place: Place, encoding: str | None, document: dict[str, Any]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """For each table of a document: what to call it, its expression, and what is left out."""
    whole = call("pd.read_json", place.path, typ="series", encoding=encoding, convert_dates=False, dtype=False)
    frame = call("pd.read_json", place.path, encoding=encoding, convert_dates=False)
    paths = list(_record_paths(document))
    if paths:
        rest = [key for key in document if key not in {p[0] for p in paths}]
        notes = (f"only the records in {_joined(paths)} are read, not {', '.join(rest[:5])}",) if rest else ()
        for i, path in enumerate(paths):
            steps = "".join(f"[{key!r}]" for key in path)
            yield path[-1] if len(paths) > 1 else "", f"pd.json_normalize({whole}{steps})", notes if i == 0 else ()
    elif _is_columns(document):
        yield "", frame, ()
    elif _is_rows(document):
        rows = call("pd.read_json", place.path, orient="index", encoding=encoding, convert_dates=False)
        yield "", f"{rows}.rename_axis('key').reset_index()", ()
    else:
        yield "", f"pd.json_normalize({whole}.to_dict())", ("one JSON object, read as one row",)


def _joined(paths: list[tuple[str, ...]]) -> str:
    return ", ".join(repr(".".join(p)) for p in paths[:5])


def _record_paths(value: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where lists of objects stand, at most three keys deep."""
    for key, item in value.items():
        if isinstance(item, list) and item and all(isinstance(r, dict) for r in item[:100]):
            yield (*path, key)
        elif isinstance(item, dict) and len(path) + 1 < _DEPTH:
            yield from _record_paths(item, (*path, key))


def _is_columns(document: dict[str, Any]) -> bool:
    """`{"a": [1, 2], "b": [3, 4]}`, or what `DataFrame.to_json()` writes: `{"a": {"0": 1, "1": 2}}`."""
    values = list(document.values())
    if all(isinstance(v, list) for v in values):
        return len({len(v) for v in values}) == 1 and bool(values[0])
    return all(isinstance(v, dict) and v and all(k.isdigit() for k in v) for v in values)


def _is_rows(document: dict[str, Any]) -> bool:
    """`{"r1": {"a": 1, "b": 2}, "r2": {"a": 3}}`: objects that share most of their keys."""
    values = list(document.values())
    if len(values) < 2 or not all(isinstance(v, dict) and v for v in values):
        return False
    together = set().union(*values)
    return len(together) * len(values) <= 2 * sum(map(len, values))
