"""Every number of a report against what executed cells printed: verified, derived, contradicted or unsupported.

1. `tables` and `reading` turn the printed text into `facts`: a value with the groups, the statistic and the measure
   that its labels and its code name (`origin`, `following`); what only repeats what the model typed is left out.
2. `sentences` and `numbers` (with `notation`) find the numbers of the report; `glossary` and `words` know the labels.
3. `stated` says of each number what the sentence says of it; `mentions` decides which label belongs to which number.
4. `matching`: a fact *fits* if its value, in some scale, rounds to the number; it *agrees* if nothing that is said
   speaks against it; `support` counts how much of what is said stands at the fact as well.
5. `verdicts`: verified, if a fact fits and agrees and no other printed value is supported as much, its rivals; few
   digits need more support. Contradicted, if what is named was printed with another value, or `ranking` finds that a
   superlative does not hold. Where words leave a doubt the number is unsupported: a wrong "verified" is the worst.
6. `derived` and `sums` recompute what stands nowhere from operands that the sentence names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..types import Claim, Evidence, Ledger, Run, Turn
from . import derived
from .book import Book
from .facts import Fact, Facts, Printing
from .matching import rounding
from .numbers import numerals
from .origin import lineage, statements, untyped
from .reading import plain, read
from .sentences import Sentence, sentences
from .stated import Stated, state
from .verdicts import Judged, judge_number

EVIDENCE = frozenset(("ok", "error", "timeout"))
"""Statuses of cells whose printed text counts. What a failed cell printed before it failed, it printed."""
SURE = 3
"""Digits of a number that is surely another than the printed one."""
MOST_NUMBERS = 100
"""In one sentence; what has more is no sentence."""


def ledger(run: Run, places: Sequence[tuple[str, str]]) -> Ledger:
    """The ledger of a report: `places` are (place, text), as `Claim.place` names them, in the order of reading."""
    shown, typed = _printings(run)
    book = Book(read(shown, run.task.sources), typed)
    return Ledger(tuple(claim for place, text in places for claim in _claims(book, place, text)))


def _printings(run: Run) -> tuple[list[Printing], list[Printing]]:
    """The outputs that are evidence, and those that only repeat what the model typed."""
    left = untyped(run)
    made, printed = lineage(run), statements(run)
    shown, repeated = [], []
    for turn in run.turns:
        for number, text in _texts(turn):
            told = turn.step.purpose == "finding" and run.model.strategy == "guided"
            lines = text.split("\n")
            kept = [left(turn.index, line) for line in lines]
            dropped = [_removed(line, keep) for line, keep in zip(lines, kept, strict=True) if line != keep]
            once = printed.get(turn.index, ()) if number == 0 else ()
            shown.append(
                Printing(turn.index, number, "\n".join(kept), turn.code or "", made.get(turn.index, ""), told, once)
            )
            if dropped:
                repeated.append(Printing(turn.index, number, "\n".join(dropped), turn.code or ""))
    return shown, repeated


def _removed(line: str, kept: str) -> str:
    """What was taken from a line: all of it, or the figures that are blank now."""
    return "".join(a if a != b else " " for a, b in zip(line, kept, strict=True)) if kept else line


def _texts(turn: Turn) -> Iterator[tuple[int, str]]:
    seen = turn.observation
    if seen is None or turn.code is None or seen.status not in EVIDENCE:
        return
    for number, output in enumerate(seen.outputs):
        if output.kind in ("stdout", "result", "display") and "image/png" not in output.data:
            text = re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "", output.data.get("text/plain", ""))
            if text.strip():
                yield number, text


def _claims(book: Book, place: str, text: str) -> Iterator[Claim]:
    for sentence in sentences(text):
        found = list(numerals(sentence.text))
        if len(found) > MOST_NUMBERS:
            stated = [
                Stated(n, sentence, unit=n.unit) for n in found if n.kind != "label" and n.start >= sentence.value_from
            ]
            for number in stated:
                yield _claim(number, place, Judged("unsupported", (), "too many numbers in one sentence"))
            continue
        stated = [
            state(n, found, sentence, book.facts) for n in found if n.kind != "label" and n.start >= sentence.value_from
        ]
        stated = [s for s in stated if not _is_a_label(s, book.facts)]
        for number, judged in zip(stated, _judge(book, sentence, stated), strict=True):
            yield _claim(number, place, judged)


def _claim(stated: Stated, place: str, judged: Judged) -> Claim:
    numeral, sentence = stated.numeral, stated.sentence
    return Claim(
        text=numeral.text,
        value=numeral.value,
        unit=stated.unit,
        sentence=sentence.shown,
        place=place,
        start=sentence.offset + numeral.start - sentence.value_from,
        verdict=judged.verdict,
        evidence=judged.evidence[:6],
        rule=judged.rule,
    )


def _is_a_label(stated: Stated, facts: Facts) -> bool:
    """A number inside the name of a group, such as `4 Cycle`, or the label of a row."""
    n = stated.numeral
    if n.kind == "date":
        return False
    return any(m.start <= n.start and n.end <= m.end for m in facts.glossary.groups(stated.sentence.text))


def _judge(book: Book, sentence: Sentence, stated: list[Stated]) -> list[Judged]:
    """The verdicts of one sentence's numbers; those that others are derived from come first."""
    quoted = _quoted(book, sentence)
    judged = _by_words(book, stated)
    if quoted is None:
        return judged
    if not quoted.to_the_letter:
        return [_altered(one, number, quoted) for one, number in zip(judged, stated, strict=True)]
    pairs = list(zip(judged, stated, strict=True))
    least = 1 if any(_speaks_against(one, number, quoted, SURE) for one, number in pairs) else SURE
    return [_told(one, quoted, _speaks_against(one, number, quoted, least)) for one, number in pairs]


