from dataclasses import replace

import pytest
from example_run import FREE, GUIDED, HOSTILE, chart, png, turn
from markdown_it import MarkdownIt

from deepanalyze_cli.outputs import words
from deepanalyze_cli.outputs.prose import blocks, demoted, titled
from deepanalyze_cli.outputs.publication import publish
from deepanalyze_cli.outputs.report import source_rows, to_markdown, to_report
from deepanalyze_cli.outputs.story import caption, chapters, figures, heading_and_text, numbered, printed, readable
from deepanalyze_cli.types import Column, Limits, Run, Table, Task


def markdown(run: Run) -> str:
    published = publish(run)
    return to_markdown(published.report, run, published.ledger)


@pytest.mark.parametrize(("name", "run"), [("guided", GUIDED), ("free", FREE)])
def test_snapshot_of_the_markdown(snapshot, name: str, run: Run):
    snapshot(f"{name}-report.md", markdown(run))


def test_a_guided_report_has_a_section_for_each_told_finding():
    report = to_report(GUIDED)
    assert report.title == report.question == "Which penguins are the heaviest, and why?"
    assert report.answer == GUIDED.answer
    first, second = report.sections
    assert first.heading == "How does body mass (g) differ between the values of species?"
    assert first.text == "Gentoo is the heaviest.\nIt weighs 5,075 g."
    assert (first.turns, [figure.png for figure in first.figures]) == ((2, 3, 4), [png(60)])
    assert second.heading.startswith("Does sex matter? <script>") and second.turns == (6, 8)
    assert second.text.startswith("- No difference for <script>")
    assert second.text.endswith("\n- \\# A row that looks like a heading.")
    assert report.notices == ("1 question gave no finding and is left out (see Limits).",)
    assert "printed by the code shown" in report.caveats[0]
    assert "written by a language model" in to_report(FREE).caveats[0]
    assert "Left out, because it gave no finding: Does body mass (g) hold within each year?" in report.caveats
    assert "3 of 8 cells failed; trace.ipynb has every attempt." in report.caveats
    assert "photo.jpg was left out: not a table" in report.caveats
    assert "penguins.csv: 2 rows with the wrong number of fields were skipped" in report.caveats


def test_a_free_report_has_its_charts_where_it_mentions_them_and_the_rest_at_its_end():
    report = to_report(FREE)
    assert (report.title, report.answer) == ("Weights of penguins", "")
    shown = [(s.heading, [figure.png for figure in s.figures]) for s in report.sections]
    assert shown == [("", [png(10)]), ("", [png(20)]), ("", []), ("Charts", [png(30)])]
    assert report.sections[0].text == "Gentoo are heavier."
    assert caption(report.sections[0].figures[0]) == "Masses"
    assert "The chart gone.png was not kept" in report.sections[2].text
    assert "# no heading, ![no](a.png) picture" in report.sections[2].text


@pytest.mark.parametrize("run", [GUIDED, FREE])
def test_markdown_has_one_h1_and_every_link_leads_somewhere(run: Run):
    text = markdown(run)
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    headings = [token.tag for token in tokens if token.type == "heading_open"]
    assert headings[0] == "h1" and headings.count("h1") == 1
    inline = [child for token in tokens for child in token.children or ()]
    links = {str(c.attrs["href"]) for c in inline if c.type == "link_open"}
    assert links and all(f'<a id="{link[1:]}"></a>' in text for link in links)
    drawn = [str(c.attrs["src"]) for c in inline if c.type == "image"]
    assert drawn == [f"figures/figure-{n}.png" for n in range(1, len(drawn) + 1)] and drawn
    raw = {piece.content for piece in (*tokens, *inline) if piece.type in ("html_block", "html_inline")}
    assert raw <= {"</a>", *(f'<a id="cell-{number}">' for number in range(1, 8))}


