"""Fits a conversation into the context window, counted in the model's own tokens, and says what it dropped.

Only observations of old turns are ever left out: never the task, the data card or what the model wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .errors import ContextTooSmall
from .types import Message

Render = Callable[[frozenset[int]], Sequence[Message]]

KEPT_TURNS = 2
"""The newest observations are not dropped."""
OVERHEAD = 8
"""Tokens a template adds to a message, at most, in the families seen so far."""


def size(messages: Sequence[Message], count: Callable[[str], int]) -> int:
    """Tokens of a conversation, template included (an upper estimate)."""
    return sum(count(m.content) + OVERHEAD for m in messages)


def fit(
    render: Render, droppable: Sequence[int], dropped: frozenset[int], room: int, count: Callable[[str], int]
) -> frozenset[int]:
    """The turns whose observation must be left out so that `render(...)` takes at most `room` tokens.

    What was dropped stays dropped, and dropping goes down to two thirds of the room at once: each change of old text
    costs an evaluation of all that follows it.

    Raises:
        ContextTooSmall: it does not fit even so.
    """
    if size(render(dropped), count) <= room:
        return dropped
    for index in list(droppable)[: max(len(droppable) - KEPT_TURNS, 0)]:
        dropped = dropped | {index}
        if size(render(dropped), count) <= room * 2 // 3:
            break
    if (needed := size(render(dropped), count)) > room:
        raise ContextTooSmall(
            f"the conversation needs {needed} tokens and {room} are free in the context window",
            "use a larger --context, or fewer tables",
        )
    return dropped
