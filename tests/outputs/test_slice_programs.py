"""Programs made at random, run whole and run sliced: what the kept cell prints has to be the same.

The cells are our own and run in this process, each in the namespace of the program; no kernel is needed to tell.
"""

from __future__ import annotations

import contextlib
import copy
import io
import os
import re

import duckdb
import numpy as np
import pandas as pd
import pytest
from example_run import error, turn
from hypothesis import given, settings
from hypothesis import strategies as st

from deepanalyze_cli.outputs.slice import carried
from deepanalyze_cli.types import Turn

NAMES = ("a", "b", "c", "d")
TABLE = "con.sql('create table t as select 1 n')"
START = "a, b, c, d = [1], [2, 3], {'k': [4]}, pd.DataFrame({'x': [1, 2], 'y': [3, 4]})\nf = len\nv = 1"
name = st.sampled_from(NAMES)
number = st.integers(0, 9)


def _shaped(template: str) -> st.SearchStrategy[str]:
    """A statement with names for P, Q, R and a number for N."""

    def filled(p: str, q: str, r: str, n: int) -> str:
        return re.sub(r"\b[PQR]\b", lambda found: {"P": p, "Q": q, "R": r}[found[0]], template).replace("N", str(n))

    return st.builds(filled, name, name, name, number)


STATEMENTS = (
    "P = [N]",
    "P = Q",
    "P = Q, R",
    "P, Q = R, P",
    "P = list(Q)",
    "P = [Q, N]",
    "P = {'k': Q}",
    "P += [N]",
    "P.append(N)",
    "P.append(Q)",
    "P['k'] = Q",
    "P[0] = N",
    "P['k'].append(N)",
    "P.update(j=N)",
    "P.pop()",
    "P.sort()",
    "P.extend(list(Q)[:9])",
    "del P[0]",
    "del P",
    "P = sorted(Q, key=str)",
    "P = Q[0]",
    "P = Q['k']",
    "P = Q.get('k')",
    "P = Q if N > 4 else R",
    "P = Q or R",
    "if len(str(P)) > 1N:\n    Q = [N]",
    "if N > 4:\n    P = [N]\nelse:\n    P = Q",
    "for item in list(P):\n    Q = item",
    "for item in list(Q):\n    item.append(N)",
    "for P in range(N):\n    pass",
    "try:\n    P = Q[N]\nexcept Exception:\n    R = [N]",
    "try:\n    P = [N]\nfinally:\n    Q = [N]",
    "while P:\n    P.pop()",
    "def f(x):\n    return (x, P)",
    "def f(x):\n    x.append(N)\n    return x",
    "def f(x):\n    global P\n    P = [N, x]",
    "def f(x):\n    P.append(x)",
    "def f(x, y=P):\n    y.append(N)\n    return y",
    "def f(x):\n    return P",
    "def g(x):\n    return f(x)\nf = g",
    "f = lambda x: (P, x)",
    "f = lambda x: P.append(N)",
    "f = P.append",
    "f(P)",
    "P = f(Q)",
    "P = [f(item) for item in list(Q)]",
    "P = list(map(f, list(Q)))",
    "P = (item for item in Q)",
    "P = list(P)",
    "P = (Q for _ in range(2))",
    "P = [item for item in Q if item]",
    "[P.append(item) for item in range(N)]",
    "P = iter(Q)",
    "P = next(iter(Q))",
    "next(P)",
    "P = copy.copy(Q)",
    "P = copy.deepcopy(Q)",
    "class K:\n    def __init__(self, x):\n        self.x = x\n    def grow(self):\n        self.x.append(N)",
    "P = K(Q)",
    "P.grow()",
    "P = Q.x",
    "P.x = Q",
    "P = pd.DataFrame({'x': [N, 1, 2], 'y': [3, 4, N]})",
    "P = Q['x']",
    "P['x'] = N",
    "P['z'] = P['x'] + N",
    "P.loc[0, 'x'] = N",
    "P.iloc[0] = N",
    "P.drop(columns='y', inplace=True)",
    "P = Q[Q['x'] > 1]",
    "P = Q.copy()",
    "P = Q.head(1)",
    "P = Q.assign(w=N)",
    "P = Q.to_numpy()",
    "P = Q.sort_values('x')",
    "P = Q.groupby('x')",
    "P = Q['y'].sum()",
    "P = Q.apply(lambda s: s)",
    "P = np.asarray(Q)",
    "P[:] = N",
    "P = Q[:1]",
    "P.insert(0, 'wN', N)",
    "P = np.random.randint(0, 100, 3)",
    "np.random.seed(N)",
    "P = np.random.default_rng(N)",
    "P = Q.integers(0, 100)",
    "np.random.shuffle(P)",
    "P = Q.sample(1)",
    "con.sql('create or replace table t as select N as n')",
    "con.execute('insert into t values (N)')",
    "con.sql('create or replace view w as select * from t')",
    "P = con.sql('select sum(n) from t').fetchall()",
    "P = con.sql('select * from w')",
    "P = con.sql('select * from P').df()",
    "con.register('t', P)",
    "con.execute('select N')",
    "P = con.fetchall()",
    "if True:\n    t = 'select sum(n) from t'\nP = con.sql(t).fetchall()",
    "P = [con.sql(f'select count(*) from {t}').fetchall() for t in ['t', 'w']]",
    "pd.set_option('display.max_rows', N + 1)",
    "v = N",
    "v += 1",
    "P = d.query('x > @v')",
    "P = f'{Q} {v}'",
    "match P:\n    case [x]:\n        Q = [x]\n    case _:\n        R = [N]",
    "with contextlib.suppress(Exception):\n    P = Q[N]\n    R = [N]",
    "(P := [N])",
    "P = eval('Q')",
    "globals()['P'] = [N]",
    "print(P)",
    "1 / 0",
)

