"""A run as notebooks: `trace.ipynb`, all that happened, and `analysis.ipynb`, the program that makes the report.

Both are plain nbformat 4.5 with outputs as text and PNG only: other kinds (HTML, scripts) are left out, because not
every program that shows a notebook makes them harmless. Nothing is executed here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..types import Ledger, Output, Report, Run, Turn
from . import prose, story
from .report import answer_label, to_report
from .slice import done, failed_line, program
from .text import clean, fence, inert, literal, one_line

if TYPE_CHECKING:
    from nbformat import NotebookNode


def trace_notebook(run: Run, parameters: str, setup: str) -> NotebookNode:
    """The whole story in order: every thought, every attempt with its outputs, the answer at the end."""
    report = to_report(run)
    cells = [*_opening(run, report, parameters, setup)]
    numbers = story.numbered(run)
    for turn in run.turns:
        cells += _turn(turn, numbers.get(turn.index), run.answer)
    return _notebook(run, [*cells, *_ending(run, report)])


def analysis_notebook(
    run: Run, parameters: str, setup: str, report: Report | None = None, ledger: Ledger | None = None
) -> NotebookNode:
    """Only the cells the report stands on and those they need; runs from top to bottom in a fresh kernel.

    `report` is what was published of it, if that is known yet. With the ledger of a free run the cells are those that
    printed what its numbers rest on, see `slice.program`. A cell that had failed, but whose variables a later one uses,
    is tagged `raises-exception`, so that runners go on (papermill too, but it fails at the end). One that ran out of
    time ends where it was interrupted.
    """
    report = report or to_report(run)
    cells = [*_opening(run, report, parameters, setup)]
    numbers = story.numbered(run)
    told = [c for c in story.chapters(run) if c.told] if run.model.strategy == "guided" else []
    first = {chapter.cells[0].index: chapter for chapter in told}
    for turn in program(run, ledger):
        if chapter := first.get(turn.index):
            cells.append(_markdown(f"section-{chapter.number}", f"## {literal(chapter.heading)}"))
        cells.append(_kept(turn, numbers[turn.index]))
    return _notebook(run, [*cells, *_ending(run, report)])


# --- cells ------------------------------------------------------------------------------------------------------------


def _opening(run: Run, report: Report, parameters: str, setup: str) -> Iterator[NotebookNode]:
    lines = [f"# {literal(report.title)}"]
    if one_line(report.question, 120) != report.title:
        lines.append(literal(report.question, most=4000))
    lines += [f"> {literal(notice, most=500)}" for notice in report.notices]
    yield _markdown("question", "\n\n".join(lines))
    yield _code("parameters", _anywhere(parameters), {"tags": ["parameters"]})
    yield _code("setup", _checked(setup, [source.name for source in run.task.sources]), {"tags": ["setup"]})


def _anywhere(parameters: str) -> str:
    """The cell that says where the data is, with a word in it for who cannot change the notebook."""
    return parameters.removesuffix(_ELSEWHERE) + _ELSEWHERE


def _checked(setup: str, names: Sequence[str]) -> str:
    """The cell that loads the data, which first says in one line what is not there."""
    check = _CHECK.format(names=list(names))
    return check + setup.removeprefix(check) if names and "DATA_DIR" in setup else setup


_ELSEWHERE = """
# Elsewhere: change the line above, set the variable DEEPANALYZE_DATA_DIR, or run `papermill -p DATA_DIR folder`.
import os

DATA_DIR = Path(os.environ.get("DEEPANALYZE_DATA_DIR") or DATA_DIR)
"""
_CHECK = """\
from pathlib import Path

DATA_DIR = Path(DATA_DIR)  # papermill gives a text
for file in {names}:
    if not (DATA_DIR.expanduser() / file).exists():
        raise FileNotFoundError(f"{{file}} is not in {{DATA_DIR.expanduser().resolve()}}: set DATA_DIR to its folder")

