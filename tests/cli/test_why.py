"""`deepanalyze why` on a real run: the sentence, the printed line, the way from the file, and the code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import PENGUINS, answer, cell, run, run_folder, script

CODE = """
heavy = penguins[penguins['species'] == 'Gentoo']
by_sex = heavy.dropna(subset=['sex']).groupby('sex')['body_mass_g'].agg(['count', 'mean'])
print(by_sex.round(1))
share = 100 * len(heavy) / len(penguins)
print(f"Gentoo are {share:.1f} % of all {len(penguins)} rows.")
print(con.sql("SELECT count(*) AS n FROM penguins WHERE island = 'Dream' GROUP BY island").df())
"""
ANSWER = "Male Gentoo penguins weigh 5,484.8 g. Gentoo are 36.0 % of the rows. On Dream there are 124 birds."


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("why")
    model = script(folder / "script.jsonl", cell(CODE), answer(f"# Gentoo\n\n{ANSWER}"))
    done = run(folder, "analyze", PENGUINS, "-m", model, "-o", "out", "-q")
    assert done.returncode == 0, done.stderr
    return run_folder(folder / "out")


def steps(folder: Path, number: str) -> list[tuple[str, str, int | None]]:
    done = run(folder, "why", folder, number, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    match, *_ = json.loads(done.stdout)["matches"]
    return [(step["kind"], step["says"], step["rows"]) for step in match["origins"][0]["steps"]]


def test_the_way_from_the_file_to_a_mean(told):
    assert steps(told, "5,484.8") == [
        ("file", "penguins.csv", 344),
        ("filter", "penguins['species'] == 'Gentoo'", 124),
        ("filter", "dropna(subset=['sex'])", 333),
        ("group", "groupby('sex')", None),
        ("value", "['body_mass_g']", None),
        ("value", "agg(['count', 'mean'])", None),
        ("value", "round(1)", None),
    ]


def test_a_share_names_its_parts(told):
    found = steps(told, "36 %")
    assert ("filter", "penguins['species'] == 'Gentoo'", 124) in found
    assert found[-1] == ("value", "100 * len(heavy) / len(penguins)", None)


def test_a_query_is_read_by_its_clauses(told):
    found = steps(told, "124")
    assert ("file", "penguins.csv", 344) in found
    assert ("filter", "WHERE island = 'Dream'", None) in found and ("group", "GROUP BY island", None) in found


def test_it_is_told_for_people(told, tmp_path):
    done = run(tmp_path, "why", told, "36.0%")
    assert done.returncode == 0
    first, second, *rest = done.stdout.splitlines()
    assert first.endswith('36.0 % (verified, exact) in section 1: "Gentoo are 36.0 % of the rows."')
    assert second == "  printed by cell 1 (turn 1): Gentoo are 36.0 % of all 344 rows."
    assert (
        "    file: penguins.csv  [344 rows]" in rest
        and "      heavy = penguins[penguins['species'] == 'Gentoo']" in rest
    )


def test_a_number_that_is_nowhere_tells_what_is_near(told, tmp_path):
    done = run(tmp_path, "why", told, "5,500")
    assert done.returncode == 3
    assert done.stdout.splitlines()[0] == "no number 5,500 in the report or in what its cells printed"
    assert done.stdout.splitlines()[1].startswith("  near: 5,484.8 in section 1")


def test_what_is_no_number_is_wrong_usage(told, tmp_path):
    done = run(tmp_path, "why", told, "many")
    assert done.returncode == 2 and "'many' is no number" in done.stderr