@pytest.mark.parametrize(
    ("run", "notice"),
    [
        (replace(GUIDED, stop="turns", limits=Limits(turns=9)), "Stopped early: the limit of 9 turns was reached."),
        (replace(GUIDED, stop="seconds"), "Stopped early: the time limit of 30 min was reached."),
        (replace(GUIDED, stop="tokens"), "Stopped early: the limit of 40,000 tokens was reached."),
        (replace(GUIDED, stop="format"), "Stopped early: 3 replies of the model in a row could not be understood."),
        (replace(GUIDED, stop="interrupted"), "Interrupted by the user after 13 turns."),
        (replace(GUIDED, stop="failed", error="KernelError: gone\nx"), "Failed after 13 turns: KernelError: gone x"),
        (replace(GUIDED, stop=None), "Not finished: the run was cut off after 13 turns."),
    ],
)
def test_how_a_run_ended_stands_at_the_top(run: Run, notice: str):
    assert to_report(run).notices[0] == notice
    head = markdown(run).split("## Key findings")[0]
    assert notice in head


def test_a_run_that_failed_at_once_has_a_report():
    report = to_report(replace(GUIDED, turns=(), stop="failed", answer="", error="ModelError: none"))
    assert report.sections == () and len(report.notices) == 2
    assert to_report(replace(FREE, turns=(), stop=None, answer="")).sections == ()


def test_questions_without_a_finding_are_named():
    asked = replace(GUIDED.turns[9], index=6)
    run = replace(GUIDED, turns=(*GUIDED.turns[:6], asked), stop="seconds", answer="")
    assert [(c.number, c.told) for c in chapters(run)] == [(1, True), (2, False), (3, False)]
    assert "2 questions gave no finding and are left out (see Limits)." in to_report(run).notices
    assert "Left out, because it gave no finding: Does body mass (g) hold within each year?" in to_report(run).caveats


def test_a_finding_without_a_cell_is_left_out():
    said = turn(8, "finding", ("answer", "It is so."), section=2)
    run = replace(GUIDED, turns=(*GUIDED.turns[:8], said, *GUIDED.turns[9:]))  # the numbers are no evidence
    assert [section.turns for section in to_report(run).sections] == [(2, 3, 4)]


@pytest.mark.parametrize(
    ("text", "heading", "rest"),
    [
        ("# A heading\nText.", "A heading", "Text."),
        ("**2. Masses differ:**\n\nText.\nMore.", "Masses differ", "Text.\nMore."),
        ("Finding 1: Yes #\nx", "Yes", "x"),
        ("# \nText.", "", "Text."),
        ("# Only a heading", "Only a heading", ""),
        ("Only a line", "", "Only a line"),
        ("A sentence.\nAnother.", "", "A sentence.\nAnother."),
        ("word " * 40 + "\nmore", "", "word " * 40 + "\nmore"),
    ],
)
def test_heading_and_text(text: str, heading: str, rest: str):
    assert heading_and_text(text) == (heading, rest)


@pytest.mark.parametrize(
    ("printed", "text"),
    [
        ("One. Two.\nThree.", "One. Two.\nThree."),
        ("A: 1.\n\nB: 2.\nC: 3.", "- A: 1.\n- B: 2.\n- C: 3."),
        ("- A.\n- B.", "- A.\n- B."),
        ("  # A\n12. B", "\\# A\n12\\. B"),
        ("> A\n+ B\n---", "- \\> A\n- \\+ B\n- \\---"),
        ("-5 is the *least*.", "-5 is the *least*."),
    ],
)
def test_a_finding_is_what_was_printed(printed: str, text: str):
    told = turn(3, "finding", ("code", "x"), ("answer", printed), section=1)
    assert to_report(replace(GUIDED, turns=(*GUIDED.turns[:3], told))).sections[0].text == text


def test_questions_are_readable():
    columns = tuple(Column(name, "number") for name in ("mass_g", "body_mass_g", "no", "a_b", "_"))
    source = replace(GUIDED.task.sources[0], tables=(Table("t", 1, columns, ""),))
    run = replace(GUIDED, task=Task("", (source,)))
    asked = "Is body_mass_g, (mass_g) or a_b.c more than a_b_c, _ and no_g?"
    assert readable(run, asked) == "Is body mass (g), (mass (g)) or a b.c more than a_b_c, _ and no_g?"


