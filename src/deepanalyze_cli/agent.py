"""Think, code, execute, observe.

An `Episode` is one task being solved. It says what to ask next (`messages`, `sampling`) and takes the reply
(`advance`); it never asks a model itself. Who does, and in what company, is the driver's business: `solve` here, for
one episode; `train/` drives many in step.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from . import context, grammar
from .errors import DeepAnalyzeError
from .events import (
    CodeStarted,
    OutputArrived,
    Recorded,
    RunFinished,
    RunStarted,
    TextDelta,
    TurnFinished,
    TurnStarted,
    apply,
)
from .seams import Kernel, Model, Sink, ignore
from .strategies import Strategy, strategy_for
from .types import Completion, Limits, Message, Observation, Output, Run, Sampling, Step, Stop, Task, Turn

Changed = Callable[[], tuple[str, ...]]

RESERVE = 0.15
"""Share of the time kept for the last turn, between 15 and 120 seconds."""


class Episode:
    """One task, one kernel. Of `model` only its card, its context and its token count are used."""

    def __init__(
        self,
        task: Task,
        model: Model,
        kernel: Kernel,
        *,
        briefing: str = "",
        limits: Limits | None = None,
        emit: Sink = ignore,
        run_id: str = "",
        sandbox: str = "",
        changed: Changed = tuple,
        strategy: Strategy | None = None,
    ):
        self.kernel, self.emit, self._model, self._changed = kernel, emit, model, changed
        self._started = time.monotonic()
        self._strategy = strategy or strategy_for(model.card, task)
        self._dropped: frozenset[int] = frozenset()
        self._record(
            RunStarted(
                Run(
                    id=run_id or uuid.uuid4().hex[:8],
                    task=task,
                    prompt=self._strategy.prompt(task, briefing, model.card),
                    model=model.card,
                    limits=limits or Limits(),
                    started=datetime.now(UTC).isoformat(timespec="seconds"),
                    sandbox=sandbox,
                )
            )
        )
        self._choose()

    @property
    def done(self) -> bool:
        """Whether the run has ended."""
        return self.run.stop is not None

    @property
    def messages(self) -> tuple[Message, ...]:
        """What the model is to be asked next, fitted into its context.

        Raises:
            ContextTooSmall: it cannot be made to fit.
        """
        step = self._due
        self._dropped = context.fit(
            lambda dropped: self._strategy.messages(self.run, step, dropped),
            [turn.index for turn in self.run.turns if turn.code],
            self._dropped,
            self._model.context - step.max_tokens,
            self._model.count,
        )
        messages = self._strategy.messages(self.run, step, self._dropped)
        size = context.size(messages, self._model.count)
        self.emit(TurnStarted(len(self.run.turns), step, size, tuple(sorted(self._dropped))))
        return messages

    @property
    def sampling(self) -> Sampling:
        """How the next reply is to be sampled. A step that failed before is sampled more boldly."""
        step, base = self._due, self.run.model.sampling
        failed = _failures(self.run)
        left = self.run.limits.seconds - self._elapsed
        return replace(
            base,
            temperature=min(base.temperature + 0.25 * failed + step.boldness, 1.0),
            seed=base.seed + len(self.run.turns),
            max_tokens=step.max_tokens,
            stop=step.stop,
            grammar=step.grammar,
            seconds=max(left if step.purpose in ("report", "summary") else left - self._reserve, 5.0),
        )

    def advance(self, completion: Completion) -> None:
        """Act on what the model wrote, record the turn, and see what is due next."""
        step, index = self._due, len(self.run.turns)
        reply = self._strategy.read(self.run, step, completion)
        reply, observation = self._strategy.conclude(self.run, step, reply, self._observe(step, reply, index))
        shown = grammar.feedback(observation, self.run.limits.feedback_tokens, self._model.count)
        self._record(
            TurnFinished(Turn(index, step, completion, reply.actions, observation, shown, tuple(sorted(self._dropped))))
        )
        if self._spent:
            self.finish(self._spent)
        else:
            self._choose()

    def finish(self, stop: Stop, error: str = "") -> None:
        """End the run with whatever answer there is."""
        answer, seconds = self._strategy.answer(self.run), round(self._elapsed, 3)
        self._record(RunFinished(stop, answer, seconds, error, self._changed()))

    def _choose(self) -> None:
        """Choose the next step; one that uses up a budget is the last. A budget may end with nothing to report."""
        self._spent = self._budget()
        self.step = self._strategy.step(self.run, last=self._spent is not None)
        if self.step is None:
            self.finish(self._spent if self._spent and not self._strategy.answer(self.run) else "answer")

    # --- acting -----------------------------------------------------------------------------------------------------

    def _observe(self, step: Step, reply: grammar.Reply, index: int) -> Observation:
        if reply.fault:
            return Observation("format", note=grammar.MALFORMED[reply.fault])
        if note := self._strategy.objection(self.run, step, reply):
            return Observation("refused", note=note)
        code = next((a.text for a in reply.actions if a.kind == "code"), None)
        if code is None:
            return Observation("ok")
        if any(t.code == code and t.step.section == step.section and _status(t) != "refused" for t in self.run.turns):
            return Observation("refused", note="You have run exactly this code before. Write something different.")

        def arrived(output: Output) -> None:
            self.emit(OutputArrived(index, output))

        self.emit(CodeStarted(index, code))
        seconds = max(min(self.run.limits.cell_seconds, self.run.limits.seconds - self._elapsed - self._reserve), 1.0)
        return self.kernel.execute(code, timeout=seconds, on_output=arrived)

    # --- budgets ----------------------------------------------------------------------------------------------------

    @property
    def _due(self) -> Step:
        assert self.step is not None, "the episode is over"
        return self.step

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._started

    @property
    def _reserve(self) -> float:
        return min(max(self.run.limits.seconds * RESERVE, 15.0), 120.0)

    def _budget(self) -> Stop | None:
        """The budget of which only one turn is left, if any."""
        limits, turns = self.run.limits, self.run.turns
        recent = turns[-limits.format_errors :]
        if len(recent) == limits.format_errors and all(_status(t) == "format" for t in recent):
            return "format"
        if len(turns) >= limits.turns - 1:
            return "turns"
        if self._elapsed > limits.seconds - self._reserve:
            return "seconds"
        if sum(t.completion.completion_tokens for t in turns) > limits.tokens * (1 - RESERVE):
            return "tokens"
        return None

    def _record(self, event: Recorded) -> None:
        self.run = apply(None if isinstance(event, RunStarted) else self.run, event)
        self.emit(event)


def solve(
    task: Task,
    model: Model,
    kernel: Kernel,
    *,
    briefing: str = "",
    limits: Limits | None = None,
    emit: Sink = ignore,
    run_id: str = "",
    sandbox: str = "",
    changed: Changed = tuple,
    strategy: Strategy | None = None,
) -> Run:
    """Solve one task with one model in one kernel. Ctrl-C ends the run as `interrupted`, with what there is.

    `sandbox` is the tier of the kernel's box, for the record; `changed` names the inputs that are no longer what they
    were, and is asked at the end. `strategy` is another than the model's card asks for.

    A report that is there and only cannot be mended any more ends the run as `answer`, with the error recorded.

    Raises:
        DeepAnalyzeError: our side failed; the run was recorded as `failed` first.
    """
    episode = Episode(
        *(task, model, kernel),
        briefing=briefing,
        limits=limits,
        emit=emit,
        run_id=run_id,
        sandbox=sandbox,
        changed=changed,
        strategy=strategy,
    )
    try:
        while not episode.done:
            turn = len(episode.run.turns)
            messages = episode.messages
            completion = model.generate(
                messages, episode.sampling, on_text=lambda text, turn=turn: emit(TextDelta(turn, text))
            )
            episode.advance(completion)
    except KeyboardInterrupt:
        if not episode.done:
            episode.finish("interrupted")
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        if episode.step is not None and episode.step.purpose == "repair" and isinstance(error, DeepAnalyzeError):
            episode.finish("answer", said)
            return episode.run
        if not episode.done:
            episode.finish("failed", said)
        raise
    return episode.run


def _status(turn: Turn) -> str:
    return turn.observation.status if turn.observation else ""


def _failures(run: Run) -> int:
    """Turns in a row, up to now, that did not come out well."""
    count = 0
    for turn in reversed(run.turns):
        if _status(turn) == "ok":
            break
        count += 1
    return count
