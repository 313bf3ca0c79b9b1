"""The data of a run: paths -> profiled tables and their joins -> a card for the prompt.

`open_workspace` reads everything once and keeps nothing open: a `Workspace` is a plain value, and the kernel loads the
tables again by their `load` expressions.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..seams import ignore
from ..types import DataSource, Table
from .card import card
from .discover import FORMATS, discover, kind
from .profile import profile
from .read import Place, Unreadable, read
from .relate import Relation, relate
from .text import clean

if TYPE_CHECKING:
    import duckdb

__all__ = ["Relation", "Workspace", "card", "discover", "open_workspace"]

IN_MEMORY = 200_000_000
"""Bytes of input up to which the profile's copy is kept in memory; beyond it DuckDB keeps it in a temporary file."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Profiled data below one folder.

    `notes` say which files were left out and why; what is odd inside a table stands in the table's own notes.
    """

    data_dir: Path
    sources: tuple[DataSource, ...]
    notes: tuple[str, ...] = ()
    relations: tuple[Relation, ...] = ()

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables of all sources, in order."""
        return tuple(table for source in self.sources for table in source.tables)


def open_workspace(paths: Sequence[Path], *, on_progress: Callable[[str], None] = ignore) -> Workspace:
    """Read and profile the data at `paths`; `on_progress` gets a file's name before the file is read.

    A file that cannot be read is left out with a note, as long as there is another one.

    Raises:
        InputError: there is no data that can be read at `paths`.
    """
    data_dir, files = discover(paths)
    ignored = [_relative(f, data_dir) for f in files if kind(f) is None]
    files = [f for f in files if kind(f) is not None]
    sources: list[DataSource] = []
    failed: list[tuple[str, Unreadable]] = []
    taken: set[str] = set()
    with _database(sum(f.stat().st_size for f in files)) as con:
        for file in files:
            name = _relative(file, data_dir)
            on_progress(name)
            try:
                sources.append(_source(con, data_dir, file, taken))
            except Unreadable as error:
                failed.append((name, error))
        if not sources:
            raise _nothing(failed)
        relations = relate(con, [table for source in sources for table in source.tables])
    notes = [f"{clean(name, 200)} is left out: it {error.reason}" for name, error in failed]
    if ignored:
        more = f" and {len(ignored) - 5} more" if len(ignored) > 5 else ""
        notes.append(f"not data, ignored: {clean(', '.join(ignored[:5]), 400)}{more}")
    return Workspace(data_dir, tuple(sources), tuple(notes), relations)


def _nothing(failed: Sequence[tuple[str, Unreadable]]) -> InputError:
    name, error = failed[0]
    if len(failed) == 1:
        return error.about(name)
    return InputError(
        f"none of {len(failed)} files can be read; {clean(name, 200)} {error.reason}", f"it reads {FORMATS}"
    )


def _source(con: duckdb.DuckDBPyConnection, data_dir: Path, file: Path, taken: set[str]) -> DataSource:
    """Read and profile one file; what it took of `taken` is given back if it fails."""
    import duckdb

    before = set(taken)
    try:
        loaded = read(Place(con, data_dir, file, taken))
        tables = tuple(profile(con, t.name, t.columns, t.load, t.engine, t.notes) for t in loaded)
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except Unreadable:
        taken.intersection_update(before)
        raise
    except (duckdb.Error, OSError) as error:
        taken.intersection_update(before)
        raise Unreadable(f"cannot be read: {str(error).splitlines()[0][:200]}") from error
    return DataSource(
        name=_relative(file, data_dir),
        location=str(file),
        kind=kind(file) or "",
        bytes=file.stat().st_size,
        sha256=digest,
        tables=tables,
    )


def _relative(file: Path, data_dir: Path) -> str:
    return file.relative_to(data_dir).as_posix()


@contextmanager
def _database(size: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB that may fetch nothing and forgets everything at the end."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="deepanalyze-") as folder:
        place = ":memory:" if size <= IN_MEMORY else str(Path(folder, "profile.duckdb"))
        con = duckdb.connect(place, config={"autoinstall_known_extensions": "false", "temp_directory": folder})
        try:
            con.execute("SET TimeZone = 'UTC'")
            yield con
        finally:
            con.close()
