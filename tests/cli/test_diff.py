"""`deepanalyze diff` on real runs: of the same data, and of data with one column renamed and one group shifted."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from command import PENGUINS, answer, cell, run, run_folder, script

SHIFT = 200


def shifted(text: str) -> str:
    """The penguins with `body_mass_g` called `mass_g`, and every Gentoo `SHIFT` g heavier."""
    rows = list(csv.DictReader(io.StringIO(text)))
    assert "body_mass_g" in rows[0]
    out = io.StringIO()
    writer = csv.DictWriter(out, ["mass_g" if name == "body_mass_g" else name for name in rows[0]])
    writer.writeheader()
    for row in rows:
        mass = row.pop("body_mass_g")
        heavier = mass.isdigit() and row["species"] == "Gentoo"
        writer.writerow(row | {"mass_g": str(int(mass) + SHIFT) if heavier else mass})
    return out.getvalue()


def analysed(folder: Path, data: Path, mass: str, text: str) -> Path:
    """A run that prints the mean of the column `mass` by species and answers with `text`."""
    code = f"means = penguins.groupby('species')['{mass}'].mean().round(1)  # {mass}\nprint(means)"
    model = script(folder / f"{mass}.jsonl", cell(code), answer(text))
    done = run(folder, "analyze", data, "-m", model, "-o", f"out-{mass}", "-q")
    assert done.returncode == 0, done.stderr
    return run_folder(folder / f"out-{mass}")


REPORT = """# Masses

By body_mass_g, Gentoo penguins are heavier than Chinstrap penguins. Gentoo penguins weigh {gentoo} g on average.

Adelie penguins weigh 3700.7 g on average, and there are 344 rows.
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run of the penguins and one of the changed penguins, by the same analysis."""
    folder = tmp_path_factory.mktemp("pair")
    data = folder / "penguins"
    shutil.copytree(PENGUINS, data)
    first = analysed(folder, data, "body_mass_g", REPORT.format(gentoo="5076.0"))
    later = folder / "later"
    shutil.copytree(PENGUINS, later)
    (later / "penguins.csv").write_text(shifted((data / "penguins.csv").read_text()))
    text = REPORT.format(gentoo="5276.0").replace("body_mass_g", "mass_g")
    return first, analysed(folder, later, "mass_g", text)


def test_the_renamed_column_and_the_shifted_group_are_named_and_nothing_else(pair, tmp_path):
    done = run(tmp_path, "diff", *pair, "--exit-code")
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.splitlines() == [
        "data     penguins.csv, body_mass_g: renamed to mass_g",
        'number   section 1, "Gentoo penguins weigh # g on average.": 5076.0 -> 5276.0 (+200, +3.9 %)',
        "the code is the same, but for the renamed columns",
    ]


def test_json_is_one_document(pair, tmp_path):
    done = run(tmp_path, "diff", *pair, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["same"], told["findings"]) == (0, False, [])
    assert [one["kind"] for one in told["data"]] == ["renamed"]
    assert [(one["before"], one["after"]) for one in told["numbers"]] == [("5076.0", "5276.0")]
    assert told["code"] == {"before": 1, "after": 1, "changed": 0}


def test_a_run_differs_in_nothing_from_itself(pair, tmp_path):
    done = run(tmp_path, "diff", pair[0], pair[0], "--exit-code")
    assert (done.returncode, done.stdout) == (0, "nothing differs\n")


def test_findings_reversed_dropped_added_and_code(pair, tmp_path):
    text = REPORT.replace("Gentoo penguins are heavier than Chinstrap", "Gentoo penguins are lighter than Chinstrap")
    text = text.replace("Adelie penguins weigh 3700.7 g on average, and there are 344 rows.", "Dream is an island.")
    model = script(
        tmp_path / "s.jsonl", cell("print(penguins.body_mass_g.mean())"), answer(text.format(gentoo="5076.0"))
    )
    data = pair[0].parent.parent / "penguins"
    assert run(tmp_path, "analyze", data, "-m", model, "-o", "out", "-q").returncode == 0
    lines = run(tmp_path, "diff", pair[0], "out").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["reversed", "dropped", "added", "code"]
    assert "heavier" in lines[0] and "lighter" in lines[0] and "Adelie" in lines[1] and "Dream" in lines[2]
    assert lines[3].endswith("1 of 1 cells changed")


def test_a_lock_that_was_changed_stops_the_comparison(pair, tmp_path):
    copy = Path(shutil.copytree(pair[0], tmp_path / "copy"))
    lock = copy / "deepanalyze.lock"
    lock.write_text(lock.read_text().replace('"rows": 344', '"rows": 345'))
    done = run(tmp_path, "diff", copy, pair[1])
    assert done.returncode == 5 and "its lock and its trace differ" in done.stderr
