import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from example_run import FREE, GUIDED, HOSTILE, LINKS, printed, turn

from deepanalyze_cli.outputs.html import MOST_OUTPUT, to_html
from deepanalyze_cli.outputs.report import to_report
from deepanalyze_cli.types import Run

VOID = {"meta", "img", "br", "hr"}
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "main", "header", "section", "aside", "footer", "div", "p"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "span", "b", "strong", "em", "s", "a", "time", "dl", "dt", "dd", "ul", "ol"),
    *("li", "blockquote", "hr", "br", "figure", "figcaption", "img", "details", "summary", "pre", "code"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}


class Page(HTMLParser):
    """What a browser sees of a page: tags with attributes, text by tag, and whether the tags nest."""

    def __init__(self, run: Run):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.source = to_html(to_report(run), run)
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
    page = to_html(to_report(run), run)
    snapshot(f"{name}-report.html", re.sub(r"<style>.*?</style>", "<style></style>", page, flags=re.DOTALL))


def test_a_page_has_only_tags_and_attributes_of_ours(page: Page):
    assert {tag for tag, _ in page.tags} <= ALLOWED
    names = {name for _, attributes in page.tags for name in attributes}
    assert not [name for name in names if name.startswith("on")]
    inline = {attributes["style"] for _, attributes in page.tags if "style" in attributes}
    assert inline <= {"text-align:right", "text-align:left", "text-align:center"}


def test_a_page_fetches_nothing_and_says_so(page: Page):
    targets = [a[name] for _, a in page.tags for name in ("src", "href", "srcset", "action", "data") if name in a]
    assert all(re.match(r"data:image/png;base64,[A-Za-z0-9+/=]+$|#cell-\d+$", target) for target in targets)
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
    assert page.source.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4
    assert "\x1b" not in page.source and "\u202e" not in page.source
    said = "".join(text for _, text in page.texts)
    assert "[red]no[/red] red right </details>" in said
    assert LINKS in said
    for tag, text in page.texts:
        if "alert(1)" in text:
            assert tag in ("h2", "h3", "li", "td", "pre", "span"), (tag, text)


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
    assert [a or b[:12] for a, b in order] == [
        *("Key findings", "How does bod", "cell-2", "cell-3", "cell-4", "Does sex mat", "cell-5", "cell-7"),
        *("Data", "Limits", "Method", "Code", "cell-1", "cell-6"),
    ]
    assert '<span class="nb">max</span>' in page.source
    assert page.source.count("It weighs 5,075 g.") == 2, "as a key finding and as a finding, and not as output again"


def test_a_flood_of_output_is_cut():
    flood = turn(2, "code", ("code", "x"), section=1, outputs=(printed("y" * (MOST_OUTPUT + 1234)),))
    run = replace(GUIDED, turns=(*GUIDED.turns[:2], flood, *GUIDED.turns[3:]))
    page = Page(run)
    assert "1,234 more characters are in trace.ipynb." in page.source
    assert "y" * (MOST_OUTPUT + 1) not in page.source


def test_notices_stand_before_all_else():
    said = [text for _, text in Page(replace(GUIDED, stop="seconds")).texts if text.strip()]
    assert said.index("Stopped early: the time limit of 30 min was reached.") < said.index("Key findings")
