"""From a file to tables in DuckDB, each with the Python expression that loads it again.

The expression is the one truth: it is evaluated here for the profile and later, unchanged, by the kernel and by the
emitted notebook. So every quirk of a file (its encoding, a skipped row, a nested record) is written in it or noted
beside it, and nothing is repaired behind the reader's back. Delimited text has its own module.
"""

from __future__ import annotations

import contextlib
import glob
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import InputError
from .discover import kind, stem
from .flags import name_notes
from .names import unique
from .payloads import is_order
from .text import clean, harmless

if TYPE_CHECKING:
    import duckdb

Engine = Literal["duckdb", "pandas"]


TOO_LARGE = "does not fit into the memory that is allowed (--memory)"


class Unreadable(Exception):
    """A file or a table cannot be read; the message completes the sentence "<file> ..."."""

    def __init__(self, reason: str, fix: str = "open it in the program it came from and export it again"):
        super().__init__(reason)
        self.reason = reason
        self.fix = fix

    @classmethod
    def too_large(cls) -> Unreadable:
        """For want of memory."""
        return cls(TOO_LARGE, "convert it to Parquet, or use a part")

    def about(self, name: str) -> InputError:
        """The error to show when there is nothing else to analyse."""
        return InputError(f"{clean(name, 200)} {self.reason}", self.fix)


class Empty(Unreadable):
    """There is a header at most. Another way of reading would not find more."""

    def __init__(self) -> None:
        super().__init__("has no rows", "leave it out, or export it again")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A table that stands in DuckDB as `name`, its columns called c0, c1, ...; `columns` are their true names."""

    name: str
    columns: tuple[str, ...]
    load: str
    engine: Engine
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file is, where its tables go, and which table names are taken already."""

    con: duckdb.DuckDBPyConnection
    data_dir: Path
    file: Path
    taken: set[str]

    @property
    def relative(self) -> str:
        """The file's path below the data folder, with forward slashes."""
        return self.file.relative_to(self.data_dir).as_posix()

    @property
    def path(self) -> str:
        """The file as an expression for anything but DuckDB."""
        return f"DATA_DIR / {self.relative!r}"

    def pattern(self) -> str | None:
        """The file as an expression for DuckDB, which takes paths as glob patterns; `None` where none is exact.

        `a[1].csv` would read `a1.csv` if there is one, now or later, so special characters are always escaped.
        """
        text = glob.escape(self.relative)
        found = self.con.execute("SELECT file FROM glob(?)", [str(self.data_dir / text)]).fetchall()
        return f"DATA_DIR / {text!r}" if found == [(str(self.file),)] else None

    def name(self, *wishes: str) -> str:
        """A free table name for this file; the folder's name helps where the file's own is taken.

        A wish that gives a language model instructions is not granted: the name would stand in every prompt.
        """
        wanted = [*wishes, f"{self.file.parent.name}_{wishes[0]}"]
        return unique([w for w in wanted if not is_order(w)] or ["table_1"], self.taken)


def read(place: Place) -> list[Loaded]:
    """Every table of one file, stored in `place.con`.

    Raises:
        Unreadable: nothing of it can be read; the reason names the first thing that is wrong.
    """
    from .delimited import read_delimited
    from .nested import read_json

    readers = {
        "csv": read_delimited,
        "text": read_delimited,
        "parquet": _parquet,
        "json": read_json,
        "jsonl": read_json,
        "excel": _excel,
        "sqlite": _sqlite,
    }
    if any("\ud800" <= c <= "\udfff" for c in str(place.file)):
        raise Unreadable("has a name that is not valid UTF-8", "rename it")
    if place.file.stat().st_size == 0:
        raise Unreadable("is empty (0 bytes)", "leave it out, or export it again")
    return list(readers[kind(place.file) or ""](place))


def evaluate(load: str, place: Place) -> Any:
    """What a `load` expression yields: a DuckDB relation or a DataFrame.

    Raises:
        Unreadable: it failed, whatever the library raised.
    """
    import sqlite3

    import pandas as pd

    names = {"con": place.con, "pd": pd, "sqlite3": sqlite3, "DATA_DIR": place.data_dir}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return eval(load, names)
    except Exception as error:
        raise _failure(error) from error


