"""Folders that nobody means as data: the whole machine, a home, keys, sockets.

Code that a model wrote may read all of a data folder, and a report may quote it. So a folder that is sure to hold more
than data is refused, with what to name instead. A single file from such a place is fine.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from ..errors import InputError
from .text import clean

MOST = 100_000
"""Files and folders below a data folder; one that holds more is rather somebody's disk."""

_SECRETS = frozenset((".ssh", ".gnupg", ".aws", ".azure", ".kube", ".password-store"))
"""Folders of keys and logins."""

_SYSTEM = frozenset(map(Path, ("/boot", "/dev", "/etc", "/proc", "/sys")))
_HOMES = frozenset(map(Path, ("/home", "/Users", "/root", "/var/root")))
"""Where homes are: those, and every folder directly below the first two."""
_FIRST_USER = 1000
"""User ids from here on are people, on Linux; below are services, whose "home" may well be a folder of data."""

_FIX = "name the folder below it, or the files, that hold the data"


def check_name(folder: Path) -> None:
    """What can be told from where a folder is. `folder` is absolute, its links resolved.

    Raises:
        InputError: it is the root, a system folder, a home, or holds one.
    """
    shown = clean(str(folder), 400)
    if folder == Path(folder.anchor):
        raise InputError(f"the data folder is {shown}, which is the whole machine", _FIX)
    if any(folder == system or system in folder.parents for system in _SYSTEM):
        raise InputError(f"the data folder {shown} belongs to the operating system", _FIX)
    if secret := next((part for part in folder.parts if part in _SECRETS), ""):
        raise InputError(f"the data folder {shown} lies in {secret}, where keys and logins are kept", _FIX)
    homes = set(_homes())
    if folder in homes or (folder.parent in _HOMES and folder.parent.name in ("home", "Users")):
        raise InputError(f"the data folder {shown} is a home folder, with all that is private in it", _FIX)
    if any(folder in home.parents for home in homes):
        raise InputError(f"the data folder {shown} holds home folders, with all that is private in them", _FIX)


def check_entries(folder: Path, place: Path, entries: Sequence[os.DirEntry[str]], seen: int) -> None:
    """What can be told from what stands in `place`, which is `folder` or below it; `seen` counts what came so far.

    Raises:
        InputError: there are keys, a socket, or too much altogether.
    """
    shown = clean(str(folder), 400)
    if seen > MOST:
        raise InputError(f"the data folder {shown} holds more than {MOST:,} files and folders", _FIX)
    for entry in entries:
        where = clean(os.path.relpath(place / entry.name, folder), 200)
        if entry.name in _SECRETS and entry.is_dir(follow_symlinks=False):
            raise InputError(f"the data folder {shown} holds {where}, where keys and logins are kept", _FIX)
        if _is_socket(entry):
            raise InputError(f"the data folder {shown} holds the socket {where}, a way to another program", _FIX)


def _is_socket(entry: os.DirEntry[str]) -> bool:
    if entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False):
        return False
    try:
        return stat.S_ISSOCK(entry.stat(follow_symlinks=False).st_mode)
    except OSError:
        return False


@cache
def _accounts() -> tuple[Path, ...]:
    """The homes of people by the system's list of accounts."""
    try:
        import pwd
    except ImportError:  # not on Windows
        return ()
    people = [entry for entry in pwd.getpwall() if entry.pw_uid == 0 or _FIRST_USER <= entry.pw_uid < 60_000]
    return tuple(Path(entry.pw_dir) for entry in people)


def _homes() -> Iterator[Path]:
    places = [*_HOMES, *_accounts()]
    with contextlib.suppress(RuntimeError):  # there is none
        places.append(Path.home())
    for home in places:
        if home.is_absolute() and home != Path(home.anchor) and home.is_dir():
            yield home.resolve()
