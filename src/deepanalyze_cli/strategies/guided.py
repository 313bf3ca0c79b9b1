"""One thing at a time, for small models: ask a question, answer it with code, tell the answer by code, draw it.

Every question, line of code and sentence is the model's; the harness decides only what is asked next. A finding is
told by a cell that prints its sentences, numbers and names taken from variables: a small model that reads a table
aloud mixes up its rows, the same model that writes `stats["mean"].idxmax()` does not (README, "What was measured").
Each section is a branch of the conversation that starts after the data card, so prompts stay short and the card stays
in the cache.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import replace

from .. import grammar
from ..evidence.fabricated import NOTE, fabricated
from ..evidence.telling import computed, group_names, typed_facts
from ..grammar import Reply
from ..prompts import kinds, prompt
from ..types import Action, Completion, Message, ModelCard, Observation, Run, Step, Table, Task, Turn
from .columns import (
    PLACEHOLDER,
    Roles,
    askable,
    column_roles,
    form_grammar,
    fresh,
    left_out,
    miscast,
    one_of,
    playable,
    unit_of,
)

FOLLOWUPS = 2
FOLLOWUP = "subgroup"
"""The kind of question that is asked once there are findings to dig into."""
ATTEMPTS = {"focus": 2, "plan": 2, "followup": 2, "code": 3, "finding": 3, "chart": 2, "summary": 2}
"""How often each is tried before it is given up."""
TURNS_A_SECTION = 5
MOST_TABLES = 200
"""Tables the model can choose among."""
SENTENCES = 6
"""The most of a finding that is told; its cell shows the rest."""
KEY_FINDINGS = 4
KEY_SENTENCES = 3

_FORMS = {"code": "code", "finding": "tell", "chart": "chart"}
_NOTHING = re.compile(r"\b(?:nan|NaN|None|inf|dtype|Timestamp)\b|\('")
"""Missing values, and values as Python writes them: no words for a reader."""
_PERCENT = re.compile(r"([\d.]+) ?%")
_LIST = 'root ::= " "? number ("," " "? number)* "\\n"\nnumber ::= [1-9] [0-9]?'
_SUMMARY = Step("summary", 0, "Findings:", ("\n",), 16, _LIST)


class Guided:
    """(question -> numbers -> telling -> chart) for each section, then the choice of the key findings."""

    def prompt(self, task: Task, briefing: str, card: ModelCard) -> tuple[Message, ...]:
        """The role, the question and the data card: the part that every branch shares."""
        return (
            Message("system", prompt("guided_system")),
            Message("user", prompt("guided_task", question=task.question, card=briefing)),
        )

    def step(self, run: Run, *, last: bool) -> Step | None:
        """The first thing that is not done yet and not given up."""
        if _done(run, 0, "summary") or len(_tried(run, 0, "summary")) >= ATTEMPTS["summary"]:
            return None
        if not last:
            if step := _focus_step(run):
                return step
            for section, kind in enumerate(section_kinds(run), 1):
                if step := _section_step(run, section, kind):
                    return step
        return _SUMMARY if findings(run) else None

    def messages(self, run: Run, step: Step, dropped: frozenset[int]) -> tuple[Message, ...]:
        """The shared beginning and the branch of this step, ending with the beginning of the reply."""
        if step.purpose == "focus":
            tables = askable(run.task.sources)
            listed = "\n".join(f"- {t.name}: {', '.join(c.name for c in t.columns[:30])}" for t in tables)
            said = _asking(run.prompt, prompt("guided_focus", tables=listed))
        elif step.purpose == "summary":
            listed = "\n".join(f"{n}. {' '.join(text.split())}"[:600] for n, (_, text) in enumerate(findings(run), 1))
            request = prompt("guided_summary", findings=listed, question=run.task.question, count=KEY_FINDINGS)
            said = _asking(run.prompt, request)
        else:
            said = _branch(run, step)
        return (*said, Message("assistant", step.prefix)) if step.prefix else said

    def read(self, run: Run, step: Step, completion: Completion) -> Reply:
        """A question, code, or the numbers of the key findings, as the step wants it."""
        if not completion.text.strip():
            return Reply(fault="empty")
        if step.purpose in ("focus", "plan", "followup"):
            return Reply((Action("analyze", " ".join(completion.whole.split())),))
        if step.purpose == "summary":
            told = key_findings(run, [int(n) for n in re.findall(r"\d+", completion.text)])
            return Reply((Action("answer", told),)) if told else Reply(fault="list")
        thought = Action("analyze", questions(run).get(step.section, ""))
        if completion.finish != "stop":
            return Reply((thought,), "cut")
        code = grammar.code_in(completion.whole)
        return Reply((thought, Action("code", code))) if code else Reply((thought,), "fences")

    def objection(self, run: Run, step: Step, reply: Reply) -> str:
        """What is wrong with a question or a cell, found without running it."""
        if step.purpose == "focus":
            known = [table.name for table in askable(run.task.sources)]
            return "" if reply.actions[0].text in known else f"There are only these tables: {', '.join(known)}."
        if step.purpose in ("plan", "followup"):
            form = kinds()[section_kinds(run)[step.section - 1]]["ask"]
            return miscast(reply.actions[0].text, form, column_roles(focus(run)))
        if step.purpose == "summary":
            return ""
        code = reply.actions[-1].text
        try:
            bare = ast.unparse(ast.parse(code))  # without the comments, in which the form may stand
        except SyntaxError as error:
            return f"SyntaxError: {error.msg} in line {error.lineno}."
        if left := dict.fromkeys(PLACEHOLDER.findall(bare)):
            return f"Left in from the form: {', '.join(left)}. Put the column's name in their place."
        if step.purpose == "code" and (missing := left_out(questions(run)[step.section], code, focus(run))):
            return f"The code does not use {', '.join(missing)}, which the question asks about."
        return _untrustworthy(run, code) if step.purpose == "finding" else ""

    def conclude(self, run: Run, step: Step, reply: Reply, observation: Observation) -> tuple[Reply, Observation]:
        """What a finding's cell printed is the finding; a cell that printed no sound sentence has told nothing.

        Nor has one whose numbers were only typed.
        """
        if observation.status != "ok":
            return reply, observation
        if step.purpose == "code" and fabricated(run, step, reply.actions[-1].text, observation):
            return reply, replace(observation, status="refused", note=NOTE)
        if step.purpose != "finding":
            return reply, observation
        lines = dict.fromkeys(line.strip() for line in grammar.printed(observation).splitlines())
        told = [line for line in lines if _sound(line)]
        if not told:
            return reply, replace(observation, status="refused", note="The cell printed no full sentence with values.")
        return Reply((*reply.actions, Action("answer", "\n".join(told[:SENTENCES])))), observation

    def answer(self, run: Run) -> str:
        """The key findings as the model chose them, or the first ones where it did not."""
        chosen = _done(run, 0, "summary")
        return chosen.actions[-1].text if chosen else key_findings(run, range(1, KEY_FINDINGS + 1))


def suits(task: Task) -> bool:
    """Whether there is anything in the data that the forms of question can be put to."""
    tables = askable(task.sources)
    return any(playable(kind["ask"], column_roles(table)) for table in tables for kind in kinds().values())


# --- what the run says so far -----------------------------------------------------------------------------------------


def focus(run: Run) -> Table:
    """The table that is asked about: the one the model chose, or the largest."""
    tables = askable(run.task.sources)
    chosen = _done(run, 0, "focus")
    named = [t for t in tables if chosen and t.name == chosen.actions[0].text]
    return (named or sorted(tables, key=lambda table: -table.rows))[0]


def section_kinds(run: Run) -> tuple[str, ...]:
    """The kind of each section: what this data allows, as much as the turns have room for, then digging deeper."""
    roles = column_roles(focus(run))
    possible = [name for name, kind in kinds().items() if name != FOLLOWUP and playable(kind["ask"], roles)]
    deeper = [FOLLOWUP] * FOLLOWUPS if playable(kinds()[FOLLOWUP]["ask"], roles) else []
    return tuple(possible + deeper)[: max((run.limits.turns - 1) // TURNS_A_SECTION, 1)]


def questions(run: Run) -> dict[int, str]:
    """Section -> its question, for those that have one."""
    asked = [t for t in run.turns if t.step.purpose in ("plan", "followup") and _ok(t)]
    return {t.step.section: t.actions[0].text for t in asked}


def findings(run: Run) -> tuple[tuple[int, str], ...]:
    """(section, text) of each finding, about a sentence a line."""
    told = [t for t in run.turns if t.step.purpose == "finding" and _ok(t)]
    return tuple((t.step.section, a.text) for t in told for a in t.actions if a.kind == "answer")


def key_findings(run: Run, chosen: Sequence[int]) -> str:
    """The chosen findings (numbered from 1) as a list, in their own words: a summary says nothing new."""
    told = dict(enumerate((text for _, text in findings(run)), 1))
    keep = [n for n in dict.fromkeys(chosen) if n in told][:KEY_FINDINGS]
    return "\n".join(f"- {' '.join(told[n].splitlines()[:KEY_SENTENCES])}" for n in keep)


def _ok(turn: Turn) -> bool:
    return turn.observation is not None and turn.observation.status == "ok"


def _tried(run: Run, section: int, purpose: str) -> list[Turn]:
    return [t for t in run.turns if t.step.section == section and t.step.purpose == purpose]


def _done(run: Run, section: int, purpose: str) -> Turn | None:
    return next((t for t in _tried(run, section, purpose) if _ok(t)), None)


# --- one section ------------------------------------------------------------------------------------------------------


def _section_step(run: Run, section: int, kind: str) -> Step | None:
    """What is left to do for one section; `None` when it is done or given up."""
    if kind == FOLLOWUP and not findings(run):
        return None
    asking = "followup" if kind == FOLLOWUP else "plan"
    for purpose in (asking, "code", "finding", "chart"):
        if _done(run, section, purpose):
            continue
        if len(_tried(run, section, purpose)) < ATTEMPTS[purpose]:
            if purpose == asking:
                form = kinds()[kind]["ask"]
                return Step(purpose, section, "", ("?", "\n"), 80, form_grammar(form, _open_roles(run, section)))
            return Step(purpose, section, _opening(run, purpose), ("\n```",), 400)
        if purpose != "finding":
            return None
    return None


def _focus_step(run: Run) -> Step | None:
    """With several tables, the model says first which one to ask about."""
    names = [table.name for table in askable(run.task.sources)][:MOST_TABLES]
    if len(names) < 2 or _done(run, 0, "focus") or len(_tried(run, 0, "focus")) >= ATTEMPTS["focus"]:
        return None
    return Step("focus", 0, "", ("\n",), 40, one_of(names))


def _opening(run: Run, purpose: str) -> str:
    """How a cell begins. Small models love to read files again, wrongly; this keeps them from it."""
    return "```python\n" + (f"# The table {focus(run).name} is loaded.\n" if purpose == "code" else "")


def _branch(run: Run, step: Step) -> tuple[Message, ...]:
    """The conversation of one section. A failed reply is not shown again: a small model would copy it."""
    kind = kinds()[section_kinds(run)[step.section - 1]]
    listed = _listed(_open_roles(run, step.section), kind["ask"])
    asked = _bullets(_asked_before(run, step.section))
    request = prompt("guided_plan", table=focus(run).name, form=kind["ask"], columns=listed, asked=asked)
    said = _asking(run.prompt, request)
    for purpose in ("followup" if step.purpose == "followup" else "plan", *_FORMS):
        if purpose in _FORMS:
            unit = unit_of(questions(run)[step.section], focus(run))
            example = kind[_FORMS[purpose]].strip().replace(" UNIT", f" {unit}" if unit else "")
            said = _asking(said, prompt(f"guided_{purpose}", example=example))
        if purpose == step.purpose:
            failed = [t.feedback for t in _tried(run, step.section, purpose) if not _ok(t)]
            return _asking(said, prompt("guided_retry", failure=failed[-1])) if failed else said
        if purpose == "plan":
            said = (*said, Message("assistant", questions(run)[step.section]))
        elif done := _done(run, step.section, purpose):
            said = (*said, Message("assistant", done.completion.whole), Message("user", f"Output:\n{done.feedback}"))
        else:
            said = (*said, Message("assistant", "(left out)"))
    return said


def _asked_before(run: Run, section: int) -> list[str]:
    return [question for number, question in questions(run).items() if number < section]


def _open_roles(run: Run, section: int) -> Roles:
    """The columns a section's question may name."""
    return fresh(column_roles(focus(run)), _asked_before(run, section), run.task.question)


