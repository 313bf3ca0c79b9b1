"""What the ledger says of numbers: the labelled corpus, and the cases that the corpus does not reach."""

from __future__ import annotations

import gc
import time

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from penguin_runs import cell, run_of
from precision import judge, scores

from deepanalyze_cli.evidence.ledger import ledger

MASS = pd.DataFrame(
    {"count": [151, 68, 123], "mean": [3700.7, 3733.1, 5076.0]},
    index=pd.Index(["Adelie", "Chinstrap", "Gentoo"], name="species"),
)
STATS = cell('stats = penguins.groupby("species")["body_mass_g"].agg(["count", "mean"])\nprint(stats)', str(MASS))


def verdicts(run, text, place="answer"):
    return [(claim.text, claim.verdict) for claim in ledger(run, [(place, text)]).claims]


def test_the_tuned_part_of_the_corpus_meets_its_targets():
    precision, recall = scores(judge("tuned"))
    assert precision >= 0.99
    assert recall >= 0.95


def test_a_claim_says_where_it_stands_and_what_it_stands_on():
    text = "## Mass\n\nThe mean body mass of Gentoo is 5,076 g."
    (claim,) = ledger(run_of(STATS), [("section 2", text)]).claims
    assert (claim.text, claim.value, claim.unit, claim.place) == ("5,076 g", 5076, "g", "section 2")
    assert text[claim.start :].startswith("5,076") and claim.sentence == "The mean body mass of Gentoo is 5,076 g."
    assert (claim.verdict, claim.rule) == ("verified", "exact")
    (evidence,) = claim.evidence
    assert (evidence.turn, evidence.output, evidence.printed) == (0, 0, "5076.0")
    assert evidence.line.startswith("Gentoo")


@pytest.mark.parametrize("status", ["refused", "format", "died"])
def test_only_cells_that_ran_are_evidence(status):
    run = run_of((*STATS[:2], status, "act"))
    assert verdicts(run, "The mean body mass of Gentoo is 5,076 g.") == [("5,076 g", "unsupported")]


def test_what_a_failed_cell_printed_counts_and_what_it_did_not_print_does_not():
    failed = cell(
        "print('rows used:', len(penguins))\nprint('accuracy:', model.score(X, y))", "rows used: 344", "error"
    )
    assert verdicts(run_of(failed), "The model used 344 rows.") == [("344", "verified")]
    report = "The model reaches 82.3 % accuracy (F(5,1188) = 18.7, R² = 0.823)."
    assert {verdict for _, verdict in verdicts(run_of(failed), report)} == {"unsupported"}


def test_the_failure_is_no_evidence():
    failed = cell("penguins['0.823']", "", "error")
    assert verdicts(run_of(failed), "The accuracy is 0.823.") == [("0.823", "unsupported")]


def test_typed_numbers_are_no_evidence():
    typed = cell("accuracy = 0.823\nprint('accuracy:', accuracy)", "accuracy: 0.823")
    (claim,) = ledger(run_of(typed), [("answer", "The accuracy is 0.823.")]).claims
    assert (claim.verdict, claim.rule) == ("unsupported", "the cell prints only what was typed")


def test_numbers_typed_into_a_sentence_of_data():
    mixed = cell('print(f"The accuracy is 82.3 % on {len(penguins)} rows.")', "The accuracy is 82.3 % on 344 rows.")
    said = verdicts(run_of(mixed), "The accuracy is 82.3 % on 344 rows.")
    assert said[0] == ("82.3 %", "unsupported")


TOLD = "Gentoo has the highest mean body_mass_g: 5076.0 g (n = 123)."
TELLING = cell('top = stats["mean"].idxmax()\nprint(f"{top} has ...")', TOLD, purpose="finding")


def test_a_telling_cell_stands_for_its_own_sentence():
    run = run_of(TELLING, strategy="guided")
    assert [v for _, v in verdicts(run, TOLD)] == ["verified"] * 2
    assert [v for _, v in verdicts(run, f"- {TOLD} And more.")] == ["verified"] * 2


def test_a_telling_cell_does_not_stand_for_another_sentence():
    run = run_of(TELLING, strategy="guided")
    assert verdicts(run, "The mean body mass of Gentoo is 5,076 g.") == [("5,076 g", "unsupported")]


def test_a_digit_changed_in_a_told_sentence():
    run = run_of(STATS, TELLING, strategy="guided")
    said = verdicts(run, TOLD.replace("5076.0", "5176.0"))
    assert said == [("5176.0 g", "contradicted"), ("123", "verified")]


def test_groups_swapped_and_superlatives():
    run = run_of(STATS)
    right = "Adelie weigh 3,701 g and Gentoo 5,076 g on average."
    wrong = "Gentoo weigh 3,701 g and Adelie 5,076 g on average."
    assert [v for _, v in verdicts(run, right)] == ["verified"] * 2
    assert [v for _, v in verdicts(run, wrong)] == ["contradicted"] * 2
    assert verdicts(run, "Chinstrap has the highest mean body mass, 3,733 g.") == [("3,733 g", "contradicted")]


def test_a_group_that_no_cell_printed():
    run = run_of(STATS)
    for sentence in ("Emperor penguins weigh 5,076 g on average.", "The mean body mass is 5,076 g."):
        assert verdicts(run, sentence) == [("5,076 g", "unsupported")]


def test_the_wrong_measure_of_the_right_group():
    assert verdicts(run_of(STATS), "The mean bill depth of Gentoo is 5,076 mm.")[0][1] != "verified"


def test_places_come_in_order_and_labels_are_no_claims():
    places = [
        ("title", "Penguins in 3 figures"),
        ("section 1", "See Figure 2."),
        ("caption 1", "Figure 1. n = 123 Gentoo"),
    ]
    assert [claim.place for claim in ledger(run_of(STATS), places).claims] == ["title", "caption 1"]


