"""Looks twenty times a second at what a box uses up, and ends it when that is too much or cannot be told.

What no limit of a single process can hold: memory and tasks of all together, the folders that may be written.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from ..artefacts import usage
from . import processes
from .box import Box

_EVERY = 0.05
"""Seconds between looks, of 0.3 ms each: eight processes together can take 1 GB of memory in a tenth of a second."""
_DISK_SHARE, _DISK_SECONDS = 20, 2.0
"""Looking at the disk takes at most one part in so many of the time, but comes after so many seconds at the latest."""


class Watchdog:
    """Watches `process` until `stop`. `verdict` is why it was ended, empty while it was not."""

    def __init__(self, process: subprocess.Popen[bytes], box: Box, folders: Sequence[Path]):
        self.verdict = ""
        self._process, self._box, self._folders = process, box, tuple(folders)
        self._disk_after = 0.0
        self._allowed = box.disk, box.files
        self._allowed = self._with_room(*self._usage())
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No more looks; returns when the last is over."""
        self._stopped.set()
        self._thread.join()

    def condemn(self, why: str) -> None:
        """End the box, for a reason that is kept if it is the first."""
        self.verdict = self.verdict or why
        processes.end(self._process, self._box.tier)

    def _watch(self) -> None:
        while not self._stopped.wait(_EVERY):
            if self._process.poll() is not None:
                return
            try:
                why = self._excess()
            except Exception as error:  # a box that cannot be watched is not let go on
                why = f"it could not be watched ({type(error).__name__}: {error})"
            if why:
                self.condemn(why)
                return

    def _excess(self) -> str:
        box = self._box
        below = processes.tree(self._process.pid)
        if (tasks := sum(process.threads for process in below)) > box.tasks:
            return f"{tasks:,} processes and threads, the limit is {box.tasks:,}"
        if sum(process.resident for process in below) > box.memory:
            used = processes.proportional(below)
            if used > box.memory:
                return f"it used {_megabytes(used)} of memory, the limit is {_megabytes(box.memory)} (--memory)"
        if time.monotonic() >= self._disk_after:
            began = time.monotonic()
            if why := self._disk(below):
                return why
            took = time.monotonic() - began
            self._disk_after = began + took + min(max(8 * _EVERY, _DISK_SHARE * took), _DISK_SECONDS)
        return ""

    def _disk(self, below: list[processes.Process]) -> str:
        used, entries = self._usage()
        used += processes.unlinked(below)
        if used > self._allowed[0]:
            return f"it wrote {_megabytes(used)}, the limit is {_megabytes(self._box.disk)} (--disk)"
        if entries > self._allowed[1]:
            return f"it made more than {self._box.files:,} files"
        disk, files = self._with_room(used, entries)
        self._allowed = min(self._allowed[0], disk), min(self._allowed[1], files)
        return ""

    def _usage(self) -> tuple[int, int]:
        """Bytes and entries in all folders."""
        found = [usage(folder, 4 * self._box.files) for folder in self._folders]
        return sum(used for used, _ in found), sum(entries for _, entries in found)

    def _with_room(self, used: int, entries: int) -> tuple[int, int]:
        """What is allowed when so much is there already.

        A box in a folder that another has just filled has to be able to start, to tell of it and to make room; but
        never for more than four times the limit, however often that is done.
        """
        disk, files = self._box.disk, self._box.files
        return min(max(disk, used + disk // 16), 4 * disk), min(max(files, entries + files // 16), 4 * files)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"
