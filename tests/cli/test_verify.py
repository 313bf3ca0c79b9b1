"""`deepanalyze verify` on a real run, and on copies of it in each of which one thing was changed."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from command import PENGUINS, answer, cell, run, run_folder, script

MEANS = """
means = penguins.groupby('species')['body_mass_g'].mean().round(1)
print(means)
"""
CHARTS = """
import matplotlib.pyplot as plt
means.plot.bar(title='Mean mass')
plt.show()
means.sort_values().plot.barh(title='Mean mass, sorted')
plt.show()
for species in means.index:
    print(f'{species}: {means[species]:.1f} g over {(penguins.species == species).sum()} birds')
"""
ANSWER = """# Penguins

Gentoo penguins are the heaviest, at 5076.0 g on average. Adelie weigh 3700.7 g.

There are 124 Gentoo birds.
"""


@dataclass(frozen=True)
class Made:
    """A run that was made of a copy of the data, and how to make a copy of the run."""

    run: Path
    data: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Two cells, two charts, an answer with three numbers."""
    folder = tmp_path_factory.mktemp("made")
    data = folder / "data"
    shutil.copytree(PENGUINS, data)
    model = script(folder / "script.jsonl", cell(MEANS), cell(CHARTS), answer(ANSWER))
    done = run(folder, "analyze", data, "-m", model, "-o", "out", "-q")
    assert done.returncode == 0, done.stderr
    return Made(run_folder(folder / "out"), data)


@pytest.fixture
def copy(made: Made, tmp_path: Path) -> Path:
    """A copy of the run that a test may change."""
    return Path(shutil.copytree(made.run, tmp_path / "copy"))


def verify(folder: Path, *arguments: object) -> tuple[int, dict]:
    done = run(folder.parent, "verify", folder, "--json", *arguments)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_run_that_nobody_touched_is_well(made, tmp_path):
    done = run(tmp_path, "verify", made.run.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "all well"
    assert f"checked data: 1 file in {made.data}" in done.stdout
    assert "checked cells: 4 cells run in 1 fresh kernel" in done.stdout


# --- ten ways to change a run -----------------------------------------------------------------------------------------


def replaced(path: Path, old: str, new: str, count: int = -1) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, count), encoding="utf-8")


def digit_in_markdown(folder: Path) -> None:
    replaced(folder / "report.md", "at 5076.0 g", "at 5079.0 g")


def digit_in_html(folder: Path) -> None:
    replaced(folder / "report.html", "There are 124 Gentoo", "There are 142 Gentoo")


def edited_cell(folder: Path) -> None:
    replaced(folder / "analysis.ipynb", ".mean().round(1)", ".median().round(1)")


def edited_trace(folder: Path) -> None:
    lines = (folder / "trace.jsonl").read_text().splitlines(keepends=True)
    event = json.loads(lines[1])
    (output,) = event["turn"]["observation"]["outputs"]
    assert "5076" in output["data"]["text/plain"]
    output["data"]["text/plain"] = output["data"]["text/plain"].replace("5076", "6076")
    lines[1] = json.dumps(event) + "\n"
    (folder / "trace.jsonl").write_text("".join(lines))


def removed_cell(folder: Path) -> None:
    notebook = json.loads((folder / "analysis.ipynb").read_text())
    notebook["cells"] = [c for c in notebook["cells"] if c["id"] != "turn-0-cell"]
    (folder / "analysis.ipynb").write_text(json.dumps(notebook))


def swapped_figure(folder: Path) -> None:
    one, two = folder / "figures" / "figure-1.png", folder / "figures" / "figure-2.png"
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)


