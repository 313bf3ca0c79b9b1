from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from samples import EXAMPLES

from deepanalyze_cli.types import Column, Table
from deepanalyze_cli.workspace import open_unboxed
from deepanalyze_cli.workspace.profile import EXACT_ROWS, friendly, profile

Write = Callable[[str, str | bytes], Path]


def table_of(write: Write, content: str) -> Table:
    (table,) = open_unboxed([write("t.csv", content)]).tables
    return table


def column(table: Table, name: str) -> Column:
    return next(c for c in table.columns if c.name == name)


def test_penguins_as_pandas_counts_them() -> None:
    path = EXAMPLES / "penguins/penguins.csv"
    (table,) = open_unboxed([path]).tables
    frame = pd.read_csv(path)
    assert (table.name, table.rows, table.keys) == ("penguins", len(frame), ())
    assert all("within each species" in note for note in table.notes)
    assert [c.name for c in table.columns] == list(frame.columns)
    for seen in table.columns:
        series = frame[seen.name]
        assert (seen.nulls, seen.distinct) == (series.isna().sum(), series.nunique())
        if seen.type in ("integer", "number"):
            assert (float(seen.low), float(seen.high)) == (series.min(), series.max())
            assert (seen.type == "integer") == (series.dropna() % 1 == 0).all()
        else:
            assert seen.examples == tuple(f"{v} ({n})" for v, n in series.value_counts().items())


def test_text_with_many_values_shows_the_frequent(write: Write) -> None:
    rows = [f"v{i % 20:02d}" for i in range(100)] + ["v07", "v07", "v03"]
    seen = column(table_of(write, "a,b\n" + "".join(f"{r},1\n" for r in rows)), "a")
    assert (seen.distinct, seen.examples, seen.low) == (20, ("v07", "v03", "v00"), "")


def test_codes_and_amounts(write: Write) -> None:
    table = table_of(write, "cyl,year,flag\n" + "4,2020,true\n6,2021,false\n8,2022,true\n4,2020,true\n")
    assert column(table, "cyl").examples == ("4 (2)", "6 (1)", "8 (1)")
    assert column(table, "year").examples == ()
    assert column(table, "flag") == Column("flag", "boolean", 0, 2, ("True (3)", "False (1)"))


def test_values_become_one_short_line(write: Write) -> None:
    table = table_of(write, f'a\n"one\ntwo\tthree"\n\u202eabc\u200b\x07\n{"x" * 100}\n"Smith, John"\n')
    assert set(column(table, "a").examples) <= {"one\\ntwo\\tthree", "abc", "x" * 39 + "…", "'Smith, John'"}
    assert len(column(table, "a").examples) == 3


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        (["465.86000000000001", "1"], "1", "465.86"),
        (["1e300", "-0.000012345678"], "-1.23457e-05", "1e+300"),
        (["1234567.891", "0.5"], "0.5", "1234568"),
        (["1234567890123", "1"], "1", "1234567890123"),
        (["2024-01-31", "2023-12-01"], "2023-12-01", "2024-01-31"),
        (["2024-01-31 10:30:00", "2023-12-01 00:00:00"], "2023-12-01", "2024-01-31 10:30"),
        (["2024-01-31T10:30:15Z", "2023-12-01T00:00:00Z"], "2023-12-01", "2024-01-31 10:30:15"),
    ],
)
def test_ranges_are_for_reading(values: list[str], low: str, high: str, write: Write) -> None:
    seen = column(table_of(write, "a\n" + "\n".join(values) + "\n"), "a")
    assert (seen.low, seen.high) == (low, high)


def test_keys(write: Write) -> None:
    table = table_of(write, "id,code,half,share\n" + "".join(f"{i},c{i},{i // 2},{i / 7}\n" for i in range(1, 20)))
    assert table.keys == ("id", "code")
    assert table_of(write, "a\n1\n").keys == ()


PAD = "".join(f"{i},x\n" for i in range(50))


@pytest.mark.parametrize(
    ("content", "note"),
    [
        ("a,b\n1,x\n1,x\n2,y\n1,x\n", "2 duplicate rows"),
        ("a,b\n1,x\n2,x\n", "the same value in every row: b"),
        ("a,b\n1,\n2,NA\n", "entirely missing: b"),
        ('a,b\n1,"1,234"\n2,"12,000"\n', "b: numbers stored as text, e.g. '1,234'"),
        ("a,b\n1,12 %\n2,7 %\n", "b: numbers stored as text, e.g. 12 %"),
        ("a,b\n1,$12\n2,$7.50\n", "b: numbers stored as text, e.g. $12"),
        (f"a,b\n{PAD}9999,x\n", "a: 1 value of 9999 looks like missing"),
        (f"a,b\n{PAD}-999,x\n-999,y\n", "a: 2 values of -999 look like missing"),
        (f"a,b\n{PAD}777,x\n", "a: 777 is far off, the next value is 49"),
        ('a,b\n1," x"\n2,y \n3,z\n', "b: 2 values with spaces before or after"),
        ("a,b\n1,Male\n2,male\n3,male\n", "b: values that differ only in case or spaces, e.g. 'male' and 'Male'"),
    ],
)
def test_suspicions(content: str, note: str, write: Write) -> None:
    assert note in table_of(write, content).notes


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n" + "".join(f"{i},{99 - i}\n" for i in range(100)),
        "a,b\n1,192.168.0.1\n2,10.0.0.1\n",
        "a,b\n1,00123\n2,04567\n",
        "a,b\n1,2024.01.02\n2,1.2.3\n",
        "a,b\n1,x\n2,y\n3,Z\n",
    ],
)
def test_no_suspicion(content: str, write: Write) -> None:
    assert table_of(write, content).notes == ()


