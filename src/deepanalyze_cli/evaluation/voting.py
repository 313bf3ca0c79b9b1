"""Several answers to one question, and the one that was given most often (self-consistency, arXiv 2203.11171)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..benchmarks import Sample
from ..seams import Model, OnText, ignore
from ..types import Completion, Message, Sampling
from .attempts import Attempt, Solver

STRIDE = 1000
"""Between the seeds of two answers; a run uses one seed a turn."""
TEMPERATURE = 0.6
"""Of all answers but the first: they must be able to differ."""


class Reseeded:
    """The same loaded model with other luck: the `number`-th of several answers to one question."""

    def __init__(self, model: Model, number: int):
        self._model, self.context = model, model.context
        sampling = model.card.sampling
        bolder = max(sampling.temperature, TEMPERATURE) if number else sampling.temperature
        self.card = replace(
            model.card, sampling=replace(sampling, seed=sampling.seed + STRIDE * number, temperature=bolder)
        )

    def count(self, text: str) -> int:
        """How many of the model's own tokens `text` takes."""
        return self._model.count(text)

    def generate(self, messages: Sequence[Message], sampling: Sampling, *, on_text: OnText = ignore) -> Completion:
        """Sample one reply."""
        return self._model.generate(messages, sampling, on_text=on_text)

    def close(self) -> None:
        """Nothing: whoever loaded the model closes it."""


def voting(solvers: Sequence[Solver]) -> Solver:
    """A solver that asks each of `solvers` and takes the most frequent answer, the earliest among equals.

    Asking ends as soon as no other answer can win any more.
    """

    def solve(sample: Sample, folder: Path) -> Attempt:
        tried: list[Attempt] = []
        for number, solver in enumerate(solvers, 1):
            tried.append(solver(sample, folder / str(number)))
            if decided(tried, len(solvers) - number):
                break
        return elected(tried)

    return solve


def decided(tried: Sequence[Attempt], left: int) -> bool:
    """Whether the answer in front stays there, whatever the `left` others say."""
    counted = [count for _, count in votes(tried).most_common(2)] + [0, 0]
    return counted[0] >= counted[1] + left and counted[0] > 0


def elected(tried: Sequence[Attempt]) -> Attempt:
    """The first attempt that gave the most frequent answer, with the cost of all."""
    counted = votes(tried)
    best = max(tried, key=lambda one: (counted[same(one.answer)], -tried.index(one)))
    return replace(
        best,
        seconds=round(sum(one.seconds for one in tried), 3),
        prompt_tokens=sum(one.prompt_tokens for one in tried),
        completion_tokens=sum(one.completion_tokens for one in tried),
        calls=sum(one.calls for one in tried),
        failed_cells=sum(one.failed_cells for one in tried),
    )


def votes(tried: Sequence[Attempt]) -> Counter[str]:
    """Answer -> how often it was given; no answer counts for nothing."""
    return Counter(same(one.answer) for one in tried if one.answer)


def same(answer: str) -> str:
    """What two answers that only differ in spacing have in common."""
    return " ".join(answer.split())
