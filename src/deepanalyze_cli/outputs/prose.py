"""A model's Markdown, taken apart and put in its place in a document that is not its own.

Works on source lines found by a real parser, so that what is written stays as it was. What makes it harmless is
elsewhere: `text.inert` for files, `html` for pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .story import bare, base_name
from .text import one_line

if TYPE_CHECKING:
    from markdown_it.token import Token

_IMAGE = re.compile(r"!\[[^\]\n]*\]\([^()\n]*\)")
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]+:|[/\\]{2}", re.IGNORECASE)
_TITLELESS = re.compile(
    r"(?:final |executive )?(?:summary|answer|report|conclusions?|analysis|findings)", re.IGNORECASE
)


def titled(markdown: str) -> tuple[str, str]:
    """A text's own title and the rest. A title that names no subject (`# Summary`) is taken off and is none."""
    first, _, rest = markdown.strip().partition("\n")
    if not re.match(r"#{1,2}\s", first):
        return "", markdown.strip()
    title = bare(first)
    return ("" if _TITLELESS.fullmatch(title) else title), rest.strip()


def demoted(markdown: str, top: int) -> str:
    """`markdown` with its headings moved together so that the highest is of level `top`, and none skips a level."""
    lines, tokens = markdown.split("\n"), _parsed(markdown)
    found = [(token, tokens[i + 1].content) for i, token in enumerate(tokens) if token.type == "heading_open"]
    shift = top - min((int(token.tag[1]) for token, _ in found), default=top)
    levels, level = [], top - 1
    for token, _ in found:
        level = min(int(token.tag[1]) + shift, level + 1, 6)
        levels.append(level)
    for (token, content), level in reversed([*zip(found, levels, strict=True)]):
        if token.map and not token.level:
            lines[token.map[0] : token.map[1]] = ["#" * level + " " + " ".join(content.split("\n"))]
    return "\n".join(lines)


def blocks(markdown: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The top-level blocks of a text, less the local pictures they mention, and those: file name -> what it is called.

    Definitions of links are lost on the way, and meant to be.
    """
    lines, tokens = markdown.split("\n"), _parsed(markdown)
    drawing = [token for token in tokens if any(child.type == "image" for child in token.children or ())]
    for token in tokens:
        if token.level or not token.map:
            continue
        source = "\n".join(lines[token.map[0] : token.map[1]]).rstrip()
        names = _pictures(drawing, token.map) if token.type not in ("fence", "code_block") else {}
        yield (_IMAGE.sub("", source).strip() if names else source), names


def _pictures(tokens: Sequence[Token], lines: Sequence[int]) -> dict[str, str]:
    inside = (t for t in tokens if t.map and lines[0] <= t.map[0] < lines[1])
    images = (child for token in inside for child in token.children or () if child.type == "image")
    named = ((str(image.attrs.get("src", "")), image.content) for image in images)
    return {base_name(source): one_line(text) for source, text in named if not _ELSEWHERE.match(source)}


def _parsed(markdown: str) -> list[Token]:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("table").parse(markdown)
