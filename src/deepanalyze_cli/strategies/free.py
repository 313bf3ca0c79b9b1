"""The model drives: it thinks, codes and observes until it answers. The way of DeepAnalyze-8B (paper, section 3.1).

Before a report is published, the sentences whose numbers no cell printed go back to the model once. It may compute
them, and says of each sentence what shall stand there; the rest of the report stays as it was.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

from .. import grammar
from ..evidence.fabricated import NOTE, fabricated
from ..grammar import Reply
from ..prompts import prompt
from ..types import Action, Completion, Message, ModelCard, Observation, Run, Step, Task, Turn

REPLY_TOKENS = 1024
REPORT_TOKENS = 1400
REPAIRS = 3
"""Turns for mending a report: the last one must be the list of sentences."""


class Free:
    """One growing conversation."""

    def prompt(self, task: Task, briefing: str, card: ModelCard) -> tuple[Message, ...]:
        """The published form for the native dialect; a system prompt and the data card for a general model."""
        if card.dialect == "native":
            return (Message("user", published_prompt(task)),)
        wanted = prompt("free_report") if task.kind == "report" else prompt("free_answer")
        return (
            Message("system", prompt(f"free_{card.dialect}")),
            Message("user", prompt("free_task", question=task.question, card=briefing, wanted=wanted)),
        )

    def step(self, run: Run, *, last: bool) -> Step | None:
        """Act until an answer is accepted; the last turn of a budget can only answer, if there is anything to tell."""
        dialect = run.model.dialect
        if answered := _answered(run):
            tried = _repairs(run)
            if last or not _note(answered) or len(tried) == REPAIRS or any(map(_accepted, tried)):
                return None
            return Step("repair", 0, "1: " * (len(tried) == REPAIRS - 1), grammar.STOPS[dialect], REPLY_TOKENS)
        if last and not _has_run(run):
            return None
        if last:
            return Step("report", 0, grammar.OPEN_ANSWER[dialect], ("</Answer>", "<Execute>"), REPORT_TOKENS)
        return Step("act", 0, "", grammar.STOPS[dialect], max(REPLY_TOKENS, run.model.sampling.max_tokens))

    def messages(self, run: Run, step: Step, dropped: frozenset[int]) -> tuple[Message, ...]:
        """The prompt and every turn so far, with what is asked besides: to answer now, or to mend the answer."""
        native = run.model.dialect == "native"
        said = list(run.prompt)
        for turn in run.turns:
            said.append(Message("assistant", turn.completion.whole))
            left_out = f"[the output of turn {turn.index + 1} was left out to save room]"
            text = left_out if turn.index in dropped else turn.feedback
            said.append(Message("execute", text) if native else Message("user", observed(text, turn.code is not None)))
            if turn is _answered(run):
                said[-1] = Message("user", prompt("free_repair", doubts=_note(turn)))
        asked = ""
        if step.purpose == "report" and not native:
            asked = prompt("free_now")
        elif step.purpose == "repair" and _repairs(run):
            asked = prompt("free_list")
        if asked:
            said = [*said[:-1], replace(said[-1], content=f"{said[-1].content}\n\n{asked}")]
        return (*said, Message("assistant", step.prefix)) if step.prefix else tuple(said)

    def read(self, run: Run, step: Step, completion: Completion) -> Reply:
        """In a report step the whole reply is the answer, whatever its form, but for code: nothing runs any more."""
        if step.purpose == "repair":
            return _mended(run, step, completion)
        reply = grammar.parse(completion, run.model.dialect)
        if step.purpose != "report":
            return reply
        actions = tuple(a for a in reply.actions if a.kind != "code")
        if any(a.kind == "answer" for a in actions):
            return Reply(actions)
        text = grammar.without_code(re.sub(r"</?(?:Answer|Code)>", "", completion.whole))
        return Reply((Action("answer", text),)) if text else Reply(fault="empty")

    def objection(self, run: Run, step: Step, reply: Reply) -> str:
        """An answer before any cell has run is refused: it could only be made up."""
        answers = any(a.kind == "answer" for a in reply.actions)
        if answers and not _has_run(run):
            return "You have not run any code yet, so there is nothing to base an answer on. Write Python code first."
        return ""

    def conclude(self, run: Run, step: Step, reply: Reply, observation: Observation) -> tuple[Reply, Observation]:
        """Say of a cell that its numbers were only typed, and of a report which numbers stand on nothing."""
        code = next((a.text for a in reply.actions if a.kind == "code"), None)
        if code is not None and fabricated(run, step, code, observation):
            return reply, replace(observation, note="\n".join(filter(None, (observation.note, NOTE))))
        answer = next((a.text for a in reply.actions if a.kind == "answer"), "")
        if answer and observation.status == "ok" and step.purpose != "repair" and run.task.kind == "report":
            from ..evidence.repair import answer_doubts, told

            return reply, replace(observation, note=told(answer, answer_doubts(run, answer)))
        return reply, observation

    def answer(self, run: Run) -> str:
        """The text of the last accepted answer."""
        for turn in reversed(run.turns):
            if text := _accepted(turn):
                return text
        return ""


def published_prompt(task: Task) -> str:
    """`# Instruction` and `# Data` with name and size of each file (ruc-datalab/DeepAnalyze, API/utils.py)."""
    if not task.sources:
        return f"# Instruction\n{task.question}"
    blocks = [
        f"File {i}:\n" + json.dumps({"name": s.name, "size": f"{s.bytes / 1024:.1f}KB"}, indent=4, ensure_ascii=False)
        for i, s in enumerate(task.sources, 1)
    ]
    return f"# Instruction\n{task.question}\n\n# Data\n" + "\n\n".join(blocks)


def observed(text: str, ran: bool) -> str:
    """An observation as a user message of a general model."""
    return f"Output:\n{text}" if ran else text


def _mended(run: Run, step: Step, completion: Completion) -> Reply:
    """Code that computes what is missing, or the answer with its sentences as the model's list wants them."""
    from ..evidence.ledger import ledger
    from ..evidence.repair import answer_doubts, mended, replies

    said = replies(completion.whole)
    reply = grammar.parse(completion, run.model.dialect)
    if not said and not step.prefix and any(a.kind == "code" for a in reply.actions):
        return reply
    answered = _answered(run)
    if not said or answered is None:
        return Reply(fault="list")
    before, text = replace(run, turns=run.turns[: run.turns.index(answered)]), _accepted(answered)
    found = answer_doubts(before, text)
    new, rewritten, dropped = mended(text, found, said, lambda new: ledger(run, [("answer", new)]))
    thought = f"{rewritten} of {len(found)} sentences rewritten, {dropped} dropped"
    return Reply((Action("analyze", thought), Action("answer", new))) if new.strip() else Reply(fault="empty")


def _answered(run: Run) -> Turn | None:
    """The turn of the report as it was first written."""
    return next((turn for turn in run.turns if _accepted(turn)), None)


def _repairs(run: Run) -> list[Turn]:
    return [turn for turn in run.turns if turn.step.purpose == "repair"]


def _note(turn: Turn) -> str:
    return turn.observation.note if turn.observation else ""


def _accepted(turn: Turn) -> str:
    if turn.observation is None or turn.observation.status != "ok":
        return ""
    return next((a.text for a in turn.actions if a.kind == "answer"), "")


def _has_run(run: Run) -> bool:
    return any(t.code and t.observation and t.observation.status == "ok" for t in run.turns)
