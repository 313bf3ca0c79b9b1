"""The setup cell in a real kernel and in a real notebook, and what the hidden part makes of charts and prints."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from deepanalyze_cli.kernel import JupyterKernel
from deepanalyze_cli.prelude import CAPTURE, DATAFRAME_ROWS, parameters, setup
from deepanalyze_cli.sandbox import Box, choose
from deepanalyze_cli.types import DataSource, Observation, Table


def source(name: str, *tables: Table) -> DataSource:
    return DataSource(name, "", "", 0, "", tables)


SOURCES = (
    source("penguins.csv", Table("penguins", 3, (), """con.sql(f"FROM read_csv('{DATA_DIR}/penguins.csv')")""")),
    source("sub/t.parquet", Table("t", 2, (), """con.sql(f"FROM read_parquet('{DATA_DIR}/sub/t.parquet')")""")),
    source("sales.xlsx", Table("sales", 2, (), """pd.read_excel(DATA_DIR / "sales.xlsx")""", engine="pandas")),
    source(
        "shop.sqlite",
        Table(
            "orders",
            1,
            (),
            """pd.read_sql_query("SELECT * FROM orders", sqlite3.connect(DATA_DIR / "shop.sqlite"))""",
            engine="pandas",
        ),
        Table("big", DATAFRAME_ROWS + 1, (), "con.sql('FROM range(10) AS r(n)')"),
        Table("class", 1, (), "con.sql('SELECT 1 AS n')"),
        Table("con", 1, (), "pd.DataFrame({'n': [7]})", engine="pandas"),
        Table('it\'s "odd"', 1, (), "con.sql('SELECT 5 AS n')"),
    ),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV, a Parquet, an Excel and an SQLite file, in a folder whose name needs quoting in Python."""
    import duckdb
    import openpyxl

    folder = tmp_path_factory.mktemp('my "data"')
    (folder / "sub").mkdir()
    rows = ("Adelie,3700.5,1,2020-01-01,true", "Gentoo,5000,,2020-01-02,", "Chinstrap,3800,3,,false", "")
    (folder / "penguins.csv").write_text("\n".join(("species,mass,rings,seen,alive", *rows)))
    (folder / "notes.txt").write_text("not a source")
    with duckdb.connect() as con:
        query = "SELECT i, TIMESTAMP '9999-01-01' + INTERVAL (i) HOUR AS late FROM range(2) r(i)"
        con.sql(query).write_parquet(str(folder / "sub" / "t.parquet"))
    book = openpyxl.Workbook()
    for row in (("month", "amount"), ("May", 10), ("June", 12)):
        book.active.append(row)
    book.save(folder / "sales.xlsx")
    book.close()
    with closing(sqlite3.connect(folder / "shop.sqlite")) as shop:
        shop.execute("CREATE TABLE orders (id INTEGER, total REAL)")
        shop.execute("INSERT INTO orders VALUES (1, 9.5)")
        shop.commit()
    return folder


