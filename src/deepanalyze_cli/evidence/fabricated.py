"""Cells that only print what was typed into them. A model that has no number likes to write one down and print it."""

from __future__ import annotations

import re
from dataclasses import replace

from ..types import Action, Completion, Observation, Run, Step, Turn
from .origin import origin

NOTE = (
    "None of these numbers comes from the data: they were typed into the code or drawn at random. "
    "They are no evidence. Compute what you need from the tables."
)


def fabricated(run: Run, step: Step, code: str, observation: Observation) -> bool:
    """Whether a cell that has just run printed numbers that descend from literals only."""
    printed = "".join(o.data.get("text/plain", "") for o in observation.outputs if o.kind in ("stdout", "result"))
    if not re.search(r"\d", printed):
        return False
    index = run.turns[-1].index + 1 if run.turns else 0
    turn = Turn(index, step, Completion(""), (Action("code", code),), observation)
    return origin(replace(run, turns=(*run.turns, turn))).get(index) == "literals"
