"""Printed text as `Facts`: what each number is, by the labels beside it and the code behind it.

What a label is (a group, a statistic, a measure) follows from the data's columns and from the labels that stand beside
it. Knows nothing of reports.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

from ..types import DataSource, Evidence
from . import notation
from .facts import Fact, Facts, Printing, Sheet
from .glossary import Glossary, glossary
from .mentions import Mention, attribute
from .numbers import valued
from .tables import NUMBER, Grid, grids, without_dates
from .words import (
    EXTREME,
    coded_statistics,
    content,
    described,
    label_scale,
    label_unit,
    statistics,
)

MOST_CHARACTERS = 2_000_000
"""Of all outputs together; what comes later is no evidence."""
MOST_LINE = 2_000


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without garbage collection: tens of thousands of facts are made, and none is garbage."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@_uncollected()
def read(printings: Iterable[Printing], sources: Sequence[DataSource]) -> Facts:
    """The facts of some outputs, in order."""
    pages = [(p, [line[:MOST_LINE] for line in p.text[:MOST_CHARACTERS].split("\n")]) for p in printings]
    read_grids = [(p, lines, [] if p.telling else list(grids(lines))) for p, lines in pages]
    words = glossary(sources, [grid for _, _, found in read_grids for grid in found])
    facts: list[Fact] = []
    sheets: list[Sheet] = []
    sentences: list[tuple[str, Evidence, bool]] = []
    for printing, lines, found in read_grids:
        inside = set()
        for grid in found:
            inside.update(range(grid.first, grid.last + 1))
        loose = [n for n, line in enumerate(lines) if n not in inside and line.strip()]
        behind = _behind(printing.statements, lines, found, loose)
        coders = {code: _Coder(printing, words, code) for code in {"", *behind.values()}}
        for grid in found:
            sheets.append(_sheet(grid, printing, lines, words))
            facts += _tabled(sheets[-1], lines, coders[behind.get(grid.first, "")], words)
            sheets[-1].index()
        for n in loose if not printing.telling else ():
            facts += _said(lines[n][:MOST_LINE], coders[behind.get(n, "")], words)
        sentences += _sentences(printing, lines)
    return Facts(tuple(facts), tuple(sheets), words, tuple(sentences), _dates(pages))


def _sentences(printing: Printing, lines: Sequence[str]) -> Iterator[tuple[str, Evidence, bool]]:
    """Lines that are sentences, and all that a telling cell prints as one: a report may run its lines together."""
    for line in lines:
        if len(line.split()) > 3 and re.search(r"[A-Za-z]{3}", line):
            text = line.strip()[:MOST_LINE]
            yield plain(text), Evidence(printing.turn, printing.output, text, line[:MOST_LINE]), printing.telling
    if printing.telling:
        text = printing.text.strip()[: 10 * MOST_LINE]
        yield plain(text), Evidence(printing.turn, printing.output, text, text), True


def plain(text: str) -> str:
    """A sentence without the marks of Markdown, blanks made one."""
    return " ".join(re.sub(r"^\s*[-*+]\s+|[*`\\]", "", text).split())


def _behind(
    statements: Sequence[tuple[str, str]], lines: Sequence[str], found: Sequence[Grid], loose: Sequence[int]
) -> dict[int, str]:
    """Line -> the code behind what is printed there; nothing where the statements do not account for all lines."""
    starts = {grid.first: grid.last for grid in found}
    names = {" ".join(grid.levels) for grid in found}
    items = sorted((*starts, *loose))
    placed: dict[int, str] = {}
    at = 0
    for start, code in statements:
        while at < len(items) and _is_footer(lines[items[at]]):
            at += 1
        if at == len(items):
            return {}
        if start.strip():
            if not lines[items[at]].startswith(start.split("\n")[0].rstrip()):
                return {}
        elif items[at] not in starts and lines[items[at]].strip() in names:
            at += 1  # the name of a series' index stands above it
            if at == len(items):
                return {}
        placed[items[at]] = code
        at += 1
    return placed if all(_is_footer(lines[n]) for n in items[at:]) else {}


def _is_footer(line: str) -> bool:
    return bool(re.match(r"\s*(?:\[\d+ rows x \d+ columns\]|Name: |dtype: |Length: |Freq: |Index: |Columns: )", line))


_UNSURE = frozenset(("all", "min", "max", "r2"))
"""What code may also say for something else: `nlargest` chooses rows, the `score` of a model may be its accuracy."""


@dataclass(slots=True)
class _Coder:
    """What the code behind some numbers says of them: that of their own `print`, or else of the whole cell."""

    printing: Printing
    words: Glossary
    own: str = ""
    measures: frozenset[str] = frozenset()
    statistics: frozenset[str] = frozenset()
    sure: frozenset[str] = frozenset()
    """The statistic of all it prints, where its own code computes no other."""
    strings: str = ""

    def __post_init__(self) -> None:
        code = self.own or f"{self.printing.lineage}\n{self.printing.code}"
        self.measures = frozenset(
            name for name in self.words.columns if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", code)
        )
        self.statistics = coded_statistics(self.own or self.printing.code) or coded_statistics(code)
        self.sure = self.statistics - _UNSURE if self.own and len(self.statistics) == 1 else frozenset()
        self.strings = " ".join(re.findall(r"[\"']([^\"'\n]{1,40})[\"']", code))


def _sheet(grid: Grid, printing: Printing, lines: Sequence[str], words: Glossary) -> Sheet:
    sheet = Sheet(grid, printing, _caption(lines, grid))
    for labels in grid.rows:
        named = zip(labels, (*grid.levels, *("",) * len(labels)), strict=False)
        sheet.row_groups.append(tuple(g for label, level in named if (g := words.group(label, level))))
    for labels in grid.columns:
        sheet.column_groups.append(tuple(g for label in labels if (g := words.group(label, grid.across, column=True))))
    for cell in grid.cells:
        step = valued(cell.text.lstrip("+-"))[1]
        sheet.steps[cell.column] = min(step, sheet.steps.get(cell.column, 1.0))
    return sheet


def _caption(lines: Sequence[str], grid: Grid) -> str:
    """The line above a table, unless another output's number stands in it."""
    for n in range(grid.first - 1, max(grid.first - 4, -1), -1):
        line = lines[n].strip()
        if line in grid.levels or line == " ".join(grid.levels):
            continue
        return line if line and (line.endswith(":") or not NUMBER.search(line)) and len(line) < 120 else ""
    return ""


