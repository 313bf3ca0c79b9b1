"""A Jupyter kernel as a `Kernel`: state from cell to cell, a time limit, and no crash of ours when it crashes.

Whatever a cell does ends as an `Observation`. What the messages mean is in `kernel_messages`, how a kernel is started
and killed in `kernel_process`, and what runs in it first comes in as `prelude`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal, Self

from .errors import KernelError
from .kernel_messages import Transcript
from .kernel_process import KernelProcess, kernel_environment
from .seams import OnOutput, ignore
from .types import Observation, Status

PRELUDE_SECONDS = 300.0
FILES = 1000
"""Files of the working folder that are watched."""
_TICK = 0.2
"""Seconds of silence after which one looks whether the kernel still lives."""
_LOST_IDLE = 1.0
"""Seconds of silence after the reply that end a cell whose idle status was dropped in a flood of output."""

_Ending = Literal["over", "late", "died"]


class JupyterKernel:
    """A kernel in the folder `cwd` in which the `prelude` cells have run, at the start and after each restart.

    The kernel gets our environment without secrets, plus `environment`. A cell at its time limit is interrupted; one
    that is still running `grace` seconds later costs the kernel its life.

    Raises:
        KernelError: the kernel does not start, or a prelude cell fails.
    """

    def __init__(
        self,
        cwd: Path,
        *,
        prelude: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        grace: float = 3.0,
    ):
        self.cwd = cwd.resolve()
        self._prelude = tuple(prelude)
        self._environment = dict(environment or {})
        self._grace = grace
        self._process: KernelProcess | None = None
        self._start()

    def execute(self, code: str, *, timeout: float, on_output: OnOutput = ignore) -> Observation:
        """Run one cell for at most `timeout` seconds, `grace` not counted. See `Kernel.execute`."""
        lost = "" if self._process and self._process.alive else self._revive("The kernel had ended")
        before, started = snapshot(self.cwd), time.monotonic()
        transcript = Transcript(self._process.send(code))
        try:
            ending = self._follow(transcript, timeout, on_output)
            if late := ending == "late":
                self._process.interrupt()
                ending = self._follow(transcript, self._grace, on_output)
        except BaseException:  # Ctrl-C, or a reader of the outputs that fails
            self._abandon(transcript)
            raise
        seconds, files = time.monotonic() - started, changed(before, snapshot(self.cwd))
        status, note = self._verdict(transcript, ending, timeout if late else None)
        notes = " ".join(filter(None, (lost, note, transcript.note)))
        return Observation(status, transcript.outputs(), seconds, files, notes)

    def restart(self) -> None:
        """A fresh kernel with the prelude run; the variables of earlier cells are gone."""
        self.close()
        self._start()

    def close(self) -> None:
        """End the kernel and everything it started. Safe to call twice."""
        if self._process:
            self._process.kill()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        try:
            self.cwd.mkdir(parents=True, exist_ok=True)
            self._process = KernelProcess(self.cwd, kernel_environment(self.cwd, self._environment))
        except OSError as error:
            raise KernelError(f"the Jupyter kernel cannot be started: {error}", "look at its folder") from error
        try:
            for code in self._prelude:
                self._prepare(code)
        except BaseException:
            self.close()
            raise

    def _prepare(self, code: str) -> None:
        """Run one prelude cell, out of the numbering of cells."""
        transcript = Transcript(self._process.send(code, counted=False))
        ending = self._follow(transcript, PRELUDE_SECONDS, ignore)
        if ending == "over" and not transcript.failed:
            return
        traceback = [output.data["text/plain"] for output in transcript.outputs() if output.kind == "error"]
        last = traceback[-1].strip().rpartition("\n")[2] if traceback else ending
        raise KernelError(f"the kernel could not be prepared: {last}", "see that the data can be read")

    def _follow(self, transcript: Transcript, seconds: float, on_output: OnOutput) -> _Ending:
        """Take messages until the cell is over or the kernel dead, for at most so many seconds."""
        now = heard = time.monotonic()
        deadline = now + seconds
        while not transcript.over:
            message = self._process.receive(min(_TICK, deadline - now))
            now = time.monotonic()
            if message:
                heard = now
                if output := transcript.take(message):
                    on_output(output)
            elif not self._process.alive:
                return "died"
            elif transcript.replied and now - heard > _LOST_IDLE:
                return "over"
            if now >= deadline and not transcript.over:
                return "late"
        return "over"

    def _verdict(self, transcript: Transcript, ending: _Ending, limit: float | None) -> tuple[Status, str]:
        """The status and what the model has to know about it. `limit` is the one that was reached, if it was.

        A kernel that is no longer of use is replaced here.
        """
        if ending == "over" and limit is None:
            note = "" if transcript.idle else "Some of its output may be missing."
            return "error" if transcript.failed else "ok", note
        stopped = f"The cell was stopped after {limit:g} s. " if limit is not None else ""
        if ending == "over":
            return "timeout", f"{stopped}The variables are kept."
        if ending == "late":
            return "timeout", stopped + self._revive("It ignored the interrupt, so the kernel was ended")
        return "timeout" if stopped else "died", stopped + self._revive(f"The kernel died ({self._process.end})")

    def _revive(self, what: str) -> str:
        """Restart, and the sentence that tells the model."""
        self.restart()
        tables = ", the tables are loaded again" if self._prelude else ""
        return f"{what} and was started anew; the variables of earlier cells are gone{tables}."

    def _abandon(self, transcript: Transcript) -> None:
        """Nobody waits for the cell any more: end it, or failing that the kernel. A next cell would start another."""
        self._process.interrupt()
        if self._follow(transcript, 1.0, ignore) != "over":
            self._process.kill()


class ScriptedKernel:
    """The kernel that does nothing: it notes the `codes` it is given and returns its observations in order."""

    def __init__(self, observations: Iterable[Observation]):
        self.codes: list[str] = []
        self._observations = iter(observations)

    def execute(self, code: str, *, timeout: float, on_output: OnOutput = ignore) -> Observation:
        self.codes.append(code)
        observation = next(self._observations, None)
        if observation is None:
            raise KernelError(f"the script of this kernel ends before cell {len(self.codes)}")
        for output in observation.outputs:
            on_output(output)
        return observation

    def close(self) -> None:
        pass


Snapshot = dict[str, tuple[int, int]]


def snapshot(folder: Path) -> Snapshot:
    """Path below `folder` -> (bytes, time of change in ns), of at most `FILES` plain files; links are not followed."""
    found: Snapshot = {}
    folders = [""]
    while folders and len(found) < FILES:
        below = folders.pop(0)
        try:
            with os.scandir(folder / below) as entries:
                listed = sorted(islice(entries, 10 * FILES), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in listed:
            path = f"{below}/{entry.name}".lstrip("/")
            if entry.name.startswith(".") or entry.name == "__pycache__":
                continue
            if entry.is_dir(follow_symlinks=False) and len(folders) < FILES:
                folders.append(path)
            elif entry.is_file(follow_symlinks=False):
                state = entry.stat(follow_symlinks=False)
                found[path] = (state.st_size, state.st_mtime_ns)
    return dict(islice(found.items(), FILES))


def changed(before: Snapshot, after: Snapshot) -> tuple[str, ...]:
    """Paths created or changed between two snapshots, sorted, as text that can be written anywhere."""
    paths = (path for path, state in after.items() if before.get(path) != state)
    return tuple(sorted(os.fsencode(path).decode("utf-8", "replace") for path in paths))
