"""A run's folder out of a zip that anybody may have made: plain files only, below one folder, and not too much."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ..errors import InputError
from .lock import is_below

MOST = 2 * 1024 * 1024 * 1024
"""Bytes of all files together, unpacked."""
MOST_FILES = 10_000


def unpack(bundle: Path, into: Path) -> None:
    """Unpack the zip `bundle` into the empty folder `into`.

    Raises:
        InputError: it is no zip, is damaged, too large, or holds names that lead elsewhere.
    """
    try:
        with zipfile.ZipFile(bundle) as parts:
            _unpack(parts, into)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise _bad(bundle, f"it cannot be unpacked ({type(error).__name__})") from None


def _unpack(parts: zipfile.ZipFile, into: Path) -> None:
    members = [part for part in parts.infolist() if not part.is_dir()]
    if len(members) > MOST_FILES or sum(part.file_size for part in members) > MOST:
        raise _bad(Path(parts.filename or ""), f"it holds more than {MOST_FILES:,} files or {MOST:,} bytes")
    left = MOST
    for part in members:
        if not is_below(part.filename) or part.external_attr >> 28 not in (0, 8):
            raise _bad(Path(parts.filename or ""), f"{part.filename!r} is no plain file below the run's folder")
        target = into / part.filename
        target.parent.mkdir(parents=True, exist_ok=True)
        with parts.open(part) as source, target.open("xb") as file:
            while left > 0 and (piece := source.read(min(1 << 20, left))):
                left -= file.write(piece)


def _bad(bundle: Path, why: str) -> InputError:
    return InputError(f"{bundle.name}: {why}", "pack the folder of a run again, and nothing else")
