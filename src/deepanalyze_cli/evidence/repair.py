"""Sentences whose numbers stand on nothing: told to the model once, then mended as it says, or left out.

Only those sentences change; the rest of a text stays as it was, to the byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..types import Claim, Ledger, Run
from .ledger import ledger
from .sentences import sentences

MOST_TOLD = 12
"""Sentences that are sent back to the model."""
MOST_SHOWN = 300
DROPPED = re.compile(r"\W*(?:drop|dropped|delete|remove|omit)\W*", re.IGNORECASE)
_REPLY = re.compile(r"^\s*(?:[-*]\s*)?(\d{1,3})\s*[.):]\s*(.+?)\s*$", re.MULTILINE)
_MARKER = re.compile(r"[ \t]*(?:[-*+>]|\d{1,3}[.)]|#{1,6})?[ \t]*")


@dataclass(frozen=True, slots=True)
class Doubt:
    """A stretch of a text, a sentence or the line of a table, with the numbers in it that are not supported."""

    start: int
    end: int
    claims: tuple[Claim, ...]


def in_doubt(claim: Claim) -> bool:
    """Whether a number stands on nothing, or on something else."""
    return claim.verdict in ("contradicted", "unsupported")


def doubts(text: str, claims: Iterable[Claim]) -> tuple[Doubt, ...]:
    """The sentences of `text` that hold a number in doubt, in order. `claims` are those of that text."""
    spans = _spans(text)
    held: dict[tuple[int, int], list[Claim]] = {}
    for claim in filter(in_doubt, claims):
        span = next(((a, b) for a, b in spans if a <= claim.start < b), (claim.start, claim.start + len(claim.text)))
        held.setdefault(span, []).append(claim)
    return tuple(Doubt(*span, tuple(found)) for span, found in sorted(held.items()))


def answer_doubts(run: Run, text: str) -> tuple[Doubt, ...]:
    """Those of an answer of a run, as far as it has come."""
    return doubts(text, ledger(run, [("answer", text)]).claims)


def told(text: str, found: Sequence[Doubt]) -> str:
    """The sentences as a numbered list for the model, each with what is wrong with its numbers."""
    lines = []
    for number, doubt in enumerate(found[:MOST_TOLD], 1):
        shown = " ".join(text[doubt.start : doubt.end].split())[:MOST_SHOWN]
        lines.append(f"{number}. {shown}")
        lines += [f"   - {_why(claim)}" for claim in doubt.claims]
    return "\n".join(lines)


def _why(claim: Claim) -> str:
    if claim.verdict == "contradicted" and claim.evidence:
        line = " ".join(claim.evidence[0].line.split())[:160]
        return f"{claim.text}: your code printed {claim.evidence[0].printed} ({line})"
    return f"{claim.text}: no output of your code shows it"


def replies(text: str) -> dict[int, str]:
    """What the model says of each numbered sentence: `2: The mean is 5.1.` or `2: drop`; the last word counts."""
    return {int(number): said for number, said in _REPLY.findall(text)}


def mended(
    text: str, found: Sequence[Doubt], said: Mapping[int, str], judge: Callable[[str], Ledger]
) -> tuple[str, int, int]:
    """`text` with the sentences as the model wants them now, how many were rewritten, and how many dropped.

    A new sentence is taken only if nothing in it is in doubt by `judge`; the old one then stays, to be marked.
    """
    rewritten = dropped = 0
    for number, doubt in reversed([*enumerate(found[:MOST_TOLD], 1)]):
        new = said.get(number, "")
        if DROPPED.fullmatch(new):
            text, dropped = without(text, [doubt]), dropped + 1
        elif new and _replaces(text[doubt.start : doubt.end], new) and not any(map(in_doubt, judge(new).claims)):
            text, rewritten = text[: doubt.start] + new + text[doubt.end :], rewritten + 1
    return text, rewritten, dropped


def _replaces(old: str, new: str) -> bool:
    """Whether a reply can stand where the sentence stood: a row of a table for a row, a sentence for a sentence."""
    if old.lstrip().startswith("|"):
        return new.startswith("|") and new.count("|") == old.count("|")
    return len(new) >= 12 and not new.startswith(("|", "#", "`"))


def without(text: str, found: Sequence[Doubt]) -> str:
    """`text` without these sentences, and without the bullets and lines that are empty then."""
    for doubt in reversed(found):
        start = text.rfind("\n", 0, doubt.start) + 1
        end = text.find("\n", doubt.end)
        end = len(text) if end < 0 else end
        before, after = text[start : doubt.start], text[doubt.end : end].lstrip()
        if _MARKER.fullmatch(before) and not after:
            text = text[:start] + text[end + 1 :]
        else:
            text = text[:start] + (before if after else before.rstrip()) + after + text[end:]
    return text.strip("\n") if found else text


def _spans(text: str) -> list[tuple[int, int]]:
    """Where each sentence is; for the cells of a table, where its line is."""
    spans = []
    for sentence in sentences(text):
        if sentence.value_from:
            start = text.rfind("\n", 0, sentence.offset) + 1
            end = text.find("\n", sentence.offset)
            spans.append((start, len(text) if end < 0 else end))
        else:
            spans.append((sentence.offset, sentence.offset + len(sentence.text)))
    return spans