def state(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path.relative_to(folder)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def boxed(scratch: Path, data: Path, cells: list[str]) -> JupyterKernel:
    """A kernel as a run has it."""
    box = Box(choose(), read=(data,))
    return JupyterKernel(scratch, box=box, prelude=cells, environment={"DEEPANALYZE_SCRATCH": str(scratch)})


@pytest.fixture(scope="module")
def kernel(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterKernel]:
    before = state(data)
    cells = [CAPTURE, parameters(data), setup(SOURCES, data)]
    with boxed(tmp_path_factory.mktemp("scratch"), data, cells) as kernel:
        yield kernel
    assert state(data) == before


def run(kernel: JupyterKernel, code: str) -> Observation:
    return kernel.execute(code, timeout=30)


def value(kernel: JupyterKernel, code: str) -> str:
    [output] = run(kernel, code).outputs
    assert output.kind == "result", output
    return output.data["text/plain"]


CHECK = """\
totals = [con.sql(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("penguins", "t", "sales", "orders", "big")]
assert totals == [3, 2, 2, 1, 10], totals
assert [len(penguins), len(t), len(sales), len(orders)] == totals[:4]
assert penguins.dtypes.astype(str).tolist() == ["object", "float64", "float64", "datetime64[ns]", "object"]
assert str(t.late.dtype) == "datetime64[us]", "the year 9999 does not fit into nanoseconds"
assert con.sql('SELECT n FROM "class"').fetchall() == [(1,)] and "big" not in globals()
assert con.sql('SELECT n FROM "con"').fetchall() == [(7,)]
assert con.sql('SELECT n FROM "it\\'s ""odd""\\"').fetchall() == [(5,)]
assert pd.read_csv("penguins.csv").shape == (3, 5) and Path("sub/t.parquet").exists()
assert Path.cwd() != DATA_DIR and not Path("notes.txt").exists()
assert con.sql("SELECT TIMESTAMPTZ '2020-01-01 12:00:00+02' :: VARCHAR").fetchall() == [("2020-01-01 10:00:00+00",)]
Path("penguins.csv").write_text("mine")"""

PRINTS = """\
print(pd.DataFrame({"x": [1234567.891, 1 / 3, 123456.0, 1e20, 1e-9, np.nan], "y": range(6)}))
print(pd.DataFrame({f"column {i}": range(99) for i in range(40)}).assign(long="x" * 99))
print(np.float64(1.5), [np.float64(2.5)], np.array([1e-9, 1.0]), penguins.describe())
penguins"""


def test_the_setup_cell_in_a_kernel(kernel):
    observation = run(kernel, CHECK + "\nPath.cwd()")
    assert observation.status == "ok", observation.outputs
    assert observation.outputs[0].data["text/plain"] == f"PosixPath('{kernel.cwd}')"
    assert observation.files == ("penguins.csv",)


def test_the_setup_cell_in_a_notebook_and_that_it_prints_what_the_kernel_prints(kernel, data, tmp_path):
    import nbclient
    import nbformat

    before = state(data)
    cells = [nbformat.v4.new_code_cell(code) for code in (parameters(data), setup(SOURCES, data), CHECK, PRINTS)]
    cells[0].metadata["tags"] = ["parameters"]
    notebook = nbformat.v4.new_notebook(cells=cells)
    place = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3", resources=place).execute()
    assert [cell.outputs for cell in notebook.cells[:2]] == [[], []]
    printed, value = notebook.cells[3].outputs
    live = [output.data["text/plain"] for output in run(kernel, PRINTS).outputs]
    assert [printed.text, value.data["text/plain"]] == live
    assert state(data) == before and list(tmp_path.iterdir()) == []


def test_without_data_there_is_only_a_connection(tmp_path):
    code = setup((), None)
    assert "DATA_DIR" not in code and "sqlite3" not in code
    with JupyterKernel(tmp_path, prelude=[code]) as kernel:
        assert value(kernel, "con.sql('SELECT 42').fetchone()") == "(42,)"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterKernel]:
    """A kernel whose DuckDB has 100 MiB of memory and 200 MiB of disk."""
    code = setup((), None, memory=100 << 20, spill=200 << 20)
    with JupyterKernel(tmp_path_factory.mktemp("small"), prelude=[CAPTURE, code]) as kernel:
        yield kernel


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("df = pd.DataFrame({'a': [1, 2]})\ncon.sql('SELECT sum(a) FROM df').fetchall()", "[(3,)]"),
        ("def f():\n    mine = pd.DataFrame({'a': [1]})\n    return duckdb.sql('FROM mine').fetchall()\nf()", "[(1,)]"),
        ("con.register('two', pd.DataFrame({'a': [2]})).sql('FROM two').fetchall()", "[(2,)]"),
        ("con.read_parquet('sub/t.parquet').shape, duckdb.sql('FROM penguins').shape", "((2, 2), (3, 5))"),
        ("con.sql(f\"FROM '{DATA_DIR}/sub/*.parquet'\").shape", "(2, 2)"),
        ("import io\ncon.read_csv(io.StringIO('a\\n5')).fetchall()", "[(5,)]"),
        ("con.execute(\"COPY penguins TO 'copy.parquet'\")\ncon.sql(\"FROM 'copy.parquet'\").shape", "(3, 5)"),
        ("con.execute(\"ATTACH 'own.db' AS o; CREATE TABLE o.t AS SELECT 6 n\").sql('FROM o.t').fetchall()", "[(6,)]"),
        ("con.execute('SET VARIABLE x = 8').sql(\"SELECT getvariable('x')\").fetchall()", "[(8,)]"),
    ],
)
def test_what_duckdb_is_used_for_every_day_works(kernel, code, printed):
    assert value(kernel, code) == printed


