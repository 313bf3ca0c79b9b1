"""The loop, with scripted twins: every stop, every status, and what is recorded of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from deepanalyze_cli.agent import Episode, solve
from deepanalyze_cli.errors import ContextTooSmall, KernelError, ModelError
from deepanalyze_cli.events import (
    CodeStarted,
    Event,
    OutputArrived,
    RunFinished,
    RunStarted,
    TextDelta,
    TurnFinished,
    TurnStarted,
    apply,
)
from deepanalyze_cli.evidence.fabricated import NOTE
from deepanalyze_cli.grammar import MALFORMED
from deepanalyze_cli.kernel import ScriptedKernel
from deepanalyze_cli.models.backends.scripted import CARD, ScriptedModel
from deepanalyze_cli.seams import ignore
from deepanalyze_cli.types import (
    Action,
    Completion,
    Limits,
    Message,
    Observation,
    Output,
    Run,
    Sampling,
    Step,
    Task,
    Turn,
)

TASK = Task("What is the mean?")
FOREVER = 1e6
"""Seconds that no test takes, so that the reserve for the report plays no part."""
ROOMY = Limits(seconds=FOREVER)


def code(text: str) -> str:
    return f"<Analyze>\nlook\n</Analyze>\n<Code>\n```python\n{text}\n```\n</Code>"


def answer(text: str = "It rains.") -> str:
    return f"<Answer>\n{text}\n</Answer>"


def printed(text: str, status="ok", **other) -> Observation:
    return Observation(status, (Output("stdout", {"text/plain": text}),), **other)


class Recorder(list[Event]):
    """A sink that keeps the events, and the run that the recorded ones make."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    @property
    def run(self) -> Run | None:
        run = None
        for event in self:
            if isinstance(event, RunStarted | TurnFinished | RunFinished):
                run = apply(run, event)
        return run


class Watched(ScriptedModel):
    """A scripted model that also keeps how it was to sample, and may be interrupted or fail instead of a reply."""

    def __init__(self, replies: Sequence[str | Completion | BaseException], **other):
        super().__init__([reply if isinstance(reply, str | Completion) else "" for reply in replies], **other)
        self.ends = {n: reply for n, reply in enumerate(replies) if isinstance(reply, BaseException)}
        self.samplings: list[Sampling] = []

    def generate(self, messages, sampling, *, on_text=ignore):
        self.samplings.append(sampling)
        completion = super().generate(messages, sampling, on_text=on_text)
        if end := self.ends.get(len(self.asked) - 1):
            raise end
        return completion


class Breaking(ScriptedKernel):
    """A scripted kernel in which a cell called `stop` ends with an exception."""

    def __init__(self, end: BaseException, observations: Iterable[Observation] = ()):
        super().__init__(observations)
        self.end = end

    def execute(self, code, *, timeout, on_output=ignore):
        if code == "stop":
            raise self.end
        return super().execute(code, timeout=timeout, on_output=on_output)


def go(
    replies, observations=(), *, limits=ROOMY, card=CARD, context=32_768, kernel=None, task=TASK
) -> tuple[Run, Watched, Recorder]:
    """Solve `TASK`; in every case the recorded events make the run that comes back."""
    model, events = Watched(replies, card=card, context=context), Recorder()
    run = solve(task, model, kernel or ScriptedKernel(observations), limits=limits, emit=events, run_id="r1")
    assert events.run == run
    assert len(model.asked) == len(replies) + bool(run.error)
    assert run.stop and events[-1] == RunFinished(run.stop, run.answer, run.seconds, run.error)
    return run, model, events


def statuses(run: Run) -> list[str]:
    return [turn.observation.status for turn in run.turns if turn.observation]


# --- the whole of it --------------------------------------------------------------------------------------------------


