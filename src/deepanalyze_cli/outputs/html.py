"""The report as one file for a browser: no script, nothing fetched, charts inside, cells folded under what they prove.

The model's prose goes through a Markdown renderer that knows no HTML, links or pictures; all else is escaped by the
template. The page forbids itself scripts and requests by its own policy, should anything slip through.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, cast

from ..evidence.repair import in_doubt
from ..types import Claim, Figure, Ledger, Report, Run, Section, Turn
from . import marking, markup, png, story, words
from .alttext import spoken
from .language import language
from .report import answer_label, columns, data_names, method, source_rows, table_name, tables
from .slice import program
from .text import clean, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet

    from jinja2 import Template
    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token
    from markdown_it.utils import EnvType, OptionsDict
    from markupsafe import Markup

_NO_NUMBERS = Ledger()
Part = dict[str, object]
"""What the template is given of one thing."""
MOST_OUTPUT = 20_000
"""Characters of a cell's printed output that a page shows; the trace notebook has them all."""
MOST_SENTENCE = 240
"""Characters of a sentence in the table of numbers."""


def to_html(report: Report, run: Run, ledger: Ledger = _NO_NUMBERS) -> str:
    """The report as one self-contained page, in which each number of the ledger leads to its cell."""
    from markupsafe import Markup

    cells = story.numbered(run)
    rest = {turn.index: _cell(turn, cells) for turn in program(run, ledger)}
    page = Page(ledger, cells, {cells[turn] for turn in rest})
    sections = _sections(report.sections, page, rest)
    return _template().render(
        css=Markup(_resource("report.css")),
        report=report,
        title=page.line("title", report.title),
        asked="" if one_line(report.question, 120) == report.title else report.question,
        answer=page.prose("answer", report.answer, 3),
        answer_label=answer_label(run),
        date=words.date(run.started),
        datetime=(words.moment(run.started) or ""),
        model=one_line(run.model.name),
        data=data_names(run),
        facts=_facts(report, run),
        counted=marking.summary(ledger),
        doubted={claim.verdict for claim in marking.doubtful(ledger.claims)},
        numbers=numbers(page),
        sections=sections,
        contents=[(number, section.heading) for number, section in enumerate(report.sections, 1) if section.heading],
        sources=source_rows(report.sources),
        tables=[_overview(table_name(source, table), table.rows, columns(table)) for source, table in tables(run)],
        method=method(run),
        appendix=list(rest.values()),
        run_id=one_line(run.id),
    )


_LONG = re.compile(r'(<(?:a|span) class="num \w+)(?="[^>]*>[^<]{30})')
"""The tag of a number that may be broken into lines."""


@dataclass(frozen=True, slots=True)
class Page:
    """What the numbers of a page lead to: `cells` numbers the turns, those of these numbers on the page are `shown`."""

    ledger: Ledger
    cells: dict[int, int]
    shown: AbstractSet[int]

    def prose(self, place: str, markdown: str, top: int) -> Markup:
        """The Markdown of that place as harmless HTML."""
        return self._linked(place, markdown, partial(_prose, top=top))

    def line(self, place: str, text: str) -> Markup:
        """The text of that place as harmless HTML."""
        from markupsafe import escape

        return self._linked(place, text, escape)

    def _linked(self, place: str, text: str, laid_out: Callable[[str], Markup]) -> Markup:
        from markupsafe import Markup

        made = laid_out(marking.marked(text, self.ledger, place))
        return Markup(_LONG.sub(r"\1 long", marking.linked(str(made), self.ledger, self.cells, self.shown)))


def _facts(report: Report, run: Run) -> list[tuple[str, str]]:
    """The strip of key facts: label and value."""
    rows = [table.rows for _, table in tables(run)]
    findings = sum(bool(section.heading and section.text) for section in report.sections)
    charts = sum(len(section.figures) for section in report.sections)
    facts = [
        ("rows", f"{sum(rows):,}" if rows else ""),
        ("file" if len(report.sources) == 1 else "files", f"{len(report.sources):,}" if report.sources else ""),
        ("finding" if findings == 1 else "findings", f"{findings}" if findings else ""),
        ("chart" if charts == 1 else "charts", f"{charts}" if charts else ""),
        ("run time", words.duration(run.seconds) if run.seconds else ""),
    ]
    return [(label, value) for label, value in facts if value]