def _tabled(sheet: Sheet, lines: Sequence[str], coder: _Coder, words: Glossary) -> Iterator[Fact]:
    grid = sheet.grid
    captioned = f"{sheet.caption} {grid.name}"
    caption = (statistics(captioned), frozenset(words.measures(captioned)))
    columns = [_meaning(" ".join(labels), words, sheet.column_groups[k]) for k, labels in enumerate(grid.columns)]
    rows = [_meaning("  ".join(labels), words, sheet.row_groups[k]) for k, labels in enumerate(grid.rows)]
    levels = " ".join((*grid.levels, grid.across))
    uniform = len(columns) == 1 or all(sheet.column_groups)
    shared = uniform and coder.own and "share" in coder.statistics
    for cell in grid.cells:
        row, column = rows[cell.row], columns[cell.column]
        own_statistics = (row.statistics | column.statistics) or caption[0] or coder.sure
        if shared:
            own_statistics |= {"share"}
        own = row.measures | column.measures or caption[1]
        if not own and len(coder.measures) == 1 and not own_statistics & _NUMBERS_ONLY:
            own = coder.measures
        value = valued(cell.text.lstrip("+-"))[0] * (-1 if cell.text.startswith("-") else 1)
        unit = column.unit or row.unit or label_unit(captioned.strip(" :")) or _unit_of(own)
        if not unit and not own and len(coder.measures) == 1 and not own_statistics & _NUMBERS_ONLY:
            unit = _unit_of(coder.measures)
        if not unit and not own_statistics & _NUMBERS_ONLY:
            unit = _unit_of(frozenset(m for m in coder.measures if own and described(m) & column.words))
        fact = Fact(
            value,
            sheet.steps[cell.column],
            cell.text,
            Evidence(coder.printing.turn, coder.printing.output, cell.text, lines[cell.line][:MOST_LINE]),
            dict((*sheet.row_groups[cell.row], *sheet.column_groups[cell.column])),
            own_statistics,
            own,
            coder.measures,
            coder.statistics,
            unit if unit != "%" or not _of_counts(own_statistics) else "",
            row.words | column.words,
            content(captioned) | content(levels),
            f"{captioned} {coder.strings}",
            cell.column,
            _scale_of(" ".join(grid.columns[cell.column]), own | coder.measures, own_statistics),
            sheet,
            cell.row,
            cell.column,
        )
        sheet.facts[cell.row, cell.column] = fact
        yield fact


