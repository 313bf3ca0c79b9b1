"""Printed tables read back: what pandas, DuckDB and loops print keeps its labels."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepanalyze_cli.evidence.tables import grids

FRAME = pd.DataFrame(
    {
        "species": ["Adelie", "Baie Dumas", "Gentoo"],
        "sex": ["f", "m", "m"],
        "mass": [3700.7, 3733.0, np.nan],
        "n": [1, 22, 333],
    }
)


def read(text: str):
    """(row labels, column label, text) of each number."""
    return {(g.rows[c.row], g.columns[c.column], c.text) for g in grids(text.split("\n")) for c in g.cells}


def test_a_frame_with_its_numbering():
    assert read(str(FRAME)) == {
        (("Adelie", "f"), ("mass",), "3700.7"),
        (("Baie Dumas", "m"), ("mass",), "3733.0"),
        (("Adelie", "f"), ("n",), "1"),
        (("Baie Dumas", "m"), ("n",), "22"),
        (("Gentoo", "m"), ("n",), "333"),
    }


def test_a_frame_with_two_levels():
    shown = str(FRAME.set_index(["species", "sex"]))
    assert (("Baie Dumas", "m"), ("n",), "22") in read(shown)
    (grid,) = grids(shown.split("\n"))
    assert grid.levels == ("species", "sex")


def test_a_pivot_table_names_both_sides():
    pivot = FRAME.pivot_table(index="species", columns="sex", values="n", aggfunc="sum")
    (grid,) = grids(str(pivot).split("\n"))
    assert (grid.levels, grid.across, grid.columns) == (("species",), "sex", (("f",), ("m",)))
    assert (("Gentoo",), ("m",), "333.0") in read(str(pivot))


def test_columns_of_two_levels():
    wide = FRAME.groupby("sex")[["mass", "n"]].agg(["min", "max"])
    assert (("m",), ("n", "max"), "333") in read(str(wide))


@pytest.mark.parametrize("index", [["a", "b", "c"], ["New York", "São Paulo", "北京"], [2007, 2008, 2009]])
def test_a_series(index):
    series = pd.Series([1.5, 22.25, -3.0], index=pd.Index(index, name="city"), name="age")
    (grid,) = grids(str(series).split("\n"))
    assert grid.rows == tuple((str(label),) for label in index)
    assert [c.text for c in grid.cells] == ["1.50", "22.25", "-3.00"]
    assert (grid.name, grid.levels) == ("age", ("city",))


def test_a_series_of_two_levels_carries_labels_down():
    series = FRAME.assign(k=["x", "y", "y"]).set_index(["k", "sex"])["n"]
    assert (("y", "m"), ("n",), "22") in read(str(series))


def test_a_box_of_duckdb():
    shown = str(duckdb.query_df(FRAME, "frame", "select species, n, n / 7 as part from frame"))
    assert (("Baie Dumas",), ("n",), "22") in read(shown)


def test_markdown():
    assert read("| a | n |\n| --- | ---: |\n| x | 1,234 |\n| y | 5 |") == {
        (("x",), ("n",), "1,234"),
        (("y",), ("n",), "5"),
    }


def test_lines_of_a_loop():
    shown = "Surgery: mean 4.80 days, n=308\nOncology: mean 4.98 days, n=177"
    assert (("Oncology",), ("n",), "177") in read(shown)


def test_a_wide_frame_that_is_wrapped():
    wide = pd.DataFrame(
        np.arange(60).reshape(2, 30) * 1000.5, columns=[f"column_{k}" for k in range(30)], index=["a", "b"]
    )
    shown = wide.to_string(line_width=100)
    assert (("b",), ("column_29",), "59029.5") in read(shown)


def test_prose_is_no_table():
    assert read("The mean is 3.\nIn all there are 4 of them.\n\nx = 4") == set()


labels = st.lists(st.from_regex(r"[A-Za-z]{1,9}( [A-Za-z]{2,5})?", fullmatch=True), min_size=2, max_size=6, unique=True)


@settings(max_examples=60, deadline=None)
@given(labels, st.data())
def test_a_printed_number_keeps_its_labels(names, data):
    columns = data.draw(
        st.lists(st.from_regex(r"[a-z]{2,8}_[a-z]{1,4}", fullmatch=True), min_size=1, max_size=4, unique=True)
    )
    values = data.draw(
        st.lists(st.floats(-1e6, 1e6), min_size=len(names) * len(columns), max_size=len(names) * len(columns))
    )
    frame = pd.DataFrame(
        np.array(values).reshape(len(names), len(columns)).round(3),
        index=pd.Index(names, name="group"),
        columns=columns,
    )
    found = read(frame.to_string())
    for row in names:
        for column in columns:
            assert any(
                r == (row,) and c == (column,) and float(t) == pytest.approx(frame.loc[row, column], abs=1e-3)
                for r, c, t in found
            )


@given(st.text(alphabet="ab 01.|│-:\n[]{}'\",%", max_size=400))
@settings(deadline=None)
def test_any_text_is_read(text):
    list(grids(text.split("\n")))
