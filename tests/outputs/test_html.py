import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from example_run import FREE, GUIDED, HOSTILE, LINKS, printed, turn

from deepanalyze_cli.outputs import html
from deepanalyze_cli.outputs.alttext import spoken
from deepanalyze_cli.outputs.html import MOST_OUTPUT, MOST_SENTENCE, around, to_html
from deepanalyze_cli.outputs.language import language
from deepanalyze_cli.outputs.markup import is_number
from deepanalyze_cli.outputs.publication import publish
from deepanalyze_cli.outputs.report import to_report
from deepanalyze_cli.types import Claim, Evidence, Ledger, Run

VOID = {"meta", "img", "br", "hr"}
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "main", "header", "section", "aside", "footer", "div", "p"),
    *(
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "span",
        "b",
        "bdi",
        "nav",
        "strong",
        "em",
        "s",
        "a",
        "time",
        "dl",
        "dt",
        "dd",
        "ul",
        "ol",
    ),
    *("li", "blockquote", "hr", "br", "figure", "figcaption", "img", "details", "summary", "pre", "code"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}


ANCHORS = "(?:report|numbers|numbers-table|data|limits|method|code)"


class Page(HTMLParser):
    """What a browser sees of a page: tags with attributes, text by tag, and whether the tags nest."""

    def __init__(self, run: Run, ledger: Ledger | None = None):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        published = publish(run)
        self.source = to_html(published.report, run, published.ledger if ledger is None else ledger)
        self.feed(self.source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(params=[GUIDED, FREE, replace(GUIDED, turns=(), stop=None, answer="")], ids=["guided", "free", "empty"])
def page(request: pytest.FixtureRequest) -> Page:
    return Page(request.param)


@pytest.mark.parametrize(("name", "run"), [("guided", GUIDED), ("free", FREE)])
def test_snapshot_of_the_page(snapshot, name: str, run: Run):
    published = publish(run)
    page = to_html(published.report, run, published.ledger)
    snapshot(f"{name}-report.html", re.sub(r"<style>.*?</style>", "<style></style>", page, flags=re.DOTALL))


def test_a_page_has_only_tags_and_attributes_of_ours(page: Page):
    assert {tag for tag, _ in page.tags} <= ALLOWED
    names = {name for _, attributes in page.tags for name in attributes}
    assert not [name for name in names if name.startswith("on")]
    inline = {attributes["style"] for _, attributes in page.tags if "style" in attributes}
    assert inline <= {"text-align:right", "text-align:left", "text-align:center"}


def test_a_page_fetches_nothing_and_says_so(page: Page):
    targets = [a[name] for _, a in page.tags for name in ("src", "href", "srcset", "action", "data") if name in a]
    assert all(
        re.match(rf"data:image/png;base64,[A-Za-z0-9+/=]+$|#(?:cell|finding)-\d+$|#{ANCHORS}$", target)
        for target in targets
    )
    assert "url(" not in page.source and "@import" not in page.source and "<script" not in page.source
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy == (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )
    assert page.source.index("<meta") == page.source.index('<meta http-equiv="Content-Security-Policy"')


def test_a_page_is_accessible(page: Page):
    assert len(page.all("h1")) == 1
    assert all(image["alt"] and image["width"] == "8" for image in page.all("img"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"][1:] for link in page.all("a")} <= set(ids)
    assert page.all("html") == [{"lang": "en"}]
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_hostile_text_stays_text():
    page = Page(GUIDED)
    assert page.source.count("&lt;script&gt;alert(") >= 4
    assert "\x1b" not in page.source and "\u202e" not in page.source
    said = "".join(text for _, text in page.texts)
    assert "[red]no[/red] red right </details>" in said
    assert LINKS in said
    for tag, text in page.texts:
        if "alert(" in text:
            assert tag in ("a", "h2", "h3", "li", "td", "pre", "span"), (tag, text)


def test_hostile_question_model_and_names():
    task = replace(GUIDED.task, question=HOSTILE)
    column = replace(task.sources[0].tables[0].columns[0], name=HOSTILE, type=HOSTILE, examples=(HOSTILE,))
    table = replace(task.sources[0].tables[0], name=HOSTILE, columns=(column,), notes=(HOSTILE,))
    source = replace(task.sources[0], name=HOSTILE, tables=(table, table), sha256=HOSTILE)
    model = replace(GUIDED.model, name=HOSTILE, file=HOSTILE)
    run = replace(GUIDED, id=HOSTILE, task=replace(task, sources=(source,)), model=model, error=HOSTILE, stop="failed")
    assert {tag for tag, _ in Page(run).tags} <= ALLOWED


def test_code_is_highlighted_under_its_finding_and_each_cell_is_there_once():
    page = Page(GUIDED)
    order = re.findall(r'id="(cell-\d)"|<h2[^>]*>([^<]+)', page.source)
    assert [a or b[:12] for a, b in order if b != "Numbers"] == [
        *("Key findings", "How does bod", "cell-2", "cell-3", "cell-4", "Does sex mat", "cell-5", "cell-7"),
        *("Data", "Limits", "Method", "Code", "cell-1", "cell-6"),
    ]
    assert '<span class="nb">max</span>' in page.source
    said = "".join(text for _, text in page.texts)
    assert said.count("It weighs 5,075 g.") == 3, "as a key finding, a finding and a number, and not as output again"


def test_a_flood_of_output_is_cut():
    flood = turn(2, "code", ("code", "x"), section=1, outputs=(printed("y" * (MOST_OUTPUT + 1234)),))
    run = replace(GUIDED, turns=(*GUIDED.turns[:2], flood, *GUIDED.turns[3:]))
    page = Page(run)
    assert "1,234 more characters are in trace.ipynb." in page.source
    assert "y" * (MOST_OUTPUT + 1) not in page.source


def test_notices_stand_before_all_else():
    said = [text for _, text in Page(replace(GUIDED, stop="seconds")).texts if text.strip()]
    assert said.index("Stopped early: the time limit of 30 min was reached.") < said.index("Key findings")


# --- numbers ----------------------------------------------------------------------------------------------------------


def claim(text: str, verdict: str, start: int, turn: int | None = None, place: str = "section 1") -> Claim:
    seen = () if turn is None else (Evidence(turn, 0, text, f"mean {text}"),)
    return Claim(text, 1.0, "", f"Of {text} this says much.", place, start, verdict, seen, "exact")  # type: ignore[arg-type]


def test_a_number_leads_to_its_cell_and_one_in_doubt_is_marked_and_stands_first_in_the_table():
    text = to_report(GUIDED).sections[0].text
    at = text.index("5,075")
    page = Page(GUIDED, Ledger((claim("Gentoo", "verified", 0, 2), claim("5,075", "unsupported", at))))
    verified = [a for a in page.all("a") if a.get("class") == "num verified"]
    assert [a["href"] for a in verified] == ["#cell-2"]
    assert ">5,075</span>" in page.source and 'class="num unsupported"' in page.source
    rows = page.source[page.source.index('id="numbers-table"') :].split("<tr>")
    assert "5,075" in rows[2] and "unsupported" in rows[2] and "Gentoo" in rows[3]
    said = [text for tag, text in page.texts if tag == "a"]
    assert "2 numbers: 1 verified, 1 unsupported" in said
    assert not re.search("[\ue000-\uf8ff]", page.source), "marks of ours are gone"


def test_numbers_of_a_sentence_that_stand_on_the_same_are_one_row():
    one, other = claim("12", "verified", 0, 2), claim("13", "verified", 4, 2)
    same = [replace(c, sentence="12 and 13.", evidence=(Evidence(2, 0, "x", "12 13"),)) for c in (one, other)]
    table = Page(GUIDED, Ledger(tuple(same))).source.split('id="numbers-table"')[1]
    assert table.split("</table>")[0].count("<tr>") == 2


def test_a_page_without_numbers_has_no_table_of_them():
    page = Page(GUIDED, Ledger())
    assert "numbers" not in {a.get("id") for _, a in page.tags} and "#numbers-table" not in page.source


def test_a_long_sentence_is_shown_around_its_number():
    sentence = "a " * 400 + "there are 4711 of them" + " b" * 400
    shown = around(replace(claim("4711", "verified", 0, 2), sentence=sentence))
    assert "4711" in shown and shown.startswith("… ") and shown.endswith("…") and len(shown) <= MOST_SENTENCE + 2


# --- looks ------------------------------------------------------------------------------------------------------------

CSS = (Path(html.__file__).parent / "templates" / "report.css").read_text()


def written(answer: str) -> str:
    run = replace(FREE, answer=answer)
    return to_html(to_report(run), run)


def test_a_wide_table_can_be_read_on_paper_and_a_narrow_one_stays_a_table():
    names = [f"column_number_{n}" for n in range(40)]
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * 40, f"| {' | '.join(map(str, range(40)))} |"]
    page = written("\n".join(lines))
    assert '<table class="wide"' in page and page.count("data-label=") == 40 and 'data-label="column_number_39"' in page
    assert 'class="wide"' not in written("| a | b |\n|---|---|\n| 1 | 2 |")


def test_columns_of_numbers_stand_to_the_right():
    page = written("| who | n | mixed |\n|---|---|---|\n| x | 1,204 | 12 kg |\n| y | −3.5 % | 13 |")
    assert page.count('style="text-align:right"') == 3


def test_each_block_has_its_own_direction_and_a_known_script_its_language():
    page = written("مرحبا (n = 12)\n\n- 5.5 מחיר\n- plain\n\n北京市の売上高は高い。")
    assert page.count('<p dir="auto">') >= 2 and page.count('<li dir="auto">') >= 2
    run = replace(GUIDED, task=replace(GUIDED.task, question="各地区の売上高はどう違いますか?"))
    assert re.search(r'<h1 dir="auto" lang="ja">', to_html(to_report(run), run))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        *(("Plain text", ""), ("", ""), ("売上高はどう違いますか", "ja"), ("北京市", "zh"), ("서울", "ko")),
        *(("مبيعات", "ar"), ("گزارش فروش", "fa"), ("מחיר", "he"), ("One 北京 among many words", ""), ("Продажи", "")),
    ],
)
def test_the_script_tells_the_language(text: str, found: str):
    assert language(text) == found


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
def test_text_stands_out_from_its_background(scheme: int):
    """WCAG 2.2, 1.4.3: 4.5 to 1."""
    schemes = [
        dict(re.findall(r"--([\w-]+): (#\w{3,6});", block)) for block in re.findall(r":root \{(.*?)\}", CSS, re.S)
    ]
    colours = {name: c if len(c) == 7 else "#" + "".join(2 * x for x in c[1:]) for name, c in schemes[scheme].items()}
    inks = ("ink", "soft", "accent", "doubt", "keyword", "string", "number", "comment", "name")
    pairs = [(ink, paper) for ink in inks for paper in ("paper", "wash")] + [("warn", "warn-wash")]
    for ink, paper in pairs:
        low, high = sorted((luminance(colours[ink]), luminance(colours[paper])))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (ink, paper)


