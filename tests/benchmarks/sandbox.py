"""What a box costs: the start of a kernel and a cell, in every tier this machine has, beside the same without a box.

    python tests/benchmarks/sandbox.py [ROUNDS]

The tiers take turns in every round, so that whatever else the machine does falls on all. Prints the least and the
median of wall times; the least is what a quiet machine would show. Fails if at the least a start costs 80 ms or a cell
1 ms more than without a box.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from deepanalyze_cli.errors import KernelError
from deepanalyze_cli.kernel import JupyterKernel
from deepanalyze_cli.sandbox import Box, Tier, choose

ROUNDS, CELLS = 12, 50
MOST_START, MOST_CELL = 0.080, 0.001
PLAIN = "none"


@dataclass
class Times:
    """Seconds, one entry a kernel that was started or stopped, or a cell that was run."""

    start: list[float] = field(default_factory=list)
    cell: list[float] = field(default_factory=list)
    stop: list[float] = field(default_factory=list)


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    tiers = available()
    times = {tier.name: Times() for tier in tiers}
    with tempfile.TemporaryDirectory() as folder:
        for tier in tiers:  # once before, so that all files are in the disk cache
            measure(tier, Path(folder), Times())
        for _ in range(rounds):
            for tier in tiers:
                measure(tier, Path(folder), times[tier.name])
    print(
        f"{rounds} rounds, {CELLS} cells of `1 + 1` in each; milliseconds, least / median, and the ratio to {PLAIN}\n"
    )
    print("| tier | kernel start | more | ratio | cell | more | ratio | stop |\n|---|---|---|---|---|---|---|---|")
    plain = times[PLAIN]
    for name, taken in times.items():
        start, cell = compared(taken.start, plain.start, 0), compared(taken.cell, plain.cell, 2)
        print(f"| {name} | {start} | {cell} | {both(taken.stop, 0)} |")
    return any(
        min(taken.start) - min(plain.start) >= MOST_START or min(taken.cell) - min(plain.cell) >= MOST_CELL
        for taken in times.values()
    )


def available() -> list[Tier]:
    """The tiers that can be had here, the one without a box among them; the others are named and left out."""
    found = []
    for name in ("full", "bwrap", "landlock", PLAIN):
        try:
            found.append(choose(name))
        except KernelError as error:
            print(f"{name} is left out: {error.message}")
    return found


def measure(tier: Tier, folder: Path, times: Times) -> None:
    """One kernel from its start to its end."""
    started = time.perf_counter()
    kernel = JupyterKernel(folder, box=Box(tier))
    times.start.append(time.perf_counter() - started)
    for _ in range(CELLS):
        started = time.perf_counter()
        kernel.execute("1 + 1", timeout=10)
        times.cell.append(time.perf_counter() - started)
    started = time.perf_counter()
    kernel.close()
    times.stop.append(time.perf_counter() - started)


def compared(boxed: list[float], plain: list[float], digits: int) -> str:
    more = [of(boxed) - of(plain) for of in (min, statistics.median)]
    ratios = [of(boxed) / of(plain) for of in (min, statistics.median)]
    return f"{both(boxed, digits)} | {pair(more, digits, '+')} | {ratios[0]:.2f} / {ratios[1]:.2f}"


def both(seconds: list[float], digits: int) -> str:
    return pair([min(seconds), statistics.median(seconds)], digits)


def pair(seconds: list[float], digits: int, sign: str = "") -> str:
    return " / ".join(f"{value * 1000:{sign}.{digits}f}" for value in seconds)


if __name__ == "__main__":
    sys.exit(main())
