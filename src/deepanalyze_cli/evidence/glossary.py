"""What words mean in this run: labels of groups and names of measures, found in text.

Learnt from the columns of the data and from the labels of what was printed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ..types import DataSource
from .mentions import Mention
from .notation import MONTHS, UNITS, listed
from .tables import Grid, number
from .words import (
    STOP,
    alike,
    month,
    statistics,
    stem,
    stems,
    without_unit,
)

_TOKEN = re.compile(r"[^\W_]+(?:['’]s)?|_")
AFFIRMED, DENIED = ("yes", "true", "y"), ("no", "false", "n")
_ELLIPSIS = re.compile(
    r"\b(?:the )?others\b(?! \w)|\bthe rest\b"
    r"|\b(?:did|do|does|would|were|was|are|is|have|has|had)(?: not|n't)\b(?= ?(?:[.,;)]|$))",
    re.I,
)
"""What is left of `did not return` where the verb is not repeated."""
ALIASES = {"female": ("women", "woman"), "male": ("men", "man"), "f": ("women",), "m": ("men",)}
ABSENT = frozenset(("nan", "none", "<na>", "null", "nat"))
TOTALS = frozenset(("all", "total", "grand total", "overall"))
"""Labels of rows and columns that stand for all others together."""
NUMBERED = {str(n): (word,) for n, word in enumerate(listed("one two three four five six seven eight nine ten"), 1)}


@dataclass(slots=True)
class Glossary:
    """What words mean in this run. A `family` is what a set of labels are values of: a column, or a table's axis."""

    tables: tuple[str, ...] = ()
    rows: frozenset[int] = frozenset()
    """How many rows each table has."""
    columns: frozenset[str] = frozenset()
    """Numeric columns of the data, as code names them."""
    fields: frozenset[str] = frozenset()
    """All columns of the data."""
    families: dict[str, dict[str, str]] = field(default_factory=dict)
    """family -> folded label -> label."""
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """measure -> its stems, without unit and statistics."""
    _starts: dict[str, list[str]] = field(default_factory=dict)
    """The first letters of a measure's words -> such measures."""
    _measured: dict[str, list[Mention]] = field(default_factory=dict)
    _labels: dict[tuple[str, ...], list[tuple[str, str]]] = field(default_factory=dict)
    _firsts: frozenset[str] = frozenset()
    """The first words of labels."""
    _answers: tuple[tuple[str, str, str, str], ...] = ()
    """(family, the first word of its name, its label for yes, its label for no)."""
    _longest: int = 1

    def group(self, label: str, level: str, column: bool = False) -> tuple[str, str] | None:
        """The (family, label) that a label of a table stands for; `None` if it is a statistic, a measure, a number."""
        folded = _folded(label)
        if folded in TOTALS or folded in ABSENT:
            return None
        if level and folded in self.families.get(_folded(level), {}):
            return _folded(level), self.families[_folded(level)][folded]
        if column or not level:
            for family, labels in self.families.items():
                if folded in labels and not (column and folded in map(_folded, self.names)):
                    return family, labels[folded]
        return None

    def groups(self, text: str) -> list[Mention]:
        """The labels of groups in a text, the longest where they overlap."""
        tokens = [(m.start(), m.end(), stem(m[0])) for m in _TOKEN.finditer(text) if m[0] != "_"]
        found, at = [], 0
        while at < len(tokens):
            step = 1
            if tokens[at][2] not in self._firsts:
                at += 1
                continue
            for length in range(min(self._longest, len(tokens) - at), 0, -1):
                key = tuple(t[2] for t in tokens[at : at + length])
                start, end = tokens[at][0], tokens[at + length - 1][1]
                named = [g for g in self._labels.get(key, ()) if _is_named(text, start, end, *g)]
                if named:
                    found += [Mention(start, end, label, family) for family, label in named]
                    step = length
                    break
            at += step
        return sorted(found + self._implied(text, tokens, {m.family for m in found}), key=lambda m: m.start)

    def _implied(self, text: str, tokens: Sequence[tuple[int, int, str]], told: set[str]) -> list[Mention]:
        """Labels of yes and no that the name of their column implies: `were insured`, `not returned`."""
        found = []
        for family, name, yes, no in self._answers:
            if family in told:
                continue
            for start, end, word in tokens:
                if word in (f"un{name}", f"non{name}"):
                    found.append(Mention(start, end, no, family))
                elif alike(word, name) and len(word) > 3:
                    denied = re.search(
                        r"\b(?:not|no|never|without|non|were n[o']t|n't)[\s-]+(?:\w+ )?$", text[:start], re.I
                    )
                    found.append(Mention(start, end, no if denied else yes, family))
            if any(m.family == family for m in found):
                found += [Mention(*m.span(), no, family) for m in _ELLIPSIS.finditer(text)]
        return found

    def measures(self, text: str, whole: bool = False) -> Iterator[str]:
        """The measures that a text names, each once; `whole`: as a label, that is nothing else."""
        if whole:
            own = _bare(text)
            same = [name for name, words in self.names.items() if words == own]
            yield from [text] if text in self.names or text in self.fields else same
            return
        yield from dict.fromkeys(m.label for m in self.measured(text))

    def measured(self, text: str) -> list[Mention]:
        """Where a text names measures: all words of one, side by side."""
        if text not in self._measured:
            found = [m for m in self._named_in(text) if _folded(m.label) not in self.families]
            longest = [m for m in found if not any(_covers(o, m) for o in found)]
            self._measured[text] = sorted(longest, key=lambda m: m.start)
        return self._measured[text]

    def _named_in(self, text: str) -> list[Mention]:
        if not self._starts:
            for name, words in self.names.items():
                for start in {word[:3] for word in words}:
                    self._starts.setdefault(start, []).append(name)
        tokens = [(m.start(), m.end(), stem(m[0])) for m in _TOKEN.finditer(text) if m[0] != "_"]
        found = []
        for at, token in enumerate(tokens):
            for name in self._starts.get(token[2][:3], ()):
                words = self.names[name]
                here = [t[2] for t in tokens[at : at + len(words)]]
                start, end = token[0], tokens[min(at + len(words), len(tokens)) - 1][1]
                turned = len(words) > 1 and sorted(here) == sorted(words) and not re.search(r"[,;:]", text[start:end])
                if len(here) == len(words) and (turned or all(map(alike, here, words))):
                    found.append(Mention(start, end, name, "measure"))
        return found


