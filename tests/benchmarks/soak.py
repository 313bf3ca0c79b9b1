"""The whole loop for 500 cells, every fifth of which does its worst: is anything lost, does anything grow or stay?

    python tests/benchmarks/soak.py [CELLS] [SEED]

A scripted model, the real loop, a real kernel in the best box there is, the real trace. Fails if a turn is missing or
wrong in the trace, if the launcher holds more memory, descriptors or threads at the end than near the beginning, or if
a process, a private folder, a cgroup or a mount is left.
"""

from __future__ import annotations

import fcntl
import gc
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil

from deepanalyze_cli.agent import solve
from deepanalyze_cli.events import Event, TurnFinished
from deepanalyze_cli.kernel import JupyterKernel
from deepanalyze_cli.models.backends.scripted import ScriptedModel
from deepanalyze_cli.outputs.trace import TraceWriter, read_run
from deepanalyze_cli.sandbox import Box, choose
from deepanalyze_cli.sandbox.private import PREFIX
from deepanalyze_cli.types import Limits, Run, Task, Turn

CELLS, SEED, EVERY = 500, 20261123, 5
MB = 1 << 20
SLACK = 16 * MB
"""By how much the launcher may be larger at the end than after a fifth of the cells: it holds a record of each turn."""

FAULTS = {
    "kill": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "died"),
    "exit": ("import os\nos._exit(3)", "died"),
    "segfault": ("import ctypes\nctypes.string_at(0)", "died"),
    "memory": (
        "import time\n"
        "pieces = []\n"
        "try:\n"
        "    while True: pieces.append(b'\\1' * (32 << 20))\n"
        "except MemoryError:\n"
        "    time.sleep(5)",
        "died",
    ),
    "loop": ("while True: pass", "timeout"),
    "flood": ("for _ in range(2000): print('x' * 10_000)", "ok timeout"),
    "disk": (
        "import time\n"
        "for part in range(4):\n"
        "    with open(f'big-{part}', 'wb') as file: file.write(b'\\1' * (40 << 20))\n"
        "time.sleep(5)",
        "died",
    ),
    "daemon": (
        "import fcntl, os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    alive = open(f'alive-{NUMBER}', 'w')\n"
        "    fcntl.flock(alive, fcntl.LOCK_EX)\n"
        "    time.sleep(3600)\n"
        "while not os.path.exists(f'alive-{NUMBER}'): time.sleep(0.01)\n"
        "os._exit(4)",
        "died",
    ),
}
"""Name -> what the cell does, and the statuses that it may end in."""
DONE = "<Answer>\nDone.\n</Answer>"


@dataclass(frozen=True)
class Sample:
    """What the launcher holds after so many turns."""

    turns: int
    resident: int
    descriptors: int
    threads: int

    def __str__(self) -> str:
        return f"{self.turns:5} {self.resident / MB:7.1f} MB {self.descriptors:5} {self.threads:5}"


def main() -> int:
    cells = int(sys.argv[1]) if len(sys.argv) > 1 else CELLS
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else SEED
    faults = plan(cells, seed)
    tier = choose("auto")
    print(f"{cells} cells in a box of tier {tier.name}, seed {seed}: {dict(Counter(filter(None, faults)))}")
    with tempfile.TemporaryDirectory(prefix="soak-", dir="/tmp") as folder:
        tempfile.tempdir = folder  # so that what is left behind is ours
        place = Path(folder)
        started = time.monotonic()
        run, samples = soak(place, Box(tier, memory=400 * MB, disk=100 * MB), faults)
        seconds = time.monotonic() - started
        print("turns   memory  descr. threads", *samples, f"{seconds:.0f} s, stop: {run.stop}", sep="\n")
        problems = [*lost(place, run, faults), *grown(samples), *left(place)]
    print("\n".join(problems) or "nothing lost, nothing grown, nothing left")
    return bool(problems)


def plan(cells: int, seed: int) -> list[str]:
    """The fault of each cell, empty for the four of five that have none."""
    chance = random.Random(seed)
    return [chance.choice([*FAULTS]) if i % EVERY == EVERY - 1 else "" for i in range(cells)]


