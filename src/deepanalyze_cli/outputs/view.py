"""What a person sees while a run goes on: the same events on a terminal, as plain lines, or not at all.

The only module that imports rich. It keeps nothing and decides nothing; text that the run brought is shown as
`rich.text.Text`, never as markup, and without control characters.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.segment import Segment
from rich.syntax import Syntax
from rich.text import Text

from .. import grammar
from ..events import CodeStarted, Event, OutputArrived, RunFinished, RunStarted, TextDelta, TurnFinished, TurnStarted
from ..types import Action, Completion, Limits, Run, Step, Turn
from . import story, words
from .report import data_names
from .text import clean, one_line

__all__ = ["PlainView", "QuietView", "TerminalView", "clean"]

SHOWN = 12
"""Lines of output that a finished turn shows."""
STREAMED = 16
"""Lines on the screen for the reply being written, or the code that runs."""
RUNNING = 6
"""Lines on the screen for a running cell's output."""


class QuietView:
    """Shows nothing. The others are used like it: called with events, closed at the end whatever happened."""

    def __call__(self, event: Event) -> None:
        """Show what happened."""

    def close(self) -> None:
        """Leave the terminal as it was found. Safe to call twice."""

    def __enter__(self) -> QuietView:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class PlainView(QuietView):
    """One line for each thing that happens, for logs and pipes. What the stream cannot encode becomes `?`."""

    def __init__(self, stream: TextIO):
        self._stream, self._run = stream, _Tally()

    def __call__(self, event: Event) -> None:
        self._run.note(event)
        if isinstance(event, RunStarted):
            self._say(f"run {event.run.id}: {event.run.task.question}")
            self._say(f"data {data_names(event.run)}; {_terms(event.run)}")
        elif isinstance(event, TurnStarted):
            self._say(f"turn {event.turn + 1}/{self._run.limits.turns} {_purpose(event.step, ' ')}")
        elif isinstance(event, TurnFinished):
            self._say(outcome(event.turn))
        elif isinstance(event, RunFinished):
            self._say(self._run.ending(event))

    def _say(self, text: str) -> None:
        encoding = self._stream.encoding or "utf-8"
        line = one_line(text, 400).encode(encoding, "replace").decode(encoding)
        self._stream.write(line + "\n")
        self._stream.flush()