def _covers(one: Mention, other: Mention) -> bool:
    return one.start <= other.start and other.end <= one.end and one.end - one.start > other.end - other.start


def glossary(sources: Sequence[DataSource], grids: Iterable[Grid]) -> Glossary:
    """The labels and measures of the data and of what was printed."""
    words = Glossary()
    tables = [table for source in sources for table in source.tables]
    columns = [column for table in tables for column in table.columns]
    words.rows = frozenset(table.rows for table in tables if table.rows)
    words.fields = frozenset(column.name for column in columns)
    called = {word for table in tables for word in stems(table.name)}
    words.tables = tuple(table.name for table in tables)
    words.columns = frozenset(c.name for c in columns if c.type not in ("text", "boolean", "date", "timestamp"))
    for column in columns:
        if column.type in ("text", "boolean"):
            for example in column.examples:
                _add(words, column.name, re.sub(r" \([\d,]+\)$", "", example))
        elif column.type in ("date", "timestamp") or (len(bare := stems(column.name)) == 1 and bare[0] in called):
            continue
        elif bare := tuple(word for word in stems(without_unit(column.name).replace("_", " ")) if word not in "%$€£"):
            words.names[column.name] = bare
    texts = {_folded(column.name) for column in columns if column.type in ("text", "boolean")}
    seen = list(grids)
    for n, grid in enumerate(seen):
        _learn_rows(words, grid, n)
    for n, grid in enumerate(seen):
        _learn_columns(words, grid, n, texts)
    for family, labels in words.families.items():
        for label in labels.values():
            key = _key(without_unit(label) if label in words.columns else label)
            if key:
                words._labels.setdefault(key, []).append((family, label))
                words._longest = max(words._longest, len(key))
            for word in (*NUMBERED.get(label, ()), *ALIASES.get(label.casefold(), ())):
                words._labels.setdefault((word,), []).append((family, label))
            if (dated := re.fullmatch(r"(\d{4})-(\d\d)(?:-01)?", label)) and month(dated[2]):
                if len(label) > 7 and not all(other.endswith("-01") for other in labels):
                    continue
                for name in (month(dated[2]), month(dated[2])[:3]):
                    words._labels.setdefault((stem(name), dated[1]), []).append((family, label))
                words._longest = max(words._longest, 2)
            if family in ("month", "months") and month(label):
                for name in (month(label), month(label)[:3]):
                    words._labels.setdefault((stem(name),), []).append((family, label))
    words._firsts = frozenset(key[0] for key in words._labels)
    words._answers = tuple(_answers(words))
    return words


def _answers(words: Glossary) -> Iterator[tuple[str, str, str, str]]:
    for family, labels in words.families.items():
        yes = next((labels[word] for word in AFFIRMED if word in labels), "")
        no = next((labels[word] for word in DENIED if word in labels), "")
        name = next(iter(stems(family.replace("_", " "))), "")
        if yes and no and len(labels) == 2 and len(name) > 3:
            yield family, name, yes, no


def _learn_rows(words: Glossary, grid: Grid, n: int) -> None:
    for level in range(max(map(len, grid.rows), default=0)):
        labels = list(dict.fromkeys(row[level] for row in grid.rows if level < len(row) and row[level]))
        name = grid.levels[level] if level < len(grid.levels) else ""
        if not _are_groups(labels, words, name):
            continue
        family = name or _family_of(words, labels) or f"rows of table {n}"
        for label in labels:
            _add(words, family, label)