@pytest.mark.parametrize("text", ["1,204", "38.2 %", "2700 – 6300", "$5", "1e-5", "−4", "n/a"])
def test_numbers_are_told_from_words(text: str):
    assert is_number(text) and not is_number(f"{text} kg") and not is_number("")


def test_telling_numbers_takes_no_time():
    assert not is_number("1 " * 50_000 + "x")


@pytest.mark.parametrize(
    ("alt", "said"),
    [
        ("No title", "No title"),
        (
            "Mass (chart: x 'Species': Adelie, Gentoo; y 'Mass (g)' 0..5.414e+04; 3 bars; legend: a, b, … (12))",
            "Mass. Chart: horizontal axis Species: Adelie, Gentoo; vertical axis Mass (g), 0 to 54,140; 3 bars; "
            "legend: a, b and others, 12 in all.",
        ),
        (
            "Why? (chart: x 2020-01-31..2020-12-31; y -86..1272 (log); 327346 points)",
            "Why? Chart: horizontal axis, 2020-01-31 to 2020-12-31; vertical axis, -86 to 1272 (log); 327,346 points.",
        ),
        ("Share (chart: x 'a': b; y 'c': d; grid of 16x3)", None),
        ("Two (chart: 2 panels | x 0..1; 1 line | title 'B'; x 0..2; 1 line)", None),
    ],
)
def test_a_chart_is_put_into_words(alt: str, said: str | None):
    assert said is None or spoken(alt) == said
    assert not re.search(r"\.\.|\dx\d", spoken(alt))


def test_a_number_in_the_name_of_a_column_is_no_link_within_an_attribute():
    names = [f"column_number_{n}" for n in range(39)] + ["41 days"]
    text = "\n".join([f"| {' | '.join(names)} |", "|" + "---|" * 40, f"| {' | '.join(map(str, range(40)))} |"])
    run = replace(FREE, answer=text)
    report = to_report(run)
    place = next(n for n, section in enumerate(report.sections, 1) if "41 days" in section.text)
    at = report.sections[place - 1].text.index("41")
    page = Page(run, Ledger((claim("41", "verified", at, place=f"section {place}"),)))
    assert [cell["data-label"] for cell in page.all("td") if "days" in cell.get("data-label", "")] == ["41 days"]
    assert page.source.count('<span class="num verified"') == 2, "in the head of the table, and in the table of numbers"
