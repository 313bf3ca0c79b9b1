"""A report's text as sentences, each with what stands around it: the heading above, the sentence before.

A cell of a Markdown table becomes a sentence of its own, made of the labels of its row and column. Offsets are those of
the text that was given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_HEADING = re.compile(r"^[ \t]{0,3}#{1,6}[ \t]+(.*?)[ \t#]*$")
_ITEM = re.compile(r"^[ \t]*(?:[-*+]|\d{1,3}[.)])[ \t]+|^[ \t]*>[ \t]?")
_RULE = re.compile(r"^[ \t]*\|?[ \t:|-]+\|[ \t:|-]*$")
_END = re.compile(
    r"(?<!\be\.g)(?<!\bi\.e)(?<!\bvs)(?<!\bapprox)(?<!\bca)(?<!\bSt)(?<!\bDr)(?<!\bMt)(?<!\bMr)(?<!\bInc)(?<!\bCo)(?<!\bno)(?<!\bFig)(?<!\bresp)(?<!\b[A-Z])"
    r"[.!?][)\"”*_]*(?=\s+[\"“(*_]*[A-Z\d§À-Þ\u4e00-\u9fff])"
)


MOST_SENTENCE = 2_000
"""Characters; what runs on for longer is parted at a blank."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """`shown` is the sentence as the reader sees it, `text` what is read of it, `offset` where `text` begins.

    For a table's cell `text` is `Row: column: value`, and only `text[value_from:]` stands in the place, at `offset`.
    """

    text: str
    shown: str
    offset: int
    heading: str = ""
    before: str = ""
    value_from: int = 0


def sentences(text: str) -> Iterator[Sentence]:
    """The sentences of a Markdown text in the order of reading."""
    heading, before = "", ""
    for kind, start, block in _blocks(text):
        if kind == "table":
            yield from _table(block, start, heading)
            before = ""
        elif kind == "heading":
            heading = block
            yield Sentence(block, block, start)
            before = ""
        else:
            for offset, sentence in _parted(block):
                yield Sentence(sentence, " ".join(sentence.split()), start + offset, heading, before)
                before = sentence
            if kind == "item":
                before = before or ""


def _blocks(text: str) -> Iterator[tuple[str, int, str]]:
    """(kind, offset, text) of headings, tables, list items and paragraphs; code is a block like any other."""
    at, run, begin, kind = 0, "", 0, "paragraph"
    fence = ""
    for line in text.splitlines(keepends=True):
        bare = line.rstrip("\r\n")
        mark = re.match(r"[ \t]*(`{3,}|~{3,})", bare)
        if mark or fence:
            if run.strip():
                yield kind, begin, run
            run = ""
            fence = "" if mark and fence and bare.strip().startswith(fence) else fence or (mark[1] if mark else "")
            at += len(line)
            continue
        table = bare.lstrip().startswith("|")
        heading = _HEADING.match(bare)
        item = _ITEM.match(bare)
        if not bare.strip() or heading or item or table != (kind == "table"):
            if run.strip():
                yield kind, begin, run
            run, begin = "", at
        if heading:
            yield "heading", at + heading.start(1), heading[1]
            run, begin, kind = "", at + len(line), "paragraph"
        elif bare.strip():
            if not run:
                begin = at + (item.end() if item else 0)
                kind = "table" if table else "item" if item else "paragraph"
                run = line[item.end() :] if item else line
            else:
                run += line
        else:
            kind = "paragraph"
        at += len(line)
    if run.strip():
        yield kind, begin, run


def _parted(block: str) -> Iterator[tuple[int, str]]:
    start = 0
    for end in (*(m.end() for m in _END.finditer(block)), len(block)):
        while end - start > MOST_SENTENCE:
            cut = block.rfind(" ", start + 1, start + MOST_SENTENCE)
            cut = cut if cut > start else start + MOST_SENTENCE
            yield from _stripped(block, start, cut)
            start = cut
        yield from _stripped(block, start, end)
        start = end


def _stripped(block: str, start: int, end: int) -> Iterator[tuple[int, str]]:
    piece = block[start:end]
    if piece.strip():
        yield start + len(piece) - len(piece.lstrip()), piece.strip()


def _table(block: str, start: int, heading: str) -> Iterator[Sentence]:
    """The cells of a Markdown table, row by row."""
    head: list[str] = []
    at = start
    for line in block.splitlines(keepends=True):
        cells = list(_cells(line))
        if _RULE.match(line):
            pass
        elif not head:
            head = [cell.strip() for _, cell in cells]
        else:
            row = next((cell.strip() for _, cell in cells if cell.strip()), "")
            for k, (offset, cell) in enumerate(cells):
                if k and cell.strip():
                    lead = f"{_plain(row)}: {_plain(head[k]) if k < len(head) else ''}: "
                    value = cell.strip()
                    place = at + offset + cell.index(value)
                    yield Sentence(lead + value, " ".join(line.split()), place, heading, "", len(lead))
        at += len(line)


def _cells(line: str) -> Iterator[tuple[int, str]]:
    bare = line.rstrip("\r\n")
    begin = bare.find("|") + 1
    for part in re.split(r"(?<!\\)\|", bare[begin:].rstrip().removesuffix("|")):
        yield begin, part
        begin += len(part) + 1


def _plain(text: str) -> str:
    return re.sub(r"[*_`\\]", "", text).strip()
