"""A question with a short answer, for small models: one program computes it and prints it in the form asked for.

A program that fails is written again with its error and the cure in sight; it alone, so that prompts stay short. Once
one has answered, others are written from the start and at a higher temperature, until two answers are the same: what
two programs agree on is right far more often than what one says (self-consistency, arXiv 2203.11171, by execution).
The answer is what the program printed. Nothing is copied by the model, so nothing can be copied wrongly.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace

from .. import grammar
from ..evidence.fabricated import NOTE, fabricated
from ..grammar import Reply
from ..prompts import prompt
from ..types import Action, Completion, Message, ModelCard, Observation, Run, Step, Task, Turn
from .cures import cure

CODE_TOKENS = 700
ANSWER_CHARACTERS = 2000
"""A longer output is no answer."""
_MISSING = re.compile(r"\b(?:nan|NaN|None|inf|NaT)\b")


@dataclass(frozen=True)
class Asked:
    """At most `programs` that answer, each written at most `attempts` times; `cures` are told with errors.

    The fields are what a measurement switches off (`deepanalyze eval --without`).
    """

    programs: int = 3
    attempts: int = 4
    boldness: float = 0.5
    cures: bool = True
    opening: bool = True

    def prompt(self, task: Task, briefing: str, card: ModelCard) -> tuple[Message, ...]:
        """The role, the data card and the question with its form."""
        return (
            Message("system", prompt("asked_system")),
            Message("user", prompt("asked_task", question=task.question, card=briefing)),
        )

    def step(self, run: Run, *, last: bool) -> Step | None:
        """The next program, until two agree or enough have been written."""
        answers = _answers(run)
        counted = Counter(_same(text) for text in answers.values())
        if (last and answers) or max(counted.values(), default=0) > 1 or len(answers) >= self.programs:
            return None
        number = max((t.step.section for t in run.turns), default=1)
        tried = [t for t in run.turns if t.step.section == number]
        if number in answers or len(tried) >= self.attempts:
            number, tried = number + 1, []
        if number > self.programs:
            return None
        bolder = self.boldness if number > 1 and not tried else 0.0
        return Step("code", number, self._opening(run.task), ("\n```",), CODE_TOKENS, boldness=bolder)

    def messages(self, run: Run, step: Step, dropped: frozenset[int]) -> tuple[Message, ...]:
        """The prompt, and of this program's failed attempts the last."""
        said = run.prompt
        if failed := [t for t in run.turns if t.step.section == step.section]:
            wrote, told = failed[-1].completion.whole, failed[-1].feedback
            said = (*said, Message("assistant", f"{wrote}\n```"), Message("user", prompt("asked_retry", failure=told)))
        return (*said, Message("assistant", step.prefix))

    def read(self, run: Run, step: Step, completion: Completion) -> Reply:
        """The program."""
        if completion.finish != "stop":
            return Reply(fault="cut")
        code = grammar.code_in(completion.whole)
        return Reply((Action("code", code),)) if code else Reply(fault="fences")

    def objection(self, run: Run, step: Step, reply: Reply) -> str:
        """Nothing: a program that cannot run says so itself, at once."""
        return ""

    def conclude(self, run: Run, step: Step, reply: Reply, observation: Observation) -> tuple[Reply, Observation]:
        """What a program printed is its answer, if it was computed; of one that failed, the cure is told."""
        code = next((a.text for a in reply.actions if a.kind == "code"), "")
        if observation.status == "error" and self.cures:
            return reply, _noted(observation, cure(observation, code, run.task.sources))
        if observation.status != "ok" or not code:
            return reply, observation
        text = grammar.printed(observation)
        if why := _no_answer(text) or (NOTE if fabricated(run, step, code, observation) else ""):
            return reply, replace(_noted(observation, why), status="refused")
        return Reply((*reply.actions, Action("answer", text))), observation

    def answer(self, run: Run) -> str:
        """The answer that most programs gave, the earliest among equals."""
        answers = list(_answers(run).values())
        counted = Counter(map(_same, answers))
        return max(answers, key=lambda text: counted[_same(text)], default="")

    def _opening(self, task: Task) -> str:
        """A copy to work on: the tables must be whole for the next program."""
        tables = [table.name for source in task.sources for table in source.tables]
        if self.opening and len(tables) == 1 and tables[0].isidentifier():
            return f"{grammar.OPEN_CODE['fences']}df = {tables[0]}.copy()\n"
        return grammar.OPEN_CODE["fences"]


def _answers(run: Run) -> dict[int, str]:
    """Program -> what it answered."""
    return {turn.step.section: text for turn in run.turns if (text := _answered(turn))}


def _answered(turn: Turn) -> str:
    if turn.observation is None or turn.observation.status != "ok":
        return ""
    return next((a.text for a in turn.actions if a.kind == "answer"), "")


def _no_answer(text: str) -> str:
    """Why an output is not the answer."""
    if not text.strip():
        return "The program printed nothing."
    if len(text) > ANSWER_CHARACTERS:
        return "The program printed far too much: print the answer only."
    if _MISSING.search(text):
        return "The printed answer has a missing value in it: leave rows with missing values out of the computation."
    return ""


def _noted(observation: Observation, note: str) -> Observation:
    return replace(observation, note="\n".join(filter(None, (observation.note, note))))


def _same(text: str) -> str:
    """An answer as it is compared with another: its words and numbers, whatever the spacing."""
    return " ".join(text.split()).casefold()
