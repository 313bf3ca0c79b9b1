"""`deepanalyze why`: where a number of the report comes from, down to the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ExitCode, UsageError
from .runs import run_folder

if TYPE_CHECKING:
    from ..evidence.figures import Numeral
    from ..outputs.descent import Step
    from ..types import Claim, Run, Turn

MOST_CELLS = 3
"""Cells that are shown for one sentence: the number may be printed more than once."""
NEAR = 5


@dataclass(frozen=True, slots=True)
class Origin:
    """One printed line a number comes from. `cell` is its number in the report, `turn` counts from 1."""

    cell: int
    turn: int
    line: str
    steps: tuple[Step, ...]
    code: str


@dataclass(frozen=True, slots=True)
class Match:
    """One place of the report where the number stands (empty: printed only), and the lines it comes from."""

    number: str
    place: str
    sentence: str
    verdict: str
    rule: str
    origins: tuple[Origin, ...]


def why(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.", show_default=False)],
    number: Annotated[str, typer.Argument(metavar="NUMBER", help='As the report writes it: "38.2 %", 5,076.')],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Say where a number of the report comes from: sentence, printed line, file -> filter -> group -> value, code.

    Exit codes: 0 found, 3 no such number (the nearest are told), 2 wrong usage, 5 the recording is damaged.
    """
    from ..evidence.figures import numerals
    from ..outputs.trace import read_run

    folder = run_folder(run)
    wanted = next(numerals(number), None)
    if wanted is None:
        raise UsageError(f"{number!r} is no number", 'write it as the report does: 5,076 or "38.2 %"')
    recorded = read_run(folder)
    matches = tuple(_matches(recorded, folder, wanted))
    near = [] if matches else _near(recorded, wanted)
    if as_json:
        told = {"ok": bool(matches), "matches": [asdict(match) for match in matches], "near": near}
        print(json.dumps(told, ensure_ascii=False))
    else:
        _print(matches, number, near)
    raise typer.Exit(int(ExitCode.OK if matches else ExitCode.VERIFICATION))


def _matches(run: Run, folder: Path, wanted: Numeral) -> Iterator[Match]:
    from ..evidence.claims import read_claims
    from ..evidence.figures import numerals
    from ..outputs.sentences import sentences

    claims = [claim for claim in read_claims(folder) if _is(wanted, next(numerals(claim.text), None))]
    for claim in claims:
        yield _claimed(run, claim, wanted)
    if claims:
        return
    told = [(place, said, n) for place, said in sentences(run) for n in numerals(said) if _is(wanted, n)]
    for place, said, found in told:
        yield Match(found.text, place, said, "", "", tuple(_origins(run, found, said)))
    if not told and (origins := tuple(_origins(run, wanted, ""))):
        yield Match(wanted.text, "", "", "", "", origins)


def _is(wanted: Numeral, found: Numeral | None) -> bool:
    """Whether a number of the report may be the one that is meant: a `%` may be left out, and so may last zeros."""
    return found is not None and wanted.value == found.value and (found.percent or not wanted.percent)


def _claimed(run: Run, claim: Claim, number: Numeral) -> Match:
    """A claim with what the ledger says it stands on; in doubt, with the lines that have the same number at least."""
    turns = {turn.index: turn for turn in run.turns}
    origins = [_origin(run, turns[e.turn], e.line, e.printed) for e in claim.evidence if e.turn in turns]
    if not claim.evidence:
        origins = _origins(run, number, claim.sentence)
    return Match(claim.text, claim.place, claim.sentence, claim.verdict, claim.rule, tuple(origins))


def _origins(run: Run, number: Numeral, sentence: str) -> list[Origin]:
    """The printed lines that the number rounds, best first: those that share most words with the sentence."""
    from ..evidence.figures import numerals
    from ..outputs import story

    said = _words(sentence)
    lines = [(turn, line) for turn in story.standing(run) for line in story.printed(turn).split("\n")]
    found = [(turn, line, n) for turn, line in lines for n in numerals(line) if number.rounds(n)]
    most = max((len(said & _words(line)) for _, line, _ in found), default=0)
    best = [(turn, line, n) for turn, line, n in found if len(said & _words(line)) == most]
    return [_origin(run, turn, line, n.text) for turn, line, n in best[:MOST_CELLS]]


def _words(text: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[^\W\d_]{2,}", text)}


def _origin(run: Run, turn: Turn, line: str, printed: str) -> Origin:
    from ..outputs import story
    from ..outputs.descent import descent

    cell = story.numbered(run).get(turn.index, 0)
    return Origin(cell, turn.index + 1, line.strip(), descent(run, turn, line, printed), turn.code or "")


def _near(run: Run, wanted: Numeral) -> list[str]:
    """The nearest numbers of the report and of what was printed, with where they stand."""
    from ..evidence.figures import numerals
    from ..outputs import story
    from ..outputs.sentences import sentences

    cells = story.numbered(run)
    texts = list(sentences(run))
    texts += [(f"cell {cells[t.index]}", line) for t in story.standing(run) for line in story.printed(t).split("\n")]
    found = {(n.text, place): (abs(n.value - wanted.value), said) for place, said in texts for n in numerals(said)}
    nearest = sorted(found.items(), key=lambda one: one[1][0])[:NEAR]
    return [f"{text} in {place}: {said.strip()}" for (text, place), (_, said) in nearest]


# --- telling ----------------------------------------------------------------------------------------------------------


def _print(matches: tuple[Match, ...], number: str, near: list[str]) -> None:
    from ..outputs.text import one_line

    if not matches:
        print(f"no number {one_line(number, 40)} in the report or in what its cells printed")
        for said in near:
            print(f"  near: {one_line(said, 200)}")
    for match in matches:
        said = ", ".join(filter(None, (match.verdict, match.rule)))
        rule = f" ({one_line(said, 120)})" if said else ""
        where = (
            f' in {one_line(match.place)}: "{one_line(match.sentence, 400)}"' if match.place else ", not in the report"
        )
        print(f"{one_line(match.number)}{rule}{where}")
        if not match.origins:
            print("  no cell printed it")
        elif match.verdict == "unsupported":
            print("  a cell printed the same number, but nothing ties it to this sentence:")
        for origin in match.origins:
            _print_origin(origin)


def _print_origin(origin: Origin) -> None:
    from ..outputs.text import clean, one_line

    print(f"  printed by cell {origin.cell} (turn {origin.turn}): {one_line(origin.line, 300)}")
    for step in origin.steps:
        rows = f"  [{step.rows:,} rows]" if step.rows is not None else ""
        detail = f"  [{one_line(step.detail, 200)}]" if step.detail else ""
        print(f"    {'' if step.kind == 'file' else '-> '}{step.kind}: {one_line(step.says, 200)}{rows}{detail}")
    print("    code:")
    for line in clean(origin.code).strip("\n").split("\n"):
        print(f"      {line}")
