"""What a sentence says of one of its numbers: of which groups, which statistic, which measure, in what words.

Reads words only; which printed value it may be is for `matching`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from .facts import Facts
from .mentions import Mention, attribute, follows
from .notation import listed
from .numbers import Numeral
from .sentences import Sentence
from .words import (
    EXTREME,
    STATISTIC,
    content,
    implied,
    label_unit,
    statistics,
    stems,
)

OVERALL = re.compile(
    r"\b(?:overall|in total|over all|all (?:the )?\w+ together|across all|as a whole|altogether|whole|entire"
    r"|all \w+)\b",
    re.I,
)
_LESS = re.compile(
    r"\b(?:decreas|declin|drop|fell|fall|lost|los[se]|shr[aiu]nk|reduc|minus|below|early|earlier|negative|down)\w*",
    re.I,
)
_MORE = re.compile(r"\b(?:increas|r[io]se|grew|grow|gain|plus|up by)\w*", re.I)
_RANGE = re.compile(
    r"\b(?:rang\w+|var(?:y|ies|ied)|r[ua]ns?|lies?|lay|span\w*|extend\w*|between)\b(?:[^.;]|\.\d){0,40}$", re.I
)
MOST_NUMBERS = 40
"""Of a sentence whose phrases are told apart."""


@dataclass(slots=True)
class Stated:
    """A number of a sentence with all that is said of it. `groups` may name several labels of a family."""

    numeral: Numeral
    sentence: Sentence
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    others: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Labels that the sentence names for other numbers, or its context for all."""
    statistics: frozenset[str] = frozenset()
    measures: tuple[str, ...] = ()
    all_measures: tuple[str, ...] = ()
    unit: str = ""
    words: frozenset[str] = frozenset()
    after: frozenset[str] = frozenset()
    """Stems of the one or two words that follow it."""
    elsewhere: frozenset[str] = frozenset()
    """Stems of the phrases that other numbers stand in."""
    near: frozenset[str] = frozenset()
    """Stems of the words next to the number: what is counted, what it is called."""
    overall: bool = False
    whole: bool = False
    """Of what other numbers are parts: 152 in `56 of 152`."""
    less: bool = False
    more: bool = False
    extreme: str = ""


def state(numeral: Numeral, numerals: Sequence[Numeral], sentence: Sentence, facts: Facts) -> Stated:
    """Read what a sentence says of one of its numbers."""
    text, words = sentence.text, facts.glossary
    if repeated := _is_repeated(numeral, text):
        numeral = replace(numeral, kind="number", unit="")
    span = (numeral.start, numeral.end)
    spans = [(n.start, n.end) for n in numerals if n.kind != "label"]
    named = words.groups(text)
    stated = Stated(numeral, sentence, unit=numeral.unit, words=content(text))
    clause = _clause(text, span)
    stated.whole = bool(_WHOLE.search(text[: span[0]]))
    for family in dict.fromkeys(m.family for m in named):
        mentions = [m for m in named if m.family == family]
        labels = attribute(text, span, spans, mentions)
        whole = len(labels) > 1 and len(labels) == len(words.families[family])
        stated.others[family] = tuple(dict.fromkeys(m.label for m in mentions))
        if labels and not whole:
            stated.groups[family] = labels
    stated.overall = _is_overall(text, span, clause, named, stated)
    symbol = _SYMBOL.search(text[: span[0]])
    if symbol and (symbol[1] or symbol[2]) in _TESTS:
        stated.groups = {}
    found = [Mention(m.start(), m.end(), m.lastgroup or "", "statistic") for m in STATISTIC.finditer(text)]
    fields = [m for m in words.measured(text) if m.label in words.fields]
    found = [m for m in found if not any(n.start < m.end and m.start < n.end for n in (*named, *fields))]
    stated.statistics = _spoken(text, numeral, spans, found) or _headed(text, span)
    measured = [m for m in words.measured(text) if not _is_counted(m, spans)]
    stated.all_measures = tuple(dict.fromkeys(m.label for m in measured))
    stated.measures = _with_twins(attribute(text, span, spans, measured, strict=len(measured) > 1), measured)
    if not stated.unit and sentence.value_from:
        stated.unit = label_unit(text[: sentence.value_from].strip(" :").rpartition(":")[2])
    if repeated and numeral.whole:
        stated.statistics |= {"count"}
    stated.near = _near(text, span, spans)
    if len(spans) <= MOST_NUMBERS:
        stated.elsewhere = frozenset().union(*(_near(text, s, spans) for s in spans[1:] if s != span)) - stated.near
    stated.after = (
        frozenset(stems(" ".join(re.findall(r"^\W{0,2}(\w+)(?: (\w+))?", text[numeral.end :])[0])))
        if re.match(r"\W{0,2}\w", text[numeral.end :])
        else frozenset()
    )
    stated.words |= implied(stated.words)
    if counted := tuple(
        name for name in words.columns if 0 < len(words.names.get(name, ())) == len(stated.after & {*words.names[name]})
    ):
        stated.statistics -= {"count"}
        stated.measures = counted
    stated.less = bool(_LESS.search(text[clause[0] : clause[1]])) and numeral.value > 0
    stated.more = bool(_MORE.search(text[clause[0] : span[0]]))
    dated = [(n.start, n.end) for n in numerals if n.kind in ("date", "time")]
    stated.extreme = _extreme(text, span, spans if span in dated else [s for s in spans if s not in dated])
    _add_context(stated, facts)
    return stated