"""


def _ending(run: Run, report: Report) -> Iterator[NotebookNode]:
    body = "\n\n".join(section.text for section in report.sections if not section.heading)
    if text := report.answer or body:
        yield _markdown("answer", f"## {answer_label(run)}\n\n{inert(prose.demoted(text, 3))}")


def _turn(turn: Turn, number: int | None, answer: str) -> Iterator[NotebookNode]:
    """One turn of the story: what it was for and what was said, then its cell if one ran. The answer comes later."""
    status, said = story.status(turn), [a for a in turn.actions if a.kind != "code" and a.text != answer]
    if turn.step.purpose in ("code", "finding", "chart"):  # their question stands above, what they printed below
        said = []
    lines = [_caption(turn, number, status)]
    lines += [inert(prose.demoted(clean(action.text), 4)) for action in said]
    if (not turn.actions or status == "format") and turn.completion.whole.strip():
        lines.append(fence(turn.completion.whole, "text"))
    if turn.code is not None and number is None:
        lines.append(fence(turn.code, "python"))
    note = turn.observation.note if turn.observation else ""
    yield _markdown(f"turn-{turn.index}", "\n\n".join([*lines, *([f"> {literal(note, most=2000)}"] if note else [])]))
    if number is not None:
        tags = [] if status == "ok" else ["failed-attempt", "raises-exception"]
        yield _ran(turn, number, clean(turn.code or ""), tags)


def _caption(turn: Turn, number: int | None, status: str) -> str:
    section = f", section {turn.step.section}" if turn.step.section else ""
    cell = f", cell {number}" if number is not None else ""
    why = "what it printed was not accepted" if status == "refused" and number is not None else _FAILED.get(status)
    failed = f"\n\n**Failed attempt: {why}.**" if why else ""
    return f"#### Turn {turn.index + 1}: {turn.step.purpose}{section}{cell}{failed}"


_FAILED = {
    "error": "the code raised an error",
    "timeout": "the code took too long",
    "died": "the kernel died",
    "refused": "the reply was not acted on",
    "format": "the reply could not be understood",
}


def _kept(turn: Turn, number: int) -> NotebookNode:
    status, code = story.status(turn), clean(turn.code or "")
    if status == "timeout":
        left = "# What followed here took too long and was left out."
        return _ran(turn, number, f"{done(code, failed_line(turn))}\n{left}", [], outputs=False)
    return _ran(turn, number, code, [] if status == "ok" else ["raises-exception"])


def _ran(turn: Turn, number: int, code: str, tags: list[str], *, outputs: bool = True) -> NotebookNode:
    observed = turn.observation.outputs if turn.observation and outputs else ()
    alts = {figure.png: figure.alt for figure in story.figures(turn)}
    origin = {"turn": turn.index, "cell": number, "status": story.status(turn)}
    return _code(
        f"turn-{turn.index}-cell",
        code,
        {"deepanalyze": origin} | ({"tags": tags} if tags else {}),
        [node for output in observed for node in _output(output, number, alts)],
        number,
    )


def _output(output: Output, number: int, alts: dict[str, str]) -> Iterator[NotebookNode]:
    from nbformat.v4 import new_output

    text, png = clean(output.data.get("text/plain", "")), story.picture(output)
    if output.kind in ("stdout", "stderr"):
        yield new_output("stream", name=output.kind, text=text)
    elif output.kind == "error":
        name, value = (clean(output.data.get(key, "")) for key in ("ename", "evalue"))
        yield new_output("error", ename=name, evalue=value, traceback=text.split("\n"))
    elif png or text:
        data = ({"image/png": png} if png else {}) | {"text/plain": text}
        metadata = {"image/png": {"alt": alts[png]}} if png in alts else {}
        if output.kind == "result":
            yield new_output("execute_result", data, metadata=metadata, execution_count=number)
        else:
            yield new_output("display_data", data, metadata=metadata)


def _markdown(name: str, text: str) -> NotebookNode:
    from nbformat.v4 import new_markdown_cell

    return new_markdown_cell(text, id=name)


def _code(
    name: str, code: str, metadata: dict[str, object], outputs: Sequence[NotebookNode] = (), number: int | None = None
) -> NotebookNode:
    from nbformat.v4 import new_code_cell

    return new_code_cell(code, id=name, metadata=metadata, outputs=list(outputs), execution_count=number)


def _notebook(run: Run, cells: list[NotebookNode]) -> NotebookNode:
    from nbformat.v4 import new_notebook

    return new_notebook(
        cells=cells,
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
            "deepanalyze": {"run": one_line(run.id), "version": run.version, "model": one_line(run.model.name)},
        },
    )
