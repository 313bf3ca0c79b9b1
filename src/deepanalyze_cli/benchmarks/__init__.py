"""Published question sets, one file each: how its files are read, and its official rule of scoring.

A suite is a module with `load(folder) -> list[Sample]` and `score(sample, answer) -> Score`. `folder` holds the set as
its publisher (or `shared/bench`) lays it out; nothing here is fetched. An answer is graded by the set's own rule and
never parsed more generously, because training is rewarded by the very same functions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from ..errors import InputError, UsageError

SUITES: Mapping[str, str] = {
    "daeval": "DAEval (InfiAgent-DABench): closed questions on one CSV each",
    "qrdata": "QRData: statistical and causal questions, numbers and choices",
    "wikitq": "WikiTableQuestions: questions on one Wikipedia table each",
}
"""Name -> what it is. The module of a suite has its name."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One question. `prompt` is what an agent gets, form of the answer included; `files` are all that it may read.

    `gold` is the right answer in the set's own terms, for its `score` alone.
    """

    id: str
    prompt: str
    files: tuple[Path, ...]
    gold: Any
    level: str = ""
    skills: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What else the set's rule of scoring needs: the type of the answer, the choices."""


@dataclass(frozen=True, slots=True)
class Score:
    """How an answer came out: `value` from 0 to 1 by the set's rule, `right` where it is wholly right.

    `parts` are the sub-answers that were right, out of how many. `answered` is false where the answer has not the form
    that was asked for.
    """

    value: float
    right: bool
    parts: tuple[int, int] = (0, 0)
    answered: bool = True
    note: str = ""


class Suite(Protocol):
    """What the module of a suite has."""

    def load(self, folder: Path) -> list[Sample]:
        """The questions in the order of the set's own file.

        Raises:
            InputError: a file is missing or not as published.
        """

    def score(self, sample: Sample, answer: str) -> Score:
        """Grade one answer by the set's official rule."""


def suite(name: str) -> Suite:
    """The suite of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in SUITES:
        raise UsageError(f"there is no suite {name!r}", f"take one of {', '.join(SUITES)}")
    return cast(Suite, import_module(f".{name}", __name__))


def lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file.

    Raises:
        InputError: it is missing, or a line is no JSON object.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}", "give the suite's folder with --data") from error
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}, line {number}: {error.msg}") from error
        if not isinstance(value, dict):
            raise InputError(f"{path}, line {number}: not a JSON object")
        found.append(value)
    return found


def labelled(folder: Path) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(question, label) of a folder with `questions.jsonl` and `labels.jsonl`, joined by `id`.

    Raises:
        InputError: a file is missing, or a question has no label.
    """
    labels = {label["id"]: label for label in lines(folder / "labels.jsonl")}
    questions = lines(folder / "questions.jsonl")
    if missing := [q["id"] for q in questions if q["id"] not in labels]:
        raise InputError(f"{folder / 'labels.jsonl'} has no label for question {missing[0]}")
    return [(question, labels[question["id"]]) for question in questions]
