"""Which dialect a general model follows better: tags or fences, on closed questions with answers computed by DuckDB.

    python tests/benchmarks/dialect.py [MODEL]

Both dialects get the same questions, weights, limits and kernel, one after the other for each question. Printed: right
answers, runs that ended by themselves, malformed replies, seconds and tokens.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import duckdb

from deepanalyze_cli.agent import solve
from deepanalyze_cli.kernel import JupyterKernel
from deepanalyze_cli.models import registry, store
from deepanalyze_cli.models.backends import open_model
from deepanalyze_cli.prelude import CAPTURE, parameters, setup
from deepanalyze_cli.types import Limits, Run, Task
from deepanalyze_cli.workspace import card, open_unboxed

PENGUINS = Path(__file__).parents[2] / "examples" / "penguins" / "penguins.csv"
FROM = f"FROM read_csv('{PENGUINS}', nullstr='NA')"
BY_SEX = "avg(body_mass_g) FILTER (sex = 'male') - avg(body_mass_g) FILTER (sex = 'female')"
QUESTIONS = (
    ("What is the mean body mass of the Gentoo penguins?", f"SELECT avg(body_mass_g) {FROM} WHERE species = 'Gentoo'"),
    ("How many penguins live on the island Dream?", f"SELECT count(*) {FROM} WHERE island = 'Dream'"),
    ("What is the correlation between flipper length and mass?", f"SELECT corr(flipper_length_mm, body_mass_g) {FROM}"),
    (
        "What is the median bill length in mm of female Adelie penguins?",
        f"SELECT median(bill_length_mm) {FROM} WHERE sex = 'female' AND species = 'Adelie'",
    ),
    ("In how many rows is the sex missing?", f"SELECT count(*) {FROM} WHERE sex IS NULL"),
    ("What percentage of the penguins are Chinstrap?", f"SELECT 100 * avg((species = 'Chinstrap')::int) {FROM}"),
    ("What is the largest flipper on Torgersen?", f"SELECT max(flipper_length_mm) {FROM} WHERE island = 'Torgersen'"),
    (
        "By how many grams are male Gentoo penguins heavier than female ones on average?",
        f"SELECT {BY_SEX} {FROM} WHERE species = 'Gentoo'",
    ),
)


def right(answer: str, expected: float) -> bool:
    """Whether the last number of an answer is the expected one, to a half percent."""
    numbers = [float(n.replace(",", "")) for n in re.findall(r"-?\d[\d,]*\.?\d*", answer)]
    return bool(numbers) and abs(numbers[-1] - expected) <= max(0.005 * abs(expected), 0.005)


def main() -> None:
    """Run both dialects over all questions and print a table."""
    name = sys.argv[1] if len(sys.argv) > 1 else registry.DEFAULT
    base = registry.find(name)
    model = open_model(base, store.locate(base) or Path(base.file))
    workspace = open_unboxed([PENGUINS])
    tally = {dialect: [0, 0, 0, 0.0, 0] for dialect in ("tags", "fences")}
    for question, sql in QUESTIONS:
        expected = float(duckdb.sql(sql).fetchone()[0])
        for dialect, row in tally.items():
            model.card = replace(base, dialect=dialect, strategy="free")
            started = time.monotonic()
            run = answer(model, workspace, question + " Answer with the number alone, rounded to 2 decimals.")
            row[0] += right(run.answer, expected)
            row[1] += run.stop == "answer"
            row[2] += sum(t.observation.status == "format" for t in run.turns if t.observation)
            row[3] += time.monotonic() - started
            row[4] += sum(t.completion.completion_tokens for t in run.turns)
    print(f"{name}, {len(QUESTIONS)} questions, at most 6 turns")
    print("| dialect | right | ended by itself | malformed replies | seconds | tokens |\n|---|---|---|---|---|---|")
    for dialect, (good, ended, malformed, seconds, tokens) in tally.items():
        print(f"| {dialect} | {good} | {ended} | {malformed} | {seconds:.0f} | {tokens} |")


def answer(model, workspace, question: str) -> Run:
    """One free run in a fresh kernel."""
    with tempfile.TemporaryDirectory() as folder:
        prelude = (CAPTURE, parameters(workspace.data_dir), setup(workspace.sources, workspace.data_dir))
        with JupyterKernel(Path(folder), prelude=prelude, environment={"DEEPANALYZE_SCRATCH": folder}) as kernel:
            briefing = card(workspace, budget=1200, count=model.count)
            task = Task(question, workspace.sources, kind="answer")
            return solve(task, model, kernel, briefing=briefing, limits=Limits(turns=6, seconds=400))


if __name__ == "__main__":
    main()