cell_code = st.lists(st.one_of(*map(_shaped, STATEMENTS)), min_size=1, max_size=3).map("\n".join)
asked = st.sampled_from([f"print({n})" for n in NAMES] + ["print(f([1]))", "print(a, b)", "print(con.sql('from t'))"])
program = st.tuples(st.lists(cell_code, min_size=1, max_size=8), asked)


def _namespace() -> dict[str, object]:
    pd.reset_option("display.max_rows")
    np.random.seed(0)
    con = duckdb.connect()
    space = {"pd": pd, "np": np, "copy": copy, "con": con, "contextlib": contextlib, "duckdb": duckdb}
    exec(START, space)
    return space


def _ran(code: str, space: dict[str, object]) -> tuple[str, int | None]:
    """What a cell prints, and the line at which it failed."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            exec(compile(code, "<cell>", "exec"), space)
    except Exception as failure:
        trace = failure.__traceback__
        while trace and trace.tb_frame.f_code.co_filename != "<cell>":
            trace = trace.tb_next
        return said.getvalue(), trace.tb_lineno if trace else None
    return _ADDRESS.sub("0x", said.getvalue()), None


_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")


def _turn(index: int, code: str, line: int | None) -> Turn:
    outputs = (error("E", "", f"Cell In[{index}], line {line}\n----> {line} x"),) if line else ()
    return turn(index, "act", ("code", code), status="error" if line else "ok", outputs=outputs)


def sliced(cells: list[str], last: str) -> tuple[str, str, list[int]]:
    """What the last cell prints after all of the others, and after those that it needs; and which those are."""
    codes = [*cells, last]
    whole = _namespace()
    results = [_ran(code, whole) for code in codes]
    turns = [_turn(index, code, line) for index, (code, (_, line)) in enumerate(zip(codes, results, strict=True))]
    kept = carried(turns, frozenset((len(cells),)))
    again, said = _namespace(), ""
    for index in sorted({*kept, len(cells)}):
        said, _ = _ran(codes[index], again)
    return results[-1][0], said, sorted(kept)


@settings(max_examples=int(os.environ.get("SLICE_EXAMPLES", "100")), deadline=None)
@given(program)
def test_a_sliced_program_prints_the_same(made: tuple[list[str], str]):
    cells, last = made
    whole, again, kept = sliced(cells, last)
    assert whole in ("", again), f"kept {kept} of {cells}"  # a cell that failed is no evidence


@pytest.mark.parametrize(
    ("cells", "last", "kept"),
    [
        pytest.param(["a = 1", "a = 2"], "print(a)", [1], id="rebound"),
        pytest.param(["d['z'] = d.x * 2", "e = d.groupby('x').y.mean()\nprint(e)"], "print(d)", [0], id="column"),
        pytest.param(["e = d", "e['z'] = 1", "g = d.copy()\ng['q'] = 1"], "print(d)", [0, 1], id="another name"),
        pytest.param(["k = 2", "def h(x):\n    return x * k", "k = 3"], "print(h(2))", [0, 1, 2], id="global of h"),
        pytest.param(["import math", "a = math.pi", "b = 1"], "print(math.e)", [0], id="import"),
        pytest.param(["np.random.seed(1)", "b = np.random.rand()", "c = 1"], "print(np.random.rand())", [0, 1], id="b"),
        pytest.param(
            [TABLE, "print(con.sql('select 2'))", "con.execute('insert into t values (2)')"],
            *("print(con.sql('from t').fetchall())", [0, 2]),
            id="table",
        ),
        pytest.param(
            [TABLE, "con.sql('create view w as from t')", "con.sql('create table u as select 1')"],
            *("print(con.sql('from w').fetchall())", [0, 1]),
            id="view",
        ),
        pytest.param(["e = d.describe()\nprint(e)", "print(d.head())", "s = d.x.mean()"], "print(s)", [2], id="looks"),
        pytest.param(["x = 5", "globals()['y'] = 1", "z = 2"], "print(y)", [0, 1, 2], id="globals"),
        pytest.param(["a = 1", "b = 2", "c = 3"], "print(eval('a'))", [0, 1, 2], id="eval"),
    ],
)
def test_what_a_cell_needs(cells: list[str], last: str, kept: list[int]):
    whole, again, found = sliced(cells, last)
    assert (again, found) == (whole, kept)