@pytest.mark.parametrize("where", ["con", "duckdb", "con.cursor()"])
@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        ("INSTALL httpfs", "Failed to create directory"),
        ("INSTALL h3 FROM community", "Failed to create directory"),
        ("LOAD httpfs", "not found"),
        ("FROM 'https://127.0.0.1:9/a.csv'", "requires the extension httpfs"),
        ("ATTACH 'a.sqlite' (TYPE sqlite)", "not found"),
        ("SET memory_limit = '900GB'", "the configuration has been locked"),
        ("RESET extension_directory", "the configuration has been locked"),
        ("SET lock_configuration = false", "the configuration has been locked"),
    ],
)
def test_duckdb_fetches_no_code_and_its_limits_are_not_lifted(kernel, query, refusal, where):
    error = run(kernel, f"{where}.execute({query!r})").outputs[-1]
    assert error.kind == "error" and refusal in error.data["evalue"]


SORT = "con.execute('CREATE OR REPLACE TABLE t AS SELECT hash(range)::VARCHAR s FROM range({:_}) ORDER BY s')"


def test_a_query_larger_than_its_memory_goes_on_on_disk(small):
    assert value(small, "con.sql(\"SELECT current_setting('memory_limit')\").fetchone()") == "('100.0 MiB',)"
    spilled = "\nsum(file.stat().st_size for file in Path('.tmp').iterdir()) > 1_000_000"
    assert value(small, f"from pathlib import Path\n{SORT.format(4_000_000)};{spilled}") == "True"


def test_a_query_larger_than_all_it_may_have_is_an_error_and_not_the_end_of_the_kernel(small):
    observation = run(small, SORT.format(40_000_000))
    assert observation.outputs[-1].data["ename"] == "OutOfMemoryException"
    assert value(small, "con.sql('SELECT 1').fetchall()") == "[(1,)]"


def test_without_limits_duckdb_chooses_its_own():
    assert "memory_limit" not in setup((), None) and "max_temp_directory_size" not in setup((), None)


def test_a_large_file_is_linked_and_python_may_not_write_through_the_link(tmp_path):
    data, scratch = tmp_path / "data", tmp_path / "scratch"
    data.mkdir()
    with (data / "large.csv").open("wb") as large:
        large.truncate(100_000_001)
    cells = [CAPTURE, parameters(data), setup([source("large.csv")], data)]
    with boxed(scratch, data, cells) as kernel:
        assert (scratch / "large.csv").readlink() == data / "large.csv"
        for code in (
            "pd.DataFrame({'a': [1]}).to_csv('large.csv')",
            "Path(DATA_DIR, 'new.csv').write_text('x')",
            "os.rename(DATA_DIR / 'large.csv', DATA_DIR / 'other.csv')",
            "os.remove(str(DATA_DIR / 'large.csv'))",
        ):
            error = run(kernel, code).outputs[-1].data
            assert error["ename"] == "PermissionError" and "data folder is read-only" in error["evalue"], code
        allowed = "open('large.csv').close()\nos.remove('large.csv')\nopen('large.csv', 'w').close()"
        assert run(kernel, allowed).status == "ok"
    assert [path.name for path in data.iterdir()] == ["large.csv"]


def test_nothing_hidden_is_left_in_the_namespace(tmp_path):
    names = "sorted(n for n in globals() if not n.startswith('_') and n not in ('In', 'Out', 'exit', 'quit', 'open'))"
    with JupyterKernel(tmp_path, prelude=[CAPTURE]) as kernel:
        assert value(kernel, names) == "['get_ipython']"


BARS = "fig, ax = plt.subplots()\nax.bar(['a', 'b'], [1, 2])\nax.set_title('Bars')\n"


def test_a_chart_becomes_an_output_with_a_text_and_is_closed(kernel):
    for code in (BARS + "None", BARS + "plt.show()", BARS + "fig.show()", BARS + "%matplotlib inline\nplt.show()"):
        [chart] = run(kernel, code).outputs
        assert chart.kind == "display" and set(chart.data) == {"image/png", "text/plain"}
        assert base64.b64decode(chart.data["image/png"]).startswith(b"\x89PNG")
        assert chart.data["text/plain"] == "[figure: title 'Bars'; x: a, b; y 0..2; 2 bars]"
        assert value(kernel, "plt.get_fignums()") == "[]"


