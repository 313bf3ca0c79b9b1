import re
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO, StringIO, TextIOWrapper

import pytest
from example_run import FREE, GUIDED, HOSTILE, chart, error, events, printed, turn
from rich.console import Console

from deepanalyze_cli.events import CodeStarted, Event, OutputArrived, RunFinished, TextDelta, TurnFinished, TurnStarted
from deepanalyze_cli.outputs.view import PlainView, QuietView, TerminalView, outcome
from deepanalyze_cli.types import Run, Turn

MOVES = re.compile(r"\r|\x1b\[(?:\?25[lh]|\d*[AK]|2K)")


def everything(run: Run) -> Iterator[Event]:
    """All events of a run, the passing ones as a driver would send them."""
    for event in events(run):
        if isinstance(event, TurnFinished):
            yield from passing(event.turn)
        yield event


def passing(turn: Turn) -> Iterator[Event]:
    yield TurnStarted(turn.index, turn.step, 1234)
    for word in re.findall(r"\S+\s*", turn.completion.text):
        yield TextDelta(turn.index, word)
    if turn.code and turn.observation:
        yield CodeStarted(turn.index, turn.code)
        for output in turn.observation.outputs:
            yield OutputArrived(turn.index, output)


class Screen:
    """A terminal view on a string; `now` is its live region, `text` all it has ever shown."""

    def __init__(self, width: int = 80, height: int = 40):
        self.file, self.time, self.size = StringIO(), 0.0, {"width": width, "height": height}
        console = Console(file=self.file, force_terminal=True, color_system=None, **self.size)
        self.view = TerminalView(console, limits=GUIDED.limits, clock=lambda: self.time)

    def show(self, *happened: Event) -> None:
        for event in happened:
            self.time += 0.25
            self.view(event)

    @property
    def now(self) -> str:
        other = Console(file=StringIO(), color_system=None, **self.size)
        other.print(self.view.moment())
        return other.file.getvalue()

    @property
    def text(self) -> str:
        return MOVES.sub("", self.file.getvalue())


@pytest.mark.parametrize(("name", "run"), [("guided", GUIDED), ("free", FREE)])
def test_snapshot_of_the_plain_view(snapshot, name: str, run: Run):
    stream = StringIO()
    with PlainView(stream) as view:
        for event in everything(run):
            view(event)
    snapshot(f"{name}-view.txt", stream.getvalue())


@pytest.mark.parametrize("run", [GUIDED, FREE])
def test_plain_lines_are_one_for_each_event_and_hold_no_controls(run: Run):
    stream = StringIO()
    view = PlainView(stream)
    hostile = replace(run, task=replace(run.task, question=f"{HOSTILE}\nsecond line"), error=HOSTILE, stop="failed")
    for event in everything(hostile):
        before = stream.getvalue().count("\n")
        view(event)
        assert stream.getvalue().count("\n") - before <= 2
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", stream.getvalue())


def test_a_stream_that_knows_ascii_only():
    stream = TextIOWrapper(BytesIO(), encoding="ascii")
    view = PlainView(stream)
    for event in everything(replace(GUIDED, task=replace(GUIDED.task, question="Où?"))):
        view(event)
    stream.seek(0)
    assert "O??" in stream.read()


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (
            turn(0, "code", ("code", "a\nb"), outputs=(chart(1),), files=("a",)),
            "ran 2 lines: ok in 0.4 s, 1 figure, 1 file written",
        ),
        (
            turn(0, "code", ("code", "a"), status="error", outputs=(error("E", "x\ny", ""),)),
            "ran 1 line: error in 0.4 s: E: x y",
        ),
        (turn(0, "code", ("code", "a"), status="refused", note="Again."), "refused: Again."),
        (turn(0, "code", status="format", note="No block."), "not understood: No block."),
        (turn(0, "summary", ("answer", "words " * 8)), "wrote 12 tokens in 1.5 s"),
        (replace(turn(0, "act"), observation=None), "wrote 0 tokens in 1.5 s"),
    ],
)
def test_what_came_of_a_turn(seen: Turn, told: str):
    assert outcome(seen) == told


@pytest.mark.parametrize("run", [GUIDED, FREE])
def test_finished_turns_stay_on_the_terminal(run: Run):
    screen = Screen()
    screen.show(*everything(run))
    for each in run.turns:
        assert f"turn {each.index + 1}/30 {each.step.purpose}" in screen.text
        assert outcome(each)[:60] in " ".join(screen.text.split())
    assert screen.text.rstrip().endswith("1 min 33 s")


