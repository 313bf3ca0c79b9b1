"""What the input files were before a run, and whether they still are: a tripwire, told and not prevented.

The launcher itself reads the bytes, and nothing but the bytes: a digest that came out of the box would prove nothing.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from .text import clean


@dataclass(frozen=True, slots=True)
class Input:
    """One data file as it was. `modified` is in nanoseconds since 1970."""

    name: str
    location: Path
    bytes: int
    sha256: str
    mode: int
    modified: int


def taken(file: Path, data_dir: Path) -> Input:
    """The file as it is now.

    Raises:
        InputError: it cannot be read (any more), or is no regular file.
    """
    name = file.relative_to(data_dir).as_posix()
    try:
        return _read(name, file)
    except OSError as error:
        why = (error.strerror or "failed").lower()
        raise InputError(f"cannot read {clean(str(file), 400)}: {why}", "check that nothing replaces it") from error


def changed(inputs: Iterable[Input]) -> tuple[str, ...]:
    """The names of those whose content, mode or time of change is another, or that are gone."""
    return tuple(before.name for before in inputs if _now(before) != before)


def _now(before: Input) -> Input | None:
    try:
        return _read(before.name, before.location)
    except OSError:
        return None


def _read(name: str, file: Path) -> Input:
    # Not to wait for whoever writes into a FIFO that was put in the file's place.
    place = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(place, "rb") as stream:
        facts = os.fstat(place)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(0, "is not a regular file")
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Input(name, file, facts.st_size, digest, stat.S_IMODE(facts.st_mode), facts.st_mtime_ns)
