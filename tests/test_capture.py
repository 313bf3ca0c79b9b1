"""What a chart and a merge say of themselves in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest

from deepanalyze_cli.capture import LONGEST, describe, picture
from deepanalyze_cli.watching import by_length, describe_conversion, describe_merge


@pytest.fixture
def plt() -> Iterator[Any]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


def bars(plt: Any) -> None:
    import pandas as pd

    frame = pd.DataFrame({"female": [1.0, 2.0], "male": [3.0, 5200.0]}, index=["Adelie", "Gentoo"])
    frame.plot.bar(title="Body mass", xlabel="species", ylabel="mass (g)")


def lines(plt: Any) -> None:
    import pandas as pd

    days = pd.date_range("2020-01-03", periods=90)
    plt.plot(days, range(90))
    plt.yscale("log")


def panels(plt: Any) -> None:
    figure, (left, right) = plt.subplots(1, 2)
    figure.suptitle("Both")
    left.scatter([1, 2, 3], [4, 5, 6.5])
    figure.colorbar(right.imshow([[1, 2, 3], [4, 5, 6]]))


def boxes(plt: Any) -> None:
    import seaborn

    seaborn.boxplot(x=["a", "a", "b", "b"], y=[1, 2, 3, 4])


def heatmap(plt: Any) -> None:
    import seaborn

    seaborn.heatmap([[1, 2], [3, 4]], xticklabels=["u", "v"], yticklabels=["p", "q"])


def pie(plt: Any) -> None:
    plt.pie([1, 2], labels=["one", "two"])


def histogram(plt: Any) -> None:
    plt.hist([1, 1, 2, 5], bins=4)
    plt.xlabel("a\nb")


# seaborn 0.13 still says `vert` to Matplotlib 3.11
@pytest.mark.filterwarnings("ignore:vert")
@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (
            bars,
            "title 'Body mass'; x 'species': Adelie, Gentoo; y 'mass (g)' 0..5200; 4 bars; legend: female, male",
        ),
        (lines, "x 2020-01-03..2020-04-01; y 0..89 (log); 1 line"),
        (panels, "title 'Both'; 2 panels | x 1..3; y 4..6.5; 3 points | x -0.5..2.5; y -0.5..1.5; grid of 2x3"),
        (boxes, "x: a, b; y 1..4; 2 boxes"),
        (heatmap, "x: u, v; y: p, q; grid of 2x2"),
        (pie, "2 slices: one, two"),
        (histogram, "x 'a b' 1..5; y 0..2; 4 bars"),
        (lambda plt: plt.subplots(), "nothing drawn"),
    ],
)
def test_a_chart_in_words(plt, draw: Callable[[Any], None], said: str):
    draw(plt)
    assert describe(plt.gcf()) == f"[figure: {said}]"


def test_the_words_are_few(plt):
    _, axes = plt.subplots(5, 5)
    for panel in axes.flat:
        panel.bar([f"a rather long name {i}" for i in range(20)], range(20))
    text = describe(plt.gcf())
    assert len(text) <= LONGEST and text.endswith("…]")
    assert "… (20)" in text


def test_a_saved_chart_says_its_file_in_a_form_that_the_report_reads(plt):
    from deepanalyze_cli.outputs.story import figures, named_figures
    from deepanalyze_cli.types import Action, Completion, Observation, Output, Step, Turn

    bars(plt)
    text, png = describe(plt.gcf(), "mass of penguins.png"), picture(plt.gcf())
    assert text.startswith("[figure mass of penguins.png: title 'Body mass'; x 'species'")
    outputs = (Output("display", {"image/png": png, "text/plain": text}),)
    turn = Turn(0, Step("act"), Completion(""), (Action("code", "x"),), Observation("ok", outputs))
    [(name, figure)] = named_figures(turn).items()
    assert name == "mass of penguins.png" and figure.alt.startswith("Body mass (chart: x 'species'")
    assert figures(turn) == (figure,)


# --- merges -----------------------------------------------------------------------------------------------------------


def tables() -> dict[str, Any]:
    import pandas as pd

    orders = pd.DataFrame({"customer_id": [1, 1, 2, 3, 9, 9, None], "amount": range(7)})
    customers = pd.DataFrame({"customer_id": [1, 2, 2, 3, 4], "name": list("abcde")})
    return {"orders": orders, "customers": customers, "unique": customers.drop_duplicates("customer_id")}


def merge_line(how: str, left: str, right: str, **more: Any) -> str:
    """What is said of a merge of two of the tables."""
    there = tables()
    result = there[left].merge(there[right], how=how, **more)
    return describe_merge({"self": there[left], "right": there[right], "how": how, **more}, result, there)


@pytest.mark.parametrize(
    ("merge", "said"),
    [
        (
            ("inner", "orders", "customers"),
            "orders 7 x customers 5 on customer_id -> 5 rows; 3 rows of orders have no partner and were dropped; "
            "customer_id occurs up to 2 times in customers, so rows of orders are repeated",
        ),
        (
            ("left", "customers", "orders"),
            "customers 5 x orders 7 on customer_id, how='left' -> 6 rows; customer_id occurs up to 2 times in orders, "
            "so rows of customers are repeated; 1 row of customers has no partner and was filled with missing values",
        ),
        (
            ("right", "customers", "orders"),
            "customers 5 x orders 7 on customer_id, how='right' -> 8 rows; customer_id occurs up to 2 times in "
            "customers, so rows of orders are repeated; 3 rows of orders have no partner and were filled with missing "
            "values",
        ),
        (
            ("inner", "orders", "unique"),
            "orders 7 x unique 4 on customer_id -> 4 rows; 3 rows of orders have no partner and were dropped",
        ),
        (
            ("inner", "unique", "orders"),
            "unique 4 x orders 7 on customer_id -> 4 rows; 1 row of unique has no partner and was dropped; 3 rows of "
            "orders have no partner and were dropped; customer_id occurs up to 2 times in orders, so rows of unique "
            "are repeated",
        ),
        (
            ("inner", "orders", "orders"),
            "orders 7 x orders 7 on customer_id -> 11 rows; customer_id occurs up to 2 times in orders and 2 in "
            "orders, so rows were multiplied",
        ),
        (("left", "orders", "unique"), ""),
        (("cross", "orders", "unique"), ""),
    ],
)
def test_a_merge_says_what_it_did_to_the_rows(merge: tuple[str, str, str], said: str):
    more = {"on": "customer_id"} if merge[1] == merge[2] else {}
    assert merge_line(*merge, **more) == (f"[merge: {said}]" if said else "")


def test_keys_of_which_none_meets_are_told_whatever_the_merge():
    there = tables()
    text = there["orders"].astype({"customer_id": "str"}), there["unique"].astype({"customer_id": "str"})
    given = {"left": text[0], "right": text[1], "how": "left", "on": "customer_id"}
    line = describe_merge(given, text[0].merge(text[1], how="left", on="customer_id"), {})
    said = "left 7 x right 4 on customer_id, how='left' -> 7 rows; no key of one side is found on the other"
    assert line == f"[merge: {said}]"


def test_a_join_by_the_index_and_several_keys():
    there = tables()
    named = there["customers"].set_index("customer_id")
    given = {"self": there["orders"], "other": named, "on": "customer_id"}
    line = describe_merge(given, there["orders"].join(named, on="customer_id"), {**there, "named": named})
    assert line.startswith("[merge: orders 7 x named 5 on customer_id, how='left' -> 8 rows; customer_id occurs up to")
    joined = there["unique"].set_index("customer_id")[["name"]].rename(columns={"name": "other"})
    assert describe_merge({"self": named, "other": joined}, named.join(joined), {}) == ""
    twice = there["orders"].assign(k=[1, 1, 1, 2, 2, 2, 2]), there["customers"].assign(k=[1, 1, 2, 1, 1])
    line = describe_merge({"left": twice[0], "right": twice[1]}, twice[0].merge(twice[1]), {})
    said = "left 7 x right 5 on customer_id, k -> 3 rows; 4 rows of the left have no partner and were dropped"
    assert line == f"[merge: {said}]"


def test_nothing_is_said_that_does_not_explain_the_result():
    there = tables()
    given = {"self": there["orders"], "right": there["customers"]}
    assert describe_merge(given, there["orders"], there) == ""


def test_a_large_merge_is_judged_by_its_lengths():
    assert by_length(9, 5, 8, "inner", "a", "b") == ["at least 1 row of a has no partner and was dropped"]
    assert by_length(9, 5, 10, "left", "a", "b") == ["keys occur more than once in b, so rows of a are repeated"]
    both = "keys occur more than once on both sides, so rows were multiplied"
    assert by_length(9, 5, 20, "inner", "a", "b") == [both]
    assert by_length(9, 5, 0, "inner", "a", "b") == ["no key of one side is found on the other"]
    assert by_length(9, 5, 9, "left", "a", "b") == by_length(9, 5, 12, "inner", "a", "b") == []


def test_names_of_keys_stay_on_their_line():
    import pandas as pd

    wild = "k\x1b[31m\n</Answer>\u202e" + "x" * 500
    left, right = pd.DataFrame({wild: [1, 1]}), pd.DataFrame({wild: [1, 1]})
    line = describe_merge({"left": left, "right": right}, left.merge(right), {})
    assert line.startswith("[merge: left 2 x right 2 on k [31m </Answer> xxx")
    assert line.isprintable() and len(line) < 300


@pytest.mark.parametrize(
    ("values", "lost"),
    [
        (["1", "2,500", "6512[4900-8300]", None], "2 of 3 values became missing, such as '2,500'"),
        (["1", "2", None], ""),
        (["7", "n/a\x1b[31m"], "1 of 2 values became missing, such as 'n/a [31m'"),
    ],
)
def test_what_a_conversion_lost(values, lost):
    given = pd.Series(values)
    assert describe_conversion("to_numeric", given, pd.to_numeric(given, errors="coerce")) == (
        f"[to_numeric: {lost}]" if lost else ""
    )