_NUMBERS_ONLY = frozenset(("count", "missing", "share", "corr", "pvalue", "r2", "change"))
"""Statistics that are not in the unit of what they are of."""


def _of_counts(found: frozenset[str]) -> bool:
    return bool(found & {"count", "missing"})


@dataclass(frozen=True, slots=True)
class _Meaning:
    statistics: frozenset[str]
    measures: frozenset[str]
    unit: str
    words: frozenset[str]


def _meaning(label: str, words: Glossary, groups: tuple[tuple[str, str], ...]) -> _Meaning:
    if groups:
        return _Meaning(frozenset(), frozenset(), "", frozenset())
    if label.strip() in _QUANTILES:
        return _Meaning(frozenset((_QUANTILES[label.strip()],)), frozenset(), "", frozenset())
    if label.strip().isdigit():
        return _Meaning(frozenset(), frozenset(), "", frozenset((label.strip(),)))
    found = frozenset() if label in words.fields else statistics(label)
    return _Meaning(found, frozenset(words.measures(label, whole=True)), label_unit(label), described(label))


_QUANTILES = {"0.25": "q25", "0.5": "median", "0.75": "q75"}


@lru_cache(maxsize=5_000)
def _scale_of(label: str, measures: frozenset[str], found: frozenset[str]) -> float:
    """The scale that a label says, or else the columns of the data that are behind it."""
    if label_scale(label) != 1 or found & _NUMBERS_ONLY:
        return label_scale(label)
    said = described(label)
    scales = {label_scale(measure) for measure in measures if not said or said & described(measure)}
    return scales.pop() if len(scales) == 1 else 1.0


@lru_cache(maxsize=5_000)
def _unit_of(measures: frozenset[str]) -> str:
    units = {unit for unit in map(label_unit, measures) if unit}
    return units.pop() if len(units) == 1 else ""


_PAIR = re.compile(rf"([\"'])(?P<key>(?:(?!\1).)+)\1\s*[:,]\s*\[?(?:np\.\w+\()?(?P<value>{NUMBER.pattern})")
_SHAPE = re.compile(r"\((\d+), (\d+)\)")


def _said(line: str, coder: _Coder, words: Glossary) -> Iterator[Fact]:
    """The numbers of a line that stands in no table."""
    if (shape := _SHAPE.fullmatch(line.strip())) and "shape" in coder.printing.code:
        yield _loose(shape[1], 1.0, "", "rows records observations", line, coder, words, ())
        yield _loose(shape[2], 1.0, "", "columns variables features", line, coder, words, ())
        return
    if pairs := list(_PAIR.finditer(line)):
        for pair in pairs:
            group = words.group(pair["key"], "")
            label = pair["key"] if not group else ""
            fact = _loose(pair["value"], 0.0, "", label, line, coder, words, (group,) if group else ())
            if coder.own and "share" in coder.statistics:
                fact.statistics |= {"share"}
            yield fact
        return
    found = [m for m in NUMBER.finditer(without_dates(line)) if not _within_word(line, m.start(), m.end())]
    named = words.groups(line)
    labels = {(k.start, k.end) for k in named}
    spans = [m.span() for m in found]
    counted_first = (
        bool(found) and not line[: found[0].start()].strip() and bool(re.match(r" [A-Za-z]{3}", line[found[0].end() :]))
    )
    for k, number in enumerate(found):
        if any(a <= number.start() and number.end() <= b for a, b in labels):
            continue
        start = found[k - 1].end() if k else 0
        after = re.split(r"[,;|]", line[number.end() : found[k + 1].start() if k + 1 < len(found) else len(line)])[0]
        before = line[start : number.start()]
        head = line[: found[0].start()] if k and ":" in line[: found[0].start()] else ""
        before = ([part for part in re.split(r"\s{3,}", before) if re.search(r"[A-Za-z]", part)] or [before])[-1]
        own = (
            after if counted_first else before if re.search(r"\w{2}|\bn\b|\b[tprFR]\b", before) else f"{before} {after}"
        )
        here = [m for m in named if start <= m.start and m.end <= number.start()]
        groups = tuple(_groups_at(line, number.span(), spans, here or named))
        unit = notation.unit(line, number.end(), _currency(line, number.start()))[0]
        yield _loose(
            number[0], 0.0, unit, own, line, coder, words, groups, head if own == before else f"{head} {after}", k
        )


