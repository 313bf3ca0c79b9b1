"""The code cells of a notebook file, top to bottom in a fresh kernel in a box, and what they print now.

The file may have been changed by anyone: its code runs where it can read the data and write a folder of its own, and
nothing else. No notebook library is needed, as a cell is no more than a text to run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..evidence.cells import Cell, joined
from ..kernel import PRELUDE_SECONDS, JupyterKernel
from ..prelude import CAPTURE
from ..sandbox import Box
from ..seams import ignore
from ..types import Observation
from . import story
from .text import clean

OURS = ("parameters", "setup")


@dataclass(frozen=True, slots=True)
class Rerun:
    """One cell as it came out now. `status` is that of an observation."""

    cell: Cell
    status: str
    printed: str
    pictures: tuple[str, ...]
    note: str = ""


def rerun(
    cells: Sequence[Cell],
    box: Box,
    *,
    seconds: float,
    packages: Path | None = None,
    on_cell: Callable[[Cell], None] = ignore,
) -> tuple[Rerun, ...]:
    """Run the code cells in a new kernel, each for at most `seconds`; ends early where the setup fails.

    `packages` is a folder with what the code may import besides what is installed.

    Raises:
        KernelError: no kernel can be started.
    """
    with tempfile.TemporaryDirectory(prefix="deepanalyze-verify-") as scratch:
        work = Path(scratch).resolve() / "work"
        work.mkdir()
        environment = {"DEEPANALYZE_SCRATCH": str(work)}
        if packages:
            box = replace(box, read=(*box.read, packages))
            environment |= {"PYTHONPATH": str(packages)}
        with JupyterKernel(work, box=box, prelude=(CAPTURE,), environment=environment) as kernel:
            return tuple(_run(kernel, cells, seconds, on_cell))


def _run(
    kernel: JupyterKernel, cells: Sequence[Cell], seconds: float, on_cell: Callable[[Cell], None]
) -> Iterator[Rerun]:
    for cell in cells:
        if cell.kind != "code":
            continue
        on_cell(cell)
        prepares = cell.id in OURS
        observed = kernel.execute(cell.source, timeout=PRELUDE_SECONDS if prepares else seconds)
        yield _outcome(cell, observed)
        if prepares and observed.status != "ok":
            return


def _outcome(cell: Cell, observed: Observation) -> Rerun:
    pictures = tuple(drawn for output in observed.outputs if (drawn := story.picture(output)))
    return Rerun(cell, observed.status, joined(_outputs(observed)), pictures, observed.note)


def _outputs(observed: Observation) -> Iterator[tuple[str, str]]:
    for output in observed.outputs:
        if output.kind == "error":
            yield "error", f"{clean(output.data.get('ename', ''))}: {clean(output.data.get('evalue', ''))}"
        else:
            yield output.kind, clean(output.data.get("text/plain", ""))
