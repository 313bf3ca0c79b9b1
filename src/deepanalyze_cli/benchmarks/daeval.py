"""DAEval, the closed questions of InfiAgent-DABench (https://github.com/InfiAgent/InfiAgent, arXiv 2401.05507).

`questions.jsonl` and `labels.jsonl` joined by `id`, or the publisher's `da-dev-questions.jsonl` and
`da-dev-labels.jsonl`; tables in `tables/` or `da-dev-tables/`. The official runner has GPT-3.5 bring each reply into
the form `@name[value]` afterwards; here the prompt asks for that form and nothing brings a reply into it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from . import Sample, Score, labelled, lines

ANSWER = re.compile(r"@(\w+)\[(.*?)\]")
"""The publisher's own expression (`eval_closed_form.py`)."""
TOLERANCE = 1e-6


def load(folder: Path) -> list[Sample]:
    """The questions; of each, `gold` is the list of (name, value)."""
    if (folder / "da-dev-questions.jsonl").exists():
        labels = {label["id"]: label for label in lines(folder / "da-dev-labels.jsonl")}
        return [_published(q, labels[q["id"]], folder) for q in lines(folder / "da-dev-questions.jsonl")]
    return [_sample(q, label, q["prompt"], [folder / f for f in q["files"]]) for q, label in labelled(folder)]


def score(sample: Sample, answer: str) -> Score:
    """Right when every name has its value: the same text, or numbers less than 1e-6 apart. Later duplicates win."""
    given = dict(ANSWER.findall(answer))
    right = sum(name in given and _same(given[name], value) for name, value in sample.gold)
    return Score(right / len(sample.gold), right == len(sample.gold), (right, len(sample.gold)), bool(given))


def _same(given: str, value: str) -> bool:
    if given == value:
        return True
    try:
        return abs(float(given) - float(value)) < TOLERANCE
    except ValueError:
        return False


def _published(question: dict[str, Any], label: dict[str, Any], folder: Path) -> Sample:
    prompt = f"Question: {question['question']}\n{question['constraints']}\n\nAnswer format:\n{question['format']}"
    return _sample(
        question,
        label | {"answers": label["common_answers"]},
        prompt,
        [folder / "da-dev-tables" / question["file_name"]],
    )


def _sample(question: dict[str, Any], label: dict[str, Any], prompt: str, files: list[Path]) -> Sample:
    gold = tuple((str(name), str(value)) for name, value in label["answers"])
    return Sample(str(question["id"]), prompt, tuple(files), gold, question["level"], tuple(question["concepts"]))