def _currency(line: str, at: int) -> str:
    return line[at - 1] if at and line[at - 1] in "$€£¥" else ""


def _within_word(line: str, start: int, end: int) -> bool:
    before, after = line[start - 1 : start], line[end : end + 1]
    return (
        before.isalnum()
        or before in ("_",)
        or after == "_"
        or (after.isalpha() and not re.match(r"[a-zA-Z]{1,2}\b|[%kM]", line[end:]))
    )


def _groups_at(
    line: str, span: tuple[int, int], spans: Sequence[tuple[int, int]], named: Sequence[Mention]
) -> Iterator[tuple[str, str]]:
    for family in dict.fromkeys(m.family for m in named):
        labels = attribute(line, span, spans, [m for m in named if m.family == family])
        if len(labels) == 1:
            yield family, labels[0]


def _extremes(label: str) -> frozenset[str]:
    found = EXTREME.search(label)
    return frozenset({"high": ("max",), "low": ("min",)}.get(found.lastgroup or "", ()) if found else ())


def _loose(
    text: str,
    step: float,
    unit: str,
    label: str,
    line: str,
    coder: _Coder,
    words: Glossary,
    groups: tuple[tuple[str, str], ...],
    more: str = "",
    place: int = 0,
) -> Fact:
    value, written = valued(text.lstrip("+-"))
    own = frozenset(words.measures(label)) or frozenset(words.measures(line))
    return Fact(
        -value if text.startswith("-") else value,
        step or written,
        text,
        Evidence(coder.printing.turn, coder.printing.output, text, line),
        dict(groups),
        _extremes(label) | (statistics(label) or statistics(more.partition(":")[0] if ":" in more else ""))
        or coder.sure - {"pvalue"},
        own,
        coder.measures,
        coder.statistics,
        unit or label_unit(label.strip(" :=")) or (_unit_of(own) if len(own) == 1 else ""),
        described(label),
        described(more) - described(label),
        f"{line} {coder.strings}",
        place,
        _scale_of(label.strip(" :="), own | coder.measures, statistics(label)),
    )


def _dates(pages: Iterable[tuple[Printing, list[str]]]) -> dict[str, Evidence]:
    """Dates, months and years as printed: `2021`, `2021-06`, `2021-06-20` -> where."""
    from .numbers import day

    found: dict[str, Evidence] = {}
    for printing, lines in pages:
        for line in lines:
            if not re.search(r"\d{4}|\d:\d", line):
                continue
            evidence = Evidence(printing.turn, printing.output, line.strip()[:MOST_LINE], line[:MOST_LINE])
            for text in re.findall(
                r"(?<![\d.])\d{4}-\d{2}(?:-\d{2})?(?!\d)|(?<![\d.,])(?:1[89]|20)\d\d(?![\d.,]\d|\d)|\b\d{1,2}:\d{2}\b",
                line,
            ):
                found.setdefault(text, evidence)
                if "-" in text:
                    found.setdefault(text[:7], evidence)
                    found.setdefault(text[:4], evidence)
            if re.search(r"[A-Za-z]{3}", line) and (named := day(line)) and named.month:
                key = f"{named.year}-{named.month:02d}" + (f"-{named.day:02d}" if named.day else "")
                found.setdefault(key, evidence)
    return found
