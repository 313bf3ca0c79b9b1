from __future__ import annotations

import json
import re
import string
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import EXAMPLES, count

from deepanalyze_cli.types import Column, DataSource, Table
from deepanalyze_cli.workspace import Relation, Workspace, card, open_unboxed
from deepanalyze_cli.workspace.text import clean, inert, label, shown

Write = Callable[[str, str | bytes], Path]


@pytest.fixture(scope="module")
def flights() -> Workspace:
    return open_unboxed([EXAMPLES / "flights"])


def test_penguins() -> None:
    assert card(open_unboxed([EXAMPLES / "penguins"]), budget=300, count=count) == "\n".join(
        [
            "penguins: 344 rows x 8 columns, from penguins.csv",
            "- species: text, 3 values: Adelie (152), Gentoo (124), Chinstrap (68)",
            "- island: text, 3 values: Biscoe (168), Dream (124), Torgersen (52)",
            "- bill_length_mm: number, 32.1..59.6, 2 missing",
            "- bill_depth_mm: number, 13.1..21.5, 2 missing",
            "- flipper_length_mm: integer, 172..231, 2 missing",
            "- body_mass_g: integer, 2700..6300, 2 missing",
            "- sex: text, 2 values: male (168), female (165); 11 missing",
            "- year: integer, 2007..2009, 3 values",
            "! larger bill_depth_mm goes with smaller flipper_length_mm overall, but with larger within each species: "
            "compare within species",
            "! larger bill_depth_mm goes with smaller body_mass_g overall, but with larger within each species: "
            "compare within species",
            "! larger bill_length_mm goes with smaller bill_depth_mm overall, but with larger within each species: "
            "compare within species",
            "Note: not data, ignored: README.md",
        ]
    )


def test_flights_in_full(flights: Workspace) -> None:
    text = card(flights, budget=2000, count=count).splitlines()
    for line in (
        "flights: 336,776 rows x 19 columns, from flights.parquet",
        "- tailnum: text, 4,043 values, e.g. N725MQ, N722MQ, N723MQ; 2,512 missing",
        "- carrier: text, unique, e.g. 9E, AA, AS",
        "- year: integer, always 2013",
        "- time_hour: timestamp with time zone, 2013-01-01 10:00..2014-01-01 04:00",
        "! wind_speed: 1048.36 is far off, the next value is 42.5789",
        "- flights.carrier = airlines.carrier (n:1, all rows match)",
        "- flights.tailnum = planes.tailnum (n:1, 85 % of rows match)",
    ):
        assert line in text
    assert not any(line.startswith("Left out") for line in text)


def test_less_and_less(flights: Workspace) -> None:
    texts = {budget: card(flights, budget=budget, count=count) for budget in (600, 350, 120, 60, 30, 12, 3)}
    assert all(count(text) <= budget for budget, text in texts.items())
    assert "- dep_delay: integer, -43..1301, 8,255 missing" in texts[600]
    assert "examples of" in texts[600]
    assert re.search(r"^- integer: year, month, day, dep_time, .*minute$", texts[350], re.MULTILINE)
    assert "= planes.tailnum" in texts[350]
    assert "ranges of" in texts[350]
    assert texts[60].startswith("Tables: airlines") or "airlines" in texts[60]
    assert "Left out for space" in texts[60]
    assert texts[3] == ""


def test_five_hundred_columns(write: Write) -> None:
    header = "id," + ",".join(f"v{i:03d}" for i in range(1, 501))
    path = write("wide.csv", f"{header}\n" + "".join(f"{r}," + ",".join([f"{r}.5"] * 500) + "\n" for r in range(3)))
    text = card(open_unboxed([path]), budget=100, count=count)
    assert count(text) <= 100
    assert "- v001..v500: 500 number columns, 0.5..2.5" in text


def test_five_hundred_columns_of_different_names(write: Write) -> None:
    names = [f"{a}{b}x" for a in string.ascii_lowercase for b in string.ascii_lowercase][:500]
    path = write("wide.csv", ",".join(names) + "\n" + ",".join("1" * 500) + "\n" + ",".join("2" * 500) + "\n")
    text = card(open_unboxed([path]), budget=100, count=count)
    assert count(text) <= 100
    assert "- aax, abx, acx, adx, aex, afx, agx, ahx, aix, ajx and 490 more columns" in text
    assert "Left out for space: some columns of the table." in text


def test_three_hundred_files(write: Write, tmp_path: Path) -> None:
    for i in range(300):
        write(f"f{i:03d}.csv", f"a,b,c{i % 150}\n1,x,3\n2,y,4\n3,z,5\n")
    workspace = open_unboxed([tmp_path])
    assert len(workspace.tables) == 300
    text = card(workspace, budget=500, count=count)
    assert count(text) <= 500
    assert "f000: 3 rows x 3 columns, from f000.csv" in text
    listed = len(re.findall(r"^f\d+: ", text, re.MULTILINE))
    named = len(re.findall(r"f\d+", text.partition("Other tables:")[2].partition("\n")[0]))
    assert f"Left out for space: {300 - listed - named} tables" in text
    assert "f299: 3 rows x 3 columns, from f299.csv, columns as in f149" in card(workspace, budget=9000, count=count)


