"""Hard limits on tasks and memory where the system lets us set them: for root, or in a delegated cgroup.

Elsewhere RLIMIT_NPROC (which does not hold for root), RLIMIT_DATA and the watchdog have to do. The memory limit lies
above the watchdog's, which can say why, and holds for what no process is seen to hold. Sources: Linux
`admin-guide/cgroup-v1/{pids,memory}.rst`, `admin-guide/cgroup-v2.rst`.
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
def limited(tasks: int, memory: int) -> Iterator[tuple[str, ...]]:
    """Folders of new cgroups for a box to join, none where none can be had; removed at the end."""
    made = tuple(filter(None, (_make(folder, tasks, memory) for folder in _own())))
    try:
        yield tuple(map(str, made))
    finally:
        for folder in made:
            _remove(folder)


def _own() -> Iterator[Path]:
    """The folders of this process' cgroups that can count tasks or memory."""
    try:
        lines = Path("/proc/self/cgroup").read_text("utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield _ROOT / path.lstrip("/")
        for name in {"pids", "memory"} & {*controllers.split(",")}:
            yield _ROOT / name / path.lstrip("/")


def _make(parent: Path, tasks: int, memory: int) -> Path | None:
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
    limits = {"pids.max": tasks, "memory.limit_in_bytes": memory + memory // 4, "memory.max": memory + memory // 4}
    # None of them is there in a plain folder, or in a cgroup without these controllers.
    found = [(folder / name, value) for name, value in limits.items() if (folder / name).exists()]
    try:
        for file, value in found:
            file.write_text(str(value))
    except OSError:
        found = []
    if not found:
        _remove(folder)
    return folder if found else None


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