def test_a_whole_run_as_a_value():
    replies = [code("print(x)"), answer()]
    run, model, _ = go(replies, [printed("1\n")])
    act = Step("act", 0, "", ("</Code>", "</Answer>", "<Execute>"), 1024)
    asked = [sum(model.count(m.content) for m in messages) for messages in model.asked]
    assert run == Run(
        id="r1",
        task=TASK,
        prompt=model.asked[0],
        model=CARD,
        limits=ROOMY,
        started=run.started,
        turns=(
            Turn(
                0,
                act,
                Completion(replies[0], prompt_tokens=asked[0], completion_tokens=model.count(replies[0])),
                (Action("analyze", "look"), Action("code", "print(x)")),
                printed("1\n"),
                "1",
            ),
            Turn(
                1,
                act,
                Completion(replies[1], prompt_tokens=asked[1], completion_tokens=model.count(replies[1])),
                (Action("answer", "It rains."),),
                Observation("ok"),
                "(no output: print what you want to see)",
            ),
        ),
        stop="answer",
        answer="It rains.",
        seconds=run.seconds,
    )
    assert model.asked[1] == (*run.prompt, Message("assistant", replies[0]), Message("user", "Output:\n1"))


def test_the_events_in_their_order():
    run, model, events = go([code("print(1)"), answer()], [printed("1\n")])
    sizes = [e.prompt_tokens for e in events if isinstance(e, TurnStarted)]
    assert list(events) == [
        RunStarted(replace(run, turns=(), stop=None, answer="", seconds=0.0)),
        TurnStarted(0, run.turns[0].step, sizes[0]),
        TextDelta(0, run.turns[0].completion.text),
        CodeStarted(0, "print(1)"),
        OutputArrived(0, Output("stdout", {"text/plain": "1\n"})),
        TurnFinished(run.turns[0]),
        TurnStarted(1, run.turns[1].step, sizes[1]),
        TextDelta(1, run.turns[1].completion.text),
        TurnFinished(run.turns[1]),
        RunFinished("answer", "It rains.", run.seconds),
    ]
    assert sizes[1] > sizes[0] >= model.count(run.prompt[-1].content)


def test_the_published_dialect_is_continued():
    card = replace(CARD, dialect="native")
    limits = replace(ROOMY, turns=3)
    run, model, _ = go([code("a"), code("b"), answer()], [printed("1"), printed("2")], card=card, limits=limits)
    assert run.prompt == (Message("user", "# Instruction\nWhat is the mean?"),)
    assert model.asked[2] == (
        *run.prompt,
        Message("assistant", code("a")),
        Message("execute", "1"),
        Message("assistant", code("b")),
        Message("execute", "2"),
        Message("assistant", "<Answer>\n"),
    )


# --- observations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["ok", "error", "timeout", "died"])
def test_what_came_of_a_cell_is_told_and_the_loop_goes_on(status):
    run, model, _ = go([code("a"), code("b"), answer()], [printed("1", status, note="Noted."), printed("2")])
    assert statuses(run) == [status, "ok", "ok"] and run.stop == "answer"
    assert model.asked[1][-1] == Message("user", "Output:\n1\nNoted.")


def test_an_answer_before_any_code_is_refused():
    run, model, _ = go([answer("made up"), code("a"), answer()], [printed("1")])
    assert statuses(run) == ["refused", "ok", "ok"] and run.answer == "It rains."
    assert model.asked[1][-1].content.startswith("You have not run any code yet")


def test_an_answer_after_nothing_but_failures_is_refused():
    run, _, _ = go([code("a"), answer("made up"), code("b"), answer()], [printed("", "error"), printed("1")])
    assert statuses(run) == ["error", "refused", "ok", "ok"]


def test_the_same_cell_is_not_run_twice():
    kernel = ScriptedKernel([printed("1"), printed("2")])
    run, model, events = go([code("a"), code("a"), code("b"), answer()], kernel=kernel)
    assert kernel.codes == ["a", "b"] == [e.code for e in events if isinstance(e, CodeStarted)]
    assert statuses(run) == ["ok", "refused", "ok", "ok"] and run.turns[1].code == "a"
    assert "exactly this code" in model.asked[2][-1].content


@pytest.mark.parametrize(
    ("reply", "fault"),
    [("", "empty"), ("Hello.", "tags"), (Completion("<Code>\n```python\nprint(", "length"), "cut")],
)
def test_a_malformed_reply_is_told_what_was_wrong(reply, fault):
    run, model, _ = go([code("a"), reply, answer()], [printed("1")])
    assert statuses(run) == ["ok", "format", "ok"]
    assert model.asked[2][-1] == Message("user", MALFORMED[fault])


