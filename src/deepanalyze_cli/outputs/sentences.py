"""What a report says, sentence by sentence: the text a reader counts as findings, without headings, data and code."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..types import Run
from .report import to_report

_END = re.compile(r"(?<=[.!?])[ \t]+(?=[^\W\d_a-z]|[*_])")
_MARKS = re.compile(r"^\s*(?:[-*+]\s+|>\s+|\d+[.)]\s+)|\*\*|__|`")


def sentences(run: Run) -> Iterator[tuple[str, str]]:
    """(place, sentence) of a run's report, each sentence once; places are `answer`, `section 1` and on."""
    report, said = to_report(run), set()
    texts = [(f"section {number}", section.text) for number, section in enumerate(report.sections, 1)]
    for place, text in (*texts, ("answer", report.answer)):
        for line in text.split("\n"):
            if line.lstrip().startswith("#"):
                continue
            for sentence in _END.split(_MARKS.sub("", line).strip()):
                if sentence.strip() and sentence not in said:
                    said.add(sentence)
                    yield place, sentence.strip()
