"""A model's Markdown as tokens, the same for the page and for the PDF: no HTML, no links, no pictures.

Makes tables fit to be shown: columns of numbers stand to the right, and a table too wide for a sheet of paper says so.
Lays nothing out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from .text import clean

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

SHEET = 110
"""Characters that stand side by side on a sheet of paper in the type of tables."""
MOST_CELL, MOST_HEAD = 40, 16
"""Characters of a cell, and of the name of a column, after which it is broken into lines."""


def parser() -> MarkdownIt:
    """A new parser of CommonMark with tables, less all that fetches, leads elsewhere or is HTML."""
    from markdown_it import MarkdownIt

    made = MarkdownIt("commonmark", {"html": False})
    made.enable(["table", "strikethrough"])
    made.disable(["link", "image", "autolink", "html_inline", "html_block", "reference"])
    return made


@cache
def _parser() -> MarkdownIt:
    return parser()


def parsed(markdown: str, top: int) -> list[Token]:
    """The tokens of a model's Markdown, with no heading above level `top` and with tables as `Grid.settle` has them."""
    tokens = _parser().parse(clean(markdown))
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{max(top, int(token.tag[1]))}"
    for table in grids(tokens):
        table.settle()
    return tokens


@dataclass(frozen=True, slots=True)
class Grid:
    """A table among tokens: its opening, and the opening and text of each cell, row by row, the head first."""

    opening: Token
    rows: tuple[tuple[tuple[Token, Token], ...], ...]

    @property
    def width(self) -> int:
        """Characters that its columns take side by side."""
        return sum(self.widths)

    @property
    def widths(self) -> list[int]:
        """Characters of the widest cell of each column, no more than `MOST_CELL` or `MOST_HEAD`, and two of space."""
        return [
            2 + max(min(len(name.content), MOST_HEAD), *(min(len(text.content), MOST_CELL) for _, text in cells), 0)
            for (_, name), *cells in zip(*self.rows, strict=False)
        ]

    def settle(self) -> None:
        """Put columns of numbers to the right; mark the table as wide, and its cells with what their column is of."""
        for head, *cells in zip(*self.rows, strict=False):
            if "style" not in head[0].attrs and cells and all(is_number(text.content) for _, text in cells):
                for opening, _ in (head, *cells):
                    opening.attrSet("style", "text-align:right")
        if self.width > SHEET:
            self.opening.attrSet("class", "wide")
            for row in self.rows[1:]:
                for (_, name), (opening, _) in zip(self.rows[0], row, strict=False):
                    opening.attrSet("data-label", plain(name))


def grids(tokens: Sequence[Token]) -> Iterator[Grid]:
    """The tables among tokens."""
    start = None
    for at, token in enumerate(tokens):
        if token.type == "table_open":
            start = at
        elif token.type == "table_close" and start is not None:
            yield grid(tokens[start], tokens[start:at])


def grid(opening: Token, inner: Sequence[Token]) -> Grid:
    """The table that an opening token and those after it make."""
    return Grid(opening, tuple(_rows(inner)))


def _rows(tokens: Sequence[Token]) -> Iterator[tuple[tuple[Token, Token], ...]]:
    row: list[tuple[Token, Token]] = []
    for at, token in enumerate(tokens):
        if token.type in ("th_open", "td_open"):
            row.append((token, tokens[at + 1]))
        elif token.type == "tr_close":
            yield tuple(row)
            row = []


def plain(inline: Token) -> str:
    """The text of an inline token without its marks, nor those of `marking`."""
    return _unmarked("".join(" " if t.type in ("softbreak", "hardbreak") else t.content for t in inline.children or ()))


def _unmarked(text: str) -> str:
    return re.sub("[\ue000-\uf8ff]", "", text)


def is_number(text: str) -> bool:
    """Whether a cell of a table is a number, or a range of them, and no words."""
    return bool(_NUMBER.fullmatch(_unmarked(text).strip(" *_")))


_NUMBER = re.compile(r"[-+−±~<>≤≥$€£¥]*\d[\d.,\s%–-]*(?:e[-+]?\d+)?|[-–—]|n/?a|nan", re.IGNORECASE)
