"""The ledger against the labelled corpus: confusion matrix, precision of `verified` and recall.

    python tests/evidence/precision.py [tuned|open|held_out] [--wrong]

The rules were made on the tuned part. The two others were written by somebody who does not work on the ledger and knew
nothing of its rules: the open part may be learned from and then joins the tuned one, the held-out part only measures.
`--wrong` lists what was judged differently, but for the held-out part.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deepanalyze_cli.evidence.ledger import ledger
from deepanalyze_cli.types import (
    Action,
    Claim,
    Column,
    Completion,
    DataSource,
    Limits,
    ModelCard,
    Observation,
    Output,
    Run,
    Step,
    Table,
    Task,
    Turn,
)

CORPUS = Path(__file__).with_name("corpus")
VERDICTS = ("verified", "derived", "contradicted", "unsupported", "none")


@dataclass(frozen=True)
class Judged:
    """One labelled number (`none`: it claims nothing) and what the ledger says of it (`none`: it has no such claim)."""

    scene: str
    sentence: str
    text: str
    expected: str
    found: str
    rule: str


def scenes() -> dict[str, Run]:
    """Scene -> the run whose cells printed what the sentences are about."""
    lines = (CORPUS / "scenes.jsonl").read_text("utf-8").splitlines()
    return {scene["scene"]: _run(scene) for scene in map(json.loads, lines)}


def judge(part: str) -> list[Judged]:
    """The ledger's verdict on every labelled number of a part of the corpus."""
    runs, found = scenes(), []
    cases = [json.loads(line) for line in (CORPUS / f"{part}.jsonl").read_text("utf-8").splitlines()]
    for case, claims in _claimed(runs, cases):
        for number in case["numbers"]:
            span = (number["start"], number["start"] + len(number["text"]))
            claim = next((c for c in claims if _overlaps(c, span)), None)
            claims = [c for c in claims if not _overlaps(c, span)]
            verdict, rule = (claim.verdict, claim.rule) if claim else ("none", "")
            found.append(Judged(case["scene"], case["text"], number["text"], number["verdict"], verdict, rule))
        found += [Judged(case["scene"], case["text"], c.text, "none", c.verdict, c.rule) for c in claims]
    return found


def _claimed(runs: dict[str, Run], cases: list[dict]) -> Iterator[tuple[dict, list[Claim]]]:
    """Each case with the ledger's claims of its text; the ledger reads each scene once."""
    for scene, run in runs.items():
        own = {str(n): case for n, case in enumerate(cases) if case["scene"] == scene}
        made = ledger(run, [(n, case["text"]) for n, case in own.items()]).claims
        for n, case in own.items():
            yield case, [claim for claim in made if claim.place == n]


def scores(judged: list[Judged]) -> tuple[float, float]:
    """Precision and recall of `verified`."""
    both = sum(j.expected == j.found == "verified" for j in judged)
    said = sum(j.found == "verified" for j in judged)
    true = sum(j.expected == "verified" for j in judged)
    return both / max(said, 1), both / max(true, 1)


def _overlaps(claim: Claim, span: tuple[int, int]) -> bool:
    return claim.start < span[1] and span[0] < claim.start + len(claim.text)


def _run(scene: dict) -> Run:
    tables = ((name, table["rows"], table["columns"]) for name, table in scene["tables"].items())
    sources = tuple(
        DataSource(f"{name}.csv", f"/data/{name}.csv", "csv", 1, "", (Table(name, rows, _columns(columns), "..."),))
        for name, rows, columns in tables
    )
    turns = tuple(
        Turn(
            number,
            Step(cell["purpose"]),
            Completion(cell["code"]),
            (Action("code", cell["code"]),),
            Observation(cell["status"], tuple(Output(o["kind"], {"text/plain": o["text"]}) for o in cell["outputs"])),
        )
        for number, cell in enumerate(scene["cells"])
    )
    card = ModelCard("corpus", "scripted", strategy=scene["strategy"])
    return Run(scene["scene"], Task("What is in the data?", sources), (), card, Limits(), turns=turns)


def _columns(columns: list[dict]) -> tuple[Column, ...]:
    return tuple(Column(c["name"], c["type"], examples=tuple(c["examples"])) for c in columns)


def main(parts: list[str], wrong: bool) -> None:
    """Print the matrix of each part: rows are the labels, columns the verdicts."""
    for part in parts:
        judged = judge(part)
        counts = Counter((j.expected, j.found) for j in judged)
        precision, recall = scores(judged)
        print(f"{part}: {len(judged)} numbers, {len({(j.scene, j.sentence) for j in judged})} texts")
        print(f"{'label':>14} {''.join(f'{v:>14}' for v in VERDICTS)}")
        for expected in VERDICTS:
            print(f"{expected:>14} {''.join(f'{counts[expected, found]:>14}' for found in VERDICTS)}")
        print(f"verified: precision {precision:.3f}, recall {recall:.3f}\n")
        for j in judged:
            if wrong and part != "held_out" and j.expected != j.found:
                print(f"{j.scene}: {j.text!r} is {j.expected}, judged {j.found} ({j.rule})\n    {j.sentence!r}")


if __name__ == "__main__":
    named = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    parts = [part for part in ("tuned", "open", "held_out") if (CORPUS / f"{part}.jsonl").exists()]
    main(named or parts, "--wrong" in sys.argv)
