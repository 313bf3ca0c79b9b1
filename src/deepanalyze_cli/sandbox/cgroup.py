"""A hard limit on processes and threads where the system lets us set one: root, or a delegated cgroup.

Elsewhere RLIMIT_NPROC does it (which does not hold for root) and the watchdog counts. Sources: Linux
`admin-guide/cgroup-v1/pids.rst`, `admin-guide/cgroup-v2.rst`.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_PREFIX = "deepanalyze-"


@contextlib.contextmanager
def limited(tasks: int) -> Iterator[tuple[str, ...]]:
    """Folders of new cgroups for a box to join, none where none can be had; removed at the end."""
    made = tuple(filter(None, (_make(folder, tasks) for folder in _own())))
    try:
        yield tuple(map(str, made))
    finally:
        for folder in made:
            _remove(folder)


def _own() -> Iterator[Path]:
    """The folders of this process' cgroups that count processes."""
    try:
        lines = Path("/proc/self/cgroup").read_text("utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield _ROOT / path.lstrip("/")
        elif "pids" in controllers.split(","):
            yield _ROOT / "pids" / path.lstrip("/")


def _make(parent: Path, tasks: int) -> Path | None:
    for old in parent.glob(f"{_PREFIX}*"):  # left by a launcher that was killed; one that lives may be about to join
        launcher = old.name.removeprefix(_PREFIX).partition("-")[0]
        if not Path("/proc", launcher).exists():
            with contextlib.suppress(OSError):
                old.rmdir()
    folder = parent / f"{_PREFIX}{os.getpid()}-{os.urandom(4).hex()}"
    try:
        folder.mkdir()
    except OSError:
        return None
    limit = folder / "pids.max"
    try:
        if limit.exists():  # otherwise this is a plain folder, or a cgroup that does not count processes
            limit.write_text(str(tasks))
            return folder
    except OSError:
        pass
    _remove(folder)
    return None


def _remove(folder: Path) -> None:
    """The system lets go of a cgroup some milliseconds after its last process."""
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        try:
            folder.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.01)