def test_suspicions_of_a_wide_table_are_summed_up(write: Write) -> None:
    header = ",".join(f"c{i}" for i in range(40))
    table = table_of(write, f"{header}\n" + ",".join([" x"] * 40) + "\n" + ",".join(["y"] * 40) + "\n")
    assert len(table.notes) == 6
    assert table.notes[-1] == "the like in 35 more columns"


def test_wide_and_long(write: Write) -> None:
    random.seed(7)
    header = "id," + ",".join(f"v{i}" for i in range(600))
    rows = "\n".join(f"{r}," + ",".join(f"{random.random():.3f}" for _ in range(600)) for r in range(40))
    table = table_of(write, f"{header}\n{rows}\n")
    assert len(table.columns) == 601
    frame = pd.read_csv(Path(open_unboxed([write("t.csv", f"{header}\n{rows}\n")]).sources[0].location))
    assert [float(c.high) for c in table.columns] == frame.max().tolist()


def test_beyond_a_million_rows_many_distinct_values_are_estimated() -> None:
    rows = EXACT_ROWS + 1
    with duckdb.connect() as con:
        con.execute(
            "CREATE TABLE t AS SELECT i AS c0, 'k' || i AS c1, i % 1000 AS c2, 'g' || (i % 3) AS c3, i // 2 AS c4 "
            f"FROM range({rows}) r(i)"
        )
        table = profile(con, "t", ["id", "key", "some", "group", "half"], "...")
    assert table.keys == ("id", "key")
    assert [c.distinct for c in table.columns] == [rows, rows, 1000, 3, pytest.approx(rows / 2, rel=0.3)]
    assert table.columns[3].examples == ("g0 (333,334)", "g1 (333,334)", "g2 (333,333)")


def test_friendly_types() -> None:
    sorts = ["BIGINT", "UTINYINT", "INTEGER", "DECIMAL(18,3)", "DOUBLE", "VARCHAR", "ENUM('a', 'b')", "DATE"]
    sorts += ["TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE", "BOOLEAN", "INTEGER[]", "STRUCT(a INTEGER[])[3]", "BLOB"]
    sorts += ["STRUCT(a INTEGER)", "MAP(VARCHAR, INTEGER)", "TIME", "INTERVAL", "UUID"]
    assert [friendly(s) for s in sorts] == [
        *["integer"] * 3, *["number"] * 2, *["text"] * 2, "date", "timestamp", "timestamp with time zone", "boolean",
        "list", "list", "binary", "struct", "struct", "time", "duration", "text",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("log", "id,a\n1,x\n2,y\n2,z\n4,w\n", ["id: called like a key but not unique, 1 row repeats an earlier value"]),
        (
            "orders",
            "order_id,customer_id,a\n1,7,x\n1,7,y\n1,7,z\n2,8,w\n",
            ["order_id: called like a key but not unique, 2 rows repeat an earlier value"],
        ),
        ("orders", "id,customer_id\n1,7\n2,7\n3,8\n", []),
        (
            "log",
            "ticket_no,n\n" + "".join(f"{min(i, 18)},{i % 3}\n" for i in range(20)),
            ["ticket_no: called like a key but not unique, 1 row repeats an earlier value"],
        ),
        ("log", "n,id\n1,\n2,\n3,\n", ["entirely missing: id"]),
        ("log", "a,b\n1,1\n1,1\n2,2\n1,1\n", ["2 duplicate rows"]),
    ],
)
def test_what_should_tell_rows_apart_and_does_not(name: str, content: str, said: list[str], write: Write) -> None:
    (table,) = open_unboxed([write(f"{name}.csv", content)]).tables
    assert list(table.notes) == said


def test_an_estimate_is_no_duplicate_key() -> None:
    rows = EXACT_ROWS + 50_000
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE t AS SELECT i AS c0, i % 7 AS c1 FROM range({rows}) r(i)")
        assert profile(con, "t", ["some_id", "n"], "...").notes == ()
        con.execute("UPDATE t SET c0 = 5 WHERE c0 = 6")
        said = "some_id: called like a key but not unique, 1 row repeats an earlier value"
        assert profile(con, "t", ["some_id", "n"], "...").notes == (said,)
