"""How a task is gone about: what the next turn is for, what it is asked, and how its reply is read.

A strategy is a set of pure functions of the `Run` so far. `free` lets the model drive (the native way); `guided` asks a
small model for one thing at a time, `asked` for one program that prints a short answer. Which of them runs follows from
the model's card and from the kind of task.
"""

from __future__ import annotations

from typing import Protocol

from ..grammar import Reply
from ..types import Completion, Message, ModelCard, Observation, Run, Step, Task


class Strategy(Protocol):
    """The questions an `Episode` has."""

    def prompt(self, task: Task, briefing: str, card: ModelCard) -> tuple[Message, ...]:
        """The beginning of the conversation. `briefing` is the data card."""

    def step(self, run: Run, *, last: bool) -> Step | None:
        """What the next turn is for; `None` when the task is done. `last`: no turn comes after it."""

    def messages(self, run: Run, step: Step, dropped: frozenset[int]) -> tuple[Message, ...]:
        """What the model is asked at `step`, without the observations of the `dropped` turns."""

    def read(self, run: Run, step: Step, completion: Completion) -> Reply:
        """What the reply asks for."""

    def objection(self, run: Run, step: Step, reply: Reply) -> str:
        """Why a well-formed reply is not acted on (told to the model), or an empty string."""

    def conclude(self, run: Run, step: Step, reply: Reply, observation: Observation) -> tuple[Reply, Observation]:
        """The last word on a turn, once its effects are known."""

    def answer(self, run: Run) -> str:
        """The report or answer, as far as it has come."""


def strategy_for(card: ModelCard, task: Task) -> Strategy:
    """The strategy that the card names; its form for short answers where the task wants one."""
    from . import asked, free, guided

    if card.strategy == "free":
        return free.Free()
    return asked.Asked() if task.kind == "answer" else guided.Guided()