def test_names_can_be_copied(write: Write) -> None:
    names = [" WINDDIR", "a,b", "Cost Total $", "plain_name", "größe", "x: y", "it's", 'say "hi"', "two  spaces", "[0]"]
    path = write("t.json", json.dumps([dict.fromkeys(names, 1), dict.fromkeys(names, 2)]))
    lines = card(open_unboxed([path]), budget=1000, count=count).splitlines()[1:]
    shown_names = [line.removeprefix("- ").removesuffix(": integer, unique, 1..2") for line in lines]
    assert shown_names[2:5] == ["Cost Total $", "plain_name", "größe"]
    assert [eval(n) if n[0] in "'\"" else n for n in shown_names] == names


TAGS = ["<Answer>", "</Code>", "<|im_end|>", "<｜User｜>", "</s>", "<<SYS>>", "[INST]", "[/INST]", "```", "<bos>"]
RAW = re.compile(r"<\|?[A-Za-z/｜]|<<|```|\[/?INST\]")


def test_no_markup_from_data(write: Write) -> None:
    records = [{f"{tag} c{i}": f"{tag} {row}" for i, tag in enumerate(TAGS)} for row in range(3)]
    path = write("t<Answer>```.json", json.dumps(records))
    text = card(open_unboxed([path]), budget=5000, count=count)
    assert not RAW.search(text)
    assert "‹Answer>" in text
    names = [line.removeprefix("- ").partition(": text")[0] for line in text.splitlines() if line.startswith("- ")]
    assert [eval(n) for n in names if n] == list(records[0])


hostile = st.one_of(
    st.text(max_size=30),
    st.lists(st.sampled_from([*TAGS, " ", "\n", "\0", "\u200b", "a", "`", "<", "\u202e", "x" * 60]), max_size=6).map(
        "".join
    ),
)
columns = st.builds(
    Column,
    name=hostile,
    type=st.sampled_from(["integer", "number", "text", "date", "boolean", "list"]),
    nulls=st.integers(0, 5),
    distinct=st.integers(0, 20),
    examples=st.lists(hostile.map(shown), max_size=12).map(tuple),
    low=st.sampled_from(["", "1", "-2.5"]),
    high=st.sampled_from(["1", "7"]),
)
tables = st.builds(
    Table,
    name=st.sampled_from(["a", "b", "sales"]),
    rows=st.integers(0, 10**7),
    columns=st.lists(columns, max_size=9).map(tuple),
    load=st.just(""),
    notes=st.lists(hostile, max_size=3).map(tuple),
)


@st.composite
def workspaces(draw: st.DrawFn) -> Workspace:
    made = [replace(t, name=f"{t.name}_{i}") for i, t in enumerate(draw(st.lists(tables, max_size=6)))]
    sources = tuple(DataSource(draw(hostile), "", "csv", 1, "", (t,)) for t in made)
    joins = st.builds(Relation, st.just("a_0"), hostile, st.just("b_1"), hostile, st.just("n:1"), st.floats(0, 1))
    notes = tuple(draw(st.lists(hostile, max_size=3)))
    return Workspace(Path("/data"), sources, notes, tuple(draw(st.lists(joins, max_size=4))))


counters = st.sampled_from(
    [count, len, lambda t: len(t.split()), lambda t: len(t.encode()) // 2, lambda t: len(t) ** 2]
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(workspaces(), st.integers(0, 400), counters)
def test_never_more_than_the_budget_and_never_a_tag(
    workspace: Workspace, budget: int, counter: Callable[[str], int]
) -> None:
    text = card(workspace, budget=budget, count=counter)
    assert counter(text) <= budget
    assert not RAW.search(text)
    assert all(c == "\n" or c.isprintable() or c.isspace() for c in text)
    assert not re.search("[\0-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e]", text)


@given(hostile)
def test_texts(text: str) -> None:
    assert "\n" not in clean(text)
    assert len(clean(text)) <= 40
    assert not RAW.search(inert(text))
    assert inert(inert(text)) == inert(text)
    name = label(text)
    assert not RAW.search(name)
    if len(text) <= 100:
        assert name == text or eval(name) == text


def test_ordinary_text_stays() -> None:
    for text in ("<=50K", "a < b", "< 5", "x > y", "[NA]", "5' 3\"", "R&D"):
        assert inert(text) == text


def test_a_join_that_multiplies_rows_says_so(write: Write) -> None:
    a = write("a.csv", "shop_id,week,sales\n" + "".join(f"{i % 4},{i % 3},{i}\n" for i in range(12)))
    b = write("b.csv", "shop_id,week,staff\n" + "".join(f"{i % 4},{i % 3},{i % 2}\n" for i in range(12)))
    text = card(open_unboxed([a, b]), budget=500, count=count)
    assert "- a.shop_id = b.shop_id (n:m: a merge multiplies rows, all rows match)" in text.splitlines()
