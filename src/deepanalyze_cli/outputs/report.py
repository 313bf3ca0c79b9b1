"""A run as a report: what was asked, the answer, the findings with their charts and cells, and how far to trust them.

`to_report` decides what is said, `to_markdown` lays it out as one file (`html` does the same for a browser). Where the
model speaks it is quoted; every other sentence here is a fact of the `Run`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..types import DataSource, Figure, Ledger, Report, Run, Section, Table, Turn
from . import prose, story, words
from .caveats import statistical_caveats
from .marking import Footnotes, marked, summary
from .slice import program
from .text import clean, fence, inert, literal, one_line

MOST_ANSWER = 100_000
"""Characters of an answer. A cell may print any number, and laying out takes its time."""
MOST_FIGURES, MOST_DRAWN = 100, 60_000_000
"""Charts of a report, and characters of their base64."""

# --- what is said -----------------------------------------------------------------------------------------------------


def to_report(run: Run) -> Report:
    """What a run has found. Total: a run that failed in its first turn gives a report that says so."""
    guided = run.model.strategy == "guided"
    written = clean(run.answer)[:MOST_ANSWER]
    title, body = ("", "") if guided else prose.titled(written)
    sections, without = _with_room(_told(run) if guided else _written(run, prose.demoted(body, 2)))
    return Report(
        title=title or one_line(run.task.question, 120) or f"Analysis of {data_names(run)}",
        question=clean(run.task.question).strip(),
        answer=_sentences(written) if guided else "",
        sections=sections,
        sources=run.task.sources,
        notices=tuple(_notices(run)),
        caveats=(*_caveats(run), *without),
    )


def _told(run: Run) -> tuple[Section, ...]:
    """The sections of a guided run that came to a finding."""
    return tuple(
        Section(
            chapter.heading,
            _sentences(chapter.text),
            tuple(figure for cell in chapter.cells for figure in story.figures(cell, chapter.heading)),
            tuple(cell.index for cell in chapter.cells),
        )
        for chapter in story.chapters(run)
        if chapter.told
    )


def _with_room(sections: tuple[Section, ...]) -> tuple[tuple[Section, ...], list[str]]:
    """The sections with as many charts as a page can bear, and what to say of the others."""
    shown, drawn, out = 0, 0, 0
    kept = []
    for section in sections:
        figures = []
        for figure in section.figures:
            if shown < MOST_FIGURES and drawn + len(figure.png) <= MOST_DRAWN:
                figures.append(figure)
                shown, drawn = shown + 1, drawn + len(figure.png)
        out += len(section.figures) - len(figures)
        kept.append(replace(section, figures=tuple(figures)))
    return tuple(kept), [f"{words.count(out, 'chart')} more did not fit; trace.ipynb has them."] if out else []


def _sentences(printed: str) -> str:
    """What cells printed, a sentence a line, as Markdown: a paragraph of two, or a list."""
    lines = [_MARK.sub(r"\1\\", line.strip().removeprefix("- ")) for line in printed.splitlines() if line.strip()]
    listed = len(lines) > 2 or printed.startswith("- ")
    return "\n".join(f"- {line}" if listed else line for line in lines)


_MARK = re.compile(r"^(\d{0,9})(?=#{1,6}\s|[>|]|[-+*]\s|[-=_*~`]{2,}|[.)]\s)")
"""What would make a printed line something else than text, were it Markdown."""


def _written(run: Run, body: str) -> tuple[Section, ...]:
    """The body of a free run, parted at the charts it mentions; charts it does not mention follow under a heading."""
    named, shown = _charts(run)
    sections: list[Section] = []
    text: list[str] = []
    placed: set[str] = set()
    for block, names in prose.blocks(body):
        text += [block] * bool(block) + [f"*(The chart {literal(n)} was not kept.)*" for n in names if n not in named]
        mentioned = [story.retitled(named[name], called) for name, called in names.items() if name in named]
        here = tuple(figure for figure in mentioned if figure.png not in placed)
        if here:
            placed.update(figure.png for figure in here)
            sections.append(_section("", text, here))
            text = []
    if text:
        sections.append(_section("", text))
    rest = tuple(figure for figure in shown if figure.png not in placed)
    return (*sections, *([_section("Charts", [], rest)] if rest else []))


def _section(heading: str, text: list[str], figures: tuple[Figure, ...] = ()) -> Section:
    return Section(heading, "\n\n".join(text), figures, tuple(dict.fromkeys(figure.turn for figure in figures)))


def _charts(run: Run) -> tuple[dict[str, Figure], tuple[Figure, ...]]:
    """The charts of a free run by file name (the last of a name counts), and all of them once."""
    named: dict[str, Figure] = {}
    shown: dict[str, Figure] = {}
    for turn in story.standing(run):
        named |= story.named_figures(turn)
        for figure in story.figures(turn):
            shown.setdefault(figure.png, figure)
    return named, tuple(shown.values())


def _notices(run: Run) -> Iterator[str]:
    """What a reader must know before anything else."""
    limits, turns = run.limits, words.count(len(run.turns), "turn")
    early = {
        "turns": f"Stopped early: the limit of {words.count(limits.turns, 'turn')} was reached.",
        "seconds": f"Stopped early: the time limit of {words.duration(limits.seconds)} was reached.",
        "tokens": f"Stopped early: the limit of {words.count(limits.tokens, 'token')} was reached.",
        "format": f"Stopped early: {limits.format_errors} replies of the model in a row could not be understood.",
        "interrupted": f"Interrupted by the user after {turns}.",
        "failed": f"Failed after {turns}: {one_line(run.error, 400) or 'no reason was recorded'}",
        None: f"Not finished: the run was cut off after {turns}.",
    }
    if run.stop in early:
        yield early[run.stop]
    if run.changed:
        names = ", ".join(one_line(name, 80) for name in run.changed[:5]) + ", and more" * (len(run.changed) > 5)
        yield f"The data changed during the run, so what is said here may not be true of it any more: {names}."
    if not run.answer.strip():
        yield "There is no answer: the model did not get as far as writing one."
    if untold := len(_untold(run)):
        verb = "is" if untold == 1 else "are"
        yield f"{words.count(untold, 'question')} gave no finding and {verb} left out (see Limits)."


def _caveats(run: Run) -> Iterator[str]:
    """What limits the report."""
    model = one_line(run.model.name)
    if run.model.strategy == "guided":
        yield (
            "The sentences of the findings were printed by the code shown with them, which takes numbers and names "
            f"from the data. Which questions were asked and how the sentences are worded is the choice of {model}, "
            "a small language model: check that a sentence says what its code computes."
        )
    else:
        yield (
            f"The text was written by a language model ({model}) from the outputs of the cells shown here. "
            "Each number was compared with what the cells printed, by its value and the words around it; "
            "what the sentences conclude from the numbers was not."
        )
    if run.stop == "answer" and run.error:
        yield f"Sentences whose numbers are in doubt could not be mended: {one_line(run.error, 300)}"
    if run.sandbox == "none":
        yield "The code ran WITHOUT A SANDBOX: it could have changed the data, this report and anything else."
    if len(run.answer) > MOST_ANSWER:
        yield f"The answer was cut after {MOST_ANSWER:,} characters."
    for chapter in _untold(run):
        yield f"Left out, because it gave no finding: {chapter.heading}"
    ran = story.numbered(run)
    if failed := sum(turn.index in ran and story.status(turn) != "ok" for turn in run.turns):
        yield f"{failed} of {words.count(len(ran), 'cell')} failed; trace.ipynb has every attempt."
    if dropped := sum(bool(turn.dropped) for turn in run.turns):
        yield f"In {words.count(dropped, 'turn')} the model's context had no room for some of the earlier outputs."
    yield from statistical_caveats(run)
    yield from (one_line(note, 400) for note in run.task.notes)
    for source, table in tables(run):
        for note in table.notes:
            yield f"{table_name(source, table)}: {one_line(note, 400)}"


def answer_label(run: Run) -> str:
    """What stands above the answer: that of a guided run is a list of its findings."""
    return "Key findings" if run.model.strategy == "guided" else "Answer"


def _untold(run: Run) -> list[story.Chapter]:
    return [chapter for chapter in story.chapters(run) if not chapter.told] if run.model.strategy == "guided" else []


# --- facts, as every layout shows them --------------------------------------------------------------------------------


def tables(run: Run) -> list[tuple[DataSource, Table]]:
    """All tables with the source each is of."""
    return [(source, table) for source in run.task.sources for table in source.tables]


def table_name(source: DataSource, table: Table) -> str:
    """`penguins.csv`, or `shop.xlsx, orders` where a source has several tables."""
    return one_line(source.name if len(source.tables) == 1 else f"{source.name}, {table.name}")


def data_names(run: Run) -> str:
    """The sources by name, the first three of many."""
    names = [one_line(source.name, 80) for source in run.task.sources]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more if names else "no data"


def tokens(run: Run) -> tuple[int, int, int]:
    """Tokens of all prompts, of those the ones found in the cache, and tokens sampled."""
    done = [turn.completion for turn in run.turns]
    return (
        sum(c.prompt_tokens for c in done),
        sum(c.reused_tokens for c in done),
        sum(c.completion_tokens for c in done),
    )


def method(run: Run) -> list[tuple[str, str]]:
    """How the report came about, as label and value."""
    read, _, written = tokens(run)
    ways = {"guided": "guided (one question at a time)", "free": "free (the model chooses its steps)"}
    digest = f", sha256 {run.model.sha256[:16]}" if run.model.sha256 else ""
    rows = [
        ("Model", one_line(run.model.name)),
        ("Model file", one_line(run.model.file) + digest),
        ("Strategy", ways[run.model.strategy]),
        ("Turns", f"{len(run.turns)}, with {words.count(len(story.numbered(run)), 'cell')} run"),
        ("Tokens", f"{written:,} written, {read:,} read"),
        ("Time", words.duration(run.seconds)),
        ("Sandbox", one_line(run.sandbox)),
        ("Run again", "jupyter execute analysis.ipynb"),
        ("Run", one_line(run.id)),
    ]
    return [(label, value) for label, value in rows if value]


def columns(table: Table) -> list[tuple[str, str, str, str, str]]:
    """The column overview of a table: name, type, missing, distinct, and range or examples."""
    return [
        (
            one_line(column.name, 80),
            one_line(column.type, 40),
            f"{column.nulls:,}",
            f"{column.distinct:,}",
            one_line(f"{column.low} – {column.high}" if column.low or column.high else ", ".join(column.examples), 120),
        )
        for column in table.columns
    ]


# --- as Markdown ------------------------------------------------------------------------------------------------------

_COLUMNS = ("Column", "Type", "Missing", "Distinct", "Range or examples")
_NO_NUMBERS = Ledger()
_SOURCES = ("File", "Size", "Table", "Rows", "Columns", "SHA-256")


def to_markdown(report: Report, run: Run, ledger: Ledger = _NO_NUMBERS) -> str:
    """The report as CommonMark with tables and footnotes. Charts are the files `figures/figure-1.png` and on, in order.

    Each number of the `ledger` has a footnote that says which cell printed it.
    """
    cells, code, drawn = story.numbered(run), program(run, ledger), 0
    notes = Footnotes(ledger, cells, {cells[turn.index] for turn in code})
    title = notes.placed(literal(marked(report.title, ledger, "title")))
    parts = [f"# {title}", *_box(report.notices), _byline(run, ledger)]
    if one_line(report.question, 120) != report.title:
        parts.append(f"**Question:** {literal_text(report.question)}")
    if report.answer:
        parts += [f"## {answer_label(run)}", notes.placed(inert(marked(report.answer, ledger, "answer")))]
    for number, section in enumerate(report.sections, 1):
        parts += map(notes.placed, _section_lines(section, number, cells, drawn, ledger))
        drawn += len(section.figures)
    parts += [*_data(run), "## Limits", "\n".join(f"- {literal_text(caveat)}" for caveat in report.caveats)]
    parts += ["## Method", _table(("", ""), method(run)), *_code(code, cells), *notes.definitions()]
    return "\n\n".join(part for part in parts if part) + "\n"


def literal_text(text: str) -> str:
    """Text of any length as one paragraph of Markdown that shows exactly it."""
    return literal(text, most=4000)


def _box(notices: tuple[str, ...]) -> Iterator[str]:
    if notices:
        yield "\n>\n".join(["> **Please note**", *(f"> {literal_text(notice)}" for notice in notices)])


def _byline(run: Run, ledger: Ledger) -> str:
    model, data = literal(run.model.name), literal(data_names(run))
    facts = (words.date(run.started), f"model {model}", f"data {data}", summary(ledger))
    return " · ".join(fact for fact in facts if fact)


def _section_lines(section: Section, number: int, cells: dict[int, int], drawn: int, ledger: Ledger) -> Iterator[str]:
    if section.heading:
        yield f"## {literal(marked(section.heading, ledger, f'heading {number}'))}"
    yield inert(marked(section.text, ledger, f"section {number}"))
    for figure_number, figure in enumerate(section.figures, drawn + 1):
        caption = marked(story.caption(figure), ledger, f"caption {figure_number}")
        yield f"![{literal(figure.alt, most=600)}](figures/figure-{figure_number}.png)"
        yield f"*Figure {figure_number}. {literal(caption)} ({_link(cells, figure.turn)})*"
    if section.heading and section.turns and section.text:
        yield f"How this was found: {', '.join(_link(cells, turn) for turn in section.turns)}"


def _link(cells: dict[int, int], turn: int) -> str:
    return f"[cell {cells[turn]}](#cell-{cells[turn]})"


def _data(run: Run) -> Iterator[str]:
    if not run.task.sources:
        return
    yield "## Data"
    yield _table(_SOURCES, source_rows(run.task.sources))
    for source, table in tables(run):
        yield f"### Columns of {literal(table_name(source, table))}"
        yield _table(_COLUMNS, columns(table))


def source_rows(sources: tuple[DataSource, ...]) -> list[tuple[str, str, str, str, str, str]]:
    """File, size, table, rows, columns and short digest: a row for each table, and one for a source without any."""
    rows = []
    for source in sources:
        head, digest = (one_line(source.name), words.size(source.bytes)), source.sha256[:12]
        rows += [(*head, one_line(t.name), f"{t.rows:,}", f"{len(t.columns):,}", digest) for t in source.tables]
        rows += [] if source.tables else [(*head, "", "", "", digest)]
    return rows


def _code(code: Sequence[Turn], cells: dict[int, int]) -> Iterator[str]:
    yield "## Code"
    for turn in code:
        number = cells[turn.index]
        mark = "" if story.status(turn) == "ok" else " (stopped with an error; later cells use what it had done)"
        yield f'<a id="cell-{number}"></a>\n\n### Cell {number}{mark}'
        yield fence(turn.code or "", "python")
        if shown := story.printed(turn):
            yield "Output:"
            yield fence(shown, "text")


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head)]
    shown = [*lines, *(tuple(literal(cell) for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in shown)