def _by_words(book: Book, stated: list[Stated]) -> list[Judged]:
    """The verdicts by values and words, whoever wrote the sentence."""
    first = [judge_number(book, one, stated) for one in stated]
    taken = {id(judged.fact) for judged in first if judged.fact is not None}
    if taken:
        again = (
            j if j.fact is not None else judge_number(book, one, stated, taken)
            for one, j in zip(stated, first, strict=True)
        )
        first = list(again)
    facts = [
        (one, judged.fact if judged.verdict == "verified" else None) for one, judged in zip(stated, first, strict=True)
    ]
    final = [_derived(book, one, judged, facts) for one, judged in zip(stated, first, strict=True)]
    return _listed(book, stated, final)


@dataclass(frozen=True, slots=True)
class _Quoted:
    """A printed line that a sentence repeats, to the letter or with other numbers."""

    line: str
    evidence: Evidence
    to_the_letter: bool


def _told(judged: Judged, quoted: _Quoted, against: bool) -> Judged:
    """A number of a sentence that a cell printed as it stands: verified, unless a table speaks against it.

    A cell can print the lowest as the highest, or the number of one group under another's name.
    """
    if not against:
        return Judged("verified", (quoted.evidence,), "the cell printed this sentence")
    evidence = (*judged.evidence, quoted.evidence)
    return Judged("contradicted", evidence, f"a cell printed this sentence, but {judged.rule}")


def _speaks_against(judged: Judged, stated: Stated, quoted: _Quoted, least: int) -> bool:
    """Whether another cell surely printed another value for what a told sentence states in `least` digits or more.

    It is a guess which value is meant with the whole of `56 of 152`, a derivation, a group of the sentence before, and
    with several groups of a kind; so few digits count only beside a number that is surely wrong.
    """
    turns = {evidence.turn for evidence in judged.evidence}
    if judged.verdict != "contradicted" or not turns or quoted.evidence.turn in turns or stated.numeral.digits < least:
        return False
    before = stated.sentence.text[: stated.numeral.start]
    if before.endswith(" of ") or judged.rule.startswith("not the ") or _GOES_ON.match(before):
        return False
    return all(len(labels) < 2 for labels in stated.others.values())


_GOES_ON = re.compile(r"(?:that|this|it|they|these|those)\b", re.IGNORECASE)


def _quoted(book: Book, sentence: Sentence) -> _Quoted | None:
    """The printed line that a sentence repeats, and whether it does so to the letter."""
    said = plain(sentence.text)
    if len(said.split()) < 4 or sentence.value_from:
        return None
    masked = re.sub(r"\d", "#", said)
    close = None
    for line, evidence, telling in book.facts.lines:
        if said in line and re.search(rf"(?<![\w.]){re.escape(said)}(?!\w)", line):
            return _Quoted(line, evidence, True)
        if telling and masked in re.sub(r"\d", "#", line):
            close = close or _Quoted(line, evidence, False)
    return close


def _altered(judged: Judged, stated: Stated, quoted: _Quoted) -> Judged:
    """A sentence that a cell printed with another number."""
    printed = {n.value for n in numerals(plain(quoted.line))}
    if judged.verdict in ("verified", "derived") or stated.numeral.value in printed:
        return judged
    return Judged("contradicted", (quoted.evidence,), "the cell printed this sentence with another number")


def _derived(book: Book, stated: Stated, judged: Judged, others: list[tuple[Stated, Fact | None]]) -> Judged:
    """The verdict of a number that stands nowhere as such."""
    if judged.verdict in ("verified", "derived") or stated.numeral.kind in ("date", "time"):
        return judged
    found = derived.derive(stated, others, book.facts)
    if found is None:
        return judged
    evidence = tuple(dict.fromkeys(fact.evidence for fact in found.operands))
    if found.holds and judged.rule and judged.verdict == "contradicted" and not _may_override(stated, found):
        return judged
    if found.holds:
        return Judged("derived", evidence, found.rule)
    if found.rule.startswith("share") and not _WHOLE.search(stated.sentence.text):
        return judged
    if judged.verdict == "contradicted":
        return judged
    return Judged("contradicted", evidence, f"not the {found.rule}")


_WHOLE = re.compile(
    r"\b(?:of (?:all|the (?:total|whole|sample|rows|data|units|cost|revenue))|account\w*|makes? up|share of)\b", re.I
)


def _may_override(stated: Stated, found: derived.Derivation) -> bool:
    return not stated.extreme or not found.rule.startswith("share")


def _listed(book: Book, stated: list[Stated], judged: list[Judged]) -> list[Judged]:
    """Numbers that list a whole printed column in its order, without its labels: `3,701, 3,733 and 5,076`."""
    loose = [k for k, one in enumerate(judged) if one.verdict != "verified" and stated[k].numeral.kind == "number"]
    if len(loose) < 3:
        return judged
    final = list(judged)
    columns = (held for sheet in book.facts.sheets for held in sheet.by_column.values() if 3 <= len(held) <= len(loose))
    for held in columns:
        for start in range(len(loose) - len(held) + 1):
            pairs = list(zip(loose[start:], held, strict=False))
            rules = [rounding(stated[k], fact) for k, fact in pairs]
            if all(rules) and not any(stated[k].groups for k, _ in pairs):
                for (k, fact), rule in zip(pairs, rules, strict=True):
                    final[k] = Judged("verified", (fact.evidence,), f"{rule}, in order", fact)
    return final
