"""The report as plain data for pages of paper: strings, numbers, lists and dictionaries, no source of any language.

`pdf` hands it to typst. The words are those of the report; what a number stands on is a part of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ..types import Claim, Ledger, Report, Run, Section, Turn
from . import marking, markup, story, words
from .alttext import spoken
from .html import ROLES, numbers
from .html import Page as Links
from .language import language, right_to_left
from .report import answer_label, columns, data_names, method, source_rows, table_name, tables
from .slice import program
from .text import clean, one_line

if TYPE_CHECKING:
    from markdown_it.token import Token

Part = dict[str, object]
Inline = list[object]
"""Text and parts, as `report.typ` reads them."""
MOST_OUTPUT, MOST_CODE = 4_000, 20_000
"""Characters of a cell's output and code in the appendix."""
MOST_UNBROKEN = 900
"""Characters of a finding that stays on one page with its chart."""
MOST_DEPTH = 8
"""Emphasis within emphasis; deeper it is plain."""
SHEET = 96
"""Characters that stand side by side in a table on paper."""
_MISSING = "Some characters of this report are in no font of the machine that made this PDF; report.html has them all."


def document(report: Report, run: Run, ledger: Ledger) -> Part:
    """All that the template shows: strings, lists and dictionaries of them, and no source."""
    cells, code = story.numbered(run), program(run, ledger)
    writer = _Writer(Links(ledger, cells, {cells[turn.index] for turn in code}))
    return {
        "title": one_line(report.title),
        "heading": writer.line("title", report.title),
        "rtl": right_to_left(report.title),
        "asked": "" if one_line(report.question, 120) == report.title else clean(report.question),
        "date": words.date(run.started),
        "byline": f"From {data_names(run)}, by {one_line(run.model.name)}",
        "notices": list(report.notices),
        "label": answer_label(run),
        "answer": levelled(writer.prose("answer", report.answer), 0)[0],
        "counted": marking.summary(ledger),
        "doubted": sorted({claim.verdict for claim in marking.doubtful(ledger.claims)}),
        "sections": list(_sections(report.sections, writer)),
        "numbers": [{**row, "rtl": right_to_left(str(row["sentence"]))} for row in numbers(writer.links)],
        "sources": source_rows(report.sources),
        "tables": [{"name": table_name(s, t), "columns": columns(t)} for s, t in tables(run)],
        "caveats": list(report.caveats),
        "method": method(run),
        "code": [_cell(turn, cells) for turn in code],
        "run": one_line(run.id),
        "language": language(report.title + report.answer) or "en",
        "missing": _MISSING,
    }


def _sections(sections: tuple[Section, ...], writer: _Writer) -> Iterator[Part]:
    drawn, level = 0, 0
    for number, section in enumerate(sections, 1):
        top = bool(section.heading)
        body, level = levelled(writer.prose(f"section {number}", section.text, 1 + top), 1 if top else level)
        figures = []
        for figure in section.figures:
            drawn += 1
            figures.append(
                {
                    "file": f"figure-{drawn}.png",
                    "number": drawn,
                    "alt": spoken(figure.alt),
                    "caption": writer.line(f"caption {drawn}", story.caption(figure)),
                    "cell": writer.links.cells[figure.turn],
                }
            )
        yield {
            "heading": writer.line(f"heading {number}", section.heading) if section.heading else [],
            "rtl": right_to_left(section.heading),
            "body": body,
            "figures": figures,
            "short": len(section.figures) < 2 and len(section.text) < MOST_UNBROKEN,
            "cells": [writer.links.cells[turn] for turn in section.turns] if section.heading else [],
            "shown": sorted(writer.links.shown),
        }


def levelled(blocks: list[Part], level: int) -> tuple[list[Part], int]:
    """The blocks with no heading more than one level below the last, which was at `level`, and the level at the end.

    Readers that go from heading to heading count on it, and PDF/UA demands it.
    """
    made: list[Part] = []
    for block in blocks:
        if block["kind"] == "heading":
            level = min(cast(int, block["level"]), level + 1)
            block = {**block, "level": level}
        elif block["kind"] == "blockquote":
            body, level = levelled(cast("list[Part]", block["body"]), level)
            block = {**block, "body": body}
        elif "items" in block:
            items = []
            for item in cast("list[list[Part]]", block["items"]):
                body, level = levelled(item, level)
                items.append(body)
            block = {**block, "items": items}
        made.append(block)
    return made, level


def _cell(turn: Turn, cells: dict[int, int]) -> Part:
    code, failed = clean(turn.code or "").strip("\n"), story.status(turn) != "ok"
    output = "" if turn.step.purpose == "finding" and not failed else story.printed(turn)
    return {
        "number": cells[turn.index],
        "role": ROLES.get(turn.step.purpose, "code") + ", stopped with an error" * failed,
        "code": _cut(code, MOST_CODE),
        "output": _cut(output, MOST_OUTPUT),
    }


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}\n… {len(text) - most:,} more characters in trace.ipynb"


