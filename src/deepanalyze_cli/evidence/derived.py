"""Numbers that follow from printed ones: differences, changes and multiples.

Shares, sums, counts and ranks are in `sums`.

Recomputed from operands that the sentence names, or that stand in one row or column; never from any two numbers that
happen to fit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from .facts import Fact, Facts
from .matching import fits
from .notation import UNITS
from .operands import Derivation, eligible, held_by, other_labels
from .stated import Stated
from .sums import counts, named_sums, ranks, shares, sums

MOST_PAIRS = 4_000
_MORE = (
    r"(?:more|less|fewer|higher|lower|above|below|greater|larger|smaller|longer|shorter|heavier|lighter|older|younger|"
    r"deeper|shallower|warmer|colder|faster|slower|better|worse|earlier|later|taller|wider|further)"
)
_DIFFERENCE = re.compile(
    r"\b(?:differ\w*|gaps?|exceed\w*|outweigh\w*|surpass\w*|lead\w*|ahead|behind|trail\w*|plus of|margin)\b"
    r"|\b(?:range of|spread)\b"
    rf"|\b{_MORE}\b",
    re.IGNORECASE,
)
_CHANGE = re.compile(
    r"\b(?:increas\w*|r[io]se[ns]?|grew|grow\w*|gain\w*|decreas\w*|declin\w*|drop\w*|fell|fall\w*|chang\w*|shr[aiu]nk|plus|up|down|reduc\w*|jump\w*|climb\w*)\b",
    re.IGNORECASE,
)
_LESS = re.compile(
    r"\b(?:less|fewer|lower|below|smaller|shorter|lighter|younger|shallower|colder|decreas\w*|declin\w*|drop\w*|fell|fall\w*|reduc\w*|behind|trail\w*|down|shrank)\b",
    re.I,
)


def is_difference(stated: Stated) -> bool:
    """Whether a number is said to be a difference, a change or a multiple of others, not a quantity itself."""
    text, numeral = stated.sentence.text, stated.numeral
    if numeral.kind == "multiple" or stated.unit in ("pp", "times"):
        return True
    after = re.match(
        rf"[^.,;:()\d]{{0,24}}?\b{_MORE}\b(?! ?\(| (?:sea|zero|ground|the (?:mean|average)))",
        text[numeral.end :],
        re.IGNORECASE,
    )
    before = _lettered(text[max(0, numeral.start - 60) : numeral.start])
    by = re.search(
        r"\b(?:by(?= (?:\w+ ){0,2}$)|difference|gap|margin|plus|lead|increase|decrease|drop|rise|growth|range)\b"
        r"[^.;:()\d]*$",
        before,
        re.I,
    )
    if (
        by
        and re.search(r"\bby (?:mean|median)\b|\b(?:from|to|at|is|are)\s*$", by[0], re.I)
        and not re.search(r"\b(?:difference|gap|range)\b[^.;:()\d]*\b(?:is|was|of)\b[^.;:()\d]*$", before, re.I)
    ):
        by = None
    if by and by[0].startswith("by") and not (_DIFFERENCE.search(before) or _CHANGE.search(before)):
        by = None
    if re.match(r"\s*(?:to|and|–|-)\s*[-−$€£]?\d", text[numeral.end :]) or re.search(r"\d\S* ?\w{0,3} to $", before):
        by = None
    if re.search(r"\b(?:values?|statistics?|coefficient|[tpFrdn])\s*(?:of|=|is|was|:)?\s*$", before):
        by = None
    return bool(after or by)


def _lettered(text: str) -> str:
    """Without the digits of names: `F9`, `Q1`, `9E`."""
    return re.sub(r"(?<=[A-Za-z])\d+|\d+(?=[A-Za-z])", "", text)


def derive(stated: Stated, all_stated: Sequence[tuple[Stated, Fact | None]], facts: Facts) -> Derivation | None:
    """How a stated number follows from printed ones. One that does not hold means that its operands give another."""
    failed = None
    for found in _ways(stated, all_stated, facts):
        if found.holds:
            return found
        failed = failed or found
    return failed


def _ways(stated: Stated, others: Sequence[tuple[Stated, Fact | None]], facts: Facts) -> Iterator[Derivation]:
    numeral = stated.numeral
    if numeral.kind == "ordinal":
        yield from ranks(stated, facts)
    elif is_difference(stated):
        yield from _differences(stated, others, facts)
    else:
        if stated.unit == "%" or numeral.kind == "fraction" or (not stated.unit and 0 < numeral.value < 1):
            yield from shares(stated, others, facts)
        yield from named_sums(stated, facts)
        if stated.unit != "%":
            yield from sums(stated, facts)
        if numeral.whole and numeral.value < 1000 and not stated.unit:
            yield from counts(stated, facts)


def _differences(stated: Stated, others: Sequence[tuple[Stated, Fact | None]], facts: Facts) -> Iterator[Derivation]:
    percent = stated.unit == "%"
    multiple = stated.numeral.kind == "multiple" or stated.unit == "times"
    for a, b in _pairs(stated, others, facts):
        if multiple:
            yield _result(stated, a.value / b.value if b.value else float("nan"), "ratio", a, b)
        elif percent and not _both_percent(a, b):
            yield _result(
                stated,
                _signed(stated, (a.value - b.value) / abs(b.value) * 100) if b.value else float("nan"),
                "change",
                a,
                b,
            )
        elif percent:
            yield _result(
                stated,
                _signed(stated, (a.value - b.value) / abs(b.value) * 100) if b.value else float("nan"),
                "relative change",
                a,
                b,
            )
        else:
            factor = _converted(stated, a)
            if factor:
                yield _result(stated, _signed(stated, (a.value - b.value) * factor), "difference", a, b, factor)


def _both_percent(a: Fact, b: Fact) -> bool:
    return a.unit == b.unit == "%"


def _converted(stated: Stated, fact: Fact) -> float:
    """The factor from the fact's unit to the stated one; 0 where there is none."""
    if stated.unit == "pp":
        return 1.0 if fact.unit == "%" else 100.0 if abs(fact.value) <= 1 and not fact.unit else 0.0
    if stated.unit in UNITS and fact.unit in UNITS:
        (kind, factor), (other, part) = UNITS[stated.unit], UNITS[fact.unit]
        return part / factor if kind == other else 0.0
    return 0.0 if stated.unit and fact.unit and stated.unit != fact.unit else 1.0