def test_a_reply_that_was_cut_off_is_not_asked_for_unchanged():
    cut = Completion("<Code>\n```python\nx = [1,", "length", completion_tokens=1024)
    kernel = ScriptedKernel([printed("1")])
    run, model, _ = go([cut, code("a"), answer()], kernel=kernel)
    assert kernel.codes == ["a"] and run.turns[0].code is None
    assert model.asked[1] != model.asked[0] and model.samplings[1] != model.samplings[0]


def test_half_an_answer_is_not_the_answer():
    run, _, _ = go([code("a"), Completion("<Answer>It is", "length"), answer()], [printed("1")])
    assert statuses(run) == ["ok", "format", "ok"] and run.answer == "It rains."


def test_what_the_model_writes_as_output_is_not_believed():
    kernel = ScriptedKernel([printed("the mean of x is 7")])
    run, _, _ = go(
        [code("a") + "\n<Execute>\n1\n</Execute>\n<Answer>1</Answer>", answer("The mean of x is 7.")], kernel=kernel
    )
    assert kernel.codes == ["a"] and run.answer == "The mean of x is 7."


# --- mending a report ----------------------------------------------------------------------------------------------


FOUND = "the mean mass of cats is 4.2 kg"
DOUBTFUL = "Cats weigh 4.2 kg on average.\n\nDogs weigh 31 kg on average. Birds sing."


def test_sentences_without_evidence_go_back_once_and_the_rest_stays():
    kernel = ScriptedKernel([printed(FOUND), printed("the mean mass of dogs is 29 kg")])
    replies = [
        code("print('the mean mass of cats is', x)"),
        answer(DOUBTFUL),
        code("print('the mean mass of dogs is', y)"),
        "1: Dogs weigh 29 kg on average.",
    ]
    run, model, _ = go(replies, kernel=kernel)
    assert [turn.step.purpose for turn in run.turns] == ["act", "act", "repair", "repair"]
    assert run.answer == "Cats weigh 4.2 kg on average.\n\nDogs weigh 29 kg on average. Birds sing."
    request = model.asked[2][-1].content
    assert "1. Dogs weigh 31 kg on average.\n   - 31" in request and "Cats" not in request
    assert model.asked[3][-1].content.endswith("or the word drop.")


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("1: drop", "Cats weigh 4.2 kg on average.\n\nBirds sing."),
        ("1: Dogs weigh 30 kg on average.", DOUBTFUL),  # as little supported as before
        ("2: drop", DOUBTFUL),
    ],
)
def test_what_the_model_wants_of_a_sentence(said, left):
    run, _, _ = go([code("print(x)"), answer(DOUBTFUL), said], kernel=ScriptedKernel([printed(FOUND)]))
    assert (run.stop, run.answer, len(run.turns)) == ("answer", left, 3)


def test_a_report_that_is_not_mended_stays_as_it_is():
    replies = [code("print(x)"), answer(DOUBTFUL), "I do not know.", "Still not.", "No."]
    run, model, _ = go(replies, kernel=ScriptedKernel([printed(FOUND)]))
    assert (run.stop, run.answer, statuses(run)[2:]) == ("answer", DOUBTFUL, ["format"] * 3)
    assert model.asked[-1][-1] == Message("assistant", "1: ")


def test_a_model_that_fails_while_mending_costs_nothing():
    run, _, _ = go([code("print(x)"), answer(DOUBTFUL)], kernel=ScriptedKernel([printed(FOUND)]))
    assert (run.stop, run.answer) == ("answer", DOUBTFUL) and "the script has 2 replies" in run.error


def test_a_short_answer_is_not_mended():
    task = replace(TASK, kind="answer")
    run, _, _ = go([code("print(x)"), answer("7")], kernel=ScriptedKernel([printed("8")]), task=task)
    assert (run.stop, run.answer, len(run.turns), run.error) == ("answer", "7", 2, "")


def test_numbers_that_were_only_typed_are_told_to_be_no_evidence():
    _, model, _ = go([code("print(0.82)"), answer()], kernel=ScriptedKernel([printed("0.82")]))
    assert model.asked[1][-1].content == f"Output:\n0.82\n{NOTE}"


