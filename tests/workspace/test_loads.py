"""What code is believed: all that our readers write (every test of `test_read` goes through it), and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepanalyze_cli.workspace.loads import is_load
from deepanalyze_cli.workspace.names import identifier, is_name, unique

SOUND = [
    "con.read_csv(DATA_DIR / 'a.csv')",
    "con.read_csv(DATA_DIR / 'a.csv', sep=';', header=True, na_values=['', 'NA'], sample_size=-1, decimal=',')",
    "pd.read_csv(DATA_DIR / 'a.csv', encoding='cp1252', on_bad_lines='skip', low_memory=False).reset_index()",
    "con.read_json(DATA_DIR / 'a.csv', sample_size=-1).project('* REPLACE (\"a\" ->> \\'$\\' AS \"a\")')",
    "pd.json_normalize(pd.read_json(DATA_DIR / 'a.csv', typ='series', dtype=False)['a']['b'])",
    "pd.json_normalize(pd.read_json(DATA_DIR / 'a.csv').to_dict())",
    "pd.read_json(DATA_DIR / 'a.csv', orient='index').rename_axis('key').reset_index()",
    "pd.read_excel(DATA_DIR / 'a.csv', sheet_name='S', engine='calamine').rename(columns=str)",
    'pd.read_sql_query(\'SELECT * FROM "t""x"\', '
    "sqlite3.connect((DATA_DIR / 'a.csv').as_uri() + '?mode=ro&immutable=1', uri=True))",
    "con.read_parquet(DATA_DIR / 'a.csv')",
]

FORGED = [
    "",
    "1",
    "con",
    "DATA_DIR / 'a.csv'",
    "con.read_csv(DATA_DIR / 'b.csv')",
    "con.read_csv(DATA_DIR / '../a.csv')",
    "con.read_csv(DATA_DIR / 'a*')",
    "con.read_csv('a.csv')",
    "con.read_csv(DATA_DIR)",
    "con.read_csv(DATA_DIR / 'a.csv', DATA_DIR / 'a.csv')",
    "con.read_csv(DATA_DIR / 'a.csv', **{})",
    "con.read_csv(*[DATA_DIR / 'a.csv'])",
    "con.read_csv(DATA_DIR / 'a.csv', sep=print())",
    "con.read_csv(DATA_DIR / 'a.csv', sep=[print()])",
    "con.read_csv(DATA_DIR / 'a.csv', filename=True)",
    "con.sql('SELECT 1')",
    "con.read_csv(DATA_DIR / 'a.csv').query('t', 'COPY t TO 1')",
    "con.read_csv(DATA_DIR / 'a.csv').project('* FROM read_text(1)')",
    "con.read_csv(DATA_DIR / 'a.csv').project('* REPLACE (\"a\" ->> \\'$\\' AS \"a\"), getenv(1)')",
    "con.read_csv(DATA_DIR / 'a.csv').write_csv('x')",
    "con.read_csv(DATA_DIR / 'a.csv').reset_index(print())",
    "con.read_csv(DATA_DIR / 'a.csv').rename(columns=print)",
    "con.read_csv(DATA_DIR / 'a.csv')[print()]",
    "con.read_csv(DATA_DIR / 'a.csv').x",
    "pd.read_pickle(DATA_DIR / 'a.csv')",
    "pd.read_csv(DATA_DIR / 'a.csv', storage_options={})",
    "pd.read_csv(DATA_DIR / 'a.csv').pipe(print)",
    "pd.eval('1')",
    "pd.io.common.os.system('true')",
    "pd.read_sql_query('ATTACH 1', sqlite3.connect((DATA_DIR / 'a.csv').as_uri() + '?mode=ro', uri=True))",
    "pd.read_sql_query('SELECT * FROM \"t\"', sqlite3.connect((DATA_DIR / 'a.csv').as_uri() + '?mode=rwc', uri=True))",
    "pd.read_sql_query('SELECT * FROM \"t\"', sqlite3.connect('a.csv'))",
    "__import__('os').system('true')",
    "(lambda: con.read_csv(DATA_DIR / 'a.csv'))()",
    "[con.read_csv(DATA_DIR / 'a.csv')][0]",
    "con.read_csv(DATA_DIR / 'a.csv') if True else 1",
    "con.read_csv(DATA_DIR / 'a.csv'); print()",
    "con.read_csv(DATA_DIR / 'a.csv')\nprint()",
    "con.read_csv(DATA_DIR / 'a.csv') # \u202e",
    "con.read_csv(DATA_DIR / f'{print()}a.csv')",
    "con.read_csv(DATA_DIR / 'a.csv'" + "[" * 5000,
    "(" * 5000,
    "con.read_csv(DATA_DIR / 'a.csv')" + ".reset_index()" * 5000,
]


@pytest.mark.parametrize("load", SOUND)
def test_what_readers_write(load: str) -> None:
    assert is_load(load, "a.csv")
    assert not is_load(load, "b.csv")


@pytest.mark.parametrize("load", FORGED, ids=range(len(FORGED)))
def test_anything_else(load: str) -> None:
    assert not is_load(load, "a.csv")


def test_patterns_are_escaped() -> None:
    assert is_load("con.read_csv(DATA_DIR / 'a[*].csv')", "a*.csv")
    assert not is_load("con.read_csv(DATA_DIR / 'a*.csv')", "a*.csv")
    assert is_load("pd.read_csv(DATA_DIR / 'a*.csv')", "a*.csv")


@given(st.text(max_size=90))
def test_every_name_that_is_given_is_one(text: str) -> None:
    taken: set[str] = set()
    assert is_name(identifier(text))
    assert all(is_name(unique([text], taken)) for _ in range(3))


@pytest.mark.parametrize("name", ["", "1a", "a b", "a;b", "class", "select", "con", "os", "print", "A", "x" * 200, "ﬁ"])
def test_no_name(name: str) -> None:
    assert not is_name(name)
