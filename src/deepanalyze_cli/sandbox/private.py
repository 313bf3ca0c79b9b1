"""A short-lived folder that only this user can enter: sockets, home and settings of one box.

It is locked while its owner lives, by `flock` on the folder itself, so that what a killed launcher left behind can be
told from what is in use, and is removed by the next one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..artefacts import remove_tree

PREFIX = "deepanalyze-box-"
_LONGEST = 60
"""Unix socket paths end at 104 characters on some systems, and the folder is only their beginning."""


def place() -> Path:
    """Where private folders lie: the usual place for temporary files, unless its name is too long for sockets."""
    usual = tempfile.gettempdir()
    return Path(usual if len(usual) <= _LONGEST else "/tmp")


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A new folder of mode 0700, gone at the end with all that is in it."""
    new = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=place()))
    lock = os.open(new, os.O_RDONLY | os.O_DIRECTORY)
    folder = new.with_name(new.name.removeprefix("."))
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        new.rename(folder)  # locked before it has the name that `sweep` looks for
        yield folder
    finally:
        os.close(lock)
        with contextlib.suppress(OSError):
            remove_tree(folder)


def sweep() -> int:
    """Remove the folders whose owners were killed; how many there were."""
    removed = 0
    for folder in place().glob(f"{PREFIX}*"):
        try:
            if folder.lstat().st_uid != os.getuid():
                continue
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(folder)
            removed += 1
        except OSError:
            continue
        finally:
            os.close(lock)
    return removed