def _signed(stated: Stated, value: float) -> float:
    """What a sentence says the change to be: without its sign where it says `less` or `fell`."""
    return -value if _LESS.search(stated.sentence.text) and stated.numeral.value > 0 else value


def _pairs(stated: Stated, others: Sequence[tuple[Stated, Fact | None]], facts: Facts) -> Iterator[tuple[Fact, Fact]]:
    """Pairs of facts to compare: named in the sentence, or first and last, or of the numbers it states."""
    symmetric = not re.search(
        rf"\b{_MORE}\b|\btimes\b|\btwice\b|\b(?:r[io]se|grew|fell|increas|decreas|drop|exceed|outweigh)",
        stated.sentence.text,
        re.I,
    )
    for a, b in islice(_named_pairs(stated, others, facts), MOST_PAIRS):
        yield a, b
        if symmetric or (stated.numeral.kind == "number" and _unordered(stated)):
            yield b, a


def _unordered(stated: Stated) -> bool:
    """Whether the order of the operands is not said: `a difference of`, or before `more than` none is named."""
    return bool(re.search(r"\b(?:differen\w+|gap|range|spread|between)\b", stated.sentence.text, re.I))


def _named_pairs(
    stated: Stated, others: Sequence[tuple[Stated, Fact | None]], facts: Facts
) -> Iterator[tuple[Fact, Fact]]:
    for family, labels in _compared(stated, facts).items():
        for sheet in facts.sheets:
            held = [f for f in held_by(sheet, family, labels) if eligible(stated, f, facts, family)]
            by = {(f.groups[family], other_labels(f, family)): f for f in held}
            for (label, rest), fact in by.items():
                if label == labels[0]:
                    for other in labels[1:]:
                        if (other, rest) in by:
                            yield fact, by[other, rest]
    yield from _loose_pairs(stated, facts)
    told = [
        fact for other, fact in others if fact is not None and other is not stated and other.numeral.kind == "number"
    ]
    told = [fact for fact in told if fact.sheet is None or eligible(stated, fact, facts, "", loose=True)]
    for k, fact in enumerate(told):
        for other in told[:k]:
            if _same_kind(fact, other):
                rising = re.search(r"\bfrom\b", stated.sentence.text)
                yield (fact, other) if rising else (other, fact)
    yield from _bounds(stated, facts)