def test_a_chart_as_a_value_is_shown_once(kernel):
    [chart] = run(kernel, BARS + "fig").outputs
    assert chart.kind == "result" and chart.data["text/plain"].startswith("[figure: title 'Bars'")
    assert len(run(kernel, BARS + "display(fig)").outputs) == 1


def test_equal_charts_are_equal_bytes(kernel):
    first, second = (run(kernel, BARS + "plt.scatter([1, 2], np.random.default_rng(0).random(2));") for _ in range(2))
    assert first.outputs == second.outputs != ()


def test_after_an_error_charts_are_closed_and_not_shown(kernel):
    observation = run(kernel, BARS + "1 / 0")
    assert [output.kind for output in observation.outputs] == ["error"]
    assert run(kernel, "print(plt.get_fignums())").outputs[0].data["text/plain"] == "[]\n"
    shown = run(kernel, BARS + "plt.show()\n1 / 0")
    assert [output.kind for output in shown.outputs] == ["display", "error"]


def test_a_chart_that_cannot_be_drawn_is_an_error(kernel):
    observation = run(kernel, BARS + "ax.set_xlabel('$x^$');")
    assert observation.status == "error" and observation.outputs[-1].data["ename"] == "ValueError"
    assert value(kernel, "plt.get_fignums()") == "[]"


def test_a_saved_chart_is_an_output_that_says_its_file_and_empty_figures_are_not_shown(kernel):
    observation = run(kernel, BARS + "plt.savefig('bars.png')\nplt.close()\nplt.figure();")
    [chart] = observation.outputs
    assert observation.files == ("bars.png",) and chart.kind == "display" and "image/png" in chart.data
    assert chart.data["text/plain"] == "[figure bars.png: title 'Bars'; x: a, b; y 0..2; 2 bars]"
    unseen = "import io\nplt.figure().savefig('empty.png')\n" + BARS + "fig.savefig(io.BytesIO())\nplt.close('all')"
    assert run(kernel, unseen).outputs == ()


@pytest.mark.parametrize(
    "code",
    [
        "plt.savefig('bars.png')\nplt.show()",
        "plt.savefig('bars.png', dpi=300, bbox_inches='tight');",
        "plt.savefig('bars.png')\nfig.savefig('bars.pdf')\nplt.close()",
        "plt.show()\nfig.savefig('bars.png')",
        "fig.savefig(Path('bars.png'))\ndisplay(fig)",
    ],
)
def test_a_chart_both_saved_and_shown_appears_once(kernel, code):
    outputs = run(kernel, BARS + code).outputs
    assert ["image/png" in output.data for output in outputs][:1] == [True]
    assert sum("image/png" in output.data for output in outputs) == 1


def test_a_figure_drawn_anew_after_it_was_saved_is_another_chart(kernel):
    again = BARS + "plt.savefig('one.png')\nplt.clf()\nplt.plot([1, 2])\nplt.savefig('two.png')\nplt.close()"
    one, two = (output.data["text/plain"] for output in run(kernel, again).outputs)
    assert one == "[figure one.png: title 'Bars'; x: a, b; y 0..2; 2 bars]"
    assert two == "[figure two.png: x 0..1; y 1..2; 1 line]"
    assert run(kernel, again).outputs != (), "and the next cell may show it again"


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("np.float64(1.5), np.int64(3), np.bool_(True)", "(1.5, 3, True)"),
        (
            "pd.Series([1234567.891, 0.5, 1e5, 12.3456789])",
            "0   1234567.89\n1          0.5\n2       100000\n3      12.3457\ndtype: float64",
        ),
        ("pd.Series([1e-9, 3e20])", "0   1e-09\n1   3e+20\ndtype: float64"),
        ("ax = plt.figure().subplots(); plt.close(); ax.scatter([1], [1])", "<PathCollection>"),
    ],
)
def test_values_print_short(kernel, code, printed):
    assert value(kernel, code) == printed


