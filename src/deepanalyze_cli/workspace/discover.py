"""Which files are meant: from the paths of a command line to one data folder and the files below it.

Looks at names, kinds of files and permissions only; what is inside a file is the business of `read`. Whatever is found
can be read by code that a model wrote, so places that hold more than data are refused (`refuse`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from ..errors import InputError
from . import refuse
from .text import clean, plural

KINDS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "text",
    ".parquet": "parquet",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".xlsx": "excel",
    ".xls": "excel",
    ".xlsb": "excel",
    ".ods": "excel",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
    ".db": "sqlite",
}
"""File name endings that are read. The delimited and JSON kinds may also end in `.gz`."""

_PACKED = ("csv", "text", "json", "jsonl")
FORMATS = "csv, tsv, txt, parquet, json, jsonl, xlsx, xls, xlsb, ods, sqlite"

DEEPEST = 64
"""Levels of folders that are searched. Paths end at 4,096 characters anyway, and a folder can nest deeper than that."""


def kind(path: Path) -> str | None:
    """The kind of a file by its name, or `None` for one that is not data."""
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes[-1:] == [".gz"]:
        packed = KINDS.get(suffixes[-2]) if len(suffixes) > 1 else None
        return packed if packed in _PACKED else None
    return KINDS.get(suffixes[-1]) if suffixes else None


def stem(path: Path) -> str:
    """The file's name without the endings that say its format: `sales.2024.csv.gz` -> `sales.2024`."""
    name = path.name
    if name.lower().endswith(".gz"):
        name = name[:-3]
    return name[: -len(Path(name).suffix)] if Path(name).suffix.lower() in KINDS else name


@dataclass(frozen=True, slots=True)
class Found:
    """What the paths of a command line mean.

    `files` are the regular files below `data_dir` (absolute), sorted by name, unknown kinds included. `visible` is what
    must be readable to load them: the folders that were given, and files given by name with what they need beside them.
    """

    data_dir: Path
    files: tuple[Path, ...]
    visible: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def discover(paths: Sequence[Path]) -> Found:
    """Every file meant by `paths`.

    A folder is searched recursively, leaving out what is hidden, links that lead outside and what is not a file. The
    data folder of several paths is their common parent.

    Raises:
        InputError: a path is missing or cannot be read, a folder is empty, holds nothing known or is none to be given
            away, or a file given by name is of an unknown kind.
    """
    if not paths:
        raise InputError("no data was given", "name a file or a folder")
    places = [_existing(path) for path in paths]
    found: dict[Path, None] = {}
    visible: dict[Path, None] = {}
    notes: list[str] = []
    for place in places:
        if place.is_dir():
            files, said = _files(place)
            notes += said
            visible[place] = None
        else:
            files = [_known(place)]
            visible.update(dict.fromkeys(_needed(place)))
        found.update(dict.fromkeys(files))
    for file in filter(kind, found):
        _check_readable(file)
    data_dir = os.path.commonpath({p if p.is_dir() else p.parent for p in places})
    return Found(Path(data_dir), tuple(sorted(found, key=Path.as_posix)), tuple(visible), tuple(notes))


def _needed(file: Path) -> list[Path]:
    """The file, what it is a link to, and what SQLite keeps beside a database that is being written."""
    beside = [Path(f"{file}{ending}") for ending in ("-wal", "-shm")] if kind(file) == "sqlite" else []
    return [file, file.resolve(), *(path for path in beside if path.is_file() and not path.is_symlink())]


def _existing(path: Path) -> Path:
    """`path`, absolute, with links resolved in its folder but not in its own name."""
    try:
        if path.is_dir():
            return path.resolve()
        if path.exists():
            return path.parent.resolve() / path.name
        near = _neighbours(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    fix = f"did you mean {_shown(path.parent / near[0])}?" if near else "check the path"
    raise InputError(f"no such file or folder: {_shown(path)}", fix)


def _shown(path: Path) -> str:
    return clean(str(path), 400)


def _neighbours(path: Path) -> list[str]:
    """The entry of the same folder that the path is most like, if any."""
    names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    return get_close_matches(path.name, names, 1)


def _known(file: Path) -> Path:
    if not file.is_file():
        raise InputError(f"{_shown(file)} is not a regular file", "save the data to a file first")
    if kind(file) is None:
        raise InputError(f"{clean(file.name, 200)} is of an unknown format", f"convert it to one of {FORMATS}")
    return file


def _files(folder: Path) -> tuple[list[Path], list[str]]:
    """The files of a folder that is fit to be given away, and what is to be said about it."""
    refuse.check_name(folder)
    files: list[Path] = []
    todo, seen, too_deep = [(folder, 0, False)], 0, 0
    while todo:
        place, depth, hidden = todo.pop()
        try:
            with os.scandir(place) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            if hidden:
                continue
            raise _unreadable(place, error) from error
        seen += len(entries)
        refuse.check_entries(folder, place, entries, seen)
        for entry in entries:
            below = Path(entry.path)
            unseen = hidden or entry.name.startswith(".")
            if not entry.is_dir(follow_symlinks=False):
                files += [] if unseen else [below]
            elif depth + 1 >= DEEPEST:
                too_deep += 1
            elif unseen or not _is_run(below):
                todo.append((below, depth + 1, unseen))
    files = [f for f in files if _belongs(f, folder)]
    _check_any(folder, files)
    return files, [f"{plural(too_deep, 'folder')} more than {DEEPEST} levels deep not looked into"] if too_deep else []


def _check_any(folder: Path, files: Sequence[Path]) -> None:
    if not files:
        raise InputError(f"the folder {_shown(folder)} is empty", "put the data files into it, or name another folder")
    if not any(map(kind, files)):
        names = sorted(f.name for f in files)
        seen = ", ".join(names[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
        raise InputError(f"no data file in {_shown(folder)}, only {clean(seen, 400)}", f"it reads {FORMATS}")


def _is_run(folder: Path) -> bool:
    """A run's folder is what came of data, not data."""
    try:
        return (folder / "trace.jsonl").is_file()
    except PermissionError:  # told when the folder itself is read
        return False


def _belongs(file: Path, folder: Path) -> bool:
    try:
        return file.is_file() and file.resolve().is_relative_to(folder)
    except OSError as error:
        raise _unreadable(file, error) from error


def _check_readable(file: Path) -> None:
    try:
        with file.open("rb"):
            pass
    except OSError as error:
        raise _unreadable(file, error) from error


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"cannot read {_shown(path)}: {(error.strerror or 'failed').lower()}", "check its permissions")