def _loose_pairs(stated: Stated, facts: Facts) -> Iterator[tuple[Fact, Fact]]:
    """The same for numbers in lines: `male mean 4545.7 female mean 3862.3`."""
    for family, labels in _compared(stated, facts).items():
        held = [f for f in facts.facts if f.sheet is None and f.groups.get(family) in labels][:200]
        held = [f for f in held if eligible(stated, f, facts, family)]
        for a in held:
            for b in held:
                if a.groups[family] == labels[0] and b.groups[family] in labels[1:] and _same_line(a, b, family):
                    yield a, b


def _same_line(a: Fact, b: Fact, family: str) -> bool:
    rest = [{k: v for k, v in f.groups.items() if k != family} for f in (a, b)]
    near = a.evidence.turn == b.evidence.turn and a.evidence.output == b.evidence.output
    return near and rest[0] == rest[1] and a.statistics == b.statistics and a.unit == b.unit


def _compared(stated: Stated, facts: Facts) -> dict[str, list[str]]:
    """Families of which the sentence (with the one before, where it goes on) names two labels, the first one first."""
    text = stated.sentence.text
    spans = [(m.start, m) for m in facts.glossary.groups(text)]
    found: dict[str, list[str]] = {}
    for _, mention in spans:
        labels = found.setdefault(mention.family, [])
        if mention.label not in labels:
            labels.append(mention.label)
    for family, labels in found.items():
        if len(labels) == 1:
            context = [m.label for m in facts.glossary.groups(stated.sentence.before) if m.family == family]
            if re.match(r"(?:that|this|it|they)\b", text, re.I):
                labels[:0] = [label for label in dict.fromkeys(context) if label not in labels][:1]
    return {family: _ordered(text, labels) for family, labels in found.items() if len(labels) > 1}


def _ordered(text: str, labels: list[str]) -> list[str]:
    """From earlier to later: the change is the last less the first."""
    period = re.search(r"\bfrom\b.*\b(?:to|until)\b", text, re.I | re.S) and _CHANGE.search(text)
    return [*labels[1:], labels[0]] if period and len(labels) == 2 else labels


def _same_kind(a: Fact, b: Fact) -> bool:
    return a.unit == b.unit and (a.statistics == b.statistics or not a.statistics or not b.statistics) and a is not b


def _bounds(stated: Stated, facts: Facts) -> Iterator[tuple[Fact, Fact]]:
    """Highest less lowest, and the quartiles' distance."""
    text = stated.sentence.text
    quartiles = re.search(r"\binterquartile\b", text, re.I)
    spread = re.search(r"\bhighest\b.*\blowest\b|\brange of\b|\bspread\b", text, re.I)
    if not quartiles and not spread:
        return
    pairs = ("q75", "q25") if quartiles else ("max", "min")
    for high in facts.facts:
        if pairs[0] in high.statistics and high.own & frozenset(stated.all_measures):
            for low in facts.facts:
                if pairs[1] in low.statistics and low.own == high.own:
                    yield high, low
    if spread and not quartiles:
        tops = [
            f
            for other, f in [(None, f) for f in facts.facts]
            if f.sheet and f.groups and f.own & frozenset(stated.all_measures)
        ]
        if 1 < len(tops) < 2000:
            yield max(tops, key=lambda f: f.value), min(tops, key=lambda f: f.value)


def _result(stated: Stated, value: float, name: str, a: Fact, b: Fact, factor: float = 1.0) -> Derivation:
    numeral = stated.numeral
    rule = f"{name} of {a.printed} and {b.printed}"
    if numeral.kind == "multiple" or stated.unit == "times":
        slack = 0.25 if numeral.step >= 1 else numeral.step / 2
        slack = (
            max(slack, 0.1 * numeral.value)
            if numeral.hedge == "about" and numeral.kind == "multiple" and numeral.step >= 1
            else slack
        )
        over = numeral.hedge == "over" and numeral.value < value < numeral.value * 1.5
        return Derivation(abs(value - numeral.value) <= slack + 1e-9 or over, rule, (a, b))
    loss = (a.step * (a.step < 1) + b.step * (b.step < 1)) / 2 * factor if name == "difference" else 0.0
    if name != "difference" and b.value:
        loss = abs(value) * 0.5 * (a.step * (a.step < 1) / max(abs(a.value - b.value), 1e-12)) if a.step < 1 else 0.0
        loss = min(loss, numeral.step)
    near = abs(value - numeral.value) <= numeral.step / 2 + loss + 1e-9 * max(1.0, abs(value))
    return Derivation(near or bool(fits(numeral, value)), rule, (a, b))
