"""Real runs, and what their numbers stand on: verdicts before and after repair, notebooks run clean, `verify`.

    python tests/benchmarks/evidence.py DATA... [--out DIR] [--time 3m] [-- ARGUMENTS OF analyze]
    python tests/benchmarks/evidence.py --again DIR      the same table for the runs in a folder, without running any

Each DATA is analysed with the default model; then `jupyter execute` runs a copy of its notebook, `deepanalyze verify`
checks the run, and of the first ten runs a copy is tampered with, each in another way, and must turn red. Run it alone:
a guided run takes some four minutes on two idle cores.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from deepanalyze_cli.evidence.repair import in_doubt
from deepanalyze_cli.outputs.publication import publish
from deepanalyze_cli.outputs.trace import read_run
from deepanalyze_cli.types import Run

COMMAND = (sys.executable, "-m", "deepanalyze_cli")


@dataclass(frozen=True)
class Row:
    """What came of one run. `before` and `after` are (numbers verified or derived, numbers)."""

    name: str
    before: tuple[int, int]
    after: tuple[int, int]
    verdicts: Counter[str]
    turns: int
    repairs: int
    notebook: bool
    verified: int
    tampered: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", type=Path)
    parser.add_argument("--out", type=Path, default=Path("evidence-runs"))
    parser.add_argument("--time", default="4m")
    parser.add_argument("--again", type=Path)
    given, more = parser.parse_known_args()
    if given.again:
        folders = sorted(path.parent for path in given.again.rglob("trace.jsonl"))
    else:
        folders = [found for data in given.data if (found := analysed(data, given, [m for m in more if m != "--"]))]
    print(
        f"{'run':<46}{'before':>12}{'after':>12}  {'verdicts':<44}"
        f"{'turns':>6}{'repair':>7}  {'notebook':<9}verify tampered"
    )
    rows = []
    for number, folder in enumerate(folders):
        rows.append(row(folder, TAMPERINGS[number] if number < len(TAMPERINGS) else None))
        print(line(rows[-1]), flush=True)
    tell(rows)
    return 0


def analysed(data: Path, given: argparse.Namespace, more: list[str]) -> Path | None:
    """Analyse one data set; the folder of its run."""
    command = [*COMMAND, "analyze", str(data), "--json", "--out", str(given.out), "--max-time", given.time, *more]
    done = subprocess.run(command, capture_output=True, text=True)
    if not done.stdout:
        print(f"{data}: no run: {done.stderr.strip()[-300:]}")
        return None
    told = json.loads(done.stdout)
    print(f"{data.name}: {told['stop']}, {told['turns']} turns, {told['seconds']:.0f} s, {told['numbers']}", flush=True)
    return Path(told["run"])


def row(folder: Path, tampering: Callable[[Path], None] | None) -> Row:
    """Measure one run."""
    run = read_run(folder)
    after = publish(run).ledger
    repairs = [turn for turn in run.turns if turn.step.purpose == "repair"]
    before = publish(unrepaired(run)).ledger if repairs else after
    return Row(
        folder.name.split("-", 1)[1],
        *((sum(not in_doubt(c) for c in one.claims), len(one.claims)) for one in (before, after)),
        Counter(claim.verdict for claim in after.claims),
        len(run.turns),
        len(repairs),
        runs_clean(folder),
        verify(folder),
        red(folder, tampering) if tampering else "",
    )


def unrepaired(run: Run) -> Run:
    """The run with its answer as it was first written."""
    turns = tuple(turn for turn in run.turns if turn.step.purpose != "repair")
    said = [a.text for turn in turns for a in turn.actions if a.kind == "answer"]
    return replace(run, turns=turns, answer=said[-1])


def runs_clean(folder: Path) -> bool:
    """Whether `jupyter execute` runs a copy of the notebook to its end."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = shutil.copy(folder / "analysis.ipynb", scratch)
        jupyter = [str(Path(sys.executable).with_name("jupyter")), "execute", copy]
        return subprocess.run(jupyter, capture_output=True, cwd=scratch).returncode == 0


def verify(folder: Path, *more: str) -> int:
    """The exit code of `deepanalyze verify`."""
    return subprocess.run([*COMMAND, "verify", str(folder), *more], capture_output=True).returncode


# --- tampering --------------------------------------------------------------------------------------------------------


