"""From messages to the text a model was trained on, in segments.

A chat template is rendered once with a placeholder for each content and cut at the placeholders. What lies between them
is the template's own text, in which role tokens count; the contents are tokenised apart, as plain text, so a role token
inside data stays data and the ids of earlier messages never change when a message is appended.

Templates are foreign code: they run in Jinja's immutable sandbox and can reach nothing.
"""

from __future__ import annotations

import re
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

_PLACE = re.compile("\x02(\\d+)\x03")


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of prompt text. In `markup` role tokens are recognised; elsewhere they are plain characters."""

    text: str
    markup: bool


def segments(messages: Sequence[Message], template: str, *, bos: str = "", eos: str = "") -> tuple[Segment, ...]:
    """The prompt for the next reply; a last assistant message becomes the beginning of that reply.

    Raises:
        ModelError: the template is broken, or leaves out a message.
    """
    prefix = ""
    if messages[-1].role == "assistant":
        prefix, messages = messages[-1].content, messages[:-1]
    roles = tuple("user" if m.role == "execute" else m.role for m in messages)
    pieces = _PLACE.split(_skeleton(template, roles, bos, eos))
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


@lru_cache(maxsize=256)
def _skeleton(template: str, roles: tuple[str, ...], bos: str, eos: str) -> str:
    messages = [Message(role, f"\x02{i}\x03") for i, role in enumerate(roles)]  # type: ignore[arg-type]
    try:
        return _render(template, messages, bos, eos)
    except ModelError:
        if roles[:2] != ("system", "user"):
            raise
    # Some families (Gemma) refuse a system message: it then opens the first user message.
    merged = replace(messages[1], content=f"{messages[0].content}\n\n{messages[1].content}")
    return _render(template, [merged, *messages[2:]], bos, eos)


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
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ModelError(f"the model's chat template cannot be used: {reason}", "use another model file") from error
