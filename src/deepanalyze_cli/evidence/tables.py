"""Tables in printed text: pandas frames and series, DuckDB's boxes, Markdown's pipes, loops of like lines.

A layout is recognised by how its lines are aligned, not by what they say. Reads text only; what a row or column means
is for `printed` and `matching`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_CELL = re.compile(rf"(?:np\.\w+\()?[$€£]?({NUMBER.pattern})\)?\s?([%kMB]?)")
_EMPTY = frozenset(("NaN", "nan", "NaT", "None", "<NA>", "null", "NULL", "inf", "-inf", "-", "--"))
MOST_LABEL = 60


@dataclass(frozen=True, slots=True)
class Cell:
    """One number in a table: where, and the text of it."""

    row: int
    column: int
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Grid:
    """A table as printed. `rows` has the labels of each row, one a level; `columns` those of each column.

    `levels` and `across` are the names of the index and of the columns' index; `name` that of a series. `cut` says that
    not all rows or columns were printed. `first` and `last` are lines of the text.
    """

    rows: tuple[tuple[str, ...], ...]
    columns: tuple[tuple[str, ...], ...]
    cells: tuple[Cell, ...]
    first: int
    last: int
    levels: tuple[str, ...] = ()
    across: str = ""
    name: str = ""
    cut: bool = False


def grids(lines: Sequence[str]) -> Iterator[Grid]:
    """The tables of a text, in order. Lines outside of them are for the caller."""
    at = 0
    while at < len(lines):
        if _KEYED.match(lines[at]):
            at += 1
            continue
        for layout in (_boxed, _footed, _frame, _series, _alike):
            if lines[at].strip() and (grid := layout(lines, at)):
                yield grid
                at = grid.last
                break
        at += 1


_KEYED = re.compile(r"\s*[^\s:][^:]{0,40}: {2,}\S[^:]*(?::\d\d)* {2,}[^\s:][^:]{0,40}: {2,}\S+\s*$")
"""Two pairs of a name and a value in one line, as statsmodels heads its summaries."""


def number(cell: str) -> str:
    """The number that a cell consists of, without what marks it; empty if it is something else."""
    found = _CELL.fullmatch(cell.strip())
    return found[1] if found else ""


# --- boxes and pipes --------------------------------------------------------------------------------------------------

_RULE = re.compile(r"[\s│|┃┆+├┤┼─━═=:┌┐└┘┬┴╞╪╡-]+")
_TYPES = re.compile(
    r"(?:varchar|u?(?:tiny|small|big|huge)?int\d*|integer|double|float\d*|date|timestamp.*|boolean|bool|str"
    r"|i\d+|u\d+|f\d+|decimal\(.*\)|time|blob|enum.*|---)",
    re.IGNORECASE,
)


def _boxed(lines: Sequence[str], at: int) -> Grid | None:
    """`│ a │ b │` of DuckDB and polars, `| a | b |` of Markdown, `a | b` of psql is not read."""
    end = at
    while end < len(lines) and lines[end].strip() and lines[end].strip()[0] in "│|┃┌├└╞+╭╰":
        end += 1
    body = [(n, _parted(lines[n])) for n in range(at, end) if not _RULE.fullmatch(lines[n])]
    body = [(n, cells) for n, cells in body if not all(_TYPES.fullmatch(c) for c in cells if c)]
    if len(body) < 2 or len({len(cells) for _, cells in body[:50]}) != 1:
        return None
    head, rows = body[0][1], body[1:]
    return _gridded(head, [(n, "", cells) for n, cells in rows], at, end - 1)


def _parted(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"[│|┃┆]", line.strip().strip("│|┃"))]


def _gridded(
    head: Sequence[str], rows: Sequence[tuple[int, str, Sequence[str]]], first: int, last: int, **more: object
) -> Grid | None:
    """A grid of a header and rows of cells, where `rows` are (line, index label, cells). Text cells label their row."""
    numeric = [k for k in range(len(head)) if any(number(cells[k]) for _, _, cells in rows if k < len(cells))]
    labelling = [k for k in range(len(head)) if k not in numeric]
    found, labels, cut = [], [], False
    index_levels = tuple(more.pop("levels", ()))  # type: ignore[call-overload]
    for row, (line, index, cells) in enumerate(rows):
        own = tuple(cells[k][:MOST_LABEL] for k in labelling if k < len(cells))
        before = index if isinstance(index, tuple) else (index,) if index else ()
        labels.append((*before, *own))
        if cells and all(set(c) <= set(".·…") for c in cells):
            cut = True
            continue
        found += [Cell(row, k, number(cells[k]), line) for k in numeric if k < len(cells) and number(cells[k])]
    if not found:
        return None
    cut = cut or any(c in ("...", "…") for c in head)
    depth = max((len(label) for label in labels), default=0) - len(labelling)
    levels = (*index_levels[:depth], *("",) * (depth - len(index_levels)), *(head[k] for k in labelling))
    columns = tuple((h,) for h in head)
    return Grid(tuple(labels), columns, tuple(found), first, last, levels=levels, cut=cut, **more)  # type: ignore[arg-type]


# --- frames -----------------------------------------------------------------------------------------------------------

_TOKEN = re.compile(r"\S+")
_AGREED = 0.6
"""Share of rows whose cells must end where a column's do: a row may lack some of its cells."""