def code(number: int, fault: str) -> str:
    """A cell that is like no other, since the loop refuses to run the same twice. It frees the disk first."""
    free = "import glob, os\nfor file in glob.glob('big-*'): os.unlink(file)"
    work = FAULTS[fault][0] if fault else "total = sum(range(1000))\nprint('cell', NUMBER, total)"
    return f"NUMBER = {number}\n{free}\n{work}"


def soak(place: Path, box: Box, faults: list[str]) -> tuple[Run, list[Sample]]:
    """Run it all, and look at the launcher ten times on the way."""
    replies = [*(f"<Code>\n{code(i, fault)}\n</Code>" for i, fault in enumerate(faults)), DONE]
    model = ScriptedModel(replies, context=10_000_000)
    trace, samples = TraceWriter(place / "trace.jsonl"), []
    every = max(len(faults) // 10, 1)

    def emit(event: Event) -> None:
        trace(event)
        model.asked[:] = [()] * len(model.asked)  # it keeps all conversations, which are no part of this
        if isinstance(event, TurnFinished) and event.turn.index % every == every - 1:
            samples.append(sample(event.turn.index + 1))

    limits = Limits(turns=len(faults) + 10, seconds=3600, tokens=10_000_000, cell_seconds=2, feedback_tokens=50)
    task = Task("How long does it hold?", kind="answer")
    with JupyterKernel(place / "work", box=box, grace=1) as kernel:
        run = solve(task, model, kernel, limits=limits, emit=emit)
    trace.close()
    return run, samples


def sample(turns: int) -> Sample:
    gc.collect()
    process = psutil.Process()
    return Sample(turns, process.memory_info().rss, process.num_fds(), process.num_threads())


def lost(place: Path, run: Run, faults: list[str]) -> list[str]:
    """What the trace does not tell, or tells wrongly."""
    recorded = read_run(place / "trace.jsonl")
    problems = [] if recorded == run else ["the trace is not the run"]
    if len(recorded.turns) != len(faults) + 1 or recorded.stop != "answer":
        problems.append(f"{len(recorded.turns)} turns, stop {recorded.stop} {recorded.error}")
    for turn, fault in zip(recorded.turns, faults, strict=False):
        if complaint := wrong(turn, fault):
            problems.append(f"cell {turn.index} ({fault or 'no fault'}): {complaint}")
    return problems


def wrong(turn: Turn, fault: str) -> str:
    """Why this is not what the cell has to end in; empty if it is."""
    observation = turn.observation
    if observation is None:
        return "nothing was observed"
    statuses = FAULTS[fault][1] if fault else "ok"
    if observation.status not in statuses.split():
        return f"{observation.status}: {observation.note}"
    said = "".join(output.data.get("text/plain", "") for output in observation.outputs)
    if not fault and said != f"cell {turn.index} 499500\n":
        return f"it printed {said[:100]!r}"
    return "" if observation.status == "ok" or observation.note or "Error" in said else "the end is not explained"


def grown(samples: list[Sample]) -> list[str]:
    """What is larger at the end than after a fifth of the cells."""
    early, late = samples[len(samples) // 5], samples[-1]
    problems = []
    if late.resident > early.resident + SLACK:
        problems.append(f"memory grew from {early.resident // MB} to {late.resident // MB} MB")
    if late.descriptors > early.descriptors or late.threads > early.threads:
        problems.append(f"from {early.descriptors} to {late.descriptors} descriptors, {late.threads} threads")
    return problems


def left(place: Path) -> list[str]:
    """What is still there of the kernels: processes of any namespace, folders, cgroups, mounts."""
    problems = [f"the process {child}" for child in psutil.Process().children(recursive=True)]
    for file in (place / "work").glob("alive-*"):
        with file.open("r+") as alive:
            try:
                fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                problems.append(f"somebody holds {file.name}")
    problems += [f"the folder {folder}" for folder in place.glob(f"{PREFIX}*")]
    own = f"deepanalyze-{psutil.Process().pid}-*"
    problems += [f"the cgroup {folder}" for folder in Path("/sys/fs/cgroup").glob(f"**/{own}")]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return [f"left: {what}" for what in problems + [line for line in mounts if str(place) in line]]


if __name__ == "__main__":
    sys.exit(main())
