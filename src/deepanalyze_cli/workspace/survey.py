"""Read and profile files one after the other and say what came of each: the half that parses data.

It runs in a box (`__main__`), or in the launcher's own process where the data is known to be harmless (tests). What it
says are `messages`; nobody has to believe them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..types import Table
from .messages import Failed, Joined, Message, Read, Reading
from .profile import profile
from .read import Place, Unreadable, read
from .relate import relate

if TYPE_CHECKING:
    import duckdb

IN_MEMORY = 200_000_000
"""Bytes of input up to which the profile's copy is kept in memory; beyond it DuckDB keeps it in a temporary file."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to read: `files` are paths below `data_dir`. `memory` is the most for DuckDB in bytes, 0 for its default."""

    data_dir: str
    files: tuple[str, ...]
    memory: int = 0


def survey(request: Request, scratch: Path | None = None) -> Iterator[Message]:
    """Read the files; `scratch` is a folder for what does not fit into memory (default: where temporary files lie)."""
    data_dir = Path(request.data_dir)
    files = [data_dir / name for name in request.files]
    tables: list[Table] = []
    taken: set[str] = set()
    with _database(sum(_size(f) for f in files), request.memory, scratch) as con:
        for i, file in enumerate(files):
            yield Reading(i)
            try:
                found = _tables(Place(con, data_dir, file, taken))
            except Unreadable as error:
                yield Failed(i, error.reason, error.fix)
                continue
            tables += found
            yield Read(i, found)
        yield Joined(relate(con, tables))


def _tables(place: Place) -> tuple[Table, ...]:
    """Read and profile one file; the names it took are given back if it fails."""
    import duckdb

    before = set(place.taken)
    try:
        return tuple(profile(place.con, t.name, t.columns, t.load, t.engine, t.notes) for t in read(place))
    except Unreadable:
        place.taken.intersection_update(before)
        raise
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        place.taken.intersection_update(before)
        raise Unreadable.too_large() from error
    except (duckdb.Error, OSError) as error:
        place.taken.intersection_update(before)
        raise Unreadable(f"cannot be read: {str(error).splitlines()[0][:200]}") from error


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:  # told when it is read
        return 0


@contextmanager
def _database(size: int, memory: int, scratch: Path | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB that may fetch nothing and forgets everything at the end."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="deepanalyze-", dir=scratch) as folder:
        place = ":memory:" if size <= IN_MEMORY else str(Path(folder, "profile.duckdb"))
        config = {"autoinstall_known_extensions": "false", "temp_directory": folder}
        if memory:
            config["memory_limit"] = f"{memory}B"
        con = duckdb.connect(place, config=config)
        try:
            con.execute("SET TimeZone = 'UTC'")
            yield con
        finally:
            con.close()
