import time
from dataclasses import replace

import pytest
from example_run import FREE, GUIDED, error, turn

from deepanalyze_cli.outputs.slice import carried, done, effects, failed_line, parse, program
from deepanalyze_cli.types import Claim, Evidence, Ledger, Status, Turn


def cell(index: int, code: str, status: Status = "ok", line: int | None = None, files: tuple[str, ...] = ()) -> Turn:
    outputs = (error("E", "", f"---\nE  Traceback\nCell In[{index}], line {line}\n----> {line} x"),) if line else ()
    return turn(index, "act", ("code", code), status=status, outputs=outputs, files=files)


@pytest.mark.parametrize(
    ("code", "loads", "stores", "changes"),
    [
        ("x = y\nz = x", {"y"}, {"x", "z"}, set()),
        ("x = x + 1", {"x"}, {"x"}, set()),
        ("x += y", {"x", "y"}, {"x"}, set()),
        ("import a.b as c, d.e\nfrom f import g as h", set(), {"c", "d", "h"}, set()),
        ("df['x'] = df.a * k", {"df", "k"}, set(), {"df"}),
        ("df.columns = names", {"df", "names"}, set(), {"df"}),
        ("df.dropna(inplace=True)", {"df"}, set(), {"df"}),
        ("found.append(1)\nplt.show()", {"found", "plt"}, set(), {"found"}),
        ("for a, b in pairs:\n    c = a + d", {"pairs", "d"}, set(), {"a", "b", "c"}),
        ("if a:\n    b = c\nelse:\n    b = d\n    e = 1", {"a", "c", "d"}, {"b"}, {"e"}),
        ("while a:\n    b = 1\nc = b", {"a", "b"}, {"c"}, {"b"}),
        ("try:\n    a = f()\nexcept E:\n    a = 2\nelse:\n    b = a", {"f", "E"}, {"a"}, {"b"}),
        ("with open(p) as f, suppress(E):\n    t = f.read()", {"open", "p", "suppress", "E"}, set(), {"f", "t", "E"}),
        ("a = b.c(d)", {"b", "d"}, {"a"}, {"b", "d"}),  # nobody knows what `c` does
        ("a = b.mean() + len(d)", {"b", "len", "d"}, {"a"}, set()),
        ("def f(x):\n    x.append(1)\nf(a)", {"a"}, {"f"}, {"a"}),
        ("def f(x):\n    return x.mean()\nf(a)", {"a"}, {"f"}, set()),
        ("fig, ax = plt.subplots()\nax.bar(a, b)\nplt.show()", {"plt", "a", "b"}, {"fig", "ax"}, set()),
        ("del a, b", {"a", "b"}, set(), {"a", "b"}),
        ("d.query('x > @k')", {"d", "x", "k"}, set(), set()),
        ("with open(p) as f:\n    t = f.read()", {"open", "p"}, {"f", "t"}, set()),
        ("s = [i * k for i in range(3) if i]", {"k", "range"}, {"s"}, set()),
        ("d = {k: v for k, v in items}", {"items"}, {"d"}, set()),
        ("def f(a, b=c):\n    e = a + g\n    return e", {"c", "g"}, {"f"}, set()),
        ("f = lambda x: x + y", {"y"}, {"f"}, set()),
        ("class A(B):\n    c = 1\n    def m(self): return D", {"B", "D"}, {"A"}, set()),
        ("try:\n    x = 1\nexcept E as e:\n    print(e)", {"E", "print"}, set(), {"x", "e"}),
        ("if (n := len(a)) > 1:\n    pass", {"len", "a"}, {"n"}, set()),
        ("a: int = b\nc: int", {"b"}, {"a"}, set()),
    ],
)
def test_what_code_loads_stores_and_changes(code: str, loads: set[str], stores: set[str], changes: set[str]):
    found = effects(code)
    plain = [{name for name in names if " " not in name} for names in (found.loads, found.stores, found.changes)]
    assert plain == [loads, stores, changes]


def test_sql_and_files_pass_from_cell_to_cell():
    made = effects("con.sql('CREATE OR REPLACE TABLE heavy AS SELECT * FROM penguins WHERE mass > 5000')")
    assert "table heavy" in made.changes and {"con", "penguins", "table penguins"} <= made.loads
    assert "table t" in effects("con.register('t', df)").changes and "*" in effects("con.sql(query)").loads
    assert {"con", "heavy"} <= effects("n = con.sql(f'select count(*) from {x} join heavy')").loads
    assert "file clean.csv" in effects("pd.read_csv('out/clean.csv')").loads


