"""A run's folder as a zip, and out of one that anybody may have made: plain files only, below one folder, not too much.

Equal members give an equal zip, whenever and wherever it is packed (by one version of zlib).
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from ..errors import InputError
from .lock import is_below

MOST = 2 * 1024 * 1024 * 1024
"""Bytes of all files together, unpacked."""
MOST_FILES = 10_000
Member = Callable[[], AbstractContextManager[Iterable[bytes]]]
"""Opens the content of one file, in pieces."""


def pack(into: BinaryIO, top: str, members: Mapping[str, Member]) -> None:
    """Write a zip of `members`, by name below the folder `top` of it, sorted, all of one time and mode.

    Raises:
        InputError: there is more than `unpack` would take, or a name that it would not.
    """
    if len(members) > MOST_FILES:
        raise _unfit(f"{len(members):,} files are more than the {MOST_FILES:,} that a bundle may hold")
    left = MOST
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as parts:
        for name in sorted(members):
            with parts.open(_part(f"{top}/{name}"), "w") as file, members[name]() as pieces:
                for piece in pieces:
                    left -= file.write(piece)
                    if left < 0:
                        raise _unfit(f"the files are of more than the {MOST:,} bytes that a bundle may hold")


def _part(name: str) -> zipfile.ZipInfo:
    try:
        name.encode()
    except UnicodeError:
        raise _unfit(f"the name {name!r} is not Unicode") from None
    if not is_below(name):
        raise _unfit(f"the name {name!r} cannot stand in a bundle")
    part = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    part.compress_type, part.create_system, part.external_attr = zipfile.ZIP_DEFLATED, 3, 0o100644 << 16
    return part


def _unfit(why: str) -> InputError:
    return InputError(why, "export without --data, and hand the data on by itself")


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
