"""The processes of a box as its launcher sees them: to count, to interrupt and to end."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .tiers import Tier

_OWN = {"full": 2, "bwrap": 2, "landlock": 1}
"""Processes between the launcher and the command, by tier."""
_TERM_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Process:
    """`depth` is 0 for the one that was started; `resident` is in bytes and counts shared pages in full."""

    pid: int
    depth: int
    threads: int = 1
    resident: int = 0


def tree(pid: int) -> list[Process]:
    """The process `pid` and all below it, parents first."""
    found: list[Process] = []
    todo = [(pid, 0)]
    while todo:
        here, depth = todo.pop(0)
        if process := _look(here, depth):
            found.append(process)
            todo += [(child, depth + 1) for child in _children(here)]
    return found


def interrupt(pid: int, tier: Tier) -> None:
    """Ctrl-C for the command in a box and everything it started."""
    own = _OWN.get(tier.name, 0)
    for process in tree(pid):
        if process.depth >= own:
            _send(process.pid, signal.SIGINT)


def end(process: subprocess.Popen[bytes], tier: Tier) -> None:
    """End a box and everything in it, whatever it is doing."""
    if process.poll() is not None and tier.name in ("full", "bwrap"):
        return
    below = tree(process.pid)
    if tier.name == "landlock" and process.poll() is None:
        _send(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_TERM_SECONDS)
    if tier.name in ("none", "seatbelt"):
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    for one in below:
        _send(one.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)


def proportional(processes: list[Process]) -> int:
    """Bytes of memory in use, each shared page counted once (PSS, `proc_pid_smaps(5)`)."""
    return sum(_proportional(process) for process in processes)


def tasks_of_user() -> int:
    """Processes and threads of this user at this moment, on the whole machine; 0 where it cannot be told."""
    found = 0
    with contextlib.suppress(OSError):
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if Path("/proc", name).stat().st_uid == os.getuid() and (process := _look(int(name), 0)):
                    found += process.threads
    return found


def unlinked(processes: list[Process]) -> int:
    """Bytes of files that have no name any more but are still open: no folder shows them. 0 where it cannot be told."""
    found: dict[tuple[int, int], int] = {}
    for process in processes:
        folder = f"/proc/{process.pid}/fd"
        with contextlib.suppress(OSError):
            for name in os.listdir(folder):
                with contextlib.suppress(OSError):
                    about = Path(folder, name).stat()
                    if stat.S_ISREG(about.st_mode) and about.st_nlink == 0:
                        found[about.st_dev, about.st_ino] = about.st_blocks * 512
    return sum(found.values())


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, number)


_CHILDREN_ARE_TOLD = Path("/proc/thread-self/children").exists()
"""Not every Linux has CONFIG_PROC_CHILDREN."""

if sys.platform == "linux":

    def _look(pid: int, depth: int) -> Process | None:
        """Source: `proc_pid_stat(5)`: fields after the name; 2 is the parent, 18 the threads, 22 the resident pages."""
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            return None
        threads, pages = int(fields[17]), int(fields[21])
        if not pages and threads > 1:
            pages = _pages_of_threads(pid)
        return Process(pid, depth, threads, pages * os.sysconf("SC_PAGE_SIZE"))

    def _pages_of_threads(pid: int) -> int:
        """For a process whose first thread has ended: of the process itself nothing is told any more."""
        found = 0
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{pid}/task"):
                with contextlib.suppress(OSError, ValueError, IndexError):
                    found = max(found, int(Path(f"/proc/{pid}/task/{thread}/statm").read_text("ascii").split()[1]))
        return found

    def _children(pid: int) -> Iterator[int]:
        """Every thread has children of its own."""
        if not _CHILDREN_ARE_TOLD:
            import psutil

            with contextlib.suppress(psutil.Error):
                yield from (child.pid for child in psutil.Process(pid).children())
            return
        try:
            threads = os.listdir(f"/proc/{pid}/task")
        except OSError:
            return
        for thread in threads:
            try:
                with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                    yield from map(int, file.read().split())
            except OSError:
                continue

    def _proportional(process: Process) -> int:
        try:
            with open(f"/proc/{process.pid}/smaps_rollup", "rb") as file:
                found = next((line for line in file if line.startswith(b"Pss:")), b"")
        except OSError:
            return process.resident
        return int(found.split()[1]) << 10 if found else process.resident

else:

    def _look(pid: int, depth: int) -> Process | None:
        import psutil

        try:
            process = psutil.Process(pid)
            return Process(pid, depth, process.num_threads(), process.memory_info().rss)
        except psutil.Error:
            return None

    def _children(pid: int) -> Iterator[int]:
        import psutil

        with contextlib.suppress(psutil.Error):
            yield from (child.pid for child in psutil.Process(pid).children())

    def _proportional(process: Process) -> int:
        return process.resident