@pytest.mark.parametrize(
    ("text", "top", "expected"),
    [
        ("# A\n## B\ntext", 2, "## A\n### B\ntext"),
        ("### A\n\n#### B", 2, "## A\n\n### B"),
        ("A\n=\n\nB\n-", 3, "### A\n\n#### B"),
        ("```\n# A\n```\n## B", 2, "```\n# A\n```\n## B"),
        ("###### A\n\n# B\n\n#### C", 2, "## A\n\n## B\n\n### C"),
        ("no heading", 2, "no heading"),
        ("", 2, ""),
    ],
)
def test_headings_move_together(text: str, top: int, expected: str):
    assert demoted(text, top) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# Weights\ntext", ("Weights", "text")),
        ("# Summary\n\ntext", ("", "text")),
        ("text\n# Later", ("", "text\n# Later")),
    ],
)
def test_titles(text: str, expected: tuple[str, str]):
    assert titled(text) == expected


def test_pictures_leave_the_text_they_stood_in_but_remote_ones_stay_to_be_shown_as_text():
    assert list(blocks("a ![x](out/B.png) b\n\n![y](https://e/c.png)\n\n![z](//e/d.png)")) == [
        ("a  b", {"b.png": "x"}),
        ("![y](https://e/c.png)", {}),
        ("![z](//e/d.png)", {}),
    ]


def test_what_is_no_picture_is_no_figure():
    broken = (chart(1), chart(1), *(replace(chart(2), data={"image/png": text}) for text in ("!", "aGk=", "")))
    assert len(figures(turn(0, "act", ("code", "x"), outputs=broken))) == 1


@pytest.mark.parametrize(
    ("code", "said", "expected"),
    [
        ("x", "[figure: title 'Bob's mass'; x 'a': b; 2 bars]", "Bob's mass (chart: x 'a': b; 2 bars)"),
        ("x", "[figure: x 0..1; 3 points]", "The topic (chart: x 0..1; 3 points)"),
        ("x", "[figure: title 'Only']", "Only"),
        ("plt.title('Mass')", "<Figure size 1x1>", "Mass"),
        ("fig.suptitle('A'); ax.set_title('B')", "<Figure>", "A; B"),
        ("df.plot(title='Mass')", "", "Mass"),
        ("plt.title(f'{x}')", "a.png", "The topic"),
    ],
)
def test_what_a_chart_is_called(code: str, said: str, expected: str):
    (figure,) = figures(turn(0, "act", ("code", code), outputs=(chart(1, said),)), "The topic")
    assert figure.alt == expected


def test_cells_are_numbered_by_what_ran():
    assert numbered(GUIDED) == {1: 1, 2: 2, 3: 3, 4: 4, 6: 5, 7: 6, 8: 7, 10: 8}
    assert numbered(FREE) == {0: 1, 2: 2}
    assert printed(GUIDED.turns[2]) == "{'Adelie': 3725.0, 'Gentoo': 5075.0}\n'Gentoo'"


def test_a_source_without_tables_has_a_row():
    assert source_rows(GUIDED.task.sources)[1] == ("<b>notes</b>.txt", "812 bytes", "", "", "", "abababababab")


def test_words():
    assert [words.duration(s) for s in (0, 0.0301, 0.1, 9.94, 9.95, 59.6, 120, 3599.9, 7261)] == [
        *("0 ms", "30 ms", "0.1 s", "9.9 s", "10 s", "1 min", "2 min", "1 h 00 min", "2 h 01 min"),
    ]
    assert [words.size(n) for n in (1, 999, 1000, 999_950, 15_241, 3_000_000_000)] == [
        *("1 byte", "999 bytes", "1.0 KB", "1.0 MB", "15.2 KB", "3.0 GB"),
    ]
    assert words.date("2026-11-23T20:41:02+02:00") == "23 November 2026, 18:41 UTC"
    assert words.date("") == words.date("soon") == ""
    assert words.count(1, "row") == "1 row" and words.count(3400, "row") == "3,400 rows"


def test_hostile_text_survives_as_text():
    shown = MarkdownIt("gfm-like", {"linkify": False}).render(markdown(GUIDED))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown and "<script" not in shown and "<img src=x" not in shown
    assert "evil.example" in shown and 'src="https' not in shown and 'href="javascript' not in shown
    assert "\x1b" not in markdown(replace(GUIDED, task=replace(GUIDED.task, question=HOSTILE)))