@dataclass(frozen=True, slots=True)
class _Writer:
    """Markdown and text as parts, with the numbers of the ledger as parts of their own."""

    links: Links

    def line(self, place: str, text: str) -> Inline:
        """A text on one line."""
        return list(self._numbered(marking.marked(one_line(text, 400), self.links.ledger, place)))

    def prose(self, place: str, markdown: str, top: int = 2) -> list[Part]:
        """A model's Markdown as blocks, with no heading above level `top`."""
        tokens = markup.parsed(marking.marked(markdown, self.links.ledger, place), top)
        return self._blocks(tokens)

    def _numbered(self, text: str) -> Iterator[object]:
        """A text, parted at its marks."""
        for piece, claim in parted(text, self.links.ledger):
            if claim is None:
                yield from [piece] * bool(piece)
            else:
                shown = (self.links.cells.get(e.turn) for e in claim.evidence)
                cell = next((cell for cell in shown if cell in self.links.shown), None)
                yield {"kind": "number", "text": piece, "verdict": claim.verdict, "cell": cell}

    def _unmarked(self, text: str) -> str:
        return "".join(piece for piece, _ in parted(text, self.links.ledger))

    def _blocks(self, tokens: Sequence[Token]) -> list[Part]:
        made: list[Part] = []
        at = 0
        while at < len(tokens):
            end = _end(tokens, at)
            if block := self._block(tokens[at], tokens[at + 1 : end]):
                made += block
            at = end + 1
        return made

    def _block(self, token: Token, inner: Sequence[Token]) -> list[Part]:
        kind = token.type.removesuffix("_open")
        if kind in ("paragraph", "heading"):
            level = int(token.tag[1]) if kind == "heading" else 0
            return [{"kind": kind, "level": level, **self._text(inner[0])}] if inner else []
        if kind in ("bullet_list", "ordered_list"):
            rtl = right_to_left("".join(markup.plain(t) for t in inner if t.type == "inline"))
            return [{"kind": kind, "start": int(token.attrs.get("start", 1)), "rtl": rtl, "items": self._items(inner)}]
        if kind == "blockquote":
            return [{"kind": kind, "body": self._blocks(inner)}]
        if kind in ("fence", "code_block"):
            return [{"kind": "code", "text": self._unmarked(token.content).rstrip("\n")}]
        if kind == "table":
            return list(self._table(markup.grid(token, inner)))
        return [{"kind": kind}] if kind == "hr" else []

    def _items(self, tokens: Sequence[Token]) -> list[list[Part]]:
        items, at = [], 0
        while at < len(tokens):
            end = _end(tokens, at)
            items.append(self._blocks(tokens[at + 1 : end]))
            at = end + 1
        return items

    def _table(self, grid: markup.Grid) -> Iterator[Part]:
        """A table, in several where it is wider than a sheet: each begins with the first column."""
        widths = grid.widths
        parts = list(_sheets(widths))
        for shown in parts:
            yield {
                "kind": "table",
                "widths": [widths[n] for n in shown],
                "right": ["right" in str(grid.rows[0][n][0].attrs.get("style", "")) for n in shown],
                "rows": [[self._text(row[n][1]) for n in shown if n < len(row)] for row in grid.rows],
                "of": f"Columns {shown[1] + 1} to {shown[-1] + 1} of {len(widths)}" if len(parts) > 1 else "",
            }

    def _text(self, inline: Token) -> Part:
        plain = markup.plain(inline)
        return {"text": self._inlines(inline.children or []), "rtl": right_to_left(plain), "language": language(plain)}

    def _inlines(self, tokens: Sequence[Token], depth: int = 0) -> Inline:
        made: Inline = []
        at = 0
        while at < len(tokens):
            token, end = tokens[at], _end(tokens, at)
            kind = token.type.removesuffix("_open")
            if kind in ("em", "strong", "s") and depth < MOST_DEPTH:
                made.append({"kind": kind, "text": self._inlines(tokens[at + 1 : end], depth + 1)})
            elif token.nesting == 1:
                made += self._numbered("".join(inner.content for inner in tokens[at + 1 : end]))
            elif kind == "code_inline":
                made.append({"kind": "code", "text": self._unmarked(token.content)})
            elif kind in ("softbreak", "hardbreak"):
                made.append({"kind": "break"} if kind == "hardbreak" else " ")
            elif token.content:
                made += self._numbered(token.content)
            at = end + 1
        return made


def parted(text: str, ledger: Ledger) -> Iterator[tuple[str, Claim | None]]:
    """A `marking.marked` text in pieces, each with the number of the ledger that it is, if any."""
    end = 0
    for found in marking.MARK.finditer(text):
        yield marking.OURS.sub("", text[end : found.start()]), None
        yield found[2], ledger.claims[marking.claim_number(found[1])]
        end = found.end()
    yield marking.OURS.sub("", text[end:]), None


def _end(tokens: Sequence[Token], at: int) -> int:
    """Where what opens at `at` closes; `at` itself for what does not open."""
    if tokens[at].nesting != 1:
        return at
    depth = 0
    for end in range(at, len(tokens)):
        depth += tokens[end].nesting
        if depth == 0:
            return end
    return len(tokens)


def _sheets(widths: Sequence[int]) -> Iterator[list[int]]:
    """The columns of each table that a table of such columns is cut into."""
    part, taken = [0], widths[0]
    for column, width in enumerate(widths[1:], 1):
        if len(part) > 1 and taken + width > SHEET:
            yield part
            part, taken = [0], widths[0]
        part.append(column)
        taken += width
    yield part


def harmless(part: object) -> object:
    """The same with every string in it `clean`."""
    if isinstance(part, str):
        return clean(part)
    if isinstance(part, dict):
        return {key: harmless(value) for key, value in part.items()}
    return [harmless(value) for value in part] if isinstance(part, (list, tuple)) else part
