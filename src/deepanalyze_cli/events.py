"""Everything that happens in a run, as values.

*Recorded* events are written to the trace and fold into a `Run` (`apply`); *passing* events are for the eye only and
are gone once shown. There are no callbacks beside this stream.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from .types import Output, Run, Step, Stop, Turn


@dataclass(frozen=True, slots=True)
class RunStarted:
    """First event of every trace: the run with no turns yet."""

    run: Run
    type: Literal["run_started"] = "run_started"


@dataclass(frozen=True, slots=True)
class TurnFinished:
    """A reply was taken and acted on; its effects are complete."""

    turn: Turn
    type: Literal["turn_finished"] = "turn_finished"


@dataclass(frozen=True, slots=True)
class RunFinished:
    """Last event of every trace that was not killed."""

    stop: Stop
    answer: str
    seconds: float
    error: str = ""
    changed: tuple[str, ...] = ()
    type: Literal["run_finished"] = "run_finished"


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """The model is about to be asked. `prompt_tokens` is an estimate, for the view only."""

    turn: int
    step: Step
    prompt_tokens: int = 0
    dropped: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The model wrote some more text."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class CodeStarted:
    """A cell was handed to the kernel."""

    turn: int
    code: str


@dataclass(frozen=True, slots=True)
class OutputArrived:
    """The running cell produced an output."""

    turn: int
    output: Output


Recorded = RunStarted | TurnFinished | RunFinished
Passing = TurnStarted | TextDelta | CodeStarted | OutputArrived
Event = Recorded | Passing


def apply(run: Run | None, event: Recorded) -> Run:
    """The run as it stands after one more recorded event; `None` stands for the run before its first.

    Raises:
        ValueError: the first event is not `RunStarted`.
    """
    if isinstance(event, RunStarted):
        return event.run
    if run is None:
        raise ValueError("a trace begins with run_started")
    if isinstance(event, TurnFinished):
        return replace(run, turns=(*run.turns, event.turn))
    return replace(
        run, stop=event.stop, answer=event.answer, seconds=event.seconds, error=event.error, changed=event.changed
    )