def test_the_terminal_gets_no_sequence_and_no_markup_of_others():
    screen = Screen()
    told = turn(0, "act", ("analyze", HOSTILE), ("code", f"x = '''{HOSTILE}'''"), outputs=(printed(HOSTILE),))
    hostile = replace(GUIDED, task=replace(GUIDED.task, question=HOSTILE), turns=(told,), error=HOSTILE, stop="failed")
    for event in everything(hostile):
        screen.show(event)
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", screen.now)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", screen.text)
    assert screen.text.count("[red]no[/red]") >= 4


def test_what_is_being_written_is_seen_and_so_are_the_budgets():
    screen = Screen()
    started, *_ = events(FREE)
    screen.show(started, TurnStarted(4, FREE.turns[0].step, 1234))
    assert "turn 5/30 · act · reading 1,234 tokens · 0:00 · 29:59 left" in screen.now
    screen.show(*(TextDelta(4, word) for word in ("<Analyze>Let ", "us see.", "</Analyze>\n", "<Code>", "x = 1\n")))
    assert [line.rstrip() for line in screen.now.splitlines()[:2]] == ["Let us see.", "x = 1"]
    assert "<Code>" not in screen.now and "5 tokens · 5.0/s" in screen.now
    screen.show(CodeStarted(4, "x = 1"), *(OutputArrived(4, printed(f"line {n}\n")) for n in range(50)))
    assert "line 49" in screen.now and "line 40" not in screen.now and "running" in screen.now
    screen.show(OutputArrived(4, chart(1)))
    assert "[chart]" in screen.now


@pytest.mark.parametrize(("width", "height"), [(20, 12), (40, 24), (80, 40)])
def test_the_live_region_fits_the_terminal_and_shows_the_end(width: int, height: int):
    screen = Screen(width, height)
    started, *_ = events(GUIDED)
    screen.show(started, TurnStarted(0, GUIDED.turns[0].step))
    screen.show(*(TextDelta(0, f"{'word ' * 9}{n}\n") for n in range(90)))
    for more in ([], [CodeStarted(0, "long = 'line'\n" * 90), OutputArrived(0, printed("word " * 900))]):
        screen.show(*more)
        lines = screen.now.splitlines()
        assert more or "89" in lines[-2]
        assert len(lines) < height and max(map(len, lines)) <= width
        assert lines[-1].startswith("turn 1/30")


def test_long_output_is_cut_in_the_middle():
    screen = Screen()
    started, *_ = events(GUIDED)
    told = turn(0, "act", ("code", "x"), outputs=(printed("".join(f"line {n}\n" for n in range(100))),))
    screen.show(started, TurnFinished(told))
    assert "line 7" in screen.text and "... 88 more lines ..." in screen.text and "line 99" in screen.text
    assert "line 50" not in screen.text
    screen.view.close()


def test_a_view_leaves_the_terminal_as_it_was_whatever_happens():
    screen = Screen()
    started, *_ = events(GUIDED)
    with pytest.raises(RuntimeError), screen.view:
        screen.show(started)
        raise RuntimeError
    screen.view.close()
    screen.show(*passing(GUIDED.turns[0]))  # nothing is drawn any more
    assert screen.file.getvalue().count("\x1b[?25l") == screen.file.getvalue().count("\x1b[?25h") == 1


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {}])
def test_no_color(environment: dict[str, str]):
    console = Console(width=80, file=StringIO(), force_terminal=True, color_system="standard", _environ=environment)
    view = TerminalView(console, limits=GUIDED.limits)
    for event in everything(GUIDED):
        view(event)
    coloured = re.search(r"\x1b\[(?:\d+;)*[349]\d[\d;]*m", console.file.getvalue())
    assert (coloured is None) == bool(environment)


def test_the_quiet_view_is_quiet(capsys: pytest.CaptureFixture[str]):
    with QuietView() as view:
        for event in everything(GUIDED):
            view(event)
    assert capsys.readouterr() == ("", "")


def test_a_stop_that_is_no_answer_is_called_a_stop():
    stream = StringIO()
    PlainView(stream)(RunFinished("seconds", "", 1800.0))
    assert stream.getvalue() == "stopped: seconds after 0 turns, 0 tokens, 30 min\n"
