"""How long `deepanalyze --help` takes, beside `llm --help`, a command line for models that many people know.

    python tests/benchmarks/startup.py

Runs of the two alternate, so that whatever else the machine does falls on both. Prints wall times of whole processes,
and fails if the help loads a heavy module. Where `llm` is not installed it is fetched from PyPI for the time being.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RUNS = 15
HEAVY = """
    duckdb httpx huggingface_hub jinja2 jupyter_client llama_cpp matplotlib nbformat numpy pandas psutil pyarrow
    pydantic torch transformers zmq
"""
"""Not among them is `markdown_it`, because Typer loads it to show any help."""
LOADED = """\
import contextlib, io, sys
from deepanalyze_cli.cli import main
sys.argv = ["deepanalyze", "--help"]
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    main()
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def main() -> int:
    ours = str(Path(sys.executable).with_name("deepanalyze"))
    with llm() as theirs:
        times = alternate({"deepanalyze --help": [ours, "--help"], "llm --help": [theirs, "--help"]})
        print(f"{'':20}{'min':>9}{'median':>9}   of {RUNS} runs, alternating")
        for name, seconds in times.items():
            print(f"{name:20}{min(seconds) * 1000:6.0f} ms{statistics.median(seconds) * 1000:6.0f} ms")
    first, second = (statistics.median(seconds) for seconds in times.values())
    print(f"ratio of the medians {first / second:.2f}")
    heavy = sorted(loaded() & {*HEAVY.split()})
    print(f"heavy modules loaded by deepanalyze --help: {', '.join(heavy) or 'none'}")
    return bool(heavy)


def alternate(commands: dict[str, list[str]]) -> dict[str, list[float]]:
    """Name -> wall seconds of each run. Each command runs once before, so that its files are in the disk cache."""
    for command in commands.values():
        wall(command)
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(RUNS):
        for name, command in commands.items():
            times[name].append(wall(command))
    return times


def wall(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def loaded() -> set[str]:
    """The top-level modules that the help has imported when it is done."""
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@contextmanager
def llm() -> Iterator[str]:
    """The path of `llm`."""
    if found := shutil.which("llm"):
        yield found
        return
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        programs = Path(folder) / ("Scripts" if os.name == "nt" else "bin")
        subprocess.run([programs / "python", "-m", "pip", "install", "-qq", "llm"], check=True)
        yield str(programs / "llm")


if __name__ == "__main__":
    sys.exit(main())