def swapped_in_page(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    one, two = re.findall(r'src="(data:[^"]+)"', page)
    page = page.replace(one, "HERE").replace(two, one).replace("HERE", two)
    (folder / "report.html").write_text(page)


def changed_lock(folder: Path) -> None:
    replaced(folder / "deepanalyze.lock", '"bytes": 15241', '"bytes": 15242')


def changed_digest(folder: Path) -> None:
    facts = json.loads((folder / "manifest.json").read_text())
    facts["sources"][0]["sha256"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(facts))


def hidden_words(folder: Path) -> None:
    replaced(folder / "report.html", "</style>", "p{display:none}</style>")


TAMPERED: list[tuple[Callable[[Path], None], dict[str, object]]] = [
    (
        digit_in_markdown,
        {
            "kind": "report",
            "where": r'report\.md, line \d+, "Gentoo penguins are the heaviest, at 5076\.0 g\[\^1\] on average\."',
            "expected": "5076.0",
            "found": "5079.0",
        },
    ),
    (
        digit_in_html,
        {
            "kind": "report",
            "where": r'report\.html, paragraph \d+, "There are 124 Gentoo birds\."',
            "expected": "124",
            "found": "142",
        },
    ),
    (
        edited_cell,
        {
            "kind": "notebook",
            "where": r"analysis\.ipynb, cell 1, code, line 1, .*",
            "expected": "mean",
            "found": "median",
        },
    ),
    (
        edited_trace,
        {"kind": "trace", "where": r"trace\.jsonl, turn 1 \(cell 1\), line 4, .*", "expected": "6076", "found": "5076"},
    ),
    (
        removed_cell,
        {"kind": "notebook", "where": r"analysis\.ipynb, cell 1", "found": "nothing: the cell was removed"},
    ),
    (
        swapped_figure,
        {"kind": "figure", "where": r"figures/figure-1\.png", "found": "that of figure-2.png"},
    ),
    (
        swapped_in_page,
        {"kind": "report", "where": r"report\.html, picture 1", "found": "that of picture 2"},
    ),
    (
        changed_lock,
        {"kind": "lock", "where": r"deepanalyze\.lock, penguins\.csv: bytes", "expected": "15241", "found": "15242"},
    ),
    (
        changed_digest,
        {"kind": "manifest", "where": r"manifest\.json, sources\[0\]\.sha256", "found": "0" * 64},
    ),
    (
        hidden_words,
        {"kind": "report", "where": r"report\.html, markup of line \d+.*"},
    ),
]


@pytest.mark.parametrize(("change", "told"), TAMPERED, ids=[change.__name__ for change, _ in TAMPERED])
def test_a_changed_copy_fails_for_the_right_reason(copy, change, told):
    change(copy)
    code, verdict = verify(copy)
    assert (code, verdict["ok"], verdict["exit_code"]) == (3, False, 3)
    where = told.pop("where")
    assert any(re.fullmatch(where, f["where"]) and told.items() <= f.items() for f in verdict["failures"]), verdict


@pytest.mark.parametrize(
    ("change", "where", "expected", "found"),
    [
        (lambda text: text.replace("Gentoo", "gentoo", 1), "penguins.csv, sha256", None, None),
        (lambda text: text + text.splitlines()[-1] + "\n", "penguins.csv, rows", "344", "345"),
        (
            lambda text: text.replace("body_mass_g", "mass_g", 1),
            "penguins.csv, columns",
            "body_mass_g (integer)",
            "mass_g (integer)",
        ),
    ],
    ids=["byte", "row", "column"],
)
def test_changed_data_is_named(copy, made, tmp_path, change, where, expected, found):
    data = tmp_path / "data"
    shutil.copytree(made.data, data)
    (data / "penguins.csv").write_text(change((data / "penguins.csv").read_text()))
    code, verdict = verify(copy, "--data", data)
    assert code == 5
    told = {f["where"]: f for f in verdict["failures"]}
    assert "penguins.csv, sha256" in told and where in told
    assert expected is None or (told[where]["expected"], told[where]["found"]) == (expected, found)


def test_missing_data_is_named(copy, tmp_path):
    code, verdict = verify(copy, "--data", tmp_path / "nowhere")
    assert code == 5
    (failure,) = verdict["failures"]
    assert failure["where"].endswith("nowhere/penguins.csv") and failure["found"].startswith("nothing")


def test_data_that_moved_is_found_by_data(copy, made, tmp_path):
    shutil.copytree(made.data, tmp_path / "elsewhere")
    code, verdict = verify(copy, "--data", tmp_path / "elsewhere")
    assert (code, verdict["failures"]) == (0, [])


def test_a_bundle_brings_its_data(made, tmp_path):
    with zipfile.ZipFile(tmp_path / "run.zip", "w") as bundle:
        for file in (f for f in made.run.rglob("*") if f.is_file()):
            bundle.write(file, f"run/{file.relative_to(made.run).as_posix()}")
        bundle.write(made.data / "penguins.csv", "run/data/penguins.csv")
    done = run(tmp_path, "verify", "--bundle", tmp_path / "run.zip")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "in /tmp" in done.stdout.splitlines()[0] and str(made.data) not in done.stdout


@pytest.mark.parametrize("name", ["../out.txt", "/etc/out.txt", "a/../../out"])
def test_a_bundle_that_leads_elsewhere_is_refused(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "run.zip", "w") as bundle:
        bundle.writestr(name, "x")
    done = run(tmp_path, "verify", tmp_path / "run.zip")
    assert done.returncode == 5 and "no plain file below" in done.stderr


def test_a_number_whose_line_is_not_printed_any_more_is_named(copy):
    line = {"turn": 0, "output": 0, "printed": "5076", "line": "Gentoo        5076"}
    claim = {"text": "5076.0", "value": 5076.0, "unit": "g", "sentence": "Gentoo weigh 5076.0 g.", "place": "section 1"}
    claims = [claim | {"verdict": "verified", "evidence": [line]} for line in (line, line | {"line": "Gentoo   5077"})]
    (copy / "ledger.json").write_text(json.dumps({"claims": claims}))
    code, verdict = verify(copy)
    (failure,) = [f for f in verdict["failures"] if f["kind"] == "ledger"]
    assert (code, failure["where"]) == (3, 'section 1, "Gentoo weigh 5076.0 g."')
    assert failure["expected"] == "5076.0, which cell 1 printed: Gentoo 5077"
    assert failure["found"] == "it prints: Gentoo 5076"


def test_chance_is_called_unstable_with_its_spread(tmp_path):
    code = "rng = np.random.default_rng()\nprint(f'The mean of ten draws is {rng.uniform(0, 1000, 10).mean():.3f} g.')"
    model = script(tmp_path / "script.jsonl", cell(code), answer("Done."))
    assert run(tmp_path, "analyze", PENGUINS, "-m", model, "-o", "out", "-q").returncode == 0
    done = run(tmp_path, "verify", "out")
    assert done.returncode == 3
    assert "cells: 3 cells run in 3 fresh kernels" in done.stdout
    assert re.search(
        r"FAILED  unstable: cell 1, output, line 1: .* in 3 runs .*\(spread: [\d.]+ to [\d.]+\)", done.stdout
    )


@pytest.mark.parametrize(("given", "code"), [("nowhere", 2), (".", 2)])
def test_what_is_no_run_is_wrong_usage(tmp_path, given, code):
    done = run(tmp_path, "verify", given)
    assert done.returncode == code and "no run in" in done.stderr


def test_a_lock_that_is_none_fails_with_its_name(copy):
    (copy / "deepanalyze.lock").write_text("[" * 100_000)
    code, verdict = verify(copy)
    assert code == 3
    assert any(f["kind"] == "lock" and f["where"] == "deepanalyze.lock" for f in verdict["failures"])
