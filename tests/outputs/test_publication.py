"""Every number of a report with its verdict: where it is looked for, how it is linked, what `--strict` leaves out."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from example_run import FREE, GUIDED, png, turn
from markdown_it import MarkdownIt

from deepanalyze_cli.outputs import story
from deepanalyze_cli.outputs.marking import Footnotes, explained, linked, marked, places, summary
from deepanalyze_cli.outputs.publication import publish
from deepanalyze_cli.outputs.report import to_markdown, to_report
from deepanalyze_cli.types import Claim, Evidence, Figure, Ledger, Output, Report, Section

SEEN = Evidence(2, 0, "5076.0", "Gentoo  123  5076.0")
CELLS = {2: 1, 5: 2}


def claim(text: str, start: int, verdict="verified", place="answer", evidence=(SEEN,), rule="exact") -> Claim:
    return Claim(text, 0.0, "", "A sentence.", place, start, verdict, evidence, rule)


def test_the_places_of_a_report_in_the_order_of_reading():
    figures = (Figure(png(10), 2, "Mass (chart: 3 bars)"), Figure(png(11), 2, "Sizes"))
    sections = (Section("One", "Text.", figures[:1]), Section("", "", figures[1:]))
    report = Report("A title", "Why?", "An answer.", sections)
    assert places(report) == [
        ("title", "A title"),
        ("answer", "An answer."),
        ("heading 1", "One"),
        ("section 1", "Text."),
        ("caption 1", "Mass"),
        ("caption 2", "Sizes"),
    ]


def test_what_the_user_asked_claims_nothing():
    question = "Did 5 % of the flights in 2013 come late? " * 5
    report = to_report(replace(GUIDED, task=replace(GUIDED.task, question=question)))
    assert places(report)[0][0] == "answer"


def test_the_line_at_the_head():
    claims = [claim("1", 0)] * 38 + [claim("1", 0, "derived")] * 2 + [claim("1", 0, "unsupported")]
    assert summary(Ledger(tuple(claims))) == "41 numbers: 38 verified, 2 derived, 1 unsupported"
    assert summary(Ledger((claim("1", 0),))) == "1 number: 1 verified"
    assert summary(Ledger()) == ""


def test_each_number_is_a_link_to_its_cell():
    ledger = Ledger((claim("5,076 g", 12), claim("9 %", 24, "unsupported", evidence=(), rule="")))
    text = "Gentoo weigh 5,076 g, that is 9 % more."
    ledger = Ledger((replace(ledger.claims[0], start=13), replace(ledger.claims[1], start=30)))
    made = linked(f"<p>{marked(text, ledger, 'answer')}</p>", ledger, CELLS, {1})
    assert made == (
        '<p>Gentoo weigh <a class="num verified" href="#cell-1" title="verified, exact: cell 1 printed '
        '“Gentoo 123 5076.0”">5,076 g</a>, that is <span class="num unsupported" '
        'title="unsupported: no cell printed it">9 %</span> more.</p>'
    )


def test_a_cell_that_is_not_shown_is_no_link():
    ledger = Ledger((claim("5", 0),))
    assert "<span" in linked(marked("5", ledger, "answer"), ledger, CELLS, {2})


def test_what_a_cell_printed_is_escaped():
    hostile = replace(SEEN, line='"><script>alert(1)</script>')
    ledger = Ledger((claim("5", 0, evidence=(hostile,)),))
    assert "<script" not in linked(marked("5", ledger, "answer"), ledger, CELLS, {1})


@pytest.mark.parametrize("text", ["\ue0f0\ue101\ue0f1x\ue0f2 5", "5\ue0f2\ue0f0", "\ue0f0\ue109\ue109\ue0f15\ue0f2 5"])
def test_marks_that_stand_in_the_text_already_are_no_marks(text):
    ledger = Ledger((claim("5", text.rindex("5")),))
    made = marked(text, ledger, "answer")
    assert made.count("\ue0f0") == 1
    assert linked(made, ledger, CELLS, {1}).count("<a ") == 1


def test_claims_that_do_not_fit_the_text_mark_nothing():
    ledger = Ledger((claim("7", 0), claim("5", 4), claim("56", 3)))
    assert re.sub("[\ue000-\uf8ff]", "|", marked("abc567", ledger, "answer")) == "abc|||56|7"


def test_equal_footnotes_are_one_and_neighbours_share_a_reference():
    text = "Gentoo 5 and 6 g. Later 5."
    claims = (claim("5", 7), claim("6", 13), replace(claim("5", 24), sentence="Later 5."))
    notes = Footnotes(Ledger(claims), CELLS, {1})
    assert notes.placed(marked(text, Ledger(claims), "answer")) == "Gentoo 5 and 6[^1] g. Later 5[^1]."
    assert list(notes.definitions()) == ["[^1]: [cell 1](#cell-1): verified, exact: cell 1 printed “Gentoo 123 5076.0”"]


def test_a_number_in_doubt_says_so_in_the_text():
    ledger = Ledger((claim("5", 0, "contradicted"),))
    assert Footnotes(ledger, CELLS, set()).placed(marked("5", ledger, "answer")) == "5 *(contradicted)*[^1]"


def test_evidence_of_cells_that_never_ran_is_not_told():
    assert explained(claim("5", 0, evidence=(replace(SEEN, turn=9),)), CELLS) == "verified, exact"


@pytest.mark.parametrize("run", [GUIDED, FREE])
def test_every_footnote_is_defined_and_every_link_leads_somewhere(run):
    published = publish(run)
    text = to_markdown(published.report, run, published.ledger)
    assert published.ledger.claims and summary(published.ledger) in text
    used, defined = set(re.findall(r"(?<!\n)\[\^(\d+)\]", text)), set(re.findall(r"^\[\^(\d+)\]: ", text, re.M))
    assert used == defined and used
    assert set(re.findall(r"\(#(cell-\d+)\)", text)) <= set(re.findall(r'<a id="(cell-\d+)">', text))
    assert not re.search("[\ue000-\uf8ff]", MarkdownIt().render(text))


STATED = "## Mass\n\nPenguins weigh 4,202 g on average. Whales weigh 150,000 kg.\n\n- Seals weigh 85 kg."


def strictly(strict: bool):
    code = "print('mean mass of penguins', penguins.body_mass_g.mean())"
    seen = Output("stdout", {"text/plain": "mean mass of penguins 4202.0\n"})
    printed = turn(0, "act", ("code", code), outputs=(seen,))
    task = replace(FREE.task, strict=strict)
    return replace(FREE, task=task, turns=(printed,), answer=STATED)


def test_numbers_in_doubt_are_marked_and_told_at_the_top():
    published = publish(strictly(False))
    assert summary(published.ledger) == "3 numbers: 1 verified, 2 unsupported"
    assert published.report.notices[-1] == "2 numbers in this report are not supported by any output, and marked."
    assert published.answer(strictly(False)) == STATED


def test_strict_leaves_their_sentences_out_and_says_so():
    published = publish(strictly(True))
    assert [section.text for section in published.report.sections] == ["Penguins weigh 4,202 g on average."]
    assert summary(published.ledger) == "1 number: 1 verified"
    assert "Sentences with 2 numbers that no output supports were left out (--strict)." in published.report.caveats
    assert published.answer(strictly(True)) == "Penguins weigh 4,202 g on average."


def test_nothing_is_left_of_a_report_that_stands_on_nothing():
    run = replace(strictly(True), answer="It is 85 kg.")
    published = publish(run)
    assert published.answer(run) == "" and not published.ledger.claims
    assert story.standing(run)
