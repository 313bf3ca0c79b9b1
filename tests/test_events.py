"""The fold: a run is what its recorded events say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deepanalyze_cli.events import RunFinished, RunStarted, TurnFinished, apply
from deepanalyze_cli.types import Completion, Limits, Message, ModelCard, Observation, Run, Step, Task, Turn

RUN = Run("r1", Task("Why?"), (Message("user", "Why?"),), ModelCard("m", "scripted"), Limits())
TURNS = tuple(Turn(i, Step("act"), Completion(f"reply {i}"), observation=Observation("ok")) for i in range(3))


def test_a_run_grows_by_its_events():
    run = apply(None, RunStarted(RUN))
    assert run == RUN
    for turn in TURNS:
        run = apply(run, TurnFinished(turn))
    assert run == replace(RUN, turns=TURNS)
    assert apply(run, RunFinished("failed", "42", 1.5, "E: no")) == replace(
        RUN, turns=TURNS, stop="failed", answer="42", seconds=1.5, error="E: no"
    )
    assert RUN.turns == ()


@pytest.mark.parametrize("event", [TurnFinished(TURNS[0]), RunFinished("answer", "", 0.0)])
def test_a_trace_begins_at_its_beginning(event):
    with pytest.raises(ValueError, match="begins with run_started"):
        apply(None, event)