# --- stops ------------------------------------------------------------------------------------------------------------


def test_turns_the_last_one_is_the_report():
    limits = replace(ROOMY, turns=3)
    run, model, _ = go([code("a"), code("b"), answer("so far")], [printed("1"), printed("2")], limits=limits)
    assert (run.stop, run.answer) == ("turns", "so far")
    assert [t.step.purpose for t in run.turns] == ["act", "act", "report"]
    assert run.turns[2].step.prefix == "<Answer>\n" == model.asked[2][-1].content
    assert model.asked[2][-2].content.startswith("Output:\n2\n\nNo more code can be run.")


def test_turns_an_answer_before_the_last_is_an_answer():
    run, _, _ = go([code("a"), answer()], [printed("1")], limits=replace(ROOMY, turns=3))
    assert (run.stop, run.answer) == ("answer", "It rains.")


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ("It rains.", "It rains."),
        ("<Analyze>hm</Analyze><Answer>It rains.", "It rains."),
        (Completion("It is", "length"), "It is"),
        ("It rains.\n```python\nprint(1)\n```\n", "It rains."),
        (code("b"), "<Analyze>\nlook\n</Analyze>"),
        ("<Code>\n```python\nb\n```\n</Code>", ""),
        ("", ""),
    ],
)
def test_the_report_turn_takes_any_words_and_runs_nothing(reply, told):
    kernel = ScriptedKernel([printed("1")])
    run, _, _ = go([code("a"), reply], kernel=kernel, limits=replace(ROOMY, turns=2))
    assert (run.stop, run.answer, kernel.codes) == ("turns", told, ["a"])


def test_tokens():
    long = Completion(code("a"), completion_tokens=900)
    run, _, _ = go([long, answer()], [printed("1")], limits=replace(ROOMY, tokens=1000))
    assert (run.stop, run.answer) == ("tokens", "It rains.")


def test_seconds():
    class Slow(ScriptedKernel):
        def execute(self, code, *, timeout, on_output=ignore):
            assert timeout == 1.0  # the least a cell gets
            end = time.monotonic() + 0.3
            while time.monotonic() < end:
                pass
            return super().execute(code, timeout=timeout, on_output=on_output)

    limits = Limits(seconds=15.3)  # of which the last 15 are for the report
    run, model, _ = go([code("a"), answer()], kernel=Slow([printed("1")]), limits=limits)
    assert (run.stop, run.answer, [t.step.purpose for t in run.turns]) == ("seconds", "It rains.", ["act", "report"])
    assert model.samplings[0].seconds == 5.0 and 14 < model.samplings[1].seconds <= 15


def test_no_time_for_anything():
    run, _, _ = go([], limits=replace(ROOMY, seconds=1.0))
    assert (run.stop, run.answer, run.turns) == ("seconds", "", ())


def test_one_step_has_nothing_to_report_and_makes_nothing_up():
    run, _, _ = go([], limits=replace(ROOMY, turns=1))
    assert (run.stop, run.answer, run.turns) == ("turns", "", ())


def test_three_malformed_replies_force_the_report():
    run, _, _ = go([code("a"), "one", "two", "three", answer()], [printed("1")])
    assert (run.stop, run.answer) == ("format", "It rains.")
    assert statuses(run) == ["ok", "format", "format", "format", "ok"]
    assert run.turns[4].step.purpose == "report"


def test_malformed_replies_that_are_not_in_a_row():
    run, _, _ = go(["one", "two", code("a"), "three", answer()], [printed("1")])
    assert (run.stop, statuses(run)) == ("answer", ["format", "format", "ok", "format", "ok"])


@pytest.mark.parametrize("done", [0, 1])
def test_interrupted_while_the_model_writes(done):
    run, _, _ = go([*[code("a")] * done, KeyboardInterrupt()], [printed("1")] * done)
    assert (run.stop, run.answer, run.error, len(run.turns)) == ("interrupted", "", "", done)


def test_interrupted_while_a_cell_runs():
    run, _, events = go([code("a"), code("stop")], kernel=Breaking(KeyboardInterrupt(), [printed("1")]))
    assert run.stop == "interrupted" and statuses(run) == ["ok"]
    assert isinstance(events[-2], CodeStarted)


