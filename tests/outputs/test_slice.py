import time
from dataclasses import replace

import pytest
from example_run import FREE, GUIDED, error, turn

from deepanalyze_cli.outputs.slice import carried, done, effects, failed_line, parse, program
from deepanalyze_cli.types import Status, Turn


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
        ("for a, b in pairs:\n    c = a + d", {"pairs", "d"}, {"a", "b", "c"}, set()),
        ("with open(p) as f:\n    t = f.read()", {"open", "p"}, {"f", "t"}, set()),
        ("s = [i * k for i in range(3) if i]", {"k", "range"}, {"s"}, set()),
        ("d = {k: v for k, v in items}", {"items"}, {"d"}, set()),
        ("def f(a, b=c):\n    e = a + g\n    return e", {"c", "g"}, {"f"}, set()),
        ("f = lambda x: x + y", {"y"}, {"f"}, set()),
        ("class A(B):\n    c = 1\n    def m(self): return D", {"B", "D"}, {"A"}, set()),
        ("try:\n    x = 1\nexcept E as e:\n    print(e)", {"E", "print"}, {"x", "e"}, set()),
        ("if (n := len(a)) > 1:\n    pass", {"len", "a"}, {"n"}, set()),
        ("a: int = b\nc: int", {"b"}, {"a"}, set()),
        ("con.register('t', df)", {"con", "df"}, {"t"}, set()),
    ],
)
def test_what_code_loads_stores_and_changes(code: str, loads: set[str], stores: set[str], changes: set[str]):
    found = effects(code)
    plain = {name for name in found.loads if not name.startswith("file ")}
    assert (plain, set(found.stores), set(found.changes)) == (loads, stores, changes)


def test_sql_and_files_pass_from_cell_to_cell():
    made = effects("con.sql('CREATE OR REPLACE TABLE heavy AS SELECT * FROM penguins WHERE mass > 5000')")
    assert "heavy" in made.stores and {"con", "penguins"} <= made.loads
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
    assert "x" in effects(code).stores


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
    ],
)
def test_what_kept_cells_carry_along(cells: list[Turn], kept: set[int], expected: set[int]):
    assert carried(cells, frozenset(kept)) == expected


def test_the_program_of_the_example_runs():
    assert [t.index for t in program(GUIDED)] == [1, 2, 3, 4, 6, 7, 8]  # 1 and 7 failed but made `means`, `lightest`
    assert GUIDED.turns[10].code and GUIDED.turns[10].step.section == 3  # never told
    assert [t.index for t in program(FREE)] == [0, 2]
    assert program(replace(GUIDED, turns=())) == ()


def test_code_nested_a_thousand_levels_deep_has_effects_too():
    found = effects("total = " + " + ".join(["part"] * 2000) + "\nother = total")
    assert "part" in found.loads and "other" in found.stores


def test_the_line_of_a_traceback_is_looked_for_in_no_time():
    started = time.monotonic()
    for evil in ("File <ipython" + ">" * 500_000, "File <ipython>" * 50_000, "Cell In[1]" * 50_000):
        failed = turn(0, "act", ("code", "x"), status="error", outputs=(error("E", "v", evil),))
        assert failed_line(failed) is None
    assert time.monotonic() - started < 5