def _sections(sections: tuple[Section, ...], page: Page, rest: dict[int, Part]) -> list[Part]:
    """The sections, each with the cells it stands on that no section before it has shown; those leave `rest`."""
    shown: list[Part] = []
    drawn = 0
    for number, section in enumerate(sections, 1):
        evidence = [page.cells[turn] for turn in section.turns if page.cells[turn] in page.shown]
        here = [rest.pop(turn) for turn in section.turns if turn in rest]
        shown.append(
            {
                "number": number,
                "title": section.heading,
                "heading": page.line(f"heading {number}", section.heading),
                "text": section.text,
                "body": page.prose(f"section {number}", section.text, 3 if section.heading else 2),
                "figures": [_figure(f, n, page) for n, f in enumerate(section.figures, drawn + 1)],
                "evidence": evidence,
                "cells": here,
            }
        )
        drawn += len(section.figures)
    return shown


def _figure(figure: Figure, number: int, page: Page) -> Part:
    width, height = png.size(figure.png)
    caption = story.caption(figure)
    return {
        "number": number,
        "src": f"data:image/png;base64,{figure.png}",
        "alt": spoken(figure.alt),
        "text": caption,
        "caption": page.line(f"caption {number}", caption),
        "cell": page.cells[figure.turn],
        "shown": page.cells[figure.turn] in page.shown,
        "width": width,
        "height": height,
    }


def _cell(turn: Turn, cells: dict[int, int]) -> Part:
    code, failed = clean(turn.code or "").strip("\n"), story.status(turn) != "ok"
    # What a telling cell printed is the finding itself, and stands above it.
    output = "" if turn.step.purpose == "finding" and not failed else story.printed(turn)
    return {
        "number": cells[turn.index],
        "code": _highlighted(code),
        "lines": words.count(code.count("\n") + 1, "line"),
        "output": output[:MOST_OUTPUT],
        "cut": max(len(output) - MOST_OUTPUT, 0),
        "seconds": words.duration(turn.observation.seconds if turn.observation else 0),
        "failed": failed,
        "role": ROLES.get(turn.step.purpose, "code"),
    }


ROLES = {"code": "numbers", "finding": "wording", "chart": "chart"}


