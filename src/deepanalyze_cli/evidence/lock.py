"""`deepanalyze.lock`: which data a run was made from, byte by byte and column by column.

What stands in it follows from the recorded run, so a lock that was changed is found by making it again. Three things
are not in the recording and are kept here because whoever makes the artefacts again needs them: how much memory and
disk the setup cell gives DuckDB, and what became of the tables that cells wrote. Looks at no data itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from ..artefacts import Refused, read_artefact
from ..errors import InputError
from ..types import DataSource, Run

NAME = "deepanalyze.lock"
FORMAT = 1
MOST = 64 * 1024 * 1024
"""Bytes of a lock; 10,000 columns take about one million."""


@dataclass(frozen=True, slots=True)
class LockedTable:
    """One table: its columns as (name, type), in order."""

    name: str
    rows: int
    columns: tuple[tuple[str, str], ...]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of name, columns and types: equal for equal schemas, whatever the rows."""
        return hashlib.sha256(json.dumps([self.name, self.columns]).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class LockedSource:
    """One file, by its path below the data folder with forward slashes."""

    name: str
    bytes: int
    sha256: str
    tables: tuple[LockedTable, ...]


@dataclass(frozen=True, slots=True)
class WrittenTable:
    """A table that cells wrote: as which file it lies in `tables/`, how many cells were made text, or why it is not."""

    name: str
    file: str
    changed: int
    why: str


@dataclass(frozen=True, slots=True)
class Lock:
    """The data of one run. `memory` and `spill` are the bytes that the setup gives DuckDB, 0 for its own choice."""

    run: str
    data_dir: str
    sources: tuple[LockedSource, ...]
    memory: int = 0
    spill: int = 0
    written: tuple[WrittenTable, ...] = ()


def lock_of(run: Run, *, memory: int = 0, spill: int = 0, written: Sequence[WrittenTable] = ()) -> Lock:
    """The lock of a recorded run."""
    return Lock(run.id, data_dir(run), tuple(map(locked, run.task.sources)), memory, spill, tuple(written))


def locked(source: DataSource) -> LockedSource:
    """What is locked of one source."""
    tables = (LockedTable(t.name, t.rows, tuple((c.name, c.type) for c in t.columns)) for t in source.tables)
    return LockedSource(source.name, source.bytes, source.sha256, tuple(tables))


def data_dir(run: Run) -> str:
    """The folder that the names of the sources are relative to; empty without sources."""
    for source in run.task.sources:
        folder = Path(source.location)
        for _ in PurePosixPath(source.name).parts:
            folder = folder.parent
        return str(folder)
    return ""


# --- as a file --------------------------------------------------------------------------------------------------------


def dumps(lock: Lock) -> str:
    """The lock as JSON, with its format and the fingerprint of each table."""
    told = {"format": FORMAT, **asdict(lock)}
    for source, made in zip(lock.sources, told["sources"], strict=True):
        for table, said in zip(source.tables, made["tables"], strict=True):
            said["fingerprint"] = table.fingerprint
    text = json.dumps(told, indent=1, ensure_ascii=False) + "\n"
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # as the trace stores such names


def read_lock(folder: Path) -> Lock | None:
    """The lock in a run's folder; `None` if there is none. It may have been written by anyone.

    Raises:
        InputError: it is no lock, of an unknown format, or what it says contradicts itself.
    """
    try:
        told = json.loads(read_artefact(folder, NAME, MOST))
    except Refused as refused:
        if (folder / NAME).is_symlink() or (folder / NAME).exists():
            raise _broken(refused.message) from None
        return None
    except (ValueError, RecursionError):
        raise _broken("not JSON") from None
    form = told.get("format") if isinstance(told, dict) else None
    if form != FORMAT:
        raise _broken(f"format {_shown(form)}, but this deepanalyze reads {FORMAT}")
    return Lock(
        run=_text(told, "run", "the run"),
        data_dir=_text(told, "data_dir", "the data folder"),
        sources=tuple(_source(s, f"source {n}") for n, s in enumerate(_list(told, "sources", "the lock"), 1)),
        memory=_number(told, "memory", "memory"),
        spill=_number(told, "spill", "spill"),
        written=tuple(_written(w, f"written table {n}") for n, w in enumerate(_list(told, "written", "the lock"), 1)),
    )


def _source(told: object, where: str) -> LockedSource:
    name, digest = _text(told, "name", where), _text(told, "sha256", where)
    if not is_below(name):
        raise _broken(f"{where}: the name {_shown(name)} leads out of the data folder")
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise _broken(f"{where}: {_shown(digest)} is no SHA-256")
    tables = (_table(t, f"{where}, table {n}") for n, t in enumerate(_list(told, "tables", where), 1))
    return LockedSource(name, _number(told, "bytes", where), digest, tuple(tables))


def _table(told: object, where: str) -> LockedTable:
    columns = _list(told, "columns", where)
    if not all(isinstance(c, list) and len(c) == 2 and all(isinstance(part, str) for part in c) for c in columns):
        raise _broken(f"{where}: a column is not a name and a type")
    table = LockedTable(_text(told, "name", where), _number(told, "rows", where), tuple((c[0], c[1]) for c in columns))
    if _text(told, "fingerprint", where) != table.fingerprint:
        raise _broken(f"{where}: the fingerprint is not that of its columns")
    return table


def _written(told: object, where: str) -> WrittenTable:
    parts = (_text(told, "name", where), _text(told, "file", where), _number(told, "changed", where))
    return WrittenTable(*parts, _text(told, "why", where))


def is_below(name: str) -> bool:
    """Whether a name with forward slashes can only lead downwards."""
    parts = name.split("/")
    return not {"", ".", ".."} & {*parts} and "\0" not in name and "\\" not in name


def _member(told: object, key: str, where: str) -> object:
    if not isinstance(told, dict) or key not in told:
        raise _broken(f"{where} has no {key}")
    return told[key]


def _text(told: object, key: str, where: str) -> str:
    value = _member(told, key, where)
    if not isinstance(value, str):
        raise _broken(f"{where}: {key} is no text")
    return value


def _number(told: object, key: str, where: str) -> int:
    value = _member(told, key, where)
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise _broken(f"{where}: {key} is no whole number")
    return value


def _list(told: object, key: str, where: str) -> list[object]:
    value = _member(told, key, where)
    if not isinstance(value, list):
        raise _broken(f"{where}: {key} is no list")
    return value


def _shown(value: object) -> str:
    return repr(value)[:80]


def _broken(why: str) -> InputError:
    return InputError(f"{NAME}: {why}", "the file was changed or damaged; restore it from a copy")


# --- against each other -----------------------------------------------------------------------------------------------


def differences(expected: Lock, found: Lock) -> Iterator[tuple[str, str, str]]:
    """Where two locks of one run differ: place, expected, found."""
    for name in ("run", "data_dir", "memory", "spill"):
        if getattr(expected, name) != getattr(found, name):
            yield name, str(getattr(expected, name)), str(getattr(found, name))
    before, after = ({s.name: s for s in lock.sources} for lock in (expected, found))
    for name in before.keys() | after.keys():
        if name not in after or name not in before:
            yield name, "locked" if name in before else "not locked", "locked" if name in after else "not locked"
        else:
            yield from ((f"{name}: {what}", e, f) for what, e, f in _source_differences(before[name], after[name]))
    if expected.written != found.written:
        yield "written", f"{len(expected.written)} tables", f"{len(found.written)} tables, or others"


def _source_differences(expected: LockedSource, found: LockedSource) -> Iterator[tuple[str, str, str]]:
    for name in ("bytes", "sha256"):
        if getattr(expected, name) != getattr(found, name):
            yield name, str(getattr(expected, name)), str(getattr(found, name))
    yield from schema_differences(expected.tables, found.tables)


def schema_differences(expected: Sequence[LockedTable], found: Sequence[LockedTable]) -> Iterator[tuple[str, str, str]]:
    """Where the tables of a source differ: place, expected, found. Tables go by their place."""
    if len(expected) != len(found):
        yield "tables", ", ".join(t.name for t in expected), ", ".join(t.name for t in found)
        return
    for before, after in zip(expected, found, strict=True):
        if before.name != after.name:
            yield "table", before.name, after.name
        if before.rows != after.rows:
            yield "rows", f"{before.rows:,}", f"{after.rows:,}"
        if before.columns != after.columns:
            said, now = ([f"{name} ({kind})" for name, kind in t.columns] for t in (before, after))
            gone, come = [c for c in said if c not in now], [c for c in now if c not in said]
            yield "columns", ", ".join(gone) or "in their order", ", ".join(come) or ("fewer" if gone else "another")
