"""A question with a short answer, for small models: one program computes it and prints it in the form asked for.

A program that fails is written again with its error and the cure in sight, but not its code, which a small model would
copy. Once one has answered, others are written from the start and at a higher temperature, until two answers are the
same: what two programs agree on is right more often than what one says (self-consistency, arXiv 2203.11171). The answer
is what the program printed. Nothing is copied by the model, so nothing can be copied wrongly.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .. import grammar
from ..evidence.fabricated import NOTE, fabricated
from ..evidence.telling import computed
from ..grammar import Reply
from ..prompts import prompt, recipes
from ..types import Action, Completion, Message, ModelCard, Observation, Run, Step, Task, Turn
from .cures import cure

CODE_TOKENS = 700
ANSWER_CHARACTERS = 2000
"""A longer output is no answer."""
RECIPES = 4
TYPED = "The program prints fixed text. Print what was computed, from variables."
LOST = (
    "pd.to_numeric made {} values missing, such as {}, that hold a number. Take the number out of the text first: "
    r"df[c].astype(str).str.replace(',', '').str.extract(r'(-?\d+\.?\d*)')[0].astype(float)."
)
_LOST = re.compile(r"\[to_numeric: ([\d,]+) of .* values became missing, such as (.*)\]")
_NUMERAL = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.]*\d)")
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
    cookbook: bool = True
    traps: bool = True

    def prompt(self, task: Task, briefing: str, card: ModelCard) -> tuple[Message, ...]:
        """The role, the data card and the question with its form."""
        return (
            Message("system", prompt("asked_system")),
            Message("user", prompt("asked_task", question=task.question, card=briefing, notes=self._notes(task))),
        )

    def step(self, run: Run, *, last: bool) -> Step | None:
        """The next program, until two agree or enough have been written."""
        answers = _answers(run)
        counted = Counter(_same(text) for text in answers.values())
        if (last and answers) or max(counted.values(), default=0) > 1 or len(answers) >= self.programs:
            return None
        number = max((t.step.section for t in run.turns), default=1)
        tried = [t for t in run.turns if t.step.section == number]
        if number in answers or len(tried) >= self.attempts or _repeated(tried):
            number, tried = number + 1, []
        if number > self.programs:
            return None
        bolder = self.boldness if number > 1 and not tried else 0.0
        return Step("code", number, self._opening(run.task), ("\n```",), CODE_TOKENS, boldness=bolder)

    def messages(self, run: Run, step: Step, dropped: frozenset[int]) -> tuple[Message, ...]:
        """The prompt, and how this program's last attempt failed. Not its code: a small model would copy it."""
        said = run.prompt
        if failed := [t for t in run.turns if t.step.section == step.section]:
            told = prompt("asked_retry", failure=failed[-1].feedback)
            said = (said[0], Message("user", f"{said[1].content}\n\n{told}"))
        return (*said, Message("assistant", step.prefix))

    def read(self, run: Run, step: Step, completion: Completion) -> Reply:
        """The program."""
        if completion.finish != "stop":
            return Reply(fault="cut")
        code = grammar.code_in(completion.whole)
        return Reply((Action("code", code),)) if code else Reply(fault="fences")

    def objection(self, run: Run, step: Step, reply: Reply) -> str:
        """An answer that the program only quotes is none. Whatever else is wrong with it, running it will tell."""
        code = next((a.text for a in reply.actions if a.kind == "code"), "")
        return "" if computed(code) else TYPED

    def conclude(self, run: Run, step: Step, reply: Reply, observation: Observation) -> tuple[Reply, Observation]:
        """What a program printed is its answer, if it was computed; of one that failed, the cure is told."""
        code = next((a.text for a in reply.actions if a.kind == "code"), "")
        if observation.status == "error" and self.cures:
            return reply, _noted(observation, cure(observation, code, run.task.sources))
        if observation.status != "ok" or not code:
            return reply, observation
        text = grammar.printed(observation)
        first = not any(turn.step.section == step.section for turn in run.turns)
        why = _no_answer(text) or (NOTE if fabricated(run, step, code, observation) else "")
        if why := why or (_trapped(observation) if first and self.traps else ""):
            return reply, replace(_noted(observation, why), status="refused")
        return Reply((*reply.actions, Action("answer", text))), observation

    def answer(self, run: Run) -> str:
        """The answer that most programs gave, the earliest among equals."""
        answers = list(_answers(run).values())
        counted = Counter(map(_same, answers))
        return max(answers, key=lambda text: counted[_same(text)], default="")

    def _notes(self, task: Task) -> str:
        """The recipes that the words of the question ask for."""
        asked = [text for words, text in recipes() if self.cookbook and words.search(task.question)]
        return "".join(f"- {text}\n" for text in asked[:RECIPES])

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


def _repeated(tried: Sequence[Turn]) -> bool:
    """Whether the model wrote again what had failed: it would go on so."""
    return any(turn.code == tried[-1].code for turn in tried[:-1])


def _trapped(observation: Observation) -> str:
    """What a conversion made missing although a number stands in it. Told once: it may have been meant."""
    said = "".join(o.data.get("text/plain", "") for o in observation.outputs if o.kind == "stderr")
    lost = next((line for line in _LOST.findall(said) if re.search(r"\d", line[1])), None)
    return LOST.format(lost[0], lost[1]) if lost else ""


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
    """An answer as it is compared with another: its words and the values of its numbers, whatever the spacing."""
    return _NUMERAL.sub(lambda number: f"{float(number[0]):.12g}", " ".join(text.split()).casefold())
