"""Predictions -> accuracy with its interval, time and tokens, by level and skill; as a table and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean
from typing import Any

from .attempts import Prediction

Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Share:
    """`right` of `n`, with the Wilson interval at 95 % (Wilson 1927), all from 0 to 1."""

    right: int
    n: int

    @property
    def value(self) -> float:
        return self.right / self.n if self.n else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        if not self.n:
            return (0.0, 1.0)
        p, n, z = self.value, self.n, Z95
        middle, half = p + z * z / (2 * n), z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        scale = 1 + z * z / n
        return (max((middle - half) / scale, 0.0), min((middle + half) / scale, 1.0))

    def __str__(self) -> str:
        low, high = self.interval
        return f"{100 * self.value:.1f} % ({100 * low:.0f} to {100 * high:.0f})"


@dataclass(frozen=True, slots=True)
class Row:
    """One way of solving with one model: everything that is told of its predictions."""

    way: str
    model: str
    predictions: tuple[Prediction, ...]

    @property
    def right(self) -> Share:
        """Questions wholly right: the set's accuracy by question."""
        return _share(self.predictions)

    @property
    def score(self) -> float:
        """Mean of the set's own score, 0 to 1: for sets that give part of a point."""
        return mean(p.value for p in self.predictions) if self.predictions else 0.0

    @property
    def parts(self) -> Share:
        """Sub-answers right, over all questions."""
        return Share(sum(p.parts[0] for p in self.predictions), sum(p.parts[1] for p in self.predictions))

    @property
    def levels(self) -> dict[str, Share]:
        """Level -> its share of right ones."""
        names = sorted({p.level for p in self.predictions if p.level})
        return {name: _share(p for p in self.predictions if p.level == name) for name in names}

    @property
    def skills(self) -> dict[str, Share]:
        """Skill -> the same; a question can have several."""
        names = sorted({skill for p in self.predictions for skill in p.skills})
        return {name: _share(p for p in self.predictions if name in p.skills) for name in names}

    @property
    def answered(self) -> int:
        """Answers in the form that was asked for."""
        return sum(p.answered for p in self.predictions)

    @property
    def errors(self) -> Counter[str]:
        """How many ended in what other than an answer."""
        return Counter(p.attempt.error for p in self.predictions if p.attempt.error)

    def per_question(self, name: str) -> float:
        """Mean of a field of the attempts: `seconds`, `prompt_tokens`, `completion_tokens`, `calls`."""
        return mean(getattr(p.attempt, name) for p in self.predictions) if self.predictions else 0.0

    def per_right(self, name: str) -> float | None:
        """The same field's sum over all questions for each right answer; `None` where there is none."""
        total = sum(getattr(p.attempt, name) for p in self.predictions)
        return total / self.right.right if self.right.right else None


def as_json(row: Row) -> dict[str, Any]:
    """Everything of a row but its predictions."""
    fields = ("seconds", "prompt_tokens", "completion_tokens", "calls", "failed_cells")
    return {
        "way": row.way,
        "model": row.model,
        "n": row.right.n,
        "right": row.right.right,
        "accuracy": row.right.value,
        "interval95": row.right.interval,
        "score": row.score,
        "parts": row.parts.value,
        "answered": row.answered,
        "levels": {name: (share.right, share.n) for name, share in row.levels.items()},
        "skills": {name: (share.right, share.n) for name, share in row.skills.items()},
        "per_question": {name: row.per_question(name) for name in fields},
        "per_right": {name: row.per_right(name) for name in fields},
        "errors": dict(row.errors),
    }


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, one a way and model, best first."""
    levels = sorted({level for row in rows for level in row.levels})
    head = ["way", "model", "n", "right (95 %)", "score", *levels, "answered", "s", "s / right"]
    head += ["prompt tok", "sampled tok", "sampled / right", "calls", "ended in"]
    body = [_cells(row, levels) for row in sorted(rows, key=lambda row: -row.right.value)]
    return _markdown(head, body)


def skills_table(row: Row) -> str:
    """Skill by skill."""
    body = [[name, str(share.n), str(share)] for name, share in row.skills.items()]
    return _markdown(["skill", "n", "right (95 %)"], body)


def _cells(row: Row, levels: Sequence[str]) -> list[str]:
    share = row.levels
    seconds, sampled = row.per_right("seconds"), row.per_right("completion_tokens")
    return [
        *(row.way, row.model, str(row.right.n), str(row.right), f"{100 * row.score:.1f}"),
        *(f"{share[level].right}/{share[level].n}" if level in share else "" for level in levels),
        str(row.answered),
        f"{row.per_question('seconds'):.1f}",
        "-" if seconds is None else f"{seconds:.1f}",
        f"{row.per_question('prompt_tokens'):.0f}",
        f"{row.per_question('completion_tokens'):.0f}",
        "-" if sampled is None else f"{sampled:.0f}",
        f"{row.per_question('calls'):.1f}",
        ", ".join(f"{count} {kind}" for kind, count in row.errors.most_common()),
    ]


def _share(predictions: Iterable[Prediction]) -> Share:
    found = [p.right for p in predictions]
    return Share(sum(found), len(found))


def _markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