@pytest.mark.parametrize(
    "code",
    [
        "%matplotlib inline\nx = 1",
        "!pip install pandas\nx = 1",
        "x = 1\nx?",
        "%%time\nx = 1",
        "if True:\n    %precision 2\n    x = 1",
        "files = !ls\nx = 1",
        "t = %timeit -o f()\nx = 1",
    ],
)
def test_magics_do_not_hide_the_rest(code: str):
    found = effects(code)
    assert "x" in found.stores | found.changes


@pytest.mark.parametrize("code", ["%%bash\nls -l | wc", "x = (", "\0", "", "(" * 500, "x = 'a' %\\\n y"])
def test_what_is_no_python_has_no_effects_and_does_no_harm(code: str):
    assert effects(code).stores in (frozenset(), {"x"})
    assert done(code, 1) in ("", code)


def test_a_percent_sign_at_the_start_of_a_line_is_not_taken_for_magic():
    assert parse("x = ('%d'\n % y)") is not None
    assert "y" in effects("x = ('%d'\n % y)").loads


def test_the_failing_line_is_the_outermost_frame():
    told = "Cell In[7], line 4\n----> 4 f()\n\nCell In[2], line 9, in f()\n----> 9 raise"
    assert failed_line(turn(0, "act", ("code", "f()"), status="error", outputs=(error("E", "", told),))) == 4
    assert failed_line(turn(0, "act", ("code", "f()"))) is None


def test_what_was_done_before_the_failing_line():
    code = "a = 1\nb = [\n    2,\n]\nc = d\ne = 1"
    assert done(code, 5) == "a = 1\nb = [\n    2,\n]"
    assert done(code, 3) == "a = 1"
    assert done(code, None) == code


@pytest.mark.parametrize(
    ("cells", "kept", "expected"),
    [
        pytest.param([cell(0, "x = 1\n1/0", "error", 2), cell(1, "print(x)")], {1}, {0}, id="a failed cell stored it"),
        pytest.param([cell(0, "1/0\nx = 1", "error", 1), cell(1, "print(x)")], {1}, set(), id="it failed before that"),
        pytest.param([cell(0, "x = 1\n1/0", "error"), cell(1, "print(x)")], {1}, {0}, id="line not known"),
        pytest.param([cell(0, "x = 1\n1/0", "error", 2), cell(1, "x = 2\nprint(x)")], {1}, set(), id="stored again"),
        pytest.param(
            [cell(0, "x = 1\n1/0", "error", 2), cell(1, "x = 2"), cell(2, "print(x)")], {1, 2}, set(), id="in between"
        ),
        pytest.param(
            [cell(0, "x = 1\n1/0", "error", 2), cell(1, "x = 2\n1/0", "error", 2), cell(2, "print(x)")],
            {2},
            {1},
            id="the last one counts",
        ),
        pytest.param(
            [cell(0, "a = 1"), cell(1, "b = a\n1/0", "error", 2), cell(2, "print(b)")], {2}, {0, 1}, id="a chain"
        ),
        pytest.param([cell(0, "df['x'] = 1"), cell(1, "print(df)")], {1}, {0}, id="changed in place"),
        pytest.param([cell(0, "x = 1", "refused"), cell(1, "print(x)")], {1}, set(), id="it never ran"),
        pytest.param([cell(0, "x = 1", "died"), cell(1, "print(x)")], {1}, set(), id="the kernel died"),
        pytest.param(
            [cell(0, "x = 1\n1/0", "error", 2), cell(1, "os.abort()", "died"), cell(2, "x")],
            {2},
            set(),
            id="and took all before it along",
        ),
        pytest.param(
            [cell(0, "f(p)", files=("out/a.csv",)), cell(1, "y", "died"), cell(2, "read('a.csv')")],
            {2},
            {0},
            id="but no files",
        ),
        pytest.param([cell(0, "x = 1\nloop()", "timeout", 2), cell(1, "x")], {1}, {0}, id="out of time"),
        pytest.param([cell(0, "x = 1\nloop()", "timeout"), cell(1, "x")], {1}, set(), id="out of time somewhere"),
        pytest.param([cell(0, "40 + 2"), cell(1, "y = 1"), cell(2, "print(_)")], {2}, {0, 1}, id="history"),
        pytest.param([cell(0, "%precision 2"), cell(1, "y = 1"), cell(2, "x = 1")], {2}, {0}, id="a magic that lasts"),
        pytest.param([cell(0, "%%bash\nls > a"), cell(1, "y = 1"), cell(2, "x = 1")], {2}, {0}, id="another language"),
        pytest.param(
            [cell(0, "for c in cols:\n    df[c] = 1\n    f(c)", "error", 3), cell(1, "print(df)")],
            {1},
            {0},
            id="failed within a loop",
        ),
        pytest.param([cell(0, "x = f(1)", "error", 1), cell(1, "print(x)")], {1}, set(), id="failed before it stored"),
        pytest.param([cell(0, "x = (", "error", 1), cell(1, "print(x)")], {1}, set(), id="no Python"),
        pytest.param(
            [cell(0, "plt.rcParams['axes.grid'] = 1"), cell(1, "sns.barplot(data=a)"), cell(2, "b.plot()")],
            {2},
            {0},
            id="settings of charts",
        ),
        pytest.param(
            [cell(0, "fig, ax = plt.subplots()"), cell(1, "ax.bar(a, b)"), cell(2, "a.head()"), cell(3, "fig")],
            {3},
            {0, 1},
            id="a chart in two cells",
        ),
        pytest.param(
            [cell(0, "Path('out').mkdir()"), cell(1, "y = 1"), cell(2, "x.to_csv('out/x.csv')", files=("out/x.csv",))],
            {2},
            {0},
            id="a folder",
        ),
        pytest.param(
            [cell(0, "w(a)", files=("a.csv",)), cell(1, "w(b)", files=("b.csv",)), cell(2, "pd.read_csv(path)")],
            {2},
            {0, 1},
            id="some file",
        ),
    ],
)
def test_what_kept_cells_carry_along(cells: list[Turn], kept: set[int], expected: set[int]):
    assert carried(cells, frozenset(kept)) == expected


