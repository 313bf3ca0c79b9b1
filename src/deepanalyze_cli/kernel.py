"""A Jupyter kernel as a `Kernel`: state from cell to cell, a time limit, and no crash of ours when it crashes.

Whatever a cell does ends as an `Observation`. What the messages mean is in `kernel_messages`, how a kernel is started
and killed in `kernel_process`, and what runs in it first comes in as `prelude`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Self

from .artefacts import State, plain_files
from .errors import KernelError
from .kernel_messages import Transcript
from .kernel_process import KernelProcess
from .sandbox import Box, choose
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

    It runs in `box`, the strongest that can be had if none is given, and may write `cwd` only; its environment is what
    the box gives it, plus `environment`. A cell at its time limit is interrupted; one that is still running `grace`
    seconds later costs the kernel its life. After a kernel's death the next cell starts another, so that whoever keeps
    a record has it written by then.

    Raises:
        KernelError: the kernel does not start, or a prelude cell fails.
    """

    def __init__(
        self,
        cwd: Path,
        *,
        box: Box | None = None,
        prelude: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        grace: float = 3.0,
    ):
        self.cwd = cwd.resolve()
        self.box = box or Box(choose())
        self._prelude = tuple(prelude)
        self._environment = dict(environment or {})
        self._grace = grace
        self._process: KernelProcess | None = None
        self._told = False
        """Whether the model knows that the present kernel is dead."""
        self._start()

    def execute(self, code: str, *, timeout: float, on_output: OnOutput = ignore) -> Observation:
        """Run one cell for at most `timeout` seconds, `grace` not counted. See `Kernel.execute`."""
        lost = self._revive()
        before, started = plain_files(self.cwd, FILES), time.monotonic()
        transcript = Transcript(self._process.send(code))
        try:
            ending = self._follow(transcript, timeout, on_output)
            if late := ending == "late":
                self._process.interrupt()
                ending = self._follow(transcript, self._grace, on_output)
        except BaseException:  # Ctrl-C, or a reader of the outputs that fails
            self._abandon(transcript)
            raise
        seconds, files = time.monotonic() - started, changed(before, plain_files(self.cwd, FILES))
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
            self._process = KernelProcess(self.cwd, self.box, self._environment)
            self._told = False
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
        """The status and what the model has to know about it. `limit` is the one that was reached, if it was."""
        stopped = f"The cell was stopped after {limit:g} s. " if limit is not None else ""
        lost = "" if transcript.idle or ending != "over" else self._listen_again()
        if ending == "over" and not stopped:
            return "error" if transcript.failed else "ok", lost
        if ending == "over":
            return "timeout", f"{stopped}{lost}" if lost else f"{stopped}The variables are kept."
        if ending == "late":
            self._process.kill()
            return "timeout", stopped + self._lost("It ignored the interrupt, so the kernel was ended.")
        return "timeout" if stopped else "died", stopped + self._lost(f"The kernel died ({self._process.end}).")

    def _listen_again(self) -> str:
        """The end of the outputs was lost, and with it, if a message was too large, the connection."""
        try:
            self._process.reconnect()
        except KernelError:
            self._process.kill()
            return self._lost("The kernel did not answer any more and was ended.")
        return "Some of its output may be missing."

    def _lost(self, what: str) -> str:
        """What the model is told of a kernel's end. The next cell starts another."""
        self._told = True
        tables = ", the tables are loaded again" if self._prelude else ""
        return f"{what} The variables of earlier cells are gone{tables}."

    def _revive(self) -> str:
        """Start another kernel if there is none any more; what is to be said of it, if nothing was."""
        if self._process and self._process.alive:
            return ""
        ended = f" ({self._process.end})" if self._process else ""
        lost = "" if self._told else self._lost(f"The kernel had ended{ended} before this cell.")
        self.restart()
        return lost

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


def changed(before: Mapping[str, State], after: Mapping[str, State]) -> tuple[str, ...]:
    """Paths created or changed between two snapshots, sorted, as text that can be written anywhere."""
    paths = (path for path, state in after.items() if before.get(path) != state)
    return tuple(sorted(os.fsencode(path).decode("utf-8", "replace") for path in paths))
