"""Runs attacks against real kernels in boxes of one tier and says what came of each.

An attack that leaves its kernel as it was shares one with others of its kind; every other gets its own, and everything
made for it is gone before the next one begins.
"""

from __future__ import annotations

import contextlib
import platform
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psutil
from attack import GRACE, Attack, Trial
from scene import CANARIES, Scene

from deepanalyze_cli.errors import KernelError
from deepanalyze_cli.kernel import JupyterKernel
from deepanalyze_cli.prelude import CAPTURE
from deepanalyze_cli.sandbox import Box, Tier
from deepanalyze_cli.sandbox.private import PREFIX, place

_SPARE_SECONDS = 60.0
"""What an attack may take beyond its own limit before it counts as one that hangs the launcher."""


@dataclass(frozen=True)
class Verdict:
    """`open` is why the attack was not contained, empty if it was."""

    open: str
    status: str
    seconds: float
    text: str

    @property
    def cell(self) -> str:
        return "open" if self.open else "C"


class Trials:
    """Attacks on boxes of one tier, one after another, in the middle of one scene."""

    def __init__(self, tier: Tier, scene: Scene):
        self.tier, self.scene = tier, scene
        self._count = 0
        self._shared: _Target | None = None

    def run(self, attack: Attack) -> Verdict:
        """Run one attack, judge it, and put everything back."""
        target = None
        started = time.monotonic()
        try:
            with _at_most(attack.seconds + _SPARE_SECONDS):
                target = self._target(attack)
                return self._judge(attack, target)
        except (KernelError, TimeoutError) as error:
            return Verdict(f"{type(error).__name__}: {error}", "", time.monotonic() - started, "")
        finally:
            if target is not None and target is not self._shared:
                target.close()
            if self.scene.harm():
                self.scene.mend()

    def close(self) -> None:
        if self._shared is not None:
            self._shared.close()
            self._shared = None

    def _judge(self, attack: Attack, target: _Target) -> Verdict:
        with _watched(target) if attack.alone else contextlib.nullcontext(_Most()) as most:
            before = forget_peak()
            observation = target.kernel.execute(attack.code, timeout=attack.seconds)
            grown, swollen = resident() - before, resident("VmHWM") - before
        trial = Trial(
            attack,
            observation,
            target.folder,
            target.kernel,
            tuple(target.processes()),
            grown,
            swollen,
            most.memory,
            most.tasks,
        )
        harm = self.scene.harm()
        known = [f"{canary} was read" for canary in CANARIES if canary in trial.text]
        judgement = attack.judge(trial)
        complaints = [*harm, *known, *filter(None, [judgement])]
        if not complaints and not trial.answers():
            complaints.append("the next cell is not right")
        note = f" [{observation.note}]" if observation.note else ""
        text = f"{trial.text[:300]}{note}"
        return Verdict("; ".join(complaints), observation.status, observation.seconds, text)

    def _target(self, attack: Attack) -> _Target:
        if attack.alone:
            return self._new(attack)
        self._shared = self._shared or self._new(attack)
        return self._shared

    def _new(self, attack: Attack) -> _Target:
        self._count += 1
        folder = self.scene.runs / f"{self.tier.name}-{self._count}"
        box = Box(self.tier, read=(self.scene.data,), memory=attack.memory, disk=attack.disk, tasks=attack.tasks)
        return _Target(folder, box, [CAPTURE, self.scene.preamble()] if attack.captured else [self.scene.preamble()])


class _Target:
    """A kernel in a box, its folder, and which processes belong to it."""

    def __init__(self, folder: Path, box: Box, prelude: list[str]):
        self.folder = folder
        self._others = {*_below()}
        folder.mkdir(parents=True)
        self.kernel = JupyterKernel(folder, box=box, prelude=prelude, grace=GRACE)

    def processes(self) -> list[psutil.Process]:
        return [process for process in _below() if process not in self._others]

    def close(self) -> None:
        """The folder is removed by a program that is used to everything."""
        self.kernel.close()
        subprocess.run(["rm", "-rf", str(self.folder)], check=True)


@dataclass
class _Most:
    memory: int = 0
    tasks: int = 0


@contextlib.contextmanager
def _watched(target: _Target) -> Iterator[_Most]:
    """The most memory (each shared page once) and tasks that were in use at one time, looked at every 50 ms."""
    most, over = _Most(), threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            memory = tasks = 0
            for process in target.processes():
                with contextlib.suppress(psutil.Error):
                    tasks += process.num_threads()
                    memory += process.memory_full_info().pss
            most.memory, most.tasks = max(most.memory, memory), max(most.tasks, tasks)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield most
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raise `TimeoutError` in the main thread when the launcher itself hangs."""

    def late(_: int, __: FrameType | None) -> NoReturn:
        raise TimeoutError(f"the launcher hung for {seconds:g} s")

    previous = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _below() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def forget_peak() -> int:
    """Let the peak start anew; the memory in use now, in bytes. Source: `proc_pid_clear_refs(5)`."""
    Path("/proc/self/clear_refs").write_text("5")
    return resident()


def resident(which: str = "VmRSS") -> int:
    """The memory that this process has now, or (`VmHWM`) had at its peak since then, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{which}:"))


def applicable(attack: Attack, tier: Tier) -> bool:
    """Without a box only what is harmless is run; nowhere what this processor does not know."""
    return attack.machine in ("", platform.machine()) and (tier.level > 0 or attack.control)


def leftovers(scene: Scene) -> list[str]:
    """What is still there when all kernels are closed: processes, mounts, folders."""
    found = [f"the process {process}" for process in _below() if process.pid != scene.facts()["VICTIM"]]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found += [f"the mount {line}" for line in mounts if str(scene.folder) in line]
    return found + [f"the folder {path}" for path in private_folders()]


def private_folders() -> list[Path]:
    """Those of boxes: each belongs to a kernel that runs, or was left behind."""
    return sorted(place().glob(f"{PREFIX}*"))