def test_the_program_of_the_example_runs():
    assert [t.index for t in program(GUIDED)] == [1, 2, 3, 4, 6, 7, 8]  # 1 and 7 failed but made `means`, `lightest`
    assert GUIDED.turns[10].code and GUIDED.turns[10].step.section == 3  # never told
    assert [t.index for t in program(FREE)] == [0, 2]
    assert program(replace(GUIDED, turns=())) == ()


def claim(*turns: int) -> Claim:
    evidence = tuple(Evidence(index, 0, "1", "x 1") for index in turns)
    return Claim("1", 1.0, "", "It is 1.", "answer", 6, "verified", evidence)


def test_a_free_run_stands_on_its_evidence_its_charts_and_the_files_it_names():
    run = replace(
        FREE,
        answer="One. See out/clean.csv.",
        turns=(
            cell(0, "x = 1\nprint(x)"),
            cell(1, "print('only a look')"),
            cell(2, "y = x + 1\nprint(y)"),
            cell(3, "z = 3\n1/0", "error", 2),
            cell(4, "w = 4\nwrite(w)", files=("out/clean.csv",)),
            replace(FREE.turns[2], index=5),
            cell(6, "v = 6"),
        ),
    )
    assert [t.index for t in program(run)] == [0, 1, 2, 4, 5, 6]
    assert [t.index for t in program(run, Ledger((claim(2), claim())))] == [0, 2, 4, 5]
    assert [t.index for t in program(replace(run, answer="One."), Ledger((claim(0),)))] == [0, 5]
    looked = replace(run, answer="One.", turns=run.turns[:4])
    assert [t.index for t in program(looked, Ledger((claim(),)))] == [0, 1, 2]  # no number stands on any cell


def test_a_guided_run_keeps_its_sections_and_what_its_numbers_stand_on():
    assert program(GUIDED, Ledger()) == program(GUIDED)
    assert [t.index for t in program(GUIDED, Ledger((claim(10),)))] == [1, 2, 3, 4, 6, 7, 8, 10]


def test_code_nested_a_thousand_levels_deep_has_effects_too():
    found = effects("total = " + " + ".join(["part"] * 2000) + "\nother = total")
    assert "part" in found.loads and "other" in found.changes


def test_the_line_of_a_traceback_is_looked_for_in_no_time():
    started = time.monotonic()
    for evil in ("File <ipython" + ">" * 500_000, "File <ipython>" * 50_000, "Cell In[1]" * 50_000):
        failed = turn(0, "act", ("code", "x"), status="error", outputs=(error("E", "v", evil),))
        assert failed_line(failed) is None
    assert time.monotonic() - started < 5