_WHOLE = re.compile(r"\d(?: ?%)? (?:out )?of (?:the |all )?$")


def _clause(text: str, span: tuple[int, int]) -> tuple[int, int]:
    breaks = [m.end() for m in re.finditer(r"[;:]\s|,\s(?=(?:while|whereas|but)\b)|\b(?:while|whereas|but)\b", text)]
    start = max((b for b in breaks if b <= span[0]), default=0)
    return start, min((b for b in breaks if b >= span[1]), default=len(text))


def _is_overall(
    text: str, span: tuple[int, int], clause: tuple[int, int], named: Sequence[Mention], stated: Stated
) -> bool:
    """Whether a number is of all rows. It is then of no group that only comes after it."""
    found = [m for m in OVERALL.finditer(text) if clause[0] <= m.start() < clause[1]]
    before = [m for m in found if m.end() <= span[0]]
    if before and not any(before[-1].end() <= m.start and m.end <= span[0] for m in named):
        for family in {m.family for m in named}:
            mentions = [m for m in named if m.family == family]
            if not any(m.end <= span[0] for m in mentions) and not follows(text, span, mentions[0], [span]):
                stated.groups.pop(family, None)
    return bool(found)


def _is_counted(mention: Mention, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether a measure's name is the unit of a number, or what is counted: `12 minutes`, `57,979 flights`."""
    return any(a <= mention.start < b for a, b in spans)


def _headed(text: str, span: tuple[int, int]) -> frozenset[str]:
    """The statistics of a head such as `**Standard deviation**: ...`."""
    head = re.match(r"[*_]{0,2}([^:.]{1,40})[*_]{0,2}:", text)
    return statistics(head[1]) if head and head.end() <= span[0] else frozenset()


_COMPARED = re.compile(r" (?:as|more|less|fewer|that|those|the|its|their|\w{3,}er)\b")


def _is_repeated(numeral: Numeral, text: str) -> bool:
    """Whether `8,548 times` counts how often, and compares nothing."""
    return numeral.text.endswith(" times") and numeral.text[0].isdigit() and not _COMPARED.match(text, numeral.end)


_COUNTED = re.compile(
    r"\s(?:\w+\s){0,2}?(?!times\b|points?\b|years?\b|months?\b|weeks?\b|across\b|was\b|has\b|is\b)(?:[a-z]{3,}s|people|men|women|children)\b"
)
_SYMBOL = re.compile(
    r"(?<![^\W_])([A-Za-zχβαηωΔ]²?2?)\s?[=<>≈]\s*[$€£]?$|(?<!\w)([tFzp])[- ](?:value|statistic)s? (?:of|is|was|=)\s*$"
)
_TESTS = frozenset(listed("t F p z U W χ χ² χ2 H d"))
"""Symbols of statistics that compare groups, and so are of none of them."""
_ABSENT = re.compile(
    r"[^.;,]{0,30}\b(?:missing|have no|has no|had no|not recorded|without|gave no|no recorded"
    r"|(?:rows|of them) have none)\b",
    re.I,
)


def _spoken(text: str, numeral: Numeral, spans: Sequence[tuple[int, int]], found: Sequence[Mention]) -> frozenset[str]:
    """The statistic that a number is said to be; a whole number of things is a count."""
    span = (numeral.start, numeral.end)
    if quartile := _quartile(text, numeral):
        return quartile
    if end := _range_end(text, numeral):
        return frozenset((end,))
    if symbol := _SYMBOL.search(text[: span[0]]):
        return statistics(f"{symbol[1] or symbol[2]} =") - {"count"} | statistics(symbol[1] or "")
    extremes = [m.start() for m in EXTREME.finditer(text) if m.end() <= span[0]]
    found = [
        m for m in found if not any(re.search(r",(?!\d)", text[m.end : e]) for e in extremes) or m.start >= span[1]
    ]
    said = frozenset(attribute(text, span, spans, _counting(text, span, found), strict=True))
    counted = numeral.whole and numeral.kind == "number" and _COUNTED.match(text, numeral.end)
    if _ABSENT.match(text, numeral.end):
        return frozenset(("missing",))
    if counted and not said & {"median", "min", "max", "sum", "missing", "q25", "q75"}:
        near = [m for m in found if m.label in said and 0 <= span[0] - m.end <= 12]
        return said & {m.label for m in near} | {"count"}
    return said


_PARTED = re.compile(
    r"\b(?:(?P<quarter>a quarter|25 ?%|one in four)|(?P<three>three[- ]quarters|75 ?%)|(?P<half>half|50 ?%))\b"
    r"[^.;]{0,60}?"
    r"\b(?:(?P<above>exceed\w*|more than|above|over|at least|older than|longer than|heavier than)"
    r"|(?P<below>less than|below|under|at most|fewer than|up to|within|younger than|or less)|(?P<within>between|from))"
    r"\s[$€£]?(?P<number>\d)",
    re.IGNORECASE,
)


def _quartile(text: str, numeral: Numeral) -> frozenset[str]:
    """The quartile that a number is where a quarter or a half of all lies beyond it."""
    for found in _PARTED.finditer(text):
        first = numeral.start <= found.start("number") < numeral.end
        second = found["within"] and re.fullmatch(
            r"[\d.,]*\s?\S{0,3} (?:and|to) [$€£]?", text[found.start("number") : numeral.start]
        )
        if found["half"] and found["within"] and (first or second):
            return frozenset(("q25",) if first else ("q75",))
        if first and not found["within"]:
            upper = bool(found["quarter"]) == bool(found["above"])
            return frozenset(("median",) if found["half"] else ("q75",) if upper else ("q25",))
    return frozenset()


_OTHER_END = r"(?: ?[^\W\d]{0,8})? ?(?:to|and|–|-) ?[-−]?[$€£]?"


def _range_end(text: str, numeral: Numeral) -> str:
    """`min` or `max` for the ends of a range: `from 1 to 14 days`, `between 1 and 14`."""
    before = text[: numeral.start]
    if not (found := _RANGE.search(before)):
        return ""
    low, high = (
        ("q25", "q75") if re.search(r"interquartile (?:range )?$", before[: found.start()], re.I) else ("min", "max")
    )
    if re.match(rf"{_OTHER_END}\d", text[numeral.end :]):
        return low
    return high if re.search(rf"\d{_OTHER_END}$", before) else ""


_TRAILING = re.compile(r"(?:in total|total|altogether|in all|on average|average)[,;.]", re.I)


def _follows_a_number(text: str, mention: Mention) -> bool:
    """Whether a statistic closes what was said of the number before: `3,637 t in total, 6.4 t per flight`."""
    return bool(re.search(r"\d[^,;:.]{0,30}$", text[: mention.start]))


def _counting(text: str, span: tuple[int, int], found: Sequence[Mention]) -> list[Mention]:
    """Without `number of` after another statistic (the median number of seats is a median), and `n = 3` of others."""
    kept: list[Mention] = []
    head = re.match(r"[*_]{0,2}([^:.]{1,40})[*_]{0,2}:", text)
    for m in found:
        if _TRAILING.fullmatch(text[m.start : m.end + 1]) and m.end <= span[0] and _follows_a_number(text, m):
            continue
        if text[m.end :].lstrip()[:1] in ("=", "<") and not re.fullmatch(r"\s*[=<]\s*[$€£]?", text[m.end : span[0]]):
            continue
        if head and statistics(head[1]) and m.start >= head.end() and span[0] - m.end > 20:
            continue
        if (
            m.label == "count"
            and kept
            and text[m.start : m.end].lower().startswith("number")
            and m.start - kept[-1].end < 3
        ):
            continue
        kept.append(m)
    return kept


def _with_twins(labels: Sequence[str], mentions: Sequence[Mention]) -> tuple[str, ...]:
    """Measures that are spelt by the same words stand for each other."""
    where = {(m.start, m.end) for m in mentions if m.label in labels}
    return tuple(dict.fromkeys(m.label for m in mentions if (m.start, m.end) in where or m.label in labels))


_PHRASE = re.compile(
    r"(?:(?![.,;:()]|\b(?:in|with|at|and|but|from|while|compared|for|on|by|against|versus|to|than)\b).){0,40}"
)


def _near(text: str, span: tuple[int, int], spans: Sequence[tuple[int, int]]) -> frozenset[str]:
    """Stems of the phrase that the number stands in, up to the phrases of its neighbours."""
    last = max((s[1] for s in spans if s[1] <= span[0]), default=0)
    phrase = _PHRASE.match(text, last) if last else None
    before = text[phrase.end() if phrase else 0 : span[0]]
    after = _PHRASE.match(text, span[1])
    own = stems(text[span[0] : span[1]])
    return frozenset((*stems(before)[-6:], *own, *(stems(after[0])[:4] if after else ()))) & content(text)


def _extreme(text: str, span: tuple[int, int], spans: Sequence[tuple[int, int]]) -> str:
    """`high` or `low` where a superlative speaks of this number: it is the first one after it, or the last before."""
    for found in EXTREME.finditer(text):
        if re.search(r"\bat $", text[: found.start()], re.I):
            continue
        after = [s for s in spans if s[0] >= found.end()]
        following = EXTREME.search(text, found.end())
        if after and following and following.start() < after[0][0] and any(s[1] <= found.start() for s in spans):
            after = []
        chosen = (
            after[0]
            if after and not _closed(text, found, spans)
            else max((s for s in spans if s[1] <= found.start()), default=None)
        )
        if chosen == span:
            return found.lastgroup or ""
    return ""


def _closed(text: str, found: re.Match[str], spans: Sequence[tuple[int, int]]) -> bool:
    """Whether a superlative closes what was said of the number before: `712 flights, the fewest of all`."""
    before = [s for s in spans if s[1] <= found.start()]
    if not before or re.match(r"[^,.;]{0,24}?[\s(]\d", text[found.end() :]):
        return False
    gap = text[before[-1][1] : found.start()]
    return bool(re.fullmatch(r"[\s\w%°$€£)]{0,30},? (?:which is )?the (?:\w+ )?", gap))


def _add_context(stated: Stated, facts: Facts) -> None:
    """Groups that only the heading or the sentence before names, for a sentence that names none of that family."""
    sentence = stated.sentence
    follows = re.match(r"(?:that|this|it|they|these|those|of (?:them|these)|its|their)\b", sentence.text, re.I)
    context = (sentence.heading, *((sentence.before,) if follows else ()))
    for text in context:
        for mention in facts.glossary.groups(text):
            if mention.family not in stated.others and mention.family not in stated.groups:
                labels = {m.label for m in facts.glossary.groups(text) if m.family == mention.family}
                if len(labels) == 1 and not stated.overall:
                    stated.groups[mention.family] = (mention.label,)
        if not stated.all_measures:
            stated.words = stated.words | content(text)
