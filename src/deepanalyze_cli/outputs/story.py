"""What a run's turns amount to, for the outputs: which cells ran, which sections came of them, what they drew.

A *cell* is code that was handed to the kernel. Cells are numbered from 1 in the order they ran, and that number is the
same in the report, in both notebooks and in the appendix. Pure; lays nothing out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..types import Figure, Output, Run, Turn
from . import png
from .text import clean, one_line

RAN = frozenset({"ok", "error", "timeout", "died"})
"""Statuses of code that was handed to the kernel."""

MOST_FINDING = 20_000
"""Characters of a finding. A cell may print any number, and laying out takes its time."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """One section of a guided run as it turned out. `cells` are the turns whose code counts: numbers, telling, chart.

    `question` is as it was asked, `heading` the same for a reader; `text` is the finding, as its cell printed it.
    """

    number: int
    question: str
    heading: str
    cells: tuple[Turn, ...]
    text: str

    @property
    def told(self) -> bool:
        """Whether it came to a finding."""
        return bool(self.text) and any(cell.step.purpose == "finding" for cell in self.cells)


def status(turn: Turn) -> str:
    """The status of a turn's observation; empty where there is none."""
    return turn.observation.status if turn.observation else ""


def ran(turn: Turn) -> bool:
    """Whether a turn's code was handed to the kernel. One that was refused for what it printed had run all the same."""
    if turn.code is None or turn.observation is None:
        return False
    return turn.observation.status in RAN or (turn.observation.status == "refused" and turn.observation.seconds > 0)


def numbered(run: Run) -> dict[int, int]:
    """Turn index -> number of its cell, for the turns whose code was handed to the kernel."""
    return {index: number for number, index in enumerate((turn.index for turn in run.turns if ran(turn)), 1)}


def chapters(run: Run) -> tuple[Chapter, ...]:
    """The sections of a guided run, in order, with those that gave no finding."""
    return tuple(_chapter(run, section) for section in sorted({t.step.section for t in run.turns if t.step.section}))


def standing(run: Run) -> tuple[Turn, ...]:
    """The turns whose cells the report stands on: those of each told section, or in a free run all that ran well."""
    if run.model.strategy == "guided":
        return tuple(cell for chapter in chapters(run) if chapter.told for cell in chapter.cells)
    return tuple(turn for turn in run.turns if turn.code is not None and status(turn) == "ok")


def _chapter(run: Run, number: int) -> Chapter:
    done = {turn.step.purpose: turn for turn in run.turns if turn.step.section == number and status(turn) == "ok"}
    asked = done.get("plan") or done.get("followup")
    question = one_line(_said(asked, "analyze"), 300)
    cells = tuple(done[p] for p in ("code", "finding", "chart") if p in done and done[p].code is not None)
    text = clean(_said(done.get("finding"), "answer")).strip()[:MOST_FINDING]
    return Chapter(number, question, readable(run, question) or f"Section {number}", cells, text)


def _said(turn: Turn | None, kind: str) -> str:
    return next((action.text for action in turn.actions if action.kind == kind), "") if turn else ""


def readable(run: Run, text: str) -> str:
    """`text` with the names of columns as words: `body_mass_g` as `body mass (g)`."""
    names = (column.name for source in run.task.sources for table in source.tables for column in table.columns)
    words = {name: _UNIT.sub(r" (\1)", name).replace("_", " ").strip() for name in names if "_" in name.strip("_")}
    if not words:
        return text
    longest_first = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    return re.sub(rf"(?<!\w)(?:{longest_first})(?!\w)", lambda found: words[found[0]], text)


_UNIT = re.compile(r"_(mm|cm|km|g|kg|ml|ms|sec|kwh|mph|kmh|usd|eur|gbp)$")
"""Ends of column names that can only be units."""


def heading_and_text(finding: str) -> tuple[str, str]:
    """A finding's heading, bare of `#`, numbering and emphasis, and the rest.

    The heading is the first line, unless that is a sentence or all there is.
    """
    first, _, rest = clean(finding).strip().partition("\n")
    if first.lstrip().startswith("#") or (rest.strip() and len(first) <= 140 and not first.rstrip(" *_").endswith(".")):
        return bare(first), rest.strip()
    return "", clean(finding).strip()


