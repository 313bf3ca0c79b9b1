"""Lines of delimited text, counted by the rules of RFC 4180, to find the ones that break them.

Only counts: nothing here converts a value, and sound files never come this far.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .read import Unreadable
from .textfile import TextFile, read_bytes

LARGEST = 500_000_000
"""Bytes of a broken file that are searched for its broken lines."""

LONGEST = 200
"""Lines one quoted value may span before its quote is taken for a broken one."""

_SEPARATORS = "\t;|,"


@dataclass(frozen=True, slots=True)
class Scan:
    """What is wrong with a file: `rows` below the header, `broken` lines (the `first` and why), `short` lines."""

    rows: int
    broken: int = 0
    first: int = 0
    reason: str = ""
    short: int = 0
    first_short: int = 0


def delimiter(lines: Sequence[str]) -> tuple[str, float]:
    """The character that divides the first line, and the share of the lines that it divides into as many fields."""
    sample = [re.sub(r'"[^"]*"', "", line) for line in lines[:200]]
    scores = []
    for separator in _SEPARATORS:
        fields = sample[0].count(separator)
        if fields:
            scores.append((sum(line.count(separator) == fields for line in sample) / len(sample), fields, separator))
    if not scores:
        return ",", 0.0
    share, _, best = max(scores)
    return best, share


def looks_quoted(lines: Sequence[str], separator: str) -> bool:
    """Whether values begin and end with a double quote."""
    quoted = re.compile(rf'(?:^|{re.escape(separator)})"[^"]*"(?:{re.escape(separator)}|$)')
    return any(quoted.search(line) for line in lines)


def scan(text: TextFile, separator: str) -> Scan:
    """Count what is sound and what is not, taking up again at the next line after a broken quote.

    Raises:
        Unreadable: the file is too large to look at every line.
    """
    raw = read_bytes(text.path, LARGEST + 1)
    if len(raw) > LARGEST:
        raise Unreadable("is too large to search for its broken lines", "correct it where it was exported")
    lines = re.split(r"\r\n|\r|\n", raw.decode(text.encoding, errors="replace").removeprefix("\ufeff"))
    record = _record(separator)
    widths: list[tuple[int, int]] = []
    broken: list[tuple[int, str]] = []
    number = 0
    while number < len(lines):
        span = _span(lines, number, record)
        if span == 0:
            broken.append((number + 1, "a quote is not closed, or stands inside a quoted value"))
        elif lines[number].strip():
            widths.append((number + 1, _fields("\n".join(lines[number : number + span]), separator)))
        number += max(span, 1)
    return _judged(widths, broken)


def _judged(widths: list[tuple[int, int]], broken: list[tuple[int, str]]) -> Scan:
    if not widths:
        return Scan(0, len(broken), *broken[0])
    header = widths[0][1]
    common = Counter(width for _, width in widths[1:]).most_common(1)
    # R writes one name less than there are fields: the first field is then the row's name.
    expected = header + 1 if common and common[0][0] == header + 1 else header
    long = [(n, f"{w} fields where the header has {header}") for n, w in widths[1:] if w > expected]
    short = [n for n, w in widths[1:] if w < header]
    bad = sorted(broken + long)
    rows = len(widths) - 1 + len(broken)
    return Scan(rows, len(bad), *(bad[0] if bad else (0, "")), len(short), short[0] if short else 0)


def _record(separator: str) -> re.Pattern[str]:
    field = rf'(?: *"(?:[^"]|"")*" *|(?! *")[^{re.escape(separator)}]*)'
    return re.compile(rf"{field}(?:{re.escape(separator)}{field})*")


def _span(lines: list[str], number: int, record: re.Pattern[str]) -> int:
    """How many lines the record that begins here spans; 0 if it is broken."""
    if '"' not in lines[number]:
        return 1
    text = ""
    for count, line in enumerate(lines[number : number + LONGEST], 1):
        text = f"{text}\n{line}" if count > 1 else line
        # An even number of quotes closes what was opened; only then is the record worth matching.
        if text.count('"') % 2 == 0:
            return count if record.fullmatch(text) else 0
    return 0


def _fields(record: str, separator: str) -> int:
    return re.sub(r'"(?:[^"]|"")*"', "", record).count(separator) + 1