def red(folder: Path, tampering: Callable[[Path], None]) -> str:
    """What `verify` says of a copy of a run that was tampered with."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(shutil.copytree(folder, Path(scratch) / "run", symlinks=True))
        data = Path(scratch) / "data"
        shutil.copytree(data_of(folder), data)
        tampering(copy if not tampering.__name__.endswith("_data") else data)
        return f"{tampering.__name__.replace('_', ' ')}: {verify(copy, '--data', str(data))}"


def data_of(folder: Path) -> Path:
    run = read_run(folder)
    (base,) = {Path(s.location).parents[len(Path(s.name).parts) - 1] for s in run.task.sources}
    return base


def digit(path: Path) -> None:
    """Change a digit of a number with a decimal: the first one of a report, a ledger, a page."""
    text = path.read_text(encoding="utf-8")
    found = re.search(r"\d+\.\d", text)
    assert found, f"no number in {path.name}"
    other = str((int(found[0][-1]) + 3) % 10)
    path.write_text(text[: found.end() - 1] + other + text[found.end() :], encoding="utf-8")


def digit_in_report(copy: Path) -> None:
    digit(copy / "report.md")


def digit_in_page(copy: Path) -> None:
    page = copy / "report.html"
    head, body, rest = page.read_text(encoding="utf-8").partition("</style>")
    changed = re.sub(r"(?<=>)([^<]*?\d)\.(\d)", lambda m: f"{m[1]}.{(int(m[2]) + 3) % 10}", rest, count=1)
    assert changed != rest
    page.write_text(head + body + changed, encoding="utf-8")


def digit_in_ledger(copy: Path) -> None:
    digit(copy / "ledger.json")


def byte_in_data(data: Path) -> None:
    path = max((p for p in data.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def edited_cell(copy: Path) -> None:
    change(copy / "analysis.ipynb", lambda cell: cell["id"].startswith("turn-"), source="print(12.5)")


def edited_output(copy: Path) -> None:
    notebook = json.loads((copy / "analysis.ipynb").read_text())
    cell = next(c for c in notebook["cells"] if any("text" in o for o in c.get("outputs", ())))
    output = next(o for o in cell["outputs"] if "text" in o)
    output["text"] = "12.5\n"
    (copy / "analysis.ipynb").write_text(json.dumps(notebook))


def removed_cell(copy: Path) -> None:
    notebook = json.loads((copy / "analysis.ipynb").read_text())
    index = max(k for k, c in enumerate(notebook["cells"]) if c["cell_type"] == "code")
    del notebook["cells"][index]
    (copy / "analysis.ipynb").write_text(json.dumps(notebook))


def edited_trace(copy: Path) -> None:
    lines = (copy / "trace.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    for number, text in enumerate(lines):
        event = json.loads(text)
        outputs = (event.get("turn", {}).get("observation") or {}).get("outputs", ())
        for output in outputs:
            if output["kind"] == "stdout" and (found := re.search(r"\d\.\d", output["data"]["text/plain"])):
                was = output["data"]["text/plain"]
                output["data"]["text/plain"] = was[: found.start()] + "7.7" + was[found.end() :]
                lines[number] = json.dumps(event) + "\n"
                (copy / "trace.jsonl").write_text("".join(lines), encoding="utf-8")
                return
    raise AssertionError("no number in the trace")


def other_digest(copy: Path) -> None:
    lock = copy / "deepanalyze.lock"
    lock.write_text(re.sub(r'("sha256": ")[0-9a-f]{8}', r"\g<1>00000000", lock.read_text()))


def removed_page(copy: Path) -> None:
    (copy / "report.html").unlink()


def change(path: Path, wanted: Callable[[dict], bool], **values: str) -> None:
    notebook = json.loads(path.read_text())
    next(cell for cell in notebook["cells"] if cell["cell_type"] == "code" and wanted(cell)).update(values)
    path.write_text(json.dumps(notebook))


TAMPERINGS = (
    *(digit_in_report, digit_in_page, digit_in_ledger, byte_in_data, edited_cell),
    *(edited_output, removed_cell, edited_trace, other_digest, removed_page),
)

# --- telling ----------------------------------------------------------------------------------------------------------


def share(pair: tuple[int, int]) -> str:
    return f"{pair[0]}/{pair[1]}" + (f" {pair[0] / pair[1]:.0%}" if pair[1] else "")


def line(one: Row) -> str:
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in one.verdicts.most_common())
    marks = f"{'clean' if one.notebook else 'FAILED':<9}{one.verified:<7}{one.tampered}"
    return (
        f"{one.name[:45]:<46}{share(one.before):>12}{share(one.after):>12}  {verdicts[:43]:<44}"
        f"{one.turns:>6}{one.repairs:>7}  {marks}"
    )


def tell(rows: list[Row]) -> None:
    """The sums."""
    before, after = (
        share((sum(p[0] for p in pairs), sum(p[1] for p in pairs)))
        for pairs in ([r.before for r in rows], [r.after for r in rows])
    )
    print(f"\n{len(rows)} runs; verified or derived: before repair {before}, after {after}")
    print(f"notebooks that run clean: {sum(r.notebook for r in rows)} of {len(rows)}")
    print(f"verify green: {sum(r.verified == 0 for r in rows)} of {len(rows)}")
    tampered = [r.tampered for r in rows if r.tampered]
    print(f"tampered copies red: {sum(not t.endswith(': 0') for t in tampered)} of {len(tampered)}")


if __name__ == "__main__":
    sys.exit(main())