def store(place: Place, name: str, load: str, engine: Engine) -> tuple[str, ...]:
    """Evaluate `load`, `keep` what it yields as the DuckDB table `name`, and return the true column names.

    Raises:
        Unreadable: it cannot be evaluated, or has no column or no row.
    """
    return keep(place, name, evaluate(load, place), engine)


def keep(place: Place, name: str, value: Any, engine: Engine, *, lazily: bool = False) -> tuple[str, ...]:
    """Put a relation or a DataFrame into DuckDB as the table `name` (a view if `lazily`).

    The columns are renamed by position, so that no name of a file ever gets into SQL; NaN becomes NULL, as pandas
    sees it.

    Raises:
        Unreadable: it fails on the way, or has no column or no row.
    """
    columns = tuple(str(c) for c in value.columns)
    try:
        relation = _relation(place, value) if engine == "pandas" else value
        parts = []
        for i, sort in enumerate(map(str, relation.types), 1):
            part = f"CASE WHEN isnan(#{i}) THEN NULL ELSE #{i} END" if sort in ("DOUBLE", "FLOAT") else f"#{i}"
            parts.append(f"{part} AS c{i - 1}")
        renamed = relation.project(", ".join(parts))
        if lazily:
            renamed.create_view(name)
        else:
            renamed.create(name)
        rows = place.con.execute(f'SELECT 1 FROM "{name}" LIMIT 1').fetchall()
    except Exception as error:
        discard(place, name)
        raise _failure(error) from error
    if not rows:
        discard(place, name)
        raise Empty
    return columns


def discard(place: Place, name: str) -> None:
    """Forget a stored table."""
    import duckdb

    for sort in ("TABLE", "VIEW"):
        try:
            place.con.execute(f'DROP {sort} IF EXISTS "{name}"')
        except duckdb.CatalogException:
            continue


def _relation(place: Place, frame: Any) -> Any:
    """A DataFrame as a relation; columns of mixed objects that DuckDB refuses go in as text."""
    frame = frame.set_axis([f"c{i}" for i in range(frame.shape[1])], axis=1)
    if frame.shape[1] == 0 or frame.shape[0] == 0:
        raise Empty
    try:
        relation = place.con.from_df(frame)
        relation.aggregate(", ".join(f"count({c})" for c in frame.columns)).fetchall()
    except Exception:
        objects = [c for c in frame.columns if frame[c].dtype == object]
        texts = {c: frame[c].astype(str).where(frame[c].notna(), None) for c in objects}
        return place.con.from_df(frame.assign(**texts))
    return relation


def _failure(error: Exception) -> Unreadable:
    if isinstance(error, Unreadable):
        return error
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryException":
        return Unreadable.too_large()
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return Unreadable(f"cannot be read: {text.removeprefix('Invalid Input Error: ')[:200]}")


def _parquet(place: Place) -> Iterator[Loaded]:
    with place.file.open("rb") as file:
        if file.read(4) != b"PAR1":
            raise Unreadable("is not a Parquet file")
    pattern = place.pattern()
    engine: Engine = "duckdb" if pattern else "pandas"
    load = f"con.read_parquet({pattern})" if pattern else f"pd.read_parquet({place.path})"
    name = place.name(stem(place.file))
    columns = keep(place, name, evaluate(load, place), engine, lazily=engine == "duckdb")
    yield Loaded(name, columns, load, engine)


def _excel(place: Place) -> Iterator[Loaded]:
    import pandas as pd

    from .packed import check_workbook

    check_workbook(place.file)
    try:
        with pd.ExcelFile(place.file, engine="calamine") as book:
            sheets = [str(s) for s in book.sheet_names]
    except Exception as error:
        raise Unreadable("is not a workbook that can be opened (damaged or protected)") from error
    loads = {s: f"pd.read_excel({place.path}, sheet_name={s!r}, engine='calamine')" for s in sheets}
    yield from _several(place, loads, "sheet")


