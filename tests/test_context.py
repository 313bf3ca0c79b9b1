"""Fitting a conversation: what is dropped, in which order, and when it cannot be done."""

from __future__ import annotations

import pytest

from deepanalyze_cli.context import OVERHEAD, fit, size
from deepanalyze_cli.errors import ContextTooSmall
from deepanalyze_cli.types import Message

PROMPT, SAID, SHOWN = 100, 20, 80
TURN = SAID + SHOWN + 2 * OVERHEAD


def count(text: str) -> int:
    return len(text)


def conversation(turns: int):
    """A `render` over a prompt and so many turns; an observation that was dropped leaves nothing."""

    def render(dropped: frozenset[int]) -> list[Message]:
        said = [Message("user", "p" * PROMPT)]
        for turn in range(turns):
            said += [Message("assistant", "s" * SAID), Message("execute", "" if turn in dropped else "o" * SHOWN)]
        return said

    return render


def whole(turns: int) -> int:
    return PROMPT + OVERHEAD + turns * TURN


def test_size_counts_every_message_and_its_frame():
    assert size(conversation(2)(frozenset()), count) == whole(2)


def test_what_fits_is_left_alone():
    assert fit(conversation(5), range(5), frozenset(), whole(5), count) == frozenset()


def test_the_oldest_go_until_a_third_is_free():
    room = whole(9) - 1
    dropped = fit(conversation(9), range(9), frozenset(), room, count)
    assert dropped == frozenset(range(5))
    assert size(conversation(9)(dropped), count) <= room * 2 // 3 < size(conversation(9)(dropped - {4}), count)


def test_what_was_dropped_stays_dropped():
    assert fit(conversation(5), range(5), frozenset({0, 1}), whole(5), count) == frozenset({0, 1})
    assert frozenset({0, 1}) < fit(conversation(9), range(9), frozenset({0, 1}), whole(6), count)


def test_the_newest_two_stay_while_there_is_room():
    room = whole(5) - 3 * SHOWN
    assert fit(conversation(5), range(5), frozenset(), room, count) == frozenset({0, 1, 2})
    with pytest.raises(ContextTooSmall, match=rf"needs {room} tokens and {room - 1} are free") as caught:
        fit(conversation(5), range(5), frozenset(), room - 1, count)
    assert "--context" in caught.value.fix


def test_a_prompt_that_does_not_fit_alone():
    with pytest.raises(ContextTooSmall):
        fit(conversation(0), (), frozenset(), PROMPT, count)
