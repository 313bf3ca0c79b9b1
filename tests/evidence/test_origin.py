"""Values followed from the files of the workspace to what is printed, and what was only typed."""

from __future__ import annotations

import pytest
from penguin_runs import cell, run_of

from deepanalyze_cli.evidence.origin import lineage, origin, statements, untyped

CELLS: dict[str, tuple[str, str]] = {
    "a table of the data": ("print(penguins.shape)", "data"),
    "a query": ('con.sql("SELECT count(*) FROM penguins").show()', "data"),
    "a query of nothing": ('print(con.sql("SELECT 42"))', "literals"),
    "a query of a frame of data": ('big = penguins.head()\nprint(con.sql("select * from big").df())', "data"),
    "a file of the workspace": ("import pandas as pd\nprint(pd.read_csv('penguins.csv').mean())", "data"),
    "a path in DATA_DIR": ("print(len(open(DATA_DIR / 'notes.txt').read()))", "data"),
    "an unknown file": ("print(pd.read_csv('other.csv').mean())", "unknown"),
    "a typed file": ("import io\nprint(pd.read_csv(io.StringIO('a,b\\n1,2')).sum())", "literals"),
    "a number": ("print(42)", "literals"),
    "a typed frame": ("df = pd.DataFrame({'a': [1, 2]})\nprint(df['a'].mean())", "literals"),
    "a typed variable": ("accuracy = 0.93\nprint(f'Accuracy: {accuracy:.1%}')", "literals"),
    "a constant in arithmetic on data": ("print(penguins['body_mass_g'].mean() * 100 / 7)", "data"),
    "a default is no data": ("x = 0.5 if penguins.empty else 0.9\nprint(x)", "literals"),
    "random numbers": ("print(np.random.default_rng(0).normal(size=len(penguins)).mean())", "literals"),
    "a generator of random numbers": ("rng = np.random.default_rng(1)\nprint(rng.normal(0, 1, 9))", "literals"),
    "rows drawn at random": ("print(penguins.sample(5))", "data"),
    "a list drawn from data": ("import random\nprint(random.choice(penguins['sex'].tolist()))", "data"),
    "a column typed into the data": ("penguins['score'] = 7\nprint(penguins['score'].mean())", "literals"),
    "another column": ("penguins['score'] = 7\nprint(penguins['body_mass_g'].mean())", "data"),
    "a model fitted to data": (
        "m = LinearRegression()\nm.fit(penguins[['year']], penguins['x'])\nprint(m.coef_)",
        "data",
    ),
    "a loop over typed names": ("for s in ['a', 'b']:\n    print(s, penguins[s].mean())", "data"),
    "a comprehension": ("print({s: len(p) for s, p in penguins.groupby('species')})", "data"),
    "a comprehension of literals": ("print([n * 2 for n in [1, 2, 3]])", "literals"),
    "a function that prints": ("def show(x):\n    print(x.mean())\nshow(penguins)", "data"),
    "a function of literals": ("def twice(x):\n    return 2 * x\nprint(twice(21))", "literals"),
    "appended data": ("found = []\nfor s in penguins:\n    found.append(penguins[s].mean())\nprint(found)", "data"),
    "the last expression": ("penguins.describe()", "data"),
    "a last expression of literals": ("x = 3\nx + 4", "literals"),
    "an import is nothing": ("import math\nprint(math.pi * 2)", "literals"),
    "a name from nowhere": ("print(results)", "unknown"),
    "nothing printed": ("x = penguins.mean()", "unknown"),
    "no Python": ("print(", "unknown"),
}


@pytest.mark.parametrize("case", CELLS)
def test_origin_of_a_cell(case):
    code, wanted = CELLS[case]
    assert origin(run_of(cell(code, "1")))[0] == wanted


def test_names_outlive_their_cell():
    run = run_of(cell("a = 3\nb = penguins['year'].max()"), cell("print(a)", "3"), cell("print(b)", "2009"))
    assert origin(run) == {0: "unknown", 1: "literals", 2: "data"}


def test_a_cell_that_did_not_run_gives_no_names():
    run = run_of(cell("a = penguins", status="refused"), cell("print(a)", "3"))
    assert origin(run) == {1: "unknown"}


def test_typed_lines_of_a_cell_of_data():
    typed = "print('accuracy: 0.93')\nx = 5\nprint('x is', x)"
    code = f"print(penguins.shape)\nprint(f'Top 10 of {{len(penguins)}} rows')\n{typed}"
    left = untyped(run_of(cell(code, "...")))
    assert left(0, "(344, 8)") == "(344, 8)"
    assert left(0, "accuracy: 0.93") == ""
    assert left(0, "Top 10 of 344 rows") == "Top    of 344 rows"
    assert left(0, "x is 5") == ""


def test_lineage_reaches_the_source():
    run = run_of(
        cell("big = penguins[penguins.year > 2007]"), cell("m = big['body_mass_g']"), cell("print(m.mean())", "1")
    )
    assert "penguins.year > 2007" in lineage(run)[2] and "body_mass_g" in lineage(run)[2]


def test_statements_only_where_each_prints_once():
    once = run_of(cell("print('n:', len(penguins))\nprint(penguins.mean())", "n: 3"))
    assert [start for start, _ in statements(once)[0]] == ["n:", ""]
    assert statements(run_of(cell("for s in penguins:\n    print(s)", "1"))) == {}