def _frame(lines: Sequence[str], at: int) -> Grid | None:
    """A DataFrame: header, perhaps the names of the index, and rows whose cells end where the header's words do."""
    head = lines[at].rstrip(" \\")
    names, start = "", at + 1
    if start >= len(lines) or head.lstrip()[:1] in "[({" or head[-1:] in ".;:!?)" or re.search(r"\w[.):]?: +\S", head):
        return None
    if start + 1 < len(lines) and _ends(lines[start + 1], head) and not _ends(lines[start], head):
        names, start = lines[start].rstrip(), start + 1
        if NUMBER.search(names) and not names.strip().isidentifier():
            return None
        if not names.strip() and lines[start][:1] != " ":
            return None
    end = start
    while end < len(lines) and (_ends(lines[end], head) or _gap(lines, end, head)):
        end += 1
    body = [n for n in range(start, end) if lines[n].strip()]
    if not body or not any(number(_TOKEN.findall(lines[n])[-1]) or _text_row(lines[n]) for n in body):
        return None
    stops = _stops(head, [lines[n] for n in body[:200]])
    if not stops or stops[-1] != len(head):
        return None
    return _framed(lines, at, head, names, body, stops)


def _ends(line: str, head: str) -> bool:
    bare = line.rstrip(" \\")
    return len(bare) == len(head) and len(bare.split()) > 1


def _text_row(line: str) -> bool:
    return any(number(token) for token in line.split()[1:])


def _gap(lines: Sequence[str], at: int, head: str) -> bool:
    """A blank line inside a report of scikit-learn."""
    return (
        at + 1 < len(lines)
        and not lines[at].strip()
        and _ends(lines[at + 1], head)
        and bool(number(lines[at + 1].split()[-1]))
    )


def _stops(head: str, rows: Sequence[str]) -> list[int]:
    """Where columns end: where words of the header do, and numbers of most rows or words of all."""
    numbers: dict[int, int] = {}
    words: dict[int, int] = {}
    for row in rows:
        for token in _TOKEN.finditer(row.rstrip(" \\")):
            count = numbers if number(token[0]) or token[0] in _EMPTY else words
            count[token.end()] = count.get(token.end(), 0) + 1
    return [
        end
        for end in (token.end() for token in _TOKEN.finditer(head))
        if numbers.get(end, 0) >= _AGREED * len(rows)
        or (numbers.get(end, 0) + words.get(end, 0) == len(rows) and not _inside(end, (head, *rows)))
    ]


def _inside(end: int, lines: Sequence[str]) -> bool:
    """Whether a single space follows in every line: the words of one cell, for two columns are further apart."""
    return all(re.match(r" [^\s\d.-]", line[end : end + 2]) for line in lines)


