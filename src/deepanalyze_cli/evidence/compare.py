"""What was expected against what is found: texts, pages and notebook cells, to the sentence and the number.

Both sides are text already; nothing is rendered, run or repaired here. What is found may have been written by anyone.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import islice

NOTHING = "nothing"
MOST_LINES = 20_000
"""Lines of a text that are compared one by one."""
MOST_TOLD = 20
"""Differences of one text that are told."""
_TOKEN = re.compile(r"[+-]?\d[\d.,]*\d|\d|\w+|[^\w\s]")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z#*_\[(])")


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that is not as it was: where, what was expected, what is found. `kind` is the check that saw it."""

    kind: str
    where: str
    expected: str
    found: str


def text_failures(kind: str, name: str, expected: str, found: str) -> Iterator[Failure]:
    """Lines of `found` that are not those of `expected`, each with the sentence and the words that differ."""
    yield from _line_failures(kind, name, "line", expected.split("\n"), found.split("\n"))


def page_failures(kind: str, name: str, expected: str, found: str) -> Iterator[Failure]:
    """The same for HTML, by what a reader reads; then pictures; then whatever else is not the same."""
    if len(found) > 4 * len(expected) + 1_000_000:
        yield Failure(kind, name, f"{len(expected):,} characters", f"{len(found):,}")
        return
    before, after = _Page(expected), _Page(found)
    told = list(_line_failures(kind, name, "paragraph", before.texts, after.texts))
    told += pictures_failures(kind, name, before.pictures, after.pictures)
    yield from told
    if not told and expected != found:
        yield from _line_failures(kind, name, "markup of line", expected.split("\n"), found.split("\n"))


def pictures_failures(kind: str, name: str, expected: Sequence[str], found: Sequence[str]) -> Iterator[Failure]:
    """Pictures in order, as any text that stands for their bytes. One that has another's place is said to."""
    for number, picture in enumerate(expected, 1):
        shown = found[number - 1] if number <= len(found) else ""
        if shown != picture:
            yield Failure(kind, f"{name}, picture {number}", "the chart that its cell drew", _who(shown, expected))
    if len(found) > len(expected):
        yield Failure(kind, name, f"{len(expected)} pictures", f"{len(found)} pictures")


def _who(picture: str, known: Sequence[str]) -> str:
    if not picture:
        return NOTHING
    return f"that of picture {known.index(picture) + 1}" if picture in known else "another picture"


def _line_failures(kind: str, name: str, unit: str, expected: Sequence[str], found: Sequence[str]) -> Iterator[Failure]:
    told = list(islice(_lines(kind, name, unit, expected, found), MOST_TOLD + 1))
    yield from told[:MOST_TOLD]
    if len(told) > MOST_TOLD:
        yield Failure(kind, name, f"every {unit} as it was", f"more than these {MOST_TOLD} that differ")


def _lines(kind: str, name: str, unit: str, expected: Sequence[str], found: Sequence[str]) -> Iterator[Failure]:
    if max(len(expected), len(found)) > MOST_LINES:  # comparing takes up to the square of it
        if tuple(expected) != tuple(found):
            yield Failure(kind, name, f"{len(expected):,} times a {unit}", f"{len(found):,}, or other ones")
        return
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, expected, found, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        for i, j in zip(range(i1, max(i2, i1 + j2 - j1)), range(j1, max(j2, j1 + i2 - i1)), strict=True):
            before, after = (expected[i] if i < i2 else None), (found[j] if j < j2 else None)
            if before is None or after is None:
                where = f"{name}, {unit} {j + 1 if before is None else i + 1}"
                yield Failure(kind, where, _or_nothing(before), _or_nothing(after))
            else:
                yield Failure(kind, *_within(f"{name}, {unit} {i + 1}", before, after))


def _or_nothing(line: str | None) -> str:
    return NOTHING if line is None else line.strip() or "an empty line"


def _within(where: str, before: str, after: str) -> tuple[str, str, str]:
    """Where two lines differ: with the sentence, and only the words that are not the same if they are few."""
    old, new = list(_TOKEN.finditer(before)), list(_TOKEN.finditer(after))
    if max(len(old), len(new)) > 2000:
        return where, before.strip(), after.strip()
    words = [word.group() for word in old], [word.group() for word in new]
    parts = [o for o in difflib.SequenceMatcher(None, *words, autojunk=False).get_opcodes() if o[0] != "equal"]
    if not parts:
        return f'{where}, "{before.strip()}"', "its spacing as it was", "another spacing"
    i1, i2, j1, j2 = parts[0][1], parts[-1][2], parts[0][3], parts[-1][4]
    if max(i2 - i1, j2 - j1) > 12:
        return where, before.strip(), after.strip()
    at = old[i1].start() if i1 < len(old) else len(before)
    return f'{where}, "{sentence_at(before, at)}"', _span(before, old[i1:i2]), _span(after, new[j1:j2])


def _span(line: str, words: Sequence[re.Match[str]]) -> str:
    return line[words[0].start() : words[-1].end()] if words else NOTHING


def sentence_at(text: str, place: int) -> str:
    """The sentence of `text` that the character at `place` is in."""
    begin = max((cut.end() for cut in _SENTENCE.finditer(text) if cut.end() <= place), default=0)
    end = min((cut.start() for cut in _SENTENCE.finditer(text) if cut.start() > place), default=len(text))
    return text[begin:end].strip()


# --- pages ------------------------------------------------------------------------------------------------------------

_INLINE = frozenset(("a", "abbr", "b", "code", "em", "i", "s", "small", "span", "strong", "sub", "sup", "time", "mark"))
_UNREAD = frozenset(("script", "style", "title"))


class _Page(HTMLParser):
    """The paragraphs of a page as a reader reads them, and its pictures."""

    def __init__(self, page: str):
        super().__init__()
        self.texts: list[str] = []
        self.pictures: list[str] = []
        self._pieces: list[str] = []
        self._unread = 0
        self.feed(page)
        self.close()
        self._end()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.pictures.append(dict(attrs).get("src") or "")
        self._unread += tag in _UNREAD
        if tag not in _INLINE:
            self._end()

    def handle_endtag(self, tag: str) -> None:
        self._unread -= tag in _UNREAD and self._unread > 0
        if tag not in _INLINE:
            self._end()

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self._pieces.append(data)

    def _end(self) -> None:
        for line in "".join(self._pieces).split("\n"):
            if text := " ".join(line.split()):
                self.texts.append(text)
        self._pieces = []
