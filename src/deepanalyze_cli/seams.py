"""The three places where something else can be put in: a model, a kernel, a reader of events.

Each has a scripted twin that ships with the product (`models.backends.scripted`, `kernel.ScriptedKernel`,
`list.append`), so tests replace parts and patch nothing. Whatever streams takes an `on_...` callback and returns the
finished value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from .events import Event
from .types import Completion, Message, ModelCard, Observation, Output, Sampling

OnText = Callable[[str], None]
OnOutput = Callable[[Output], None]


def ignore(_: object) -> None:
    """The sink and the callback that do nothing."""


class Model(Protocol):
    """A language model that continues a conversation."""

    card: ModelCard
    context: int
    """Tokens of prompt and reply together."""

    def count(self, text: str) -> int:
        """How many of the model's own tokens `text` takes."""

    def generate(self, messages: Sequence[Message], sampling: Sampling, *, on_text: OnText = ignore) -> Completion:
        """Sample one reply. A last message of role `assistant` is continued where the model can.

        Raises:
            ModelError: the prompt does not fit, or the model failed.
        """

    def close(self) -> None:
        """Free the memory. Safe to call twice."""


class Kernel(Protocol):
    """Runs code; its variables live from cell to cell."""

    def execute(self, code: str, *, timeout: float, on_output: OnOutput = ignore) -> Observation:
        """Run one cell for at most `timeout` seconds. A failing cell is a value, not an exception.

        Raises:
            KernelError: the kernel cannot be started (again).
        """

    def close(self) -> None:
        """End the kernel and everything it started. Safe to call twice."""


class Sink(Protocol):
    """A reader of the event stream. It does not catch: what it raises ends the run."""

    def __call__(self, event: Event) -> None: ...
