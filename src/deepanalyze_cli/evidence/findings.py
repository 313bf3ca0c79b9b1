"""What two reports of the same question say differently: numbers, and findings added, dropped or reversed.

Sentences are matched by their words with the numbers left out, then by most of their words. Pure; judges no truth.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from difflib import SequenceMatcher

from .figures import Numeral, numerals

Sentence = tuple[str, str]
"""Place and text."""
MOST = 300
"""Sentences that are compared, as each may have to be put to each."""
ALIKE = 0.6
"""Share of words that two sentences have in common, in order, to be taken for the same finding."""
_OPPOSITES = (
    *(("higher", "lower"), ("highest", "lowest"), ("more", "less"), ("more", "fewer"), ("most", "least")),
    *(("above", "below"), ("larger", "smaller"), ("largest", "smallest"), ("greater", "smaller"), ("over", "under")),
    *(("increase", "decrease"), ("increases", "decreases"), ("increased", "decreased"), ("rise", "fall")),
    *(("rises", "falls"), ("rose", "fell"), ("grew", "shrank"), ("grows", "shrinks"), ("up", "down")),
    *(("heavier", "lighter"), ("heaviest", "lightest"), ("longer", "shorter"), ("longest", "shortest")),
    *(("older", "younger"), ("faster", "slower"), ("better", "worse"), ("best", "worst"), ("stronger", "weaker")),
    *(("positive", "negative"), ("positively", "negatively"), ("gain", "loss"), ("earlier", "later")),
)
_OPPOSITE = frozenset(pair for a, b in _OPPOSITES for pair in ((a, b), (b, a)))
_WORD = re.compile(r"[^\W\d_][\w'-]*|#")


@dataclass(frozen=True, slots=True)
class Moved:
    """A number of a sentence that is another one now. `label` is the sentence with `#` for the number."""

    place: str
    label: str
    before: str
    after: str
    change: float
    percent: float | None
    """Change in percent of the old value; `None` where that is 0 or the number is a share itself."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A finding that is new, gone, or says the contrary."""

    kind: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything two reports say differently."""

    numbers: tuple[Moved, ...] = ()
    findings: tuple[Changed, ...] = ()


def compared(
    before: Sequence[Sentence], after: Sequence[Sentence], renamed: Mapping[str, str], groups: AbstractSet[str]
) -> Comparison:
    """Compare the first `MOST` sentences of two reports.

    `renamed` are words of the second and what they are in the first, `groups` the names of groups in the data.
    """
    now = [(place, _renamed(text, renamed)) for place, text in after[:MOST]]
    pairs, gone, come = _paired(before[:MOST], now)
    numbers: list[Moved] = []
    findings: list[Changed] = []
    for old, new in pairs:
        if _contrary(old[1], new[1], groups):
            findings.append(Changed("reversed", old[1], new[1]))
        else:
            numbers += _moved(old, new)
    findings += [Changed("dropped", text, "") for _, text in gone]
    findings += [Changed("added", "", text) for _, text in come]
    return Comparison(tuple(numbers), tuple(findings))


def _renamed(text: str, renamed: Mapping[str, str]) -> str:
    for new, old in sorted(renamed.items(), key=lambda pair: -len(pair[0])):
        text = re.sub(rf"(?<!\w){re.escape(new)}(?!\w)", lambda _, old=old: old, text)
    return text


def _template(text: str) -> str:
    """A sentence with `#` for each number, in small letters, on one line."""
    parts, end = [], 0
    for number in numerals(text):
        parts += [text[end : number.start], "#%" if number.percent else "#"]
        end = number.end
    return " ".join("".join([*parts, text[end:]]).lower().split())


def _paired(
    before: Sequence[Sentence], after: Sequence[Sentence]
) -> tuple[list[tuple[Sentence, Sentence]], list[Sentence], list[Sentence]]:
    """Sentences that say the same of other numbers, and those of either side that are left."""
    left, pairs, gone = list(after), [], []
    for old in before:
        same = next((new for new in left if _template(new[1]) == _template(old[1])), None)
        if same is None:
            gone.append(old)
        else:
            pairs.append((old, same))
            left.remove(same)
    alike = sorted(((_alike(old[1], new[1]), old, new) for old in gone for new in left), key=lambda one: -one[0])
    for share, old, new in alike:
        if share >= ALIKE and old in gone and new in left:
            pairs.append((old, new))
            gone.remove(old)
            left.remove(new)
    order = {id(old): place for place, old in enumerate(before)}
    return sorted(pairs, key=lambda pair: order.get(id(pair[0]), 0)), gone, left


def _alike(a: str, b: str) -> float:
    return SequenceMatcher(None, _words(a), _words(b), autojunk=False).ratio()


def _words(text: str) -> list[str]:
    return _WORD.findall(_template(text))


def _contrary(old: str, new: str, groups: AbstractSet[str]) -> bool:
    """Whether two sentences of the same form say the contrary: a word of direction, a sign, or the order of groups."""
    was, now = _words(old), _words(new)
    gone, come = {*was} - {*now}, {*now} - {*was}
    if any((a, b) in _OPPOSITE for a in gone for b in come):
        return True
    names = sorted(groups, key=len, reverse=True)
    if names:
        either = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})(?!\w)", re.IGNORECASE)
        return [n.lower() for n in either.findall(old)] != [n.lower() for n in either.findall(new)] or _signs(old, new)
    return _signs(old, new)


def _signs(old: str, new: str) -> bool:
    pairs = zip(numerals(old), numerals(new), strict=False)
    return _template(old) == _template(new) and any(a.value * b.value < 0 for a, b in pairs)


def _moved(old: Sentence, new: Sentence) -> Iterator[Moved]:
    was, now = list(numerals(old[1])), list(numerals(new[1]))
    if len(was) != len(now):
        yield Moved(old[0], old[1], _listed(was), _listed(now), 0.0, None)
        return
    for a, b in zip(was, now, strict=True):
        if a.value != b.value:
            label = f"{old[1][: a.start]}#{old[1][a.end :]}"
            percent = None if a.percent or not a.value else 100 * (b.value - a.value) / abs(a.value)
            yield Moved(old[0], label, a.text, b.text, b.value - a.value, percent)


def _listed(found: Sequence[Numeral]) -> str:
    return ", ".join(number.text for number in found) or "no number"
