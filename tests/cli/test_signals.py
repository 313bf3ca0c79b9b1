"""Ctrl-C, SIGTERM and `kill -9` in the middle of a cell: the artefacts are there, and no kernel is left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from command import COMMAND, PENGUINS, cell, environment, run, run_folder, script

from deepanalyze_cli.outputs.trace import read_run

LONG = """import pathlib, time
pathlib.Path("busy").touch()
while True:
    time.sleep(0.1)"""


@dataclass(frozen=True)
class Busy:
    """The command in the middle of a cell that does not end, and that cell's kernel."""

    process: subprocess.Popen[str]
    kernel: psutil.Process
    out: Path

    def end(self, number: signal.Signals) -> tuple[int, str, str]:
        """Send a signal: the exit code, what was on stdout and on stderr."""
        self.process.send_signal(number)
        stdout, stderr = self.process.communicate(timeout=60)
        return self.process.returncode, stdout, stderr


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Busy]:
    model = script(tmp_path / "script.jsonl", cell("print('first', penguins.shape[1] - 4)"), cell(LONG))
    command = [*COMMAND, "analyze", str(PENGUINS), "-m", model, "-o", str(tmp_path / "out")]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(tmp_path), cwd=tmp_path
    )
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("out/*/work/busy")):
            assert process.poll() is None and time.monotonic() < deadline
        below = psutil.Process(process.pid).children(recursive=True)
        yield Busy(process, below[-1], tmp_path / "out")
    finally:
        process.kill()
        process.communicate()


def gone(process: psutil.Process, seconds: float) -> bool:
    """Whether it has ended within so many seconds; one that only waits to be buried has."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
    return False


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_in_order(busy, number, code):
    returned, stdout, stderr = busy.end(number)
    folder = run_folder(busy.out)
    assert (returned, "Traceback" in stderr) == (code, False), stderr
    assert f"report    {folder}/report.html" in stdout
    found = read_run(folder)
    assert (found.stop, [turn.feedback for turn in found.turns]) == ("interrupted", ["first 4"])
    assert json.loads((folder / "manifest.json").read_text())["exit_code"] == code
    assert "Interrupted by the user" in (folder / "report.md").read_text()
    assert "first 4" in (folder / "trace.ipynb").read_text()
    assert gone(busy.kernel, 0.5)


def test_a_killed_run_can_be_read_and_leaves_no_kernel(busy, tmp_path, short):
    assert busy.end(signal.SIGKILL)[0] == -signal.SIGKILL
    assert gone(busy.kernel, 2.5)
    folder = run_folder(busy.out)
    found = read_run(folder)
    assert (found.stop, [turn.feedback for turn in found.turns]) == (None, ["first 4"])
    assert not list(folder.glob(".*.part"))
    again = run(tmp_path, "analyze", PENGUINS, "-m", short, "-o", busy.out, "-q")
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_before_the_first_turn_leaves_nothing(tmp_path, number, code):
    script(tmp_path / "script.jsonl")
    command = [*COMMAND, "analyze", str(PENGUINS), "-m", f"scripted:{tmp_path / 'script.jsonl'}", "-o", "out"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(tmp_path), cwd=tmp_path
    ) as process:
        for line in process.stderr:
            if line == "starting the kernel\n":
                break
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (code, "")
    assert stderr == f"deepanalyze: {'interrupted' if code == 130 else 'terminated'}\n"
    assert list((tmp_path / "out").iterdir()) == []