def _framed(lines: Sequence[str], at: int, head: str, names: str, body: Sequence[int], stops: list[int]) -> Grid | None:
    across = ""
    if head[:1].strip() and (names or not all(number(lines[n][: stops[0]]) for n in body)):
        across = head.split()[0]
        if stops[0] == len(across):
            stops = stops[1:]
    if not stops:
        return None
    columns = [head[a:b].strip() for a, b in zip([len(across), *stops], stops, strict=False)]
    starts = _starts(names, [lines[n] for n in body])
    rows, carried = [], ("",) * len(starts)
    for n in body:
        line = lines[n].rstrip(" \\")
        index, cells = _row(line, stops)
        label = _levels(line, index, starts, carried)
        carried = label if len(label) == len(starts) else carried
        if label and len(starts) < 2 and re.fullmatch(r"\d+", label[0]) and not names.strip() and not across:
            label = ()  # the numbering of rows
        rows.append((n, label, cells))
    above = _upper(lines, at, stops)
    levels = names.split() if len(starts) > 1 else [names.strip()]
    grid = _gridded(columns, rows, at, body[-1], levels=levels, across=across)
    if grid is None or not above:
        return grid
    wide = tuple((up, *c) if up else c for up, c in zip(above, grid.columns, strict=True))
    return Grid(grid.rows, wide, grid.cells, at, grid.last, grid.levels, across, "", grid.cut)


def _row(line: str, stops: Sequence[int]) -> tuple[str, list[str]]:
    """The index label of a row and its cells."""
    piece = line[: stops[0]]
    ended = len(piece.rstrip()) == stops[0]
    if not ended:
        index, first = piece.strip(), ""
    elif re.match(r"\d+\s", piece) and not number(piece.split()[-1]):
        index, _, first = piece.partition(" ")
    else:
        parts = re.split(r"\s{2,}", piece.rstrip()) if not number(piece.split()[-1]) else piece.rsplit(None, 1)
        index, first = ("  ".join(parts[:-1]), parts[-1]) if len(parts) > 1 else ("", piece)
    cells = [first.strip(), *(line[a:b].strip() for a, b in itertools.pairwise(stops))]
    return index.rstrip(), cells


def _starts(names: str, rows: Sequence[str]) -> list[int]:
    """Where the levels of an index begin: under each of its names, and the last is never blank."""
    starts = [token.start() for token in _TOKEN.finditer(names)]
    if all(
        row[starts[-1] - 1 : starts[-1] + 1].strip(" ") == row[starts[-1] : starts[-1] + 1] != " "
        for row in rows
        if starts[1:]
    ):
        return starts
    return starts[:1]


def _levels(line: str, index: str, starts: Sequence[int], carried: tuple[str, ...]) -> tuple[str, ...]:
    """The labels of a row, one a level; what is left blank is that of the row above."""
    if len(starts) < 2:
        parts = [p for p in re.split(r"\s{2,}", index.strip()) if p]
        return tuple(part[:MOST_LABEL] for part in parts)
    end = len(line[: len(index) + len(line) - len(line.lstrip())]) if not index else line.find(index) + len(index)
    cut = [line[a : min(b, end)].strip() for a, b in zip(starts, [*starts[1:], end], strict=True)]
    return tuple(own[:MOST_LABEL] or above for own, above in zip(cut, carried, strict=True))


def _upper(lines: Sequence[str], at: int, stops: Sequence[int]) -> list[str]:
    """The labels above those of the columns, for columns of two levels."""
    if (
        not at
        or not lines[at - 1].startswith(" ")
        or NUMBER.search(lines[at - 1])
        or len(lines[at - 1].split()) > len(stops)
    ):
        return []
    tokens = list(_TOKEN.finditer(lines[at - 1]))
    if not tokens or tokens[-1].end() > stops[-1]:
        return []
    return [next((t[0] for t in reversed(tokens) if t.start() < stop), "") for stop in stops]


# --- series -----------------------------------------------------------------------------------------------------------

_FOOT = re.compile(r"(?:Freq: [\w-]+, )?(?:Name: (?P<name>.*?), )?(?:Length: \d+, )?dtype: \w+.*")
_PAIR = re.compile(rf"\s*(?P<label>\S.*?)\s+(?P<value>{NUMBER.pattern}|NaN|<NA>|None|\.\.)")


def _footed(lines: Sequence[str], at: int) -> Grid | None:
    """A Series as pandas prints it, with its name and type below."""
    return _series(lines, at, foot_wanted=True)