def _sqlite(place: Place) -> Iterator[Loaded]:
    mode, tables = _opened(place)
    connection = f"sqlite3.connect(({place.path}).as_uri() + {mode!r}, uri=True)"
    quoted = {t: '"' + t.replace('"', '""') + '"' for t in tables}
    loads = {t: f"pd.read_sql_query({'SELECT * FROM ' + q!r}, {connection})" for t, q in quoted.items()}
    found = _several(place, loads, "table")
    if mode == _IMMUTABLE and _log(place).exists():
        yield _without_log(place, found)
    yield from found


def _without_log(place: Place, found: Iterator[Loaded]) -> Loaded:
    """The first table, with a note on what is missing."""
    name = _log(place).name
    try:
        first = next(found)
    except Unreadable as error:
        fix = "open it once in the program it came from, and close it there"
        reason = f"has its data in {name}, which can only be read where the folder is writable"
        raise Unreadable(reason, fix) from error
    return replace(first, notes=(*first.notes, f"the latest changes, in {name}, cannot be read in a read-only folder"))


def _log(place: Place) -> Path:
    return Path(f"{place.file}-wal")


# `immutable` leaves no -shm file beside the data, but does not see what still stands in a write-ahead log.
_LIVE, _IMMUTABLE = "?mode=ro", "?mode=ro&immutable=1"


def _opened(place: Place) -> tuple[str, list[str]]:
    """How a database can be opened, and the names of its tables.

    A write-ahead log needs a -shm file beside it; where there is none and the folder is read-only, SQLite gives up.
    """
    import sqlite3

    for mode in (_LIVE, _IMMUTABLE) if _log(place).exists() else (_IMMUTABLE,):
        try:
            return mode, _table_names(place, mode)
        except sqlite3.Error as error:
            last = error
    raise Unreadable(f"is not a SQLite database that can be opened ({last})") from last


def _table_names(place: Place, mode: str) -> list[str]:
    import sqlite3

    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'sqlite_*' ORDER BY name"
    with contextlib.closing(sqlite3.connect(place.file.as_uri() + mode, uri=True)) as db:
        return [row[0] for row in db.execute(query)]


def _several(place: Place, loads: dict[str, str], word: str) -> Iterator[Loaded]:
    """The tables of a file that holds several; those that cannot be read are noted on the first that can."""
    own = stem(place.file)
    found: list[Loaded] = []
    failed: list[tuple[str, Unreadable]] = []
    for part, load in loads.items():
        wishes = [part, f"{own}_{part}"] if word == "table" else [own if len(loads) == 1 else f"{own}_{part}"]
        name = place.name(*wishes)
        try:
            found.append(_with_text_names(place, name, load))
        except Unreadable as error:
            place.taken.discard(name)
            failed.append((part, error))
    if not found:
        raise failed[0][1] if len(failed) == 1 else Unreadable(f"has no {word} with data", "leave it out")
    notes = [f"{word} {harmless(part)!r} of {place.relative} is left out: it {error.reason}" for part, error in failed]
    notes += name_notes(f"{word} name", list(loads))
    yield replace(found[0], notes=(*found[0].notes, *notes))
    yield from found[1:]


def _with_text_names(place: Place, name: str, load: str) -> Loaded:
    """A sheet's header may hold numbers or dates; as text they can be written in code."""
    frame = evaluate(load, place)
    if not all(isinstance(c, str) for c in frame.columns):
        load += ".rename(columns=str)"
        frame = frame.rename(columns=str)
    return Loaded(name, keep(place, name, frame, "pandas"), load, "pandas")


def call(function: str, argument: str, **options: object) -> str:
    """A readable call: `call("pd.read_csv", "DATA_DIR / 'a.csv'", sep=";")`. Options that are `None` are left out."""
    shown = "".join(f", {key}={value!r}" for key, value in options.items() if value is not None)
    return f"{function}({argument}{shown})"
