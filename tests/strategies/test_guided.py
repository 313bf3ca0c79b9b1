"""The guided way, driven by a model that does as it is told until a test makes it fail."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from deepanalyze_cli.agent import Episode
from deepanalyze_cli.evidence.fabricated import NOTE
from deepanalyze_cli.models.backends.scripted import ScriptedModel
from deepanalyze_cli.prompts import kinds
from deepanalyze_cli.seams import ignore
from deepanalyze_cli.strategies.columns import column_roles, fresh
from deepanalyze_cli.strategies.guided import ATTEMPTS, FOLLOWUP, findings, focus, questions, section_kinds, suits
from deepanalyze_cli.types import (
    Column,
    Completion,
    DataSource,
    Limits,
    ModelCard,
    Observation,
    Output,
    Run,
    Step,
    Table,
    Task,
    Turn,
)

CARD = ModelCard("guided", "scripted", dialect="fences", strategy="guided")
SPECIES = Column("species", "text", distinct=3, examples=("Adelie (152)", "Gentoo (124)", "Chinstrap (68)"))
ISLAND = Column("island", "text", distinct=3, examples=("Biscoe (168)", "Dream (124)", "Torgersen (52)"))
MASS = Column("body_mass_g", "integer", distinct=94, low="2700", high="6300")
FLIPPER = Column("flipper_mm", "number", distinct=55, low="172.0", high="231.0")
YEAR = Column("year", "integer", distinct=3, low="2007", high="2009")
PENGUINS = Table("penguins", 344, (SPECIES, ISLAND, MASS, FLIPPER, YEAR), "...")
PLAYED_BY = {
    "OTHER_NUMBER": "flipper_mm",
    "NUMBER": "body_mass_g",
    "OTHER_CATEGORY": "island",
    "CATEGORY": "species",
    "TIME": "year",
}
TOLD = "Gentoo has the highest mean: 5076.0 g."
TELLING = 'print(f"{top} has the highest mean: {high:.1f} g.")'

Reply = Callable[[Run, Step], str | Completion]


def task(*tables: Table) -> Task:
    return Task("What drives the mass?", (DataSource("penguins.csv", "/data", "csv", 13_000, "0" * 64, tables),))


def question(run: Run, step: Step) -> str:
    form = kinds()[section_kinds(run)[step.section - 1]]["ask"]
    return re.sub("|".join(PLAYED_BY), lambda word: PLAYED_BY[word.group()], form)


def obedient(run: Run, step: Step) -> str:
    tried = len(run.turns)
    match step.purpose:
        case "plan" | "followup":
            return question(run, step)
        case "code":
            return f"stats = penguins.size + {tried}\nprint(stats)  # {questions(run)[step.section]}"
        case "finding":
            return f"{TELLING}  # {tried}"
        case "chart":
            return f"plt.show()  # {tried}"
        case "summary":
            return " 2, 1\n"
    raise AssertionError(step)


class Telling:
    """A kernel that prints the finding where one is told, a chart where one is shown, and else a number."""

    def __init__(self, told: str = TOLD):
        self.told, self.codes = told, []

    def execute(self, code, *, timeout, on_output=ignore):
        self.codes.append(code)
        if "plt.show" in code:
            return Observation("ok", (Output("display", {"image/png": "iVBO"}),))
        text = f"{self.told}\n" if "has the highest" in code else "5076\n"
        return Observation("ok", (Output("stdout", {"text/plain": text}),))

    def close(self):
        pass


def drive(reply: Reply = obedient, *, turns: int = 60, kernel=None, table: Table = PENGUINS):
    """Run to the end. Returns the run and the messages of each turn."""
    limits = Limits(turns=turns, seconds=1e6, tokens=10**9)
    episode = Episode(task(table), ScriptedModel([], card=CARD), kernel or Telling(), briefing="A card.", limits=limits)
    asked = []
    while not episode.done:
        asked.append(episode.messages)
        step = episode.step
        said = reply(episode.run, step)
        text = said if isinstance(said, str) else said.text
        completion = said if isinstance(said, Completion) else Completion(text)
        episode.advance(replace(completion, prefix=step.prefix))
    return episode.run, asked


def once(purpose: str, *replies: str | Completion) -> Reply:
    """Obedient, but the first tries of a purpose are answered with `replies`."""
    left = list(replies)
    return lambda run, step: left.pop(0) if step.purpose == purpose and left else obedient(run, step)


def always(purpose: str, text: str) -> Reply:
    """Obedient but for one purpose, in which no reply comes up to what was asked."""
    return lambda run, step: f"{text}{len(run.turns)}" if step.purpose == purpose else obedient(run, step)


def of(run: Run, purpose: str) -> list[Turn]:
    return [turn for turn in run.turns if turn.step.purpose == purpose]


def status(turn: Turn) -> tuple[str, str]:
    assert turn.observation
    return turn.observation.status, turn.observation.note


def test_a_whole_run():
    run, asked = drive()
    assert run.stop == "answer" and run.answer == f"- {TOLD}\n- {TOLD}"
    assert {turn.observation.status for turn in run.turns if turn.observation} == {"ok"}
    number = len(section_kinds(run))
    assert number == len(kinds()) + 1  # the follow-up is asked twice
    each = ["code", "finding", "chart"]
    sections = [[t.step.purpose for t in run.turns if t.step.section == n] for n in range(1, number + 1)]
    assert sections == [["plan", *each]] * (number - 2) + [["followup", *each]] * 2
    assert [t.step.purpose for t in run.turns if not t.step.section] == ["summary"]
    assert findings(run) == tuple((n, TOLD) for n in range(1, number + 1))
    assert questions(run)[1] == "How does body_mass_g differ by species?"
    assert len(asked) == len(run.turns)


def test_every_branch_begins_with_the_same_prompt():
    run, asked = drive()
    system, card = run.prompt
    assert "A card." in card.content and run.task.question in card.content
    for messages in asked:
        assert messages[0] == system and messages[1].content.startswith(card.content + "\n\n")
        roles = [message.role for message in messages[1:]]
        assert roles == [("user", "assistant")[n % 2] for n in range(len(roles))]


def test_a_step_sees_its_own_section_and_what_was_asked_before():
    run, asked = drive()
    for turn, messages in zip(run.turns, asked, strict=True):
        assert (messages[-1].role == "assistant") == bool(turn.step.prefix)
        if turn.step.purpose in ("finding", "chart"):
            [code] = [t for t in of(run, "code") if t.step.section == turn.step.section]
            assert [m.content for m in messages].count(code.completion.whole) == 1
            assert any(m.content.startswith("Output:\n5076") for m in messages)
        for section, asked_before in questions(run).items():
            if turn.step.purpose == "plan" and section < turn.step.section:
                assert f"- {asked_before}" in messages[1].content


def test_a_question_and_a_choice_have_a_grammar():
    run, _ = drive()
    for turn in (*of(run, "plan"), *of(run, "followup")):
        assert turn.step.grammar.startswith("root ::= ")
        assert any(f'"{column}"' in turn.step.grammar for column in PLAYED_BY.values())
    assert of(run, "summary")[0].step.grammar


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ('print(f"Adelie has {high:.1f} g on average.")', "Typed as plain text: Adelie."),
        ('print(f"{top} has the highest mean: 5076 g.")', "Typed as plain text: 5076."),
        ("print(f\"{'Gentoo'} has the highest mean: {high} g.\")", "Typed as plain text: Gentoo."),
        ('print("Gentoo has " + str(high) + " g on average.")', "Typed as plain text: Gentoo."),
        ('print("One group has the highest mean.")', "The sentences take nothing from variables"),
        ('x = f"{top}"\nprint("One group has the highest mean.")', "The sentences take nothing from variables"),
        ("print(f'{top} has", "SyntaxError: "),
        ('print(f"{TABLE} has the highest mean NUMBER.")', "Left in from the form: TABLE, NUMBER."),
    ],
)
def test_a_finding_that_could_be_untrue_is_not_run(cell, why):
    kernel = Telling()
    run, asked = drive(once("finding", cell), kernel=kernel, turns=6)
    refused, accepted = of(run, "finding")
    assert status(refused)[0] == "refused" and status(refused)[1].startswith(why)
    assert status(accepted) == ("ok", "") and cell not in kernel.codes
    retry = asked[accepted.index][-2].content
    assert refused.feedback in retry and cell not in "".join(m.content for m in asked[accepted.index])


UNSOUND = ["", "5076", "Gentoo: nan", "Gentoo has the highest mean: nan g.", "It is 120.0 % of all."]


@pytest.mark.parametrize("told", UNSOUND)
def test_a_cell_that_tells_nothing_sound_is_no_finding(told):
    run, _ = drive(turns=11, kernel=Telling(told))
    refused = ("refused", "The cell printed no full sentence with values.")
    assert {status(turn) for turn in of(run, "finding")} == {refused}
    assert len(of(run, "finding")) == 2 * ATTEMPTS["finding"] or run.stop == "turns"
    assert run.answer == "" and findings(run) == () and not of(run, "summary")


def test_sentences_are_kept_once_and_the_rest_is_dropped():
    run, _ = drive(turns=6, kernel=Telling(f"Table:\n{TOLD}\n  {TOLD}\n1 2 3 4 5"))
    assert findings(run) == ((1, TOLD),) and run.answer == f"- {TOLD}"


@pytest.mark.parametrize("purpose", ["plan", "code", "chart"])
def test_what_does_not_succeed_is_given_up(purpose):
    run, _ = drive(always(purpose, "TABLE ?"), turns=60)
    first = [turn for turn in of(run, purpose) if turn.step.section == 1]
    assert len(first) == ATTEMPTS[purpose] and {status(turn)[0] for turn in first} == {"refused"}
    assert run.stop == "answer" and bool(run.answer) == (purpose == "chart")


def test_no_findings_no_following_up():
    run, _ = drive(always("code", "TABLE ?"))
    assert FOLLOWUP in section_kinds(run) and not of(run, "followup") and not of(run, "summary")
    assert (run.stop, run.answer) == ("answer", "")


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("How does NUMBER differ between the values of species?", "NUMBER was not replaced by a column."),
        ("How does height differ between the values of species?", "It must name 1 of these columns as NUMBER:"),
    ],
)
def test_a_question_that_names_no_column_is_refused(asked, why):
    run, _ = drive(once("plan", asked), turns=6)
    assert status(of(run, "plan")[0])[0] == "refused" and status(of(run, "plan")[0])[1].startswith(why)
    assert questions(run) == {1: question(run, of(run, "plan")[0].step)}


def test_a_cell_that_was_cut_off_is_not_run():
    run, _ = drive(once("code", Completion("print('half", "length")), turns=7)
    assert [t.observation.status for t in of(run, "code") if t.observation] == ["format", "ok"]


def test_the_last_turn_chooses_key_findings():
    run, _ = drive(turns=5)
    assert [t.step.purpose for t in run.turns] == ["plan", "code", "finding", "chart", "summary"]
    assert (run.stop, run.answer) == ("turns", f"- {TOLD}")


@pytest.mark.parametrize("turns", [1, 3])
def test_a_budget_that_is_over_before_there_are_findings(turns):
    run, _ = drive(turns=turns)
    assert (run.stop, run.answer, len(run.turns)) == ("turns", "", turns - 1)


@pytest.mark.parametrize(
    ("chosen", "told"), [("2, 1", [2, 1]), (" 1,1, 3", [1, 3]), ("9, 2", [2]), ("1,2,3,4,5", [1, 2, 3, 4])]
)
def test_the_choice_of_key_findings(chosen, told):
    def numbered(run: Run, step: Step) -> str:
        return chosen if step.purpose == "summary" else obedient(run, step)

    class Counting(Telling):
        def execute(self, code, **other):
            if "has the highest" in code:
                self.told = f"Finding number {len([c for c in self.codes if 'has the highest' in c]) + 1} is told."
            return super().execute(code, **other)

    run, _ = drive(numbered, kernel=Counting())
    assert run.answer == "\n".join(f"- Finding number {n} is told." for n in told)


def test_a_choice_that_cannot_be_read_falls_back_to_the_first():
    run, asked = drive(lambda run, step: "none" if step.purpose == "summary" else obedient(run, step))
    assert [status(turn)[0] for turn in of(run, "summary")] == ["format"] * ATTEMPTS["summary"]
    assert run.answer.splitlines() == [f"- {TOLD}"] * 4 and run.stop == "answer"
    assert f"2. {TOLD}" in asked[-1][1].content


def test_code_that_leaves_out_what_was_asked_is_not_run():
    run, _ = drive(once("code", "print(len(penguins))"))
    first = of(run, "code")[0]
    assert status(first)[0] == "refused" and "body_mass_g" in status(first)[1] and "species" in status(first)[1]


def test_a_form_that_stands_in_a_comment_is_no_placeholder():
    run, _ = drive(once("code", "# NUMBER by CATEGORY: body_mass_g by species\nprint(penguins.size)"))
    assert status(of(run, "code")[0])[0] == "ok"


def test_numbers_that_were_only_typed_are_asked_for_again():
    run, _ = drive(once("code", "stats = {'species': 3, 'body_mass_g': 5076}\nprint(stats)"))
    assert status(of(run, "code")[0]) == ("refused", NOTE)
    assert status(of(run, "code")[1])[0] == "ok"


def test_with_several_tables_the_model_says_first_which_one():
    islands = Table("islands", 3, (Column("name", "text", distinct=3), Column("area", "number", distinct=3)), "...")
    limits = Limits(turns=60, seconds=1e6, tokens=10**9)
    twin = ScriptedModel([], card=CARD)
    episode = Episode(task(islands, PENGUINS), twin, Telling(), briefing="A card.", limits=limits)
    assert episode.step.purpose == "focus" and episode.step.grammar == 'root ::= "islands" | "penguins"'
    assert "- penguins: species, island" in episode.messages[-1].content
    episode.advance(Completion("whales"))
    assert status(episode.run.turns[-1]) == ("refused", "There are only these tables: islands, penguins.")
    episode.advance(Completion("penguins"))
    assert focus(episode.run) == PENGUINS and episode.step.purpose == "plan"


def test_what_the_user_names_is_asked_first():
    roles = column_roles(PENGUINS)
    assert fresh(roles, [], "Do the islands differ in flippers?")["CATEGORY"] == ["island"]
    assert fresh(roles, [], "Do the islands differ in flippers?")["NUMBER"] == ["flipper_mm", "body_mass_g"]


def test_data_without_numbers_or_groups_does_not_suit():
    assert suits(task(PENGUINS)) and not suits(task(Table("notes", 9, (Column("text", "text", distinct=9),), "...")))