def _series(lines: Sequence[str], at: int, foot_wanted: bool = False) -> Grid | None:
    """A Series: labels at the left, values that all end at one place, and perhaps a foot."""
    width = len(lines[at].rstrip())
    end = at
    rows = []
    while end < len(lines) and (pair := _PAIR.fullmatch(lines[end].rstrip())) and len(lines[end].rstrip()) == width:
        rows.append((end, pair["label"].strip(), pair["value"]))
        end += 1
    foot = _FOOT.fullmatch(lines[end].strip()) if rows and end < len(lines) else None
    spaced = len(rows) > 1 and all(re.search(r"\s{2}\S+$", lines[n].rstrip()) for n, _, _ in rows)
    aligned = len({lines[n].rstrip().rfind(" ") for n, _, _ in rows}) == 1 and len(rows) > 2
    if not foot and (foot_wanted or (not spaced and not aligned)):
        return None
    named = at and foot and not NUMBER.search(lines[at - 1]) and ":" not in lines[at - 1]
    names = _names(lines[at - 1], [lines[n] for n, _, _ in rows]) if named else []
    cells, labels, carried = [], [], ()
    for row, (n, label, value) in enumerate(rows):
        parts = tuple(p[:MOST_LABEL] for p in re.split(r"\s{2,}", label) if p)
        carried = (*carried[: len(carried) - len(parts)], *parts) if lines[n][:1] == " " and carried else parts
        labels.append(carried)
        if number(value):
            cells.append(Cell(row, 0, number(value), n))
    if not cells:
        return None
    name = foot["name"] or "" if foot else ""
    levels = tuple(names)
    cut = any(value == ".." for _, _, value in rows)
    return Grid(tuple(labels), ((name,),), tuple(cells), at, end if foot else end - 1, levels, "", name, cut)


def _names(line: str, rows: Sequence[str]) -> list[str]:
    """The names of a series' index; one name may have several words."""
    starts = _starts(line, rows)
    return line.split() if len(starts) > 1 else [line.strip()]


# --- lines that are alike ---------------------------------------------------------------------------------------------


def _alike(lines: Sequence[str], at: int) -> Grid | None:
    """Lines that a loop printed: `Surgery: mean stay 4.80 days, n=308`. The head labels the row, words the numbers."""
    first = _told(lines[at])
    if first is None:
        return None
    rows = [first]
    end = at + 1
    while end < len(lines) and (told := _told(lines[end])) and told[1] == first[1]:
        rows.append(told)
        end += 1
    if len(rows) < 2 or len({h for h, _, _ in rows}) != len(rows) or any(len(k.split()) > 4 for k in first[1]):
        return None
    cells = [Cell(row, k, text, at + row) for row, (_, _, values) in enumerate(rows) for k, text in enumerate(values)]
    labels = tuple((head[:MOST_LABEL],) for head, _, _ in rows)
    return Grid(labels, tuple((label,) for label in first[1]), tuple(cells), at, end - 1)


def without_dates(line: str) -> str:
    """A line with blanks for dates and times, which are no numbers."""
    return _DATED.sub(lambda found: " " * len(found[0]), line)


_DATED = re.compile(
    r"(?<![\w-])\d{4}-\d\d(?:-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?)?(?![\w-])|(?<!\w)\d\d?:\d\d(?::\d\d)?(?!\w)"
)


def _told(line: str) -> tuple[str, tuple[str, ...], tuple[str, ...]] | None:
    """(head, what stands around each number, the numbers) of a line that begins with a label and has numbers."""
    head, colon, rest = line.partition(":")
    if not colon or NUMBER.fullmatch(head.strip()) or len(head) > MOST_LABEL or not head.strip():
        return None
    numbers = list(NUMBER.finditer(without_dates(rest)))
    if not numbers or len(numbers) > 8 or len(rest.split()) > 4 * len(numbers) + 2:
        return None
    marks = [0, *(m.end() for m in numbers), len(rest)]
    labels = []
    for k, found in enumerate(numbers):
        before = re.split(r"[,;(]", rest[marks[k] : found.start()])[-1]
        after = re.split(r"[,;).]", rest[found.end() : numbers[k + 1].start() if k + 1 < len(numbers) else len(rest)])[
            0
        ]
        labels.append(" ".join(f"{before} {after}".split()).strip(" =:"))
    return head.strip(" -*"), tuple(labels), tuple(m[0] for m in numbers)
