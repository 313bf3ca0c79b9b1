"""A short answer by programs: what is shown after a failure, when it ends, and which answer is taken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deepanalyze_cli.agent import solve
from deepanalyze_cli.kernel import ScriptedKernel
from deepanalyze_cli.models.backends.scripted import CARD, ScriptedModel
from deepanalyze_cli.strategies.asked import Asked
from deepanalyze_cli.types import Column, Completion, DataSource, Limits, Observation, Output, Table, Task

TABLE = Table("trips", 3, (Column("fare", "number"), Column(" WINDDIR", "text")), "load()")
TASK = Task("What is the mean fare?", (DataSource("trips.csv", "/d/trips.csv", "csv", 9, "", (TABLE,)),), "answer")


def printed(text: str) -> Observation:
    return Observation("ok", (Output("stdout", {"text/plain": text}),))


def failed(name: str, said: str) -> Observation:
    return Observation("error", (Output("error", {"ename": name, "evalue": said}),))


def run_of(replies: list[Completion], observations: list[Observation], strategy: Asked | None = None):
    model = ScriptedModel(replies, card=replace(CARD, dialect="fences"))
    kernel = ScriptedKernel(observations)
    limits = Limits(seconds=1e6, turns=12)
    return solve(TASK, model, kernel, limits=limits, strategy=strategy or Asked()), model, kernel


def program(n: int) -> Completion:
    return written(f"print(df.fare.mean(), {n})")


def written(code: str) -> Completion:
    return Completion(code, prefix="```python\ndf = trips.copy()\n")


def test_two_programs_that_agree_end_it():
    run, model, kernel = run_of([program(1), program(2)], [printed("34.650\n"), printed(" 34.65")])
    assert (run.stop, run.answer) == ("answer", "34.650")
    assert kernel.codes == [f"df = trips.copy()\n{program(n).text}" for n in (1, 2)]
    first, second = model.asked
    assert first == second and first[-1].content == "```python\ndf = trips.copy()\n"
    assert [t.step.boldness for t in run.turns] == [0.0, 0.5]


def test_the_answer_of_most_programs_is_taken_and_else_the_first():
    answers = [printed(text) for text in ("1.0", "2.0", "2.0")]
    assert run_of([program(n) for n in range(3)], answers)[0].answer == "2.0"
    answers = [printed(text) for text in ("1.0", "2.0", "3.0")]
    run, *_ = run_of([program(n) for n in range(3)], answers)
    assert (run.stop, run.answer) == ("answer", "1.0")


def test_a_failed_program_is_shown_with_its_error_and_the_cure_and_no_older_one():
    wrong = [failed("KeyError", "'WINDDIR'"), failed("KeyError", "'Fare'"), printed("34.65")]
    run, model, _ = run_of([program(n) for n in range(3)], wrong, Asked(programs=1))
    assert run.answer == "34.65"
    first, second, third = model.asked
    assert "there is ' WINDDIR'" in second[1].content and first[1].content in second[1].content
    assert "there is 'fare'" in third[1].content and "WINDDIR'" not in third[1].content.partition("thrown away")[2]
    assert [message.role for message in third] == ["system", "user", "assistant"]


def test_a_program_that_failed_before_ends_its_turn_and_another_begins():
    run, *_ = run_of([program(1), program(1), program(2), program(3)], [failed("E", "x"), printed("1"), printed("1")])
    assert [turn.step.section for turn in run.turns] == [1, 1, 2, 3] and run.answer == "1"


def test_numbers_that_a_conversion_lost_are_told_once():
    lost = "[to_numeric: 2 of 3 values became missing, such as '65[49-83]']\n"
    seen = Observation("ok", (Output("stdout", {"text/plain": "1.5"}), Output("stderr", {"text/plain": lost})))
    run, model, _ = run_of([program(n) for n in range(2)], [seen, seen], Asked(programs=1))
    assert [turn.observation.status for turn in run.turns if turn.observation] == ["refused", "ok"]
    assert "such as '65[49-83]', that hold a number" in model.asked[1][1].content and run.answer == "1.5"
    letters = replace(seen, outputs=(seen.outputs[0], Output("stderr", {"text/plain": lost.replace("65[49-83]", "x")})))
    assert len(run_of([program(1)], [letters], Asked(programs=1))[0].turns) == 1


@pytest.mark.parametrize(("question", "told"), [("the population standard deviation of x", True), ("the sum", False)])
def test_recipes_are_given_to_the_words_that_ask_for_them(question, told):
    asked = Asked().prompt(replace(TASK, question=question), "card", CARD)[1].content
    assert (".std(ddof=0)" in asked) == told and asked.endswith(question)


def test_what_is_no_answer_is_sent_back():
    outputs = [Observation("ok"), printed("mean: nan"), printed("x" * 3000), printed("34.65")]
    run, *_ = run_of([program(n) for n in range(4)], outputs, Asked(programs=1))
    notes = [turn.observation.note for turn in run.turns if turn.observation]
    assert ["nothing" in notes[0], "missing value" in notes[1], "too much" in notes[2]] == [True] * 3
    assert run.answer == "34.65"


def test_a_number_that_was_typed_is_no_answer():
    typed = [written("print('34.65')"), written("x = 34.65\nprint(f'{x}')"), program(1)]
    run, *_ = run_of(typed, [printed("34.65"), printed("30.1")], Asked(programs=1))
    assert [turn.observation.status for turn in run.turns if turn.observation] == ["refused", "refused", "ok"]
    assert run.answer == "30.1"


@pytest.mark.parametrize(("attempts", "programs"), [(2, 2), (1, 3)])
def test_it_gives_up(attempts, programs):
    asked = Asked(programs=programs, attempts=attempts)
    tries = attempts * programs
    run, *_ = run_of([program(n) for n in range(tries)], [failed("ValueError", "x")] * tries, asked)
    assert (run.stop, run.answer, len(run.turns)) == ("answer", "", tries)
