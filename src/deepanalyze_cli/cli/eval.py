"""`deepanalyze eval`: a suite of questions, one or several models and ways of solving, one table."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import settings as layered
from ..errors import UsageError
from ..types import Limits
from . import loading

if TYPE_CHECKING:
    from ..benchmarks import Sample, Suite
    from ..evaluation.attempts import Prediction
    from ..evaluation.results import Row
    from ..evaluation.ways import Way
    from ..seams import Model

RESULTS = "results.md"


def evaluate(
    suite: Annotated[
        str, typer.Argument(metavar="SUITE", help="The set of questions: see --list.", show_default=False)
    ] = "",
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder with the suite's questions, labels and tables.")
    ] = None,
    models: Annotated[
        list[str] | None, typer.Option("--model", "-m", help="A model; again for another.", show_default="the default")
    ] = None,
    ways: Annotated[
        list[str] | None, typer.Option("--as", help="A way of solving; again for another.", show_default="ours")
    ] = None,
    ladder: Annotated[bool, typer.Option("--ladder", help="All ways of solving, side by side.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="So many questions, levels in turn.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Which questions with --limit, and the sampling.")] = 0,
    samples: Annotated[int, typer.Option("--samples", min=1, help="Answers to each question, put to the vote.")] = 1,
    ablation: Annotated[
        bool, typer.Option("--ablation", help="Ours, and ours without each of its steps, side by side.")
    ] = False,
    max_time: Annotated[str, typer.Option("--max-time", help="Most time for one question.")] = "4m",
    max_steps: Annotated[int, typer.Option("--max-steps", min=2, help="Most turns for one question.")] = 12,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for predictions, traces and tables.")] = Path("eval"),
    listing: Annotated[bool, typer.Option("--list", help="List the suites and the ways of solving.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Never touch the network.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The results as one JSON document on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Measure how many questions of a suite are answered right, by the suite's own rule.

    What is measured once is kept: the same command goes on where it was stopped. Exit codes: 0 measured, 2 wrong usage,
    5 the suite's files, 6 model, 130 interrupted.
    """
    from ..benchmarks import SUITES
    from ..benchmarks import suite as suite_of
    from ..evaluation.measure import chosen
    from ..evaluation.ways import ABLATION, LADDER, WAYS, way

    if listing:
        print("\n".join([*(f"{name:<16} {what}" for name, what in SUITES.items()), f"\nways: {', '.join(WAYS)}"]))
        return
    if not suite or data is None:
        raise UsageError("give a suite and its folder", "deepanalyze eval daeval --data DIR, or --list")
    tried = [way(name, samples) for name in LADDER * ladder + ABLATION * ablation or ways or ("ours",)]
    graded = suite_of(suite)
    questions = chosen(graded.load(data), limit, seed)
    limits = Limits(turns=max_steps, seconds=layered.seconds(max_time))
    say = loading.silent if quiet or as_json else loading.say
    rows = []
    for name in models or [""]:
        settings, _ = layered.load({"model": name or None, "seed": seed, "offline": offline or None}, data=[data])
        card = loading.card(settings)
        with loading.model(card, loading.weights(card, settings, say), settings, say) as model:
            for one in tried:
                rows.append(_row(graded, questions, one, model, limits, out / suite, say))
                _write(out / suite, rows)
    document = json.dumps(_document(rows), ensure_ascii=False)
    print(document if as_json else (out / suite / RESULTS).read_text("utf-8"))


def _row(
    graded: Suite, questions: list[Sample], tried: Way, model: Model, limits: Limits, out: Path, say: loading.Say
) -> Row:
    """One way with one model, told question by question."""
    from ..evaluation.measure import measure
    from ..evaluation.results import Row

    card, right = model.card, 0
    settings = {"way": tried.name, "limits": asdict(limits), "model": card.name, "sha256": card.sha256}
    settings |= {"strategy": card.strategy, "sampling": asdict(card.sampling), "context": model.context}

    def told(prediction: Prediction) -> None:
        nonlocal right
        right += prediction.right
        end = "right" if prediction.right else prediction.attempt.error or "wrong"
        seconds = prediction.attempt.seconds
        say(f"{tried.name}, {card.name}: {prediction.id} {end}, {seconds:.0f} s ({right} right so far)")

    say(f"{tried.name} with {card.name}: {len(questions)} questions")
    folder = out / re.sub(r"\W+", "-", f"{tried.name}-{card.name}")
    found = measure(graded, questions, tried.solver(model, limits), folder, settings, on_prediction=told)
    return Row(tried.name, card.name, tuple(found))


def _write(out: Path, rows: list[Row]) -> None:
    from ..evaluation.results import skills_table, table

    parts = [table(rows), *(f"### {row.way}, {row.model}\n\n{skills_table(row)}" for row in rows if row.skills)]
    (out / RESULTS).write_text("\n\n".join(parts) + "\n", "utf-8")
    (out / "results.json").write_text(json.dumps(_document(rows), ensure_ascii=False, indent=1) + "\n", "utf-8")


def _document(rows: list[Row]) -> dict[str, Any]:
    from ..evaluation.results import as_json

    return {"ok": True, "rows": [as_json(row) for row in rows]}