class TerminalView(QuietView):
    """A live region below (what is being written and run, and the budgets), finished turns as blocks above it."""

    def __init__(self, console: Console, *, limits: Limits, clock: Callable[[], float] = time.monotonic):
        self._console, self._limits, self._clock = console, limits, clock
        self._run, self._now, self._began = _Tally(limits), _Now(Step("act"), clock()), clock()
        self._live = Live(
            console=console,
            get_renderable=self.moment,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __call__(self, event: Event) -> None:
        self._run.note(event)
        match event:
            case RunStarted(run):
                self._began = self._clock()
                self._console.print(_heading(run))
                self._live.start()
            case TurnStarted():
                self._now = _Now(event.step, self._clock(), event.turn, event.prompt_tokens)
                self._live.refresh()
            case TextDelta():
                self._now.heard(event.text, self._clock())
            case CodeStarted():
                self._now.code = event.code
                self._live.refresh()
            case OutputArrived(_, output):
                self._now.output += "[chart]\n" if story.picture(output) else clean(output.data.get("text/plain", ""))
            case TurnFinished(turn):
                self._now = _Now(turn.step, self._clock(), turn.index)
                self._live.refresh()
                self._console.print(_block(turn, self._limits))
            case RunFinished():
                self.close()
                style = "bold green" if event.stop == "answer" else "bold yellow"
                self._console.print(Text(one_line(self._run.ending(event), 1000), style))

    def close(self) -> None:
        """Remove the live region."""
        self._live.stop()

    def moment(self) -> RenderableType:
        """The live region as it is now."""
        now, room = self._now, max(self._console.height - RUNNING - 3, 3)
        if now.code:
            parts = [_Last(_code(now.code), min(STREAMED, room)), _Last(Text(now.output[-5000:], "dim"), RUNNING)]
        else:
            parts = [_Last(_writing(now.text, now.step, self._run.dialect), min(STREAMED, room))]
        return Group(*parts, self._status())

    def _status(self) -> Text:
        """Where the run is, in one line."""
        now, elapsed = self._now, self._clock() - self._began
        said = [f"turn {now.turn + 1}/{self._limits.turns}", _purpose(now.step, " ")]
        if now.code:
            said.append("running")
        elif now.tokens:
            rate = now.tokens / max(self._clock() - now.first, 0.1)
            said += [words.count(now.tokens, "token"), f"{rate:.1f}/s"]
        else:
            said.append(f"reading {now.prompt_tokens:,} tokens" if now.prompt_tokens else "reading")
        said += [_clock_time(elapsed), f"{_clock_time(max(self._limits.seconds - elapsed, 0))} left"]
        return Text(" · ".join(said), "cyan", no_wrap=True, overflow="ellipsis")


@dataclass
class _Now:
    """The turn in flight. A token is counted for each piece of text, which is what backends send."""

    step: Step
    since: float
    turn: int = 0
    prompt_tokens: int = 0
    pieces: list[str] = field(default_factory=list)
    first: float = 0.0
    code: str = ""
    output: str = ""

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def tokens(self) -> int:
        return len(self.pieces)

    def heard(self, text: str, when: float) -> None:
        self.first = self.first or when
        self.pieces.append(text)


@dataclass
class _Tally:
    """What is counted over the run, for its last line."""

    limits: Limits = field(default_factory=Limits)
    dialect: str = "fences"
    turns: int = 0
    tokens: int = 0

    def note(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self.limits, self.dialect = event.run.limits, event.run.model.dialect
        elif isinstance(event, TurnFinished):
            self.turns += 1
            self.tokens += event.turn.completion.completion_tokens

    def ending(self, event: RunFinished) -> str:
        """`finished: answer after 12 turns, 5,012 tokens, 1 min 33 s`."""
        how = "finished" if event.stop == "answer" else "stopped"
        cost = words.count(self.turns, "turn"), words.count(self.tokens, "token"), words.duration(event.seconds)
        return f"{how}: {event.stop} after {', '.join(cost)}" + (f": {event.error}" if event.error else "")


# --- in words ---------------------------------------------------------------------------------------------------------


def outcome(turn: Turn) -> str:
    """What came of a turn: `ran 14 lines: ok in 0.4 s, 1 figure`."""
    seen, code = turn.observation, turn.code
    if seen is None or (seen.status == "ok" and code is None):
        reply = turn.completion
        wrote = f"wrote {words.count(reply.completion_tokens, 'token')} in {words.duration(reply.seconds)}"
        return _with(f"{wrote}; not supported by any output", seen.note) if seen and seen.note else wrote
    if seen.status in ("format", "refused"):
        return _with(("not understood" if seen.status == "format" else "refused"), seen.note)
    raised = [_with(o.data.get("ename", ""), o.data.get("evalue", "")) for o in seen.outputs if o.kind == "error"]
    drawn, written = len(story.figures(turn)), len(seen.files)
    parts = [
        f"ran {words.count(len((code or '').splitlines()), 'line')}: {seen.status} in {words.duration(seen.seconds)}",
        words.count(drawn, "figure") if drawn else "",
        words.count(written, "file") + " written" if written else "",
    ]
    return _with(", ".join(part for part in parts if part), raised[0] if raised else seen.note)


def _with(what: str, why: str) -> str:
    """`what: why`, or only `what`."""
    return f"{one_line(what)}: {one_line(why)}" if why.strip() else one_line(what)


def _purpose(step: Step, between: str) -> str:
    return step.purpose + (f"{between}section {step.section}" if step.section else "")


def _terms(run: Run) -> str:
    most = f"{words.count(run.limits.turns, 'turn')}, {words.duration(run.limits.seconds)}"
    box = {"": "", "none": ", NO SANDBOX"}.get(run.sandbox, f", sandbox {run.sandbox}")
    return f"model {run.model.name}, {run.model.strategy}{box}, at most {most}"


def _clock_time(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"


def _cut(text: str, most: int) -> str:
    """Head and tail of a text by lines, with a line that says how many are missing."""
    lines = text.split("\n")
    if len(lines) <= most:
        return text
    head = most * 2 // 3
    return "\n".join([*lines[:head], f"... {len(lines) - most:,} more lines ...", *lines[head - most :]])


# --- on the terminal --------------------------------------------------------------------------------------------------


def _heading(run: Run) -> RenderableType:
    return Group(
        Text(one_line(run.task.question, 1000), "bold"),
        Text(one_line(f"{data_names(run)} · {_terms(run)}", 400), "dim"),
    )


@dataclass(frozen=True)
class _Last:
    """The last lines of something, as many as the screen has room for, counted when they are laid out."""

    inner: RenderableType
    most: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self.inner, options.update(height=None), pad=False)
        while lines and not "".join(segment.text for segment in lines[-1]).strip():
            lines.pop()
        for line in lines[-self.most :]:
            yield from (*line, Segment.line())


def _writing(text: str, step: Step, dialect: str) -> RenderableType:
    """A reply in the making: prose dim, code in colours as soon as it is known to be code."""
    actions = grammar.parse(Completion(text, prefix=step.prefix), dialect).actions  # type: ignore[arg-type]
    shown = actions or (Action("analyze", text),)
    return Group(*(_code(a.text) if a.kind == "code" else _prose(a.text, "dim") for a in shown))


def _block(turn: Turn, limits: Limits) -> RenderableType:
    """A finished turn."""
    title = Text(f"turn {turn.index + 1}/{limits.turns} {_purpose(turn.step, ' ')}", "bold")
    parts: list[RenderableType] = [Rule(title, align="left", style="dim")]
    for said in turn.actions:
        if said.kind == "answer" and turn.code is None:
            heading, text = story.heading_and_text(said.text) if turn.step.purpose == "finding" else ("", said.text)
            parts += [*([Text(heading, "bold")] if heading else []), _prose(text, "")]
        elif said.kind not in ("answer", "code"):
            parts.append(_prose(said.text, "dim"))
    if turn.code is not None:
        parts.append(Panel(_code(turn.code), box=box.ROUNDED, border_style="dim"))
    if shown := story.printed(turn):
        parts.append(Padding(Text(_cut(shown, SHOWN)), (0, 2)))
    status = story.status(turn)
    parts.append(Text(outcome(turn), "green" if status in ("ok", "") else "yellow" if status == "refused" else "red"))
    return Group(*parts, Text())


def _prose(text: str, style: str) -> Text:
    return Text(clean(text).strip(), style)


def _code(code: str) -> Syntax:
    return Syntax(clean(code).strip("\n"), "python", theme="ansi_dark", background_color="default", word_wrap=True)