def test_no_run_and_no_text():
    assert ledger(run_of(), []).claims == ()
    assert verdicts(run_of(), "") == []


masses = st.floats(100, 9e6).map(lambda value: round(value, 2))


@settings(max_examples=60, deadline=None)
@given(masses, masses, st.integers(0, 2), st.sampled_from(["{:,.%df}", "{:.%df}", "about {:,.%df}"]))
def test_a_value_that_pandas_prints_is_found_again(mass, other, decimals, form):
    frame = pd.DataFrame({"mean": [mass, other]}, index=pd.Index(["Adelie", "Gentoo"], name="species"))
    run = run_of(cell('print(penguins.groupby("species")["body_mass_g"].agg(["mean"]))', frame.to_string()))
    written = (form % decimals).format(mass)
    assert verdicts(run, f"The mean body mass of Adelie is {written} g.")[0][1] == "verified"
    if abs(mass - other) > 0.2 * mass:
        assert verdicts(run, f"The mean body mass of Gentoo is {written} g.")[0][1] == "contradicted"


@settings(max_examples=60, deadline=None)
@given(masses)
def test_a_value_in_thousands_and_millions(mass):
    run = run_of(cell('print("total mass:", penguins["body_mass_g"].sum())', f"total mass: {mass}"))
    for text in (f"{mass / 1e3:.1f}k", f"{mass / 1e6:.2f} million"):
        (claim,) = ledger(run, [("answer", f"The total mass is {text}.")]).claims
        assert claim.verdict == "verified" or mass < claim_least(text)


def claim_least(text: str) -> float:
    """Below this a value written so has one or two digits, and may be doubted."""
    return 1e6 if "million" in text else 1e4


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200), st.text(max_size=200))
def test_any_output_and_any_report(printed, text):
    run = run_of(cell("print(penguins)", printed), STATS)
    once = ledger(run, [("answer", text)])
    assert once == ledger(run, [("answer", text)])
    for claim in once.claims:
        assert text[claim.start : claim.start + len(claim.text)] == claim.text


@pytest.mark.parametrize("layout", ["frame", "lines"])
def test_ten_thousand_lines_take_less_than_two_seconds(layout):
    frame = pd.DataFrame(
        {"price": [k * 1.37 for k in range(10_000)], "n": range(10_000)}, index=[f"item{k}" for k in range(10_000)]
    )
    lines = "\n".join(f"item{k}: price {k * 1.37:.2f}, n={k}" for k in range(10_000))
    run = run_of(cell("print(penguins)", frame.to_string() if layout == "frame" else lines))
    text = (
        "The mean price of item77 is 105.49 and item88 has 88 rows, 3 more than item99. About 38.2 % cost 17.25 USD.\n"
        * 4
    )
    began = time.process_time()
    assert ledger(run, [("answer", text)]).claims
    assert time.process_time() - began < 2


def long_output(n: int) -> str:
    """About 20 kB: every third output a table, lines of a loop, or sentences."""
    if n % 3 == 0:
        frame = pd.DataFrame({"count": range(400), "mean": [k * 1.37 for k in range(400)], "total": range(7, 407)})
        return frame.rename(lambda k: f"penguins of group {n}_{k}").to_string()
    if n % 3 == 1:
        return "\n".join(f"item{n}_{k}: mean body mass {k * 1.37:.2f} g, n={k}" for k in range(450))
    return "\n".join(f"The penguins of island {k} have a mean body mass of {k * 1.37:.2f} g." for k in range(300))


def test_forty_cells_and_two_hundred_numbers_take_less_than_two_seconds():
    run = run_of(*(cell("print(penguins)", long_output(n)[:20_000]) for n in range(40)))
    said = "The mean body mass of group 0_{k} is {k}.37 g with {k} penguins, {k} % of item1_{k} and 3 more."
    text = " ".join(said.format(k=k) for k in range(50))
    gc.collect()
    began = time.process_time()
    assert len(ledger(run, [("answer", text)]).claims) >= 150
    assert time.process_time() - began < 2


@pytest.mark.parametrize("piece", ["1", " ", "|", "1 ", "| ", "1,", "(1", "a: 1 ", "1.5 to ", "a  b: "])
def test_endless_lines_are_read_in_time(piece):
    line = piece * (100_000 // len(piece))
    began = time.process_time()
    ledger(run_of(cell("print(penguins)", line)), [("answer", "The mean is 5.")])
    ledger(run_of(STATS), [("answer", line)])
    assert time.process_time() - began < 10


MISTOLD = "print(f\"The species with the highest mean body mass is {low}, with {stats['mean'][low]:.1f} g (n = 151).\")"


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("The species with the highest mean body mass is Adelie, with 3700.7 g (n = 151).", "contradicted"),
        ("The species with the highest mean body mass is Gentoo, with 5076.0 g (n = 123).", "verified"),
        ("The mean body mass of Gentoo is 3700.7 g.", "contradicted"),
        ("The mean body mass of Gentoo is 1.4 times that of Adelie.", "verified"),
    ],
)
def test_a_sentence_that_a_cell_prints_is_compared_with_the_tables_all_the_same(sentence, found):
    run = run_of(STATS, cell(MISTOLD, sentence, purpose="finding"), strategy="guided")
    verdict = dict(verdicts(run, sentence))
    number = next(iter(verdict))
    assert verdict[number] == found
    if found == "contradicted":
        claim = ledger(run, [("section 1", sentence)]).claims[0]
        assert claim.rule.startswith("a cell printed this sentence, but ")
        assert {evidence.turn for evidence in claim.evidence} == {0, 1}
