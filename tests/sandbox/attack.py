"""An attack as a value, what is known when it is over, and the judgements that are passed on it.

A judgement is empty if the attack was contained, and otherwise says why not. Whatever it says, an attack after which
the scene is harmed, a canary is known or the kernel no longer works was not contained: that part is `trial`'s. Where
only the cell can tell (nothing changes outside when a folder is listed), it says DONE or REFUSED, and one DONE counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from scene import INPUT

from deepanalyze_cli.kernel import JupyterKernel
from deepanalyze_cli.types import Observation

MB = 1 << 20
GB = 1 << 30
MOST_GROWTH, MOST_SWELLING = 20 * MB, 40 * MB
"""By how much an attack may make the launcher grow: afterwards, and at the peak."""
GRACE = 3.0
"""Seconds that a cell has to end after its interrupt."""


@dataclass(frozen=True)
class Trial:
    """One attack, when it is over. All but `observation` was seen from outside.

    By how many bytes the launcher was larger than before is `grown`, and `swollen` at its peak. `memory`, in bytes, and
    `tasks`, of processes and threads, are the most that a box had at once whose kernel is not shared; `processes` are
    those of the box, its wrappers included.
    """

    attack: Attack
    observation: Observation
    folder: Path
    kernel: JupyterKernel
    processes: tuple[psutil.Process, ...]
    grown: int
    swollen: int
    memory: int
    tasks: int

    @property
    def text(self) -> str:
        return "".join(output.data.get("text/plain", "") for output in self.observation.outputs)

    def answers(self) -> bool:
        """Whether the next cell is right. It reads the data, which every box has to allow."""
        after = self.kernel.execute("6 * 7, os.path.getsize(INPUT), os.access(INPUT, os.R_OK)", timeout=20)
        results = [output.data["text/plain"] for output in after.outputs if output.kind == "result"]
        return results == [f"(42, {len(INPUT)}, True)"]


Judge = Callable[[Trial], str]


@dataclass(frozen=True)
class Attack:
    """One way to do harm. `memory` (of all processes together) and `disk` are limits of its box, in bytes.

    A `control` is harmless enough to be run without a box, where it must succeed: or the test tests nothing. `alone`
    is true of one that leaves its kernel altered or dead, and so gets one for itself. The amounts are bounded in the
    code itself, in case nothing else bounds them.
    """

    id: str
    what: str
    code: str
    judge: Judge
    control: bool = False
    alone: bool = False
    seconds: float = 10.0
    memory: int = 3 * GB
    disk: int = 2 * GB
    tasks: int = 300
    machine: str = ""
    """The only processor it makes sense on."""
    captured: bool = False
    """Whether its kernel bounds what is printed, as in a run; elsewhere the launcher is alone with it."""


def refused(trial: Trial) -> str:
    """Everything that was tried was refused."""
    if "DONE" in trial.text:
        return next(line for line in trial.text.splitlines() if "DONE" in line)
    return "" if "REFUSED" in trial.text else f"neither done nor refused: {trial.text[-200:]!r}"


def unseen(trial: Trial) -> str:
    """Only what is seen from outside counts: the call may say what it likes."""
    return ""


def killed(*reasons: str) -> Judge:
    """The kernel was ended, and the note that the model gets names one of the reasons."""

    def judge(trial: Trial) -> str:
        if trial.observation.status != "died":
            return f"status {trial.observation.status}, not died"
        note = trial.observation.note
        return "" if not reasons or any(reason in note for reason in reasons) else f"the reason is not told: {note!r}"

    return judge


def stopped(trial: Trial) -> str:
    """The cell was ended at its time limit, or soon after, and the note says so."""
    if trial.observation.status != "timeout":
        return f"status {trial.observation.status}, not timeout"
    if trial.observation.seconds > trial.attack.seconds + GRACE + 2:
        return f"it went on for {trial.observation.seconds:.1f} s"
    return "" if "was stopped after" in trial.observation.note else f"not told: {trial.observation.note!r}"


def said(pattern: str, status: str = "ok") -> Judge:
    """It ended in this status and printed something that the pattern is found in."""

    def judge(trial: Trial) -> str:
        if trial.observation.status != status:
            return f"status {trial.observation.status}, not {status}"
        return "" if re.search(pattern, trial.text) else f"it said {trial.text[-200:]!r}"

    return judge


def survived(trial: Trial) -> str:
    """Any end is good: what counts is that the launcher and its next cell live."""
    return ""


def small(trial: Trial) -> str:
    """The launcher hardly grew."""
    if trial.grown > MOST_GROWTH or trial.swollen > MOST_SWELLING:
        return f"the launcher grew by {trial.grown // MB} MB, by {trial.swollen // MB} MB at its peak"
    return ""


def cut(trial: Trial) -> str:
    """A reader is told that something is missing."""
    everything = trial.text + trial.observation.note
    return "" if "cut" in everything or "missing" in everything or "too" in everything else "nobody is told of the cut"


def within_memory(trial: Trial) -> str:
    """Memory ended with an error or with the kernel, at most half over the limit, as watching is not continuous."""
    if trial.memory > trial.attack.memory * 1.5:
        return f"{trial.memory // MB} MB were in use, the limit is {trial.attack.memory // MB} MB"
    if trial.observation.status == "died":
        return killed("memory", "137", "SIGKILL")(trial)
    return "" if "MemoryError" in trial.text else f"status {trial.observation.status}: {trial.text[-200:]!r}"


def within_tasks(trial: Trial) -> str:
    """No more processes and threads than allowed, but for what slips in between two looks and the wrappers."""
    most = trial.attack.tasks * 1.5
    return f"{trial.tasks} processes and threads, the limit is {trial.attack.tasks}" if trial.tasks > most else ""


def within_disk(trial: Trial) -> str:
    """What lies in the folder is at most two thirds over the limit, as watching is not continuous."""
    used = sum(path.lstat().st_blocks * 512 for path in trial.folder.rglob("*"))
    if used > trial.attack.disk * 5 / 3:
        return f"{used // MB} MB were written, the limit is {trial.attack.disk // MB} MB"
    return ""


def every(*judges: Judge) -> Judge:
    """All of them must be content; the first complaint is kept."""
    return lambda trial: next(filter(None, (judge(trial) for judge in judges)), "")


def either(*judges: Judge) -> Judge:
    """One of them is enough."""

    def judge(trial: Trial) -> str:
        complaints = [one(trial) for one in judges]
        return "" if "" in complaints else "; ".join(complaints)

    return judge