def test_tables_print_short(kernel):
    wide = "pd.DataFrame({f'column {i}': range(99) for i in range(40)}).assign(long='x' * 99)"
    lines = value(kernel, wide).splitlines()
    assert max(map(len, lines)) <= 140 and len(lines) < 50


def test_warnings_are_one_line_and_only_those_that_matter(kernel):
    code = "import warnings\nfor kind in (FutureWarning, DeprecationWarning, UserWarning): warnings.warn('look', kind)"
    assert [output.data["text/plain"] for output in run(kernel, code).outputs] == ["UserWarning: look\n"]


def test_random_numbers_are_the_same_in_every_kernel(kernel):
    seeded = "state = random.getstate()\nrandom.seed(0)\nstate == random.getstate(), np.random.get_state()[1][0]"
    assert value(kernel, seeded) == "(True, 0)"


def test_bands_of_chance_are_the_same_in_every_chart(kernel):
    draw = "sns.{0}(data=pd.DataFrame({{'x': [1, 2, 3] * 20, 'y': [i * i % 61 for i in range(60)]}}), x='x', y='y');"
    for kind in ("lineplot", "barplot", "regplot", "pointplot"):
        first, second = (run(kernel, draw.format(kind)).outputs for _ in range(2))
        assert first == second != (), kind
    other = draw.format("lineplot").replace(", x=", ", seed=1, x=")
    assert run(kernel, other).outputs != run(kernel, draw.format("lineplot")).outputs, "a seed that is given counts"


MERGE = """
orders = pd.DataFrame({"id": [1, 1, 2, 5], "n": range(4)})
people = pd.DataFrame({"id": [1, 1, 2], "name": list("abc")})
print(len(orders.merge(people)), len(pd.merge(orders, people, on="id")))
"""
LINE = (
    "[merge: orders 4 x people 3 on id -> 5 rows; 1 row of orders has no partner and was dropped; id occurs up to 2 "
    "times in orders and 2 in people, so rows were multiplied]\n"
)


def test_a_merge_that_lost_or_multiplied_rows_says_so_beside_what_the_cell_prints(kernel, tmp_path):
    printed, said = run(kernel, MERGE).outputs
    assert (printed.kind, printed.data["text/plain"]) == ("stdout", "5 5\n")
    assert (said.kind, said.data["text/plain"]) == ("stderr", LINE)
    with JupyterKernel(tmp_path, prelude=["import pandas as pd"]) as plain:
        assert run(plain, MERGE).outputs == (printed,), "elsewhere the cell prints the same"


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("orders.merge(people.drop_duplicates('id'), how='left');", 0),
        ("orders.groupby('id').n.mean().to_frame().join(people.groupby('id').size().rename('k'));", 0),
        ("for i in range(100): orders.head(4 - i % 2).merge(people);", 2),
        ("for i in range(10): orders.head(i).merge(people.head(2));", 4),
        ("def f(a): return a.merge(people)\nf(orders), f(orders.head(3));", 2),
        ("import functools\nfunctools.reduce(pd.merge, [orders, people]);", 1),
        ("exec('def f(a, b): return a.merge(b)', lib := {})\nlib['f'](orders, people);", 0),
        ("import statsmodels.api as sm\nsns.lineplot(data=orders, x='id', y='n'); plt.close()", 0),
        ("pd.merge(orders, people, how='cross'); orders.join([people[['name']]]);", 0),
        ("orders['id'].to_frame().merge(people['id'].rename('id'), on='id');", 1),
        ("import pickle\nassert pickle.loads(pickle.dumps(pd.merge)) is pd.merge\npd.merge?", 0),
    ],
)
def test_which_merges_are_told(kernel, code, lines):
    observation = run(kernel, MERGE.split("print")[0] + code)
    said = "".join(output.data["text/plain"] for output in observation.outputs if output.kind == "stderr")
    assert observation.status == "ok" and said.count("[merge: ") == lines, said


def test_a_merge_that_fails_fails_as_ever(kernel):
    code = MERGE.split("print")[0] + "orders.merge(people, on='nothing')"
    error = run(kernel, code).outputs[-1].data
    assert (error["ename"], error["evalue"]) == ("KeyError", "'nothing'")
    assert "merge_watched" not in error["text/plain"]
