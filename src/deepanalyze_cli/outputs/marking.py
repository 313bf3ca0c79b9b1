"""The numbers of a report, from the texts they stand in to the links a reader sees.

`places` names the texts, `marked` puts marks around claimed numbers in the source, and `linked` and `footnoted` turn
those marks into what the laid-out page or file shows. The marks are characters for private use, which neither Markdown
nor HTML knows; where a text has some of its own they are replaced first.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from ..evidence.repair import in_doubt
from ..types import Claim, Ledger, Report
from . import story, words
from .text import literal, one_line

_OPEN, _TEXT, _CLOSE, _ZERO = "\ue0f0", "\ue0f1", "\ue0f2", 0xE100
MARK = re.compile(f"{_OPEN}([\ue100-\ue109]+){_TEXT}([^{_OPEN}{_CLOSE}]*){_CLOSE}")
OURS = re.compile("[\ue0f0-\ue0f2\ue100-\ue109]")

VERDICTS = ("verified", "derived", "contradicted", "unsupported")


def places(report: Report) -> list[tuple[str, str]]:
    """The texts of a report that may state numbers, in the order of reading, by the name of their place.

    What the user asked and what the tool says of the run itself are not among them.
    """
    found = [("title", report.title)] if report.title not in (report.question, one_line(report.question, 120)) else []
    found.append(("answer", report.answer))
    drawn = 0
    for number, section in enumerate(report.sections, 1):
        found += [(f"heading {number}", section.heading), (f"section {number}", section.text)]
        for figure in section.figures:
            drawn += 1
            found.append((f"caption {drawn}", story.caption(figure)))
    return [(place, text) for place, text in found if text]


def summary(ledger: Ledger) -> str:
    """`41 numbers: 38 verified, 2 derived, 1 unsupported`; empty where there are none."""
    counts = Counter(claim.verdict for claim in ledger.claims)
    told = ", ".join(f"{counts[verdict]:,} {verdict}" for verdict in VERDICTS if counts[verdict])
    return f"{words.count(len(ledger.claims), 'number')}: {told}" if told else ""


# --- marks ------------------------------------------------------------------------------------------------------------


def marked(text: str, ledger: Ledger, place: str) -> str:
    """`text`, the one of that place, with marks around each number the ledger has of it."""
    text, end = OURS.sub("\ufffd", text), len(text)
    here = [(claim, number) for number, claim in enumerate(ledger.claims) if claim.place == place]
    for claim, number in sorted(here, key=lambda pair: -pair[0].start):
        stop = claim.start + len(claim.text)
        if text[claim.start : stop] == claim.text and stop <= end:
            sign = "".join(chr(_ZERO + int(digit)) for digit in str(number))
            text = f"{text[: claim.start]}{_OPEN}{sign}{_TEXT}{claim.text}{_CLOSE}{text[stop:]}"
            end = claim.start
    return text


def claim_number(sign: str) -> int:
    return int("".join(str(ord(mark) - _ZERO) for mark in sign))


# --- as HTML ----------------------------------------------------------------------------------------------------------


def linked(made: str, ledger: Ledger, cells: Mapping[int, int], shown: AbstractSet[int]) -> str:
    """HTML of `marked` text with links to the cells that printed the numbers.

    `cells` numbers the turns; the ones of those numbers that the page shows, with an anchor, are `shown`.
    """

    def link(found: re.Match[str]) -> str:
        claim = ledger.claims[claim_number(found[1])]
        said = html.escape(explained(claim, cells))
        cell = next((cells[e.turn] for e in claim.evidence if cells.get(e.turn) in shown), None)
        if cell is None:
            return f'<span class="num {claim.verdict}" title="{said}">{found[2]}</span>'
        return f'<a class="num {claim.verdict}" href="#cell-{cell}" title="{said}">{found[2]}</a>'

    return OURS.sub("", MARK.sub(link, made))


def explained(claim: Claim, cells: Mapping[int, int]) -> str:
    """Verdict, rule and evidence in a line: `verified, rounded to 1 decimal: cell 3 printed “Gentoo 5076.0”`."""
    verdict = ", ".join(filter(None, (claim.verdict, claim.rule)))
    seen = [f"cell {cells[e.turn]} printed “{one_line(e.line, 120)}”" for e in claim.evidence if e.turn in cells]
    if not seen:
        return verdict if claim.rule else f"{verdict}: no cell printed it"
    return f"{verdict}: {'; '.join(dict.fromkeys(seen))}"


# --- as footnotes of Markdown -----------------------------------------------------------------------------------------


class Footnotes:
    """The footnotes of one Markdown file: equal ones are one.

    Numbers that follow on each other in a sentence and have the same note share one reference, after the last of them.
    A number in doubt says so in the text as well.
    """

    def __init__(self, ledger: Ledger, cells: Mapping[int, int], shown: AbstractSet[int]):
        self._claims, self._cells, self._shown = ledger.claims, cells, shown
        self._notes: dict[str, int] = {}

    def placed(self, text: str) -> str:
        """A laid-out text with its marks as references to footnotes."""
        found = [(match, self._claims[claim_number(match[1])]) for match in MARK.finditer(text)]
        parts, end = [], 0
        for number, (match, claim) in enumerate(found, 1):
            shared = number < len(found) and self._same(claim, found[number][1])
            parts += [text[end : match.start()], match[2], "" if shared else self._reference(claim)]
            end = match.end()
        return OURS.sub("", "".join([*parts, text[end:]]))

    def definitions(self) -> Iterator[str]:
        """The footnotes that were referred to."""
        for note, number in self._notes.items():
            yield f"[^{number}]: {note}"

    def _same(self, one: Claim, following: Claim) -> bool:
        together = (one.place, one.sentence) == (following.place, following.sentence)
        return together and not in_doubt(one) and self._note(one) == self._note(following)

    def _reference(self, claim: Claim) -> str:
        number = self._notes.setdefault(self._note(claim), len(self._notes) + 1)
        return f"{f' *({claim.verdict})*' if in_doubt(claim) else ''}[^{number}]"

    def _note(self, claim: Claim) -> str:
        cell = next((self._cells[e.turn] for e in claim.evidence if self._cells.get(e.turn) in self._shown), None)
        link = f"[cell {cell}](#cell-{cell}): " if cell else ""
        return f"{link}{literal(explained(claim, self._cells), most=600)}"


def doubtful(claims: Iterable[Claim]) -> Sequence[Claim]:
    """The numbers that stand on nothing, or on something else."""
    return [claim for claim in claims if in_doubt(claim)]
