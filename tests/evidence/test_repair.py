"""Sentences in doubt: found, told, mended, left out; and cells that only print what was typed."""

from __future__ import annotations

import pytest
from penguin_runs import cell, run_of

from deepanalyze_cli.evidence.fabricated import fabricated
from deepanalyze_cli.evidence.ledger import ledger
from deepanalyze_cli.evidence.repair import answer_doubts, doubts, mended, replies, told, without
from deepanalyze_cli.types import Claim, Ledger, Observation, Output, Step

TEXT = """# Mass

Gentoo weighs 5,076 g on average. Adelie weighs 4,000 g on average.

- The heaviest is 6,300 g.
- 12 birds are sick.

| species | mass |
| --- | --- |
| Gentoo | 5,076 |
| Adelie | 4,000 |"""


def doubted(text: str, *numbers: str):
    """The sentences of `text` in which these numbers stand, taken for unsupported."""
    claims = [Claim(n, 0.0, "", "", "answer", text.index(n), "unsupported") for n in numbers]
    return doubts(text, claims)


def stretches(text: str, *numbers: str) -> list[str]:
    return [text[d.start : d.end] for d in doubted(text, *numbers)]


def test_the_sentence_or_the_line_of_a_table_is_in_doubt():
    assert stretches(TEXT, "4,000 g") == ["Adelie weighs 4,000 g on average."]
    assert stretches(TEXT, "12") == ["12 birds are sick."]
    assert stretches(TEXT, "5,076 |") == ["| Gentoo | 5,076 |"]
    assert len(doubted(TEXT, "5,076 g", "5,076 |", "12")) == 3
    assert doubts(TEXT, [Claim("5,076", 0.0, "", "", "answer", TEXT.index("5,076"), "verified")]) == ()


@pytest.mark.parametrize(
    ("number", "gone", "kept"),
    [
        ("4,000 g", " Adelie weighs 4,000 g on average.", "Gentoo weighs 5,076 g on average.\n"),
        ("5,076 g", "Gentoo weighs 5,076 g on average. ", "\nAdelie weighs 4,000 g on average.\n"),
        ("12", "\n- 12 birds are sick.", "- The heaviest is 6,300 g.\n"),
        ("5,076 |", "\n| Gentoo | 5,076 |", "| --- | --- |\n| Adelie"),
    ],
)
def test_what_is_left_out_leaves_nothing_behind(number, gone, kept):
    left = without(TEXT, doubted(TEXT, number))
    assert left == TEXT.replace(gone, "") and kept in left


def test_nothing_in_doubt_changes_nothing():
    assert without("\n a \n", ()) == "\n a \n"


def test_the_model_is_told_what_is_wrong():
    means = "species\nAdelie    3700.7\nGentoo    5076.0\nName: body_mass_g, dtype: float64"
    run = run_of(cell("print(penguins.groupby('species')['body_mass_g'].mean())", means))
    text = "The mean body mass of Gentoo is 5,067 g. It cost $12,000."
    assert told(text, answer_doubts(run, text)).splitlines() == [
        "1. The mean body mass of Gentoo is 5,067 g.",
        "   - 5,067 g: your code printed 5076.0 (Gentoo 5076.0)",
        "2. It cost $12,000.",
        "   - $12,000: no output of your code shows it",
    ]


def test_replies_are_read_as_models_write_them():
    said = "Here is the list:\n1: It is 5.\n 2. drop\n- 3) **Drop.**\n10: x\n1: It is 6."
    assert replies(said) == {1: "It is 6.", 2: "drop", 3: "**Drop.**", 10: "x"}


def judged(verdict):
    return lambda new: Ledger((Claim("1", 1.0, "", new, "answer", 0, verdict),))


@pytest.mark.parametrize(
    ("said", "verdict", "counts"),
    [
        ({1: "Adelie weighs 3,701 g on average."}, "verified", (1, 0)),
        ({1: "Adelie weighs 3,701 g on average."}, "unsupported", (0, 0)),
        ({1: "| Adelie | 3,701 |"}, "verified", (0, 0)),
        ({1: "# Yes"}, "verified", (0, 0)),
        ({1: "**Drop**."}, "verified", (0, 1)),
        ({2: "drop"}, "verified", (0, 0)),
        ({}, "verified", (0, 0)),
    ],
)
def test_only_what_is_supported_now_takes_the_place(said, verdict, counts):
    new, *counted = mended(TEXT, doubted(TEXT, "4,000 g"), said, judged(verdict))
    assert tuple(counted) == counts
    assert (new != TEXT) == any(counts) and new.startswith("# Mass\n\nGentoo weighs 5,076 g on average.")


def test_several_at_once():
    new, *counted = mended(
        TEXT, doubted(TEXT, "4,000 g", "12", "5,076 |"), {1: "drop", 2: "333 birds are well.", 3: "| Gentoo | 5,080 |"},
        judged("verified"),
    )  # fmt: skip
    assert counted == [2, 1]
    assert "Adelie weighs" not in new and "- 333 birds are well.\n" in new and "| Gentoo | 5,080 |\n| Adelie" in new


@pytest.mark.parametrize(
    ("code", "printed", "typed"),
    [
        ("print(0.823)", "0.823", True),
        ("acc = 0.9\nprint(f'accuracy {acc}')", "accuracy 0.9", True),
        ("print(np.random.rand())", "0.12", True),
        ("print('done')", "done", False),
        ("print(len(penguins))", "344", False),
        ("print(penguins.body_mass_g.mean() / 1000)", "4.2", False),
        ("x = something()\nprint(x)", "4", False),
    ],
)
def test_cells_that_only_print_what_was_typed(code, printed, typed):
    seen = Observation("ok", (Output("stdout", {"text/plain": printed}),))
    assert fabricated(run_of(), Step("act"), code, seen) == typed


def test_numbers_of_such_cells_support_nothing():
    run = run_of(cell("acc = 0.823\nprint('accuracy:', acc)", "accuracy: 0.823"))
    assert [c.verdict for c in ledger(run, [("answer", "The accuracy is 0.823.")]).claims] == ["unsupported"]