def bare(heading: str) -> str:
    """A heading's words without the marks around them."""
    heading = re.sub(r"^\s*#+\s*|\s*#+\s*$", "", heading).strip()
    heading = re.sub(r"^(\*\*|__|\*|_)(.+)\1:?$", r"\2", heading)
    heading = re.sub(r"^(?:\d+[.)]\s+|finding\s*\d*\s*[:.]\s*)", "", heading, flags=re.IGNORECASE)
    return one_line(heading, 160).rstrip(":")


# --- figures ----------------------------------------------------------------------------------------------------------


def figures(turn: Turn, topic: str = "") -> tuple[Figure, ...]:
    """The charts that a turn's cell showed, each once. `topic` words what cannot be read off the code."""
    shown: dict[str, Output] = {}
    for output in turn.observation.outputs if turn.observation else ():
        if drawn := picture(output):
            shown.setdefault(drawn, output)
    titles = _titles(turn.code or "")
    if len(shown) == 1:
        titles = ["; ".join(dict.fromkeys(titles))]
    elif len(titles) != len(shown):
        titles = [""] * len(shown)
    return tuple(
        Figure(drawn, turn.index, alt(output, title, topic))
        for (drawn, output), title in zip(shown.items(), titles, strict=True)
    )


def picture(output: Output) -> str:
    """An output's PNG as base64 on one line; empty where it has none, or something that is none."""
    if output.kind not in ("display", "result"):
        return ""
    return png.picture(output.data.get("image/png", ""))


def alt(output: Output, title: str, topic: str = "") -> str:
    """A text that stands in for a chart: its title or topic, and what it shows as far as the kernel described it."""
    described = _DESCRIBED.fullmatch(one_line(output.data.get("text/plain", ""), 600))
    name = (described and described["title"]) or one_line(title) or one_line(topic) or _UNTITLED
    return f"{name}{_DETAILS}{described['rest']})" if described and described["rest"] else name


def caption(figure: Figure) -> str:
    """A chart's title, without what it shows."""
    return figure.alt.split(_DETAILS)[0]


def retitled(figure: Figure, title: str) -> Figure:
    """A chart without a title of its own, under the one it is given."""
    known = caption(figure)
    return replace(figure, alt=title + figure.alt.removeprefix(known)) if title and known == _UNTITLED else figure


_UNTITLED = "Chart"
_DETAILS = " (chart: "
_DESCRIBED = re.compile(r"\[figure(?: (?P<file>[^:]*))?: (?:title '(?P<title>.*?)'(?:; | \| |(?=\])))?(?P<rest>.*)\]")
"""How `capture.describe` words a chart: `[figure mass.png: title 'Mass'; x 'species': Adelie, Gentoo; 2 bars]`."""
_TITLE = ("title", "set_title", "suptitle")


def _titles(code: str) -> list[str]:
    """The titles that the code gives its charts as plain strings, in order."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    calls.sort(key=lambda call: (call.lineno, call.col_offset))
    return [title for call in calls for title in _title(call)]


def _title(call: ast.Call) -> Iterable[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    given: list[ast.expr] = [k.value for k in call.keywords if k.arg == "title"]
    if name in _TITLE:
        given += call.args[:1]
    return (node.value for node in given[:1] if isinstance(node, ast.Constant) and isinstance(node.value, str))


def named_figures(turn: Turn, topic: str = "") -> dict[str, Figure]:
    """File name -> chart, for the charts a cell saved as files: the kernel says as which."""
    return {name: figure for figure in figures(turn, topic) if (name := _said_name(turn, figure.png))}


def base_name(path: str) -> str:
    """The last part of a path of either kind of slash, in lower case."""
    return re.split(r"[/\\]", path)[-1].lower()


def _said_name(turn: Turn, drawn: str) -> str:
    outputs = turn.observation.outputs if turn.observation else ()
    said = (_DESCRIBED.match(one_line(o.data.get("text/plain", ""), 600)) for o in outputs if picture(o) == drawn)
    return next((base_name(found["file"]) for found in said if found and found["file"]), "")


def printed(turn: Turn) -> str:
    """What a cell printed and returned as text, uncut; charts and warnings left out."""
    text = ""
    for output in turn.observation.outputs if turn.observation else ():
        if output.kind in ("stdout", "result", "display") and not picture(output):
            new_line = output.kind != "stdout" and text and not text.endswith("\n")
            text += ("\n" if new_line else "") + clean(output.data.get("text/plain", ""))
            text += "\n" if output.kind != "stdout" else ""
    return text.strip("\n")