def _overview(name: str, rows: int, columns: Sequence[tuple[str, str, str, str, str]]) -> Part:
    """A table's columns; of those with gaps also which share is missing, and that in twentieths."""
    shown = []
    for column in columns:
        share = int(column[2].replace(",", "")) / rows if rows else 0.0
        percent = "" if not share else "< 0.1 %" if share < 0.0005 else f"{share * 100:.1f} %"
        shown.append((*column, percent, min(-int(-share * 20 // 1), 20)))
    return {"name": name, "columns": shown, "count": words.count(len(columns), "column")}


def numbers(page: Page) -> list[Part]:
    """The rows of the table of numbers, those in doubt first: what a sentence says on the same evidence is one row."""
    rows: dict[object, Part] = {}
    for claim in sorted(page.ledger.claims, key=lambda claim: not in_doubt(claim)):
        cells = tuple(dict.fromkeys(page.cells[e.turn] for e in claim.evidence if e.turn in page.cells))
        line = claim.evidence[0].line if claim.evidence else ""
        row = rows.setdefault((claim.sentence, claim.verdict, claim.rule, line, cells), {"texts": []})
        if not row["texts"]:
            row |= {
                "sentence": around(claim),
                "verdict": claim.verdict,
                "rule": one_line(claim.rule, 160),
                "line": "" if line == claim.sentence else one_line(line, MOST_SENTENCE),
                "cells": [(cell, cell in page.shown) for cell in cells],
            }
        texts = cast("list[str]", row["texts"])
        if (text := one_line(claim.text, 80)) not in texts:
            texts.append(text)
    return list(rows.values())


def around(claim: Claim) -> str:
    """The sentence of a number; of a long one what stands around it."""
    sentence = one_line(claim.sentence, 10 * MOST_SENTENCE)
    if len(sentence) <= MOST_SENTENCE:
        return sentence
    at = max(sentence.find(one_line(claim.text)) - MOST_SENTENCE // 2, 0)
    return ("… " if at else "") + one_line(sentence[at:], MOST_SENTENCE)


# --- making it harmless -----------------------------------------------------------------------------------------------


def _prose(markdown: str, top: int) -> Markup:
    """A model's Markdown as HTML of ours only, with no heading above level `top`.

    Two layers that know nothing of each other: a renderer that escapes what it does not know, and `_sanitised`.
    """
    from markupsafe import Markup

    made = _parser()
    return Markup(_sanitised(made.renderer.render(markup.parsed(markdown, top), made.options, {})))


def _sanitised(made: str) -> str:
    """HTML read as a browser reads it, less all but what this page uses."""
    import nh3

    return nh3.clean(
        made,
        tags=set(_TAGS),
        attributes={"ol": {"start"}, "th": {"style"}, "td": {"style", "data-label"}},
        tag_attribute_values=_FIXED,
        filter_style_properties={"text-align"},
        allowed_classes={"div": {"scroll"}, "table": {"wide"}, "span": set(_token_classes())},
        url_schemes=set(),
    )


_TAGS = (
    *("h1", "h2", "h3", "h4", "h5", "h6", "p", "ul", "ol", "li", "blockquote", "hr", "br", "em", "strong", "s"),
    *("pre", "code", "span", "div", "table", "thead", "tbody", "tr", "th", "td"),
)
"""What the renderer makes: nothing that fetches, runs, leads elsewhere or takes input."""
_TURNED = ("h1", "h2", "h3", "h4", "h5", "h6", "p", "ul", "ol", "li", "blockquote", "table", "th", "td")
"""What has a direction of its own: that of the first letter in it that has one."""
_FIXED = {
    **{tag: {"dir": {"auto"}} for tag in _TURNED},
    "div": {"tabindex": {"0"}, "role": {"region"}, "aria-label": {"Table"}},
}
"""Attributes that are always the same."""


@cache
def _token_classes() -> frozenset[str]:
    """The classes of tokens of code, `k`, `nb` and so on."""
    from pygments.token import STANDARD_TYPES

    return frozenset(STANDARD_TYPES.values()) - {""}


@cache
def _parser() -> MarkdownIt:
    """The parser of `markup` with a renderer that gives each block its direction and each table a frame."""
    parser = markup.parser()
    parser.options["highlight"] = lambda code, *_: str(_highlighted(code))
    blocks = ("heading", "paragraph", "bullet_list", "ordered_list", "list_item", "blockquote", "th", "td", "table")
    for block in blocks:
        parser.add_render_rule(f"{block}_open", _turned)
    parser.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return parser


def _turned(renderer: RendererHTML, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType) -> str:
    """The opening tag of a block, with a direction."""
    tokens[at].attrSet("dir", "auto")
    frame = '<div class="scroll" tabindex="0" role="region" aria-label="Table">' * (tokens[at].type == "table_open")
    return frame + renderer.renderToken(tokens, at, options, env)


def _highlighted(code: str) -> Markup:
    """Python as escaped HTML whose tokens have classes."""
    from markupsafe import Markup
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers.python import PythonLexer

    return Markup(highlight(code, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)))


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page.filters["lang"] = _lang
    return page.from_string(_resource("report.html.j2"))


def _lang(text: str) -> Markup:
    """The attribute that says which language a text is in, where its script tells."""
    from markupsafe import Markup

    found = language(text)
    return Markup(f' lang="{found}"' if found else "")


@cache
def _resource(name: str) -> str:
    return (files(__package__) / "templates" / name).read_text(encoding="utf-8")