def _learn_columns(words: Glossary, grid: Grid, n: int, texts: set[str]) -> None:
    labels = [label for column in grid.columns for label in column if label and label not in grid.levels]
    if (
        len(labels) > 1
        and (grid.across or _family_of(words, labels))
        and _are_groups(labels, words, grid.across or "x")
    ):
        family = grid.across or _family_of(words, labels) or f"columns of table {n}"
        for label in labels:
            _add(words, family, label)
        return
    for label in [*labels, grid.name]:
        bare = _bare(label)
        if _is_a_count(grid, label, words):
            continue
        if (
            bare
            and not number(label)
            and label not in words.names
            and _folded(label) not in texts
            and not _counts_rows(words, bare)
        ):
            words.names[label] = bare


def _is_a_count(grid: Grid, label: str, words: Glossary) -> bool:
    """Whether a column counts what it is called: `patients`, `orders`."""
    if not label.isalpha() or not label.endswith("s") or label in words.fields:
        return False
    column = next((n for n, labels in enumerate(grid.columns) if label in labels), -1)
    return all(cell.text.isdigit() for cell in grid.cells if cell.column == column)


def _counts_rows(words: Glossary, bare: tuple[str, ...]) -> bool:
    """Whether a column is called as the rows are: `trips` of the table `trips`."""
    return len(bare) == 1 and any(bare[0] in stems(table) for table in words.tables)


def _are_groups(labels: Sequence[str], words: Glossary, name: str) -> bool:
    """Whether labels are values of something, and neither statistics, nor columns, nor the numbers of rows."""
    if not labels:
        return False
    if sum(bool(number(label)) for label in labels) * 2 > len(labels):
        return bool(name) and name != "x"
    named = sum(bool(statistics(label)) or label.endswith(":") for label in labels)
    columns = sum(label in words.fields or label in words.names for label in labels)
    return (named + columns) * 2 < len(labels)


def _family_of(words: Glossary, labels: Sequence[str]) -> str:
    folded = {_folded(label) for label in labels}
    return next((f for f, known in words.families.items() if len(folded & known.keys()) * 2 > len(folded)), "")


def _add(words: Glossary, family: str, label: str) -> None:
    known = words.families.setdefault(_folded(family), {})
    if label.strip() and _folded(label) not in ABSENT:
        known.setdefault(_folded(label), label)


def _folded(label: str) -> str:
    return " ".join(label.casefold().split())


def _singular(word: str) -> str:
    return word[:-1] if word.endswith("s") and len(word) > 3 else word


def _key(label: str) -> tuple[str, ...]:
    return tuple(stem(m[0]) for m in _TOKEN.finditer(label) if m[0] != "_")


def _bare(label: str) -> tuple[str, ...]:
    """The stems of a measure's name, without unit and statistics; none if it is a statistic only."""
    own = stems(without_unit(label).replace("_", " "))
    bare = tuple(word for word in own if word not in STOP and not statistics(word) and word[0] not in "%$€£")
    return bare if any(len(word) > 1 for word in bare) else ()


def _is_named(text: str, start: int, end: int, family: str, label: str) -> bool:
    """Whether words that spell a label mean it: short codes keep their case, common words must stand apart."""
    written = text[start:end]
    bare = label.strip()
    if written.casefold() in UNITS and re.search(r"\d[ -]?$", text[:start]):
        return False
    if bare[:1].isdigit() and bare.replace(".", "").isdecimal():
        return _is_numbered(text, start, end, bare, family)
    if bare[-1:] in "+%" and text[end : end + 1] == bare[-1]:
        return True
    if stem(bare) in STOP or bare.casefold() in STOP:
        if written == bare and bare.isupper():
            return True
        apart = re.search(r"[(\"'“`]$|\b(?:say|said|answer(?:ed)?|value|of|share) $", text[:start])
        return bool(apart)
    if len(bare) <= 3 and not bare.islower():
        return written.removesuffix("'s").removesuffix("’s") == bare
    return True


def _is_numbered(text: str, start: int, end: int, label: str, family: str) -> bool:
    """A number that is a label: a year, or beside the name of what it numbers."""
    names = set(stems(family.replace("_", " ")))
    after = re.match(r"[ -]([^\W\d_]+)", text[end:])
    before = re.search(r"([^\W\d_]+)(?: (?:of|no\.?|number))?[ =]$", text[:start])
    if (after and stem(after[1]) in names) or (before and stem(before[1]) in names):
        return True
    if re.fullmatch(r"(?:1[89]|20)\d\d", label):
        return not re.match(r"[.,]?\d|\s?%|-\d\d", text[end:])
    if text[start:end].casefold() in MONTHS or text[start:end].isalpha():
        return text[start:end][0].isupper()
    return bool(
        re.search(
            r"\b(?:month|week|cluster|class|group|quarter|zone|level|category|quartile|day|type) $", text[:start], re.I
        )
    )
