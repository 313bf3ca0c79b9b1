"""From messages to the text a model was trained on, in segments.

A chat template is rendered once with a placeholder for each content and cut at the placeholders. What lies between them
is the template's own text, in which role tokens count; the contents are tokenised apart, as plain text, so a role token
inside data stays data and the ids of earlier messages never change when a message is appended.

Templates are foreign code: they run in Jinja's immutable sandbox and can reach nothing. That does not keep them from
taking all time and memory there is, so one that nobody vouches for runs in a process of its own, in a box
(`python -m deepanalyze_cli.models.chat`).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from ..errors import ModelError
from ..types import Message

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Used for models that carry no template of their own."""

SECONDS, MEMORY, LONGEST = 5.0, 512 << 20, 1 << 20
"""What a template that nobody vouches for may take: time, bytes of memory, bytes of text without the messages."""
_PLACE = re.compile("\x02(\\d+)\x03")


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of prompt text. In `markup` role tokens are recognised; elsewhere they are plain characters."""

    text: str
    markup: bool


def segments(
    messages: Sequence[Message], template: str, *, bos: str = "", eos: str = "", trusted: bool = False
) -> tuple[Segment, ...]:
    """The prompt for the next reply; a last assistant message becomes the beginning of that reply.

    A `trusted` template (ours, or from a file whose digest somebody published) is rendered here, in 1 ms; any other in
    a box, which takes 0.3 s for each new sequence of roles.

    Raises:
        ModelError: the template is broken, takes too much, or leaves out a message.
    """
    prefix = ""
    if messages[-1].role == "assistant":
        prefix, messages = messages[-1].content, messages[:-1]
    roles = tuple("user" if m.role == "execute" else m.role for m in messages)
    pieces = _PLACE.split(_skeleton(template, roles, bos, eos, trusted or template == CHATML))
    found = [int(number) for number in pieces[1::2]]
    if found != list(range(len(messages))):
        raise ModelError(
            "the model's chat template drops or reorders messages",
            "use another model file, or one with a ChatML template",
        )
    result = [Segment(pieces[0], True)]
    for message, between in zip(messages, pieces[2::2], strict=True):
        result += [Segment(message.content, False), Segment(between, True)]
    return tuple(s for s in (*result, Segment(prefix, False)) if s.text)


def native_segments(messages: Sequence[Message]) -> tuple[Segment, ...]:
    """The published DeepAnalyze conversation: one user turn, then one assistant turn into which results are inserted.

    Source: ruc-datalab/DeepAnalyze, chat template family DeepSeek-R1-0528 (`<｜User｜>..<｜Assistant｜>`) and the RL
    environment's `\\n<Execute>\\n..\\n</Execute>\\n` (with the closing slash that the published code lacks).
    """
    result = [Segment("<｜begin▁of▁sentence｜>", True)]
    for message in messages:
        if message.role == "user":
            result += [Segment("<｜User｜>", True), Segment(message.content, False), Segment("<｜Assistant｜>", True)]
        elif message.role == "execute":
            result += [Segment("\n<Execute>\n", True), Segment(message.content, False), Segment("\n</Execute>\n", True)]
        else:
            result.append(Segment(message.content, message.role == "assistant"))
    return tuple(result)


class _Unusable(ModelError):
    """A template from which no prompt can be made."""

    def __init__(self, reason: str):
        super().__init__(f"the model's chat template cannot be used: {reason}", "use another model file")


class _Failed(_Unusable):
    """The template came to an error of its own, and so might do with other messages."""


@lru_cache(maxsize=256)
def _skeleton(template: str, roles: tuple[str, ...], bos: str, eos: str, trusted: bool) -> str:
    render = _render if trusted else _render_boxed
    messages = [Message(role, f"\x02{i}\x03") for i, role in enumerate(roles)]  # type: ignore[arg-type]
    try:
        return render(template, messages, bos, eos)
    except _Failed:
        if roles[:2] != ("system", "user"):
            raise
    # Some families (Gemma) refuse a system message: it then opens the first user message.
    merged = replace(messages[1], content=f"{messages[0].content}\n\n{messages[1].content}")
    return render(template, [merged, *messages[2:]], bos, eos)


def _render(template: str, messages: Sequence[Message], bos: str, eos: str) -> str:
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(reason: str) -> str:
        raise TemplateError(reason)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals.update(raise_exception=refuse, strftime_now=lambda _: "")
    conversation = [{"role": m.role, "content": m.content} for m in messages]
    try:
        return environment.from_string(template).render(
            messages=conversation, add_generation_prompt=True, bos_token=bos, eos_token=eos
        )
    except Exception as error:  # a template is a program: it may fail in any way
        raise _Failed(" ".join(str(error).split())[:200] or type(error).__name__) from error


def _render_boxed(template: str, messages: Sequence[Message], bos: str, eos: str) -> str:
    from ..sandbox import Box, choose
    from ..sandbox.run import run_boxed

    box = Box(choose("auto"), memory=MEMORY, tasks=64)
    asked = json.dumps([template, [[m.role, m.content] for m in messages], bos, eos]).encode()
    argv = [sys.executable, "-P", "-m", __name__]
    done = run_boxed(box, argv, seconds=SECONDS, stdin=asked, most=LONGEST)
    if not done.ok:
        raise _Unusable(done.killed or f"rendering it ended with exit code {done.code}")
    try:
        text, error = json.loads(done.out)
    except (ValueError, TypeError, RecursionError):
        raise _Unusable("nothing came of it") from None
    if not (isinstance(text, str) and isinstance(error, str)):
        raise _Unusable("nothing came of it")
    if error:
        raise _Failed(error)
    return text


def _answer(asked: str) -> str:
    """What the process in the box prints: the text, and what is wrong."""
    template, messages, bos, eos = json.loads(asked)
    try:
        return json.dumps([_render(template, [Message(*message) for message in messages], bos, eos), ""])
    except ModelError as error:
        return json.dumps(["", error.message.partition(": ")[2]])


if __name__ == "__main__":
    print(_answer(sys.stdin.read()))
