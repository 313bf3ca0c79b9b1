"""Launchers in processes of their own, which can be killed: what is left of a kernel, and of the record, after that.

A launcher is started on the very cell that is to be in the way of a clean end, and killed (SIGKILL) in the middle of
it. Both cases return a complaint, empty if there is none, like the judgements of `attack`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from attacks_system import DAEMON, end_holders, locked

from deepanalyze_cli.outputs.trace import read_run
from deepanalyze_cli.sandbox import Tier

KERNEL_ONLY = """
import sys
from pathlib import Path
from deepanalyze_cli.kernel import JupyterKernel
from deepanalyze_cli.sandbox import Box, choose

tier, folder, code = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
kernel = JupyterKernel(folder / "work", box=Box(choose(tier)))
kernel.execute(code, timeout=600, on_output=lambda output: print(output.data["text/plain"], end="", flush=True))
"""
WHOLE_RUN = """
import sys
from pathlib import Path
from deepanalyze_cli.agent import solve
from deepanalyze_cli.events import OutputArrived
from deepanalyze_cli.kernel import JupyterKernel
from deepanalyze_cli.models.backends.scripted import ScriptedModel
from deepanalyze_cli.outputs.trace import TraceWriter
from deepanalyze_cli.sandbox import Box, choose
from deepanalyze_cli.types import Task

tier, folder, code = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
trace = TraceWriter(folder / "trace.jsonl")

def emit(event):
    trace(event)
    if isinstance(event, OutputArrived):
        print(event.output.data["text/plain"], end="", flush=True)

cells = ["print('first')", "print('second')", code]
model = ScriptedModel([f"<Code>\\n{cell}\\n</Code>" for cell in cells])
solve(Task("What is left?"), model, JupyterKernel(folder / "work", box=Box(choose(tier))), emit=emit)
"""
ENDLESS = f"import os, time\n{DAEMON}\nprint('busy', flush=True)\nwhile True: pass"
"""A daemon that would stay, and then a cell that does not end."""
_SECONDS = 5.0


def left_after_a_kill(tier: Tier, folder: Path) -> str:
    """pd-1: the launcher is killed while its kernel is busy and a daemon runs."""
    with _killed(KERNEL_ONLY, tier, folder) as below:
        return _still_there(below, folder)


def lost_after_a_kill(tier: Tier, folder: Path) -> str:
    """pr-14: the same in the third turn of a run; the record holds the two before, and reads as a run."""
    with _killed(WHOLE_RUN, tier, folder) as below:
        if complaint := _still_there(below, folder):
            return complaint
    run = read_run(folder / "trace.jsonl")
    texts = [output.data["text/plain"] for turn in run.turns if turn.observation for output in turn.observation.outputs]
    if texts != ["first\n", "second\n"] or run.stop is not None:
        return f"the trace says {texts}, stop {run.stop}"
    return ""


def _still_there(below: list[psutil.Process], folder: Path) -> str:
    deadline = time.monotonic() + _SECONDS
    _, alive = psutil.wait_procs(below, timeout=_SECONDS)
    if alive:
        return f"processes live on: {[process.name() for process in alive]}"
    while locked(folder / "work"):
        if time.monotonic() > deadline:
            end_holders(folder / "work")
            return "the daemon lives on"
    mounts = Path("/proc/self/mountinfo").read_text()
    return "a mount is left" if str(folder) in mounts else ""


@contextmanager
def _killed(script: str, tier: Tier, folder: Path) -> Iterator[list[psutil.Process]]:
    """Start a launcher, wait until its cell is busy, kill it; the processes that were below it."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", script, tier.name, str(folder), ENDLESS]
    environment = {**os.environ, "TMPDIR": tempfile.gettempdir()}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as launcher:
        try:
            for line in launcher.stdout:
                if line == "busy\n":
                    break
            below = psutil.Process(launcher.pid).children(recursive=True)
            assert below and locked(folder / "work"), "nothing runs that could be left"
        finally:
            launcher.kill()
        launcher.wait()
        yield below
