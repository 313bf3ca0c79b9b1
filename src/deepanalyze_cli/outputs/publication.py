"""What a run says to its reader: the report with every number judged, and under `--strict` without those in doubt.

Pure, so that what is published can be made again from the recording alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..evidence.ledger import ledger
from ..evidence.repair import doubts, without
from ..types import Ledger, Report, Run
from . import words
from .marking import doubtful, places
from .report import to_report


@dataclass(frozen=True, slots=True)
class Publication:
    """A report and its ledger; the claims' places are those of `marking.places`."""

    report: Report
    ledger: Ledger

    def answer(self, run: Run) -> str:
        """The answer as the run wrote it, unless sentences of it were left out: then as it is published."""
        if not run.task.strict:
            return run.answer
        return self.report.answer or "\n\n".join(section.text for section in self.report.sections if section.text)


def publish(run: Run, caveats: Sequence[str] = ()) -> Publication:
    """The report of a run, with `caveats` besides its own."""
    report = to_report(run)
    judged = ledger(run, places(report))
    said = []
    if run.task.strict and (out := len(doubtful(judged.claims))):
        report = _without_doubts(report, judged)
        judged = ledger(run, places(report))
        said.append(f"Sentences with {words.count(out, 'number')} that no output supports were left out (--strict).")
    if left := doubtful(judged.claims):
        verb = "is" if len(left) == 1 else "are"
        notice = f"{words.count(len(left), 'number')} in this report {verb} not supported by any output, and marked."
        report = replace(report, notices=(*report.notices, notice))
    return Publication(replace(report, caveats=(*report.caveats, *said, *caveats)), judged)


def _without_doubts(report: Report, judged: Ledger) -> Report:
    """The report without the sentences, headings and captions that hold a number in doubt."""
    texts = dict(places(report))
    held = {place: [c for c in judged.claims if c.place == place] for place in texts}
    kept = {place: without(text, doubts(text, held[place])) for place, text in texts.items()}
    sections, drawn = [], 0
    for number, section in enumerate(report.sections, 1):
        figures = []
        for figure in section.figures:
            drawn += 1
            doubted = kept.get(f"caption {drawn}") != texts.get(f"caption {drawn}")
            figures.append(replace(figure, alt=f"Chart {drawn}") if doubted else figure)
        heading = kept.get(f"heading {number}", "") or f"Section {number}" * bool(section.heading)
        text = kept.get(f"section {number}", "")
        sections.append(replace(section, heading=heading, text=text, figures=tuple(figures)))
    title = kept.get("title", report.title) or "Analysis"
    return replace(report, title=title, answer=kept.get("answer", ""), sections=tuple(sections))
