"""What a chart says of itself in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deepanalyze_cli.capture import LONGEST, describe, picture


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
