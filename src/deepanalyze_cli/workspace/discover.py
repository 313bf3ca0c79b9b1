"""Which files are meant: from the paths of a command line to one data folder and the files below it.

Looks at names, kinds of files and permissions only; what is inside a file is the business of `read`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from ..errors import InputError
from .text import clean

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


def discover(paths: Sequence[Path]) -> tuple[Path, list[Path]]:
    """The data folder (absolute) and every regular file meant by `paths`, sorted by name; unknown kinds are included.

    A folder is searched recursively, leaving out what is hidden, links that lead outside and what is not a file. The
    data folder of several paths is their common parent.

    Raises:
        InputError: a path is missing or cannot be read, a folder is empty or holds nothing known, or a file given by
            name is of an unknown kind.
    """
    if not paths:
        raise InputError("no data was given", "name a file or a folder")
    found: dict[Path, None] = {}
    for path in paths:
        place = _existing(path)
        for file in _files(place) if place.is_dir() else [_known(place)]:
            found[file] = None
    parents = {p if p.is_dir() else p.parent for p in map(_existing, paths)}
    files = sorted(found, key=lambda p: p.as_posix())
    for file in filter(kind, files):
        _check_readable(file)
    return Path(os.path.commonpath(parents)), files


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


def _files(folder: Path) -> list[Path]:
    files = []

    def stop(error: OSError) -> None:
        raise _unreadable(Path(error.filename), error) from error

    for place, folders, names in os.walk(folder, onerror=stop):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and not _is_run(Path(place, f)))
        files += [Path(place, name) for name in sorted(names) if not name.startswith(".")]
    files = [f for f in files if _belongs(f, folder)]
    if not files:
        raise InputError(f"the folder {_shown(folder)} is empty", "put the data files into it, or name another folder")
    if not any(map(kind, files)):
        seen = ", ".join(f.name for f in files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
        raise InputError(f"no data file in {_shown(folder)}, only {clean(seen, 400)}", f"it reads {FORMATS}")
    return files


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
