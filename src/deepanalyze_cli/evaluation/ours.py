"""The product's own way with a question: the data profiled, a kernel in a box, `agent.solve`, the trace kept."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from ..agent import solve
from ..benchmarks import Sample
from ..seams import Model
from ..strategies.asked import Asked
from ..types import Limits, Task
from .attempts import Attempt, spent

BRIEFING_TOKENS = 1400
WITHOUT: Mapping[str, Mapping[str, Any]] = {
    "vote": {"programs": 1},
    "retries": {"attempts": 1},
    "cures": {"cures": False},
    "opening": {"opening": False},
    "cookbook": {"cookbook": False},
    "traps": {"traps": False},
    "card": {},
}
"""A step that a measurement can leave out -> how."""


class Ours:
    """`deepanalyze` itself, as it answers a question in one line."""

    def __init__(
        self, model: Model, *, limits: Limits | None = None, sandbox: str = "auto", without: Collection[str] = ()
    ):
        from ..sandbox import Box, choose
        from ..sandbox.box import usual_memory

        self._card = "card" not in without
        self._asked = Asked(**{name: value for left in without for name, value in WITHOUT[left].items()})
        self._model, self._limits = model, limits or Limits(turns=12, seconds=240.0)
        self._box = Box(choose(sandbox), memory=usual_memory())

    def __call__(self, sample: Sample, folder: Path) -> Attempt:
        """Solve it; `trace.jsonl` and the working folder stay in `folder`.

        Raises:
            DeepAnalyzeError: the data cannot be read, or our side failed.
        """
        from dataclasses import replace

        from ..kernel import JupyterKernel
        from ..outputs.trace import TraceWriter
        from ..prelude import CAPTURE, parameters, setup
        from ..workspace import card as data_card
        from ..workspace import open_workspace

        started = time.monotonic()
        workspace = open_workspace(sample.files, box=self._box)
        task = Task(sample.prompt, workspace.sources, kind="answer", id=sample.id, notes=workspace.notes)
        budget = min(BRIEFING_TOKENS, self._model.context // 5)
        briefing = data_card(workspace, budget=budget, count=self._model.count) if self._card else _names(task)
        work = folder / "work"
        work.mkdir(parents=True, exist_ok=True)
        prelude = (CAPTURE, parameters(workspace.data_dir), setup(workspace.sources, workspace.data_dir))
        with (
            closing(TraceWriter(folder / "trace.jsonl")) as trace,
            JupyterKernel(
                work,
                box=replace(self._box, read=workspace.visible),
                prelude=prelude,
                environment={"DEEPANALYZE_SCRATCH": str(work.resolve())},
            ) as kernel,
        ):
            run = solve(
                *(task, self._model, kernel),
                briefing=briefing,
                limits=self._limits,
                emit=trace,
                run_id=sample.id,
                sandbox=self._box.tier.name,
                strategy=self._asked if self._model.card.strategy == "guided" else None,
            )
        return spent(run, time.monotonic() - started)


def _names(task: Task) -> str:
    """What a harness without a profile would know of the data."""
    return "\n".join(f"{table.name}, from {source.name}" for source in task.sources for table in source.tables)
