"""What one try at one question came to: the answer, what it cost, how it was graded. One JSON line each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from ..benchmarks import Sample
from ..types import Run


@dataclass(frozen=True, slots=True)
class Attempt:
    """An answer and its cost. `seconds` is wall time from the question to the answer, the reading of data included.

    `error` is the kind of end that is not an answer: a `Stop` of the run, or the class of an exception.
    """

    answer: str
    seconds: float
    prompt_tokens: int = 0
    completion_tokens: int = 0
    calls: int = 0
    failed_cells: int = 0
    error: str = ""


Solver = Callable[[Sample, Path], Attempt]
"""Tries one question; whatever it wants to keep goes into the folder."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A graded attempt."""

    id: str
    level: str
    skills: tuple[str, ...]
    attempt: Attempt
    value: float
    right: bool
    parts: tuple[int, int]
    answered: bool

    def dumps(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def loads(cls, line: str) -> Prediction:
        """The prediction of one line."""
        value = json.loads(line)
        attempt = Attempt(**value.pop("attempt"))
        skills, parts = tuple(value.pop("skills")), tuple(value.pop("parts"))
        return cls(**value, attempt=attempt, skills=skills, parts=parts)


def spent(run: Run, seconds: float) -> Attempt:
    """The attempt that a finished run was."""
    completions = [turn.completion for turn in run.turns]
    return Attempt(
        run.answer,
        round(seconds, 3),
        prompt_tokens=sum(c.prompt_tokens for c in completions),
        completion_tokens=sum(c.completion_tokens for c in completions),
        calls=len(completions),
        failed_cells=sum(t.observation is not None and t.observation.status in ("error", "timeout") for t in run.turns),
        error="" if run.answer else (run.stop or ""),
    )