@pytest.mark.parametrize("error", [ModelError("gone", "fetch it"), RuntimeError("gone")])
def test_failed_model(error):
    events = Recorder()
    with pytest.raises(type(error), match="gone"):
        solve(TASK, Watched([code("a"), error]), ScriptedKernel([printed("1")]), limits=ROOMY, emit=events)
    assert events.run and (events.run.stop, statuses(events.run)) == ("failed", ["ok"])
    assert events.run.error == f"{type(error).__name__}: {error}"


def test_failed_kernel():
    events = Recorder()
    with pytest.raises(KernelError):
        solve(TASK, Watched([code("stop")]), Breaking(KernelError("no kernel")), limits=ROOMY, emit=events)
    assert events.run and (events.run.stop, events.run.error) == ("failed", "KernelError: no kernel")


@pytest.mark.parametrize("at", [TurnStarted, TextDelta, CodeStarted, OutputArrived, TurnFinished])
def test_a_sink_that_fails_ends_the_run(at):
    events = Recorder()

    def emit(event: Event) -> None:
        events(event)
        if isinstance(event, at):
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        solve(TASK, Watched([code("a"), answer()]), ScriptedKernel([printed("1")]), limits=ROOMY, emit=emit)
    assert events.run and (events.run.stop, events.run.error) == ("failed", "OSError: disk full")


def test_a_script_that_ends_too_early():
    with pytest.raises(ModelError, match="the script has 1 replies"):
        solve(TASK, Watched([code("a")]), ScriptedKernel([printed("1")]), limits=ROOMY)


# --- sampling and context ---------------------------------------------------------------------------------------------


def test_sampling_gets_bolder_with_each_failure_and_calms_down():
    card = replace(CARD, sampling=Sampling(temperature=0.2, seed=7))
    replies = ["one", code("a"), answer("x"), code("b"), code("c"), answer()]
    _, model, _ = go(replies, [printed("", "error"), printed("1"), printed("2")], card=card)
    assert [round(s.temperature, 2) for s in model.samplings] == [0.2, 0.45, 0.7, 0.95, 0.2, 0.2]
    assert [s.seed for s in model.samplings] == list(range(7, 13))
    assert all(s.max_tokens == 1024 and s.stop and s.seconds for s in model.samplings)


def test_old_observations_are_left_out_and_marked():
    shown = [printed(f"{n} " * 600) for n in range(8)]
    run, model, events = go([*(code(str(n)) for n in range(8)), answer()], shown, context=3000)
    dropped = [turn.dropped for turn in run.turns]
    assert dropped[0] == () and dropped[-1] and all(a <= b for a, b in pairwise(dropped))
    assert [e.dropped for e in events if isinstance(e, TurnStarted)] == dropped
    for turn, messages in zip(run.turns, model.asked, strict=True):
        assert messages[: len(run.prompt)] == run.prompt
        assert sum(model.count(m.content) for m in messages) + turn.step.max_tokens <= 3000
        said = [m.content for m in messages[len(run.prompt) :]]
        assert said[::2] == [t.completion.text for t in run.turns[: turn.index]]
        assert [t for t, text in enumerate(said[1::2]) if "was left out" in text] == list(turn.dropped)


def test_a_context_too_small_for_the_task():
    events = Recorder()
    with pytest.raises(ContextTooSmall):
        solve(TASK, Watched([answer()], context=1100), ScriptedKernel([]), limits=ROOMY, emit=events)
    assert events.run and events.run.stop == "failed" and events.run.error.startswith("ContextTooSmall:")


def test_many_episodes_can_be_driven_in_step():
    episodes = [Episode(replace(TASK, id=str(n)), Watched([]), ScriptedKernel([printed("1")])) for n in range(2)]
    for reply in (code("a"), answer()):
        for episode in episodes:
            assert not episode.done and episode.messages[0].role == "system"
            episode.advance(Completion(reply))
    assert [(e.done, e.run.task.id, e.run.answer) for e in episodes] == [
        (True, "0", "It rains."),
        (True, "1", "It rains."),
    ]
