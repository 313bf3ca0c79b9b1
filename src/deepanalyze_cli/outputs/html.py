"""The report as one file for a browser: no script, nothing fetched, charts inside, cells folded under what they prove.

The model's prose goes through a Markdown renderer that knows no HTML, links or pictures; all else is escaped by the
template. The page forbids itself scripts and requests by its own policy, should anything slip through.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from ..types import Figure, Report, Run, Section, Turn
from . import png, story, words
from .report import answer_label, columns, data_names, method, source_rows, table_name, tables
from .slice import program
from .text import clean, one_line

if TYPE_CHECKING:
    from jinja2 import Template
    from markdown_it import MarkdownIt
    from markupsafe import Markup

Part = dict[str, object]
"""What the template is given of one thing."""
MOST_OUTPUT = 20_000
"""Characters of a cell's printed output that a page shows; the trace notebook has them all."""


def to_html(report: Report, run: Run) -> str:
    """The report as one self-contained page."""
    from markupsafe import Markup

    rest = {turn.index: _cell(turn, story.numbered(run)) for turn in program(run)}
    return _template().render(
        css=Markup(_resource("report.css")),
        report=report,
        asked="" if one_line(report.question, 120) == report.title else report.question,
        answer=_prose(report.answer, 3),
        answer_label=answer_label(run),
        date=words.date(run.started),
        datetime=(words.moment(run.started) or ""),
        model=one_line(run.model.name),
        data=data_names(run),
        facts=_facts(report, run),
        sections=_sections(report.sections, story.numbered(run), rest),
        sources=source_rows(report.sources),
        tables=[_overview(table_name(source, table), columns(table)) for source, table in tables(run)],
        method=method(run),
        appendix=list(rest.values()),
        run_id=one_line(run.id),
    )


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


def _sections(sections: tuple[Section, ...], cells: dict[int, int], rest: dict[int, Part]) -> list[Part]:
    """The sections, each with the cells it stands on that no section before it has shown; those leave `rest`."""
    shown: list[Part] = []
    drawn = 0
    for section in sections:
        numbers = [cells[turn] for turn in section.turns]
        here = [rest.pop(turn) for turn in section.turns if turn in rest]
        shown.append(
            {
                "heading": section.heading,
                "body": _prose(section.text, 3 if section.heading else 2),
                "figures": [_figure(f, n, cells) for n, f in enumerate(section.figures, drawn + 1)],
                "evidence": numbers,
                "cells": here,
            }
        )
        drawn += len(section.figures)
    return shown


def _figure(figure: Figure, number: int, cells: dict[int, int]) -> Part:
    width, height = png.size(figure.png)
    return {
        "number": number,
        "src": f"data:image/png;base64,{figure.png}",
        "alt": figure.alt,
        "caption": story.caption(figure),
        "cell": cells[figure.turn],
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
        "role": _ROLES.get(turn.step.purpose, "code"),
    }


_ROLES = {"code": "numbers", "finding": "wording", "chart": "chart"}


def _overview(name: str, rows: list[tuple[str, str, str, str, str]]) -> Part:
    return {"name": name, "columns": rows, "count": words.count(len(rows), "column")}


# --- making it harmless -----------------------------------------------------------------------------------------------


def _prose(markdown: str, top: int) -> Markup:
    """A model's Markdown as HTML of ours only, with no heading above level `top`.

    Two layers that know nothing of each other: a renderer that escapes what it does not know, and `_sanitised`.
    """
    from markupsafe import Markup

    tokens = _parser().parse(clean(markdown))
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{max(top, int(token.tag[1]))}"
    return Markup(_sanitised(_parser().renderer.render(tokens, _parser().options, {})))


def _sanitised(made: str) -> str:
    """HTML read as a browser reads it, less all but what this page uses."""
    import nh3

    return nh3.clean(
        made,
        tags=set(_TAGS),
        attributes={"table": {"dir"}, "ol": {"start"}, "th": {"style"}, "td": {"style"}},
        filter_style_properties={"text-align"},
        allowed_classes={"div": {"scroll"}, "span": set(_token_classes())},
        url_schemes=set(),
    )


_TAGS = (
    *("h1", "h2", "h3", "h4", "h5", "h6", "p", "ul", "ol", "li", "blockquote", "hr", "br", "em", "strong", "s"),
    *("pre", "code", "span", "div", "table", "thead", "tbody", "tr", "th", "td"),
)
"""What the renderer makes: nothing that fetches, runs, leads elsewhere or takes input."""


@cache
def _token_classes() -> frozenset[str]:
    """The classes of tokens of code, `k`, `nb` and so on."""
    from pygments.token import STANDARD_TYPES

    return frozenset(STANDARD_TYPES.values()) - {""}


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "highlight": lambda code, *_: str(_highlighted(code))})
    parser.enable(["table", "strikethrough"])
    parser.disable(["link", "image", "autolink", "html_inline", "html_block", "reference"])
    parser.add_render_rule("table_open", lambda *_: '<div class="scroll"><table dir="auto">\n')
    parser.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return parser


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
    page.filters["numeric"] = lambda text: bool(re.fullmatch(r"[\d.,%\s–+-]*\d[\d.,%]*", text))
    return page.from_string(_resource("report.html.j2"))


@cache
def _resource(name: str) -> str:
    return (files(__package__) / "templates" / name).read_text(encoding="utf-8")
