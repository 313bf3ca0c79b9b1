"""Which label of a sentence a number belongs to: "3,701 g for Adelie", "Gentoo (5,076)", "A, B and C have 1, 2 and 3".

Reads word order, never values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .notation import either


@dataclass(frozen=True, slots=True)
class Mention:
    """A label as it stands in `text[start:end]`, of a family of labels that exclude each other."""

    start: int
    end: int
    label: str
    family: str


_UNIT = r"(?:\s?(?:%|[$€£]|°?[A-Za-z]{1,8}))"
_JOINT = re.compile(
    rf"{_UNIT}?\s*(?:,|;|/|&|\band\b|\bor\b|\bvs\.?|\bversus\b|\bto\b|\bagainst\b|\bcompared (?:with|to)\b)+"
    rf"(?:\s*(?:and|or))?\s*(?:an?\s|the\s)?[$€£]?\s*"
)
_LIST = re.compile(r"\s*(?:,|/|&|\band\b|\bor\b)+(?:\s*(?:and|or))?\s*(?:the\s)?")
_BREAK = re.compile(r"[,;:()|—]|\b(?:and|but|while|whereas|than|versus|vs|compared)\b|–")
_BEFORE = "for in of among at on by from with within during under via using per to are is were who did chose"
_PREPOSITION = re.compile(
    rf"\b(?:{either(_BEFORE)}"
    r"|live on)\s*(?:the\s|all\s|an?\s)?$"
)
_ELSEWHERE = re.compile(r"[;:]|, (?:with|and|which|but|while)\b|\b(?:while|but|whereas)\b")
"""Between a number and a label after it: the label is of something else."""
_NOT_MEANT = re.compile(r"\b(?:unlike|than|compared (?:to|with)|versus|vs\.?|relative to|against)\s*(?:the\s)?$", re.I)


def attribute(
    text: str,
    span: tuple[int, int],
    spans: Sequence[tuple[int, int]],
    mentions: Sequence[Mention],
    strict: bool = False,
) -> tuple[str, ...]:
    """The labels, of the mentioned ones of a family, that the number at `span` is said of; none if none is.

    `spans` are all numbers of the text. Several labels: it is said of each of them. `strict`: one that follows the
    number must follow at once, as the names of statistics do.
    """
    spread = [m for m in mentions if not any(a < m.end and m.start < b for a, b in (span,))]
    if not spread:
        return ()
    if len({m.label for m in spread}) == 1 and not strict:
        apart = spread[0].start >= span[1] and (
            _ELSEWHERE.search(text[span[1] : spread[0].start])
            or (spread[0].family == "measure" and any(span[1] <= s[0] < spread[0].start for s in spans))
            or _leads(text, spread[0], span, spans)
        )
        return () if apart else (spread[0].label,)
    if paired := _paired(text, span, spans, spread):
        return (paired,)
    before = [m for m in spread if m.end <= span[0]]
    after = [m for m in spread if m.start >= span[1]]
    for beside in (r"\s*[(:=]?\s*[$€£]?\s?", r",?\s*[$€£]?\s?"):
        if before and re.fullmatch(beside, text[before[-1].end : span[0]]):
            return _with_neighbours(text, before[-1], spread)
        if after and follows(text, span, after[0], spans, strict):
            return _with_neighbours(text, after[0], spread)
    meant = [m for m in before if not (_NOT_MEANT.search(text[: m.start]) and "," in text[m.end : span[0]])]
    if meant:
        return _with_neighbours(text, meant[-1], spread)
    if not after or strict or _ELSEWHERE.search(text[span[1] : after[0].start]):
        return ()
    return _with_neighbours(text, after[0], spread)


def _leads(text: str, mention: Mention, span: tuple[int, int], spans: Sequence[tuple[int, int]]) -> bool:
    """Whether a label stands before another number and says what that is: `541 sessions, a rate of 7 %`."""
    following = [s for s in spans if s[0] >= mention.end]
    gap = text[span[1] : mention.start]
    return (
        bool(following)
        and "," in gap
        and bool(re.fullmatch(r" (?:of|was|is|at|=) [$€£]?", text[mention.end : following[0][0]]))
    )


def _paired(text: str, span: tuple[int, int], spans: Sequence[tuple[int, int]], mentions: Sequence[Mention]) -> str:
    """Its label by position: `A, B and C have 1, 2 and 3`."""
    numbers = next((run for run in _runs(text, sorted(spans), _JOINT) if span in run), [])
    if len(numbers) < 2:
        return ""
    runs = [run for run in _runs(text, [(m.start, m.end) for m in mentions], _LIST) if len(run) == len(numbers)]
    before = [run for run in runs if run[-1][1] <= numbers[0][0]]
    after = [run for run in runs if run[0][0] >= numbers[-1][1]]
    chosen = before[-1] if before else after[0] if after else None
    labels = {(m.start, m.end): m.label for m in mentions}
    if chosen:
        return labels[chosen[numbers.index(span)]]
    told = [m for m in mentions if m.end <= numbers[0][0]]
    if text[numbers[0][0] - 1 : numbers[0][0]] == "(" and len(told) == len(numbers):
        return told[numbers.index(span)].label
    return ""


def _runs(text: str, spans: Sequence[tuple[int, int]], joint: re.Pattern[str]) -> Iterator[list[tuple[int, int]]]:
    run: list[tuple[int, int]] = []
    for span in spans:
        if run and not joint.fullmatch(text[run[-1][1] : span[0]]):
            yield run
            run = []
        run.append(span)
    if run:
        yield run


def follows(
    text: str, span: tuple[int, int], mention: Mention, spans: Sequence[tuple[int, int]], strict: bool = False
) -> bool:
    """Whether a number is said of the label after it: `5,076 g for Gentoo`, `152 Adelie`, `19.1 mm (male)`."""
    gap = text[span[1] : mention.start]
    if any(span[1] <= a < mention.start for a, _ in spans) or len(gap.split()) > 7:
        return False
    if re.match(r"\s*(?:=|\()\s*[$€£]?\d|:\s*[$€£]?\d", text[mention.end :]):
        return False
    if re.fullmatch(r"(?:\s?[\w%°$€£]{1,12}){0,3}\s*\(", gap):
        return bool(re.match(r"\.?[),;]", text[mention.end :]))
    if _BREAK.search(gap):
        return False
    if strict:
        return not gap.strip()
    return not gap.strip() or bool(_PREPOSITION.search(gap)) or len(gap.split()) == 1


def _with_neighbours(text: str, mention: Mention, mentions: Sequence[Mention]) -> tuple[str, ...]:
    """A label, and those it is listed with: `Adelie and Gentoo have 3`."""
    runs = _runs(text, [(m.start, m.end) for m in mentions], _LIST)
    run = next((run for run in runs if (mention.start, mention.end) in run), [])
    labels = {(m.start, m.end): m.label for m in mentions}
    joined = dict.fromkeys(labels[span] for span in run)
    return tuple(joined) if joined else (mention.label,)