def _asking(said: tuple[Message, ...], request: str) -> tuple[Message, ...]:
    """`request` as a user message; joined to one that is last, for templates want roles to alternate."""
    if said[-1].role == "user":
        return (*said[:-1], Message("user", f"{said[-1].content}\n\n{request}"))
    return (*said, Message("user", request))


def _listed(roles: Roles, form: str) -> str:
    used = [word for word in dict.fromkeys(PLACEHOLDER.findall(form)) if roles.get(word)]
    return "\n".join(f"{word}: {', '.join(roles[word][:30])}" for word in used)


def _bullets(texts: Sequence[str]) -> str:
    return "\n".join(f"- {text}" for text in texts) or "- (none)"


def _untrustworthy(run: Run, code: str) -> str:
    """Why the sentences of a finding's cell could be untrue of the data."""
    if typed := typed_facts(code, group_names(run.task.sources)):
        return f"Typed as plain text: {', '.join(typed)}. Write the variable in braces there, such as {{top}}."
    return "" if computed(code) else "The sentences take nothing from variables: write {expressions in braces}."


def _sound(line: str) -> bool:
    """A sentence with no missing value in it, and no share above the whole."""
    if len(line.split()) < 4 or not line.endswith(".") or _NOTHING.search(line):
        return False
    return all(float(share) <= 100 for share in _PERCENT.findall(line))
