"""Every question once, in an order a seed chooses, each kept as soon as it is graded; a second start goes on."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from ..benchmarks import Sample, Suite
from ..errors import InputError, KernelError, UsageError
from ..seams import ignore
from .attempts import Attempt, Prediction, Solver

PREDICTIONS = "predictions.jsonl"
SETTINGS = "settings.json"


def chosen(samples: Sequence[Sample], limit: int | None, seed: int) -> list[Sample]:
    """`limit` questions as the seed shuffles them, the levels in turn, so that each has its share."""
    levels: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        levels[sample.level].append(sample)
    for level in levels.values():
        random.Random(seed).shuffle(level)
    turned = [s for s in chain.from_iterable(zip_longest(*(levels[name] for name in sorted(levels)))) if s]
    return turned[:limit]


def measure(
    suite: Suite,
    samples: Sequence[Sample],
    solver: Solver,
    folder: Path,
    settings: Mapping[str, Any],
    *,
    on_prediction: Callable[[Prediction], None] = ignore,
) -> list[Prediction]:
    """Solve and grade what `folder` does not hold yet; give back all predictions for `samples`.

    A question whose data cannot be read, or on which the kernel failed, counts as wrong; a model that fails ends the
    measuring, which goes on where it stopped when it is started again.

    Raises:
        UsageError: the folder holds predictions made with other settings.
    """
    done = _kept(folder, settings)
    for sample in samples:
        if sample.id in done:
            continue
        place = folder / "questions" / sample.id
        shutil.rmtree(place, ignore_errors=True)  # of a question that was cut short
        place.mkdir(parents=True)
        attempt = _attempt(solver, sample, place)
        score = suite.score(sample, attempt.answer)
        done[sample.id] = prediction = Prediction(
            *(sample.id, sample.level, sample.skills, attempt),
            *(score.value, score.right, score.parts, score.answered),
        )
        _keep(folder, prediction)
        on_prediction(prediction)
    return [done[sample.id] for sample in samples]


def _attempt(solver: Solver, sample: Sample, place: Path) -> Attempt:
    started = time.monotonic()
    try:
        return solver(sample, place)
    except (InputError, KernelError) as error:
        return Attempt("", round(time.monotonic() - started, 3), error=type(error).__name__)


def _kept(folder: Path, settings: Mapping[str, Any]) -> dict[str, Prediction]:
    folder.mkdir(parents=True, exist_ok=True)
    place, wanted = folder / SETTINGS, json.dumps(settings, indent=2, sort_keys=True) + "\n"
    if not place.exists():
        place.write_text(wanted, "utf-8")
    elif place.read_text("utf-8") != wanted:
        raise UsageError(f"{folder} holds predictions made with other settings", "give another folder with --out")
    path = folder / PREDICTIONS
    if not path.exists():
        return {}
    whole = path.read_bytes()
    end = whole.rfind(b"\n") + 1
    if end < len(whole):  # the line that was being written when the power went
        with path.open("r+b") as file:
            file.truncate(end)
    found = [Prediction.loads(line) for line in whole[:end].decode("utf-8").splitlines()]
    return {prediction.id: prediction for prediction in found}


def _keep(folder: Path, prediction: Prediction) -> None:
    with (folder / PREDICTIONS).open("a", encoding="utf-8") as file:
        file.write(prediction.dumps() + "\n")
        file.flush()
        os.fsync(file.fileno())
