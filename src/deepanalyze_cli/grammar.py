"""The action language: what a model may write, how it is read, and how an observation is told.

The only place that knows a tag or a fence. Pure: nothing here runs, asks or writes anything. Three dialects say the same:

    native   <Analyze>..</Analyze><Understand>..</Understand><Code>..</Code><Answer>..</Answer>   (DeepAnalyze-8B)
    tags     the same tags, taught to a general model by the prompt
    fences   prose, and code in a ```python block; a reply without code is the answer
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .types import Action, Completion, Dialect, Observation, Output

Count = Callable[[str], int]

OPEN_CODE = {"native": "<Code>\n```python\n", "tags": "<Code>\n```python\n", "fences": "```python\n"}
"""What a reply that must be code begins with."""
OPEN_ANSWER = {"native": "<Answer>\n", "tags": "<Answer>\n", "fences": ""}
"""What a reply that must be the answer begins with."""
STOPS = {
    "native": ("</Code>", "</Answer>", "<Execute>"),
    "tags": ("</Code>", "</Answer>", "<Execute>"),
    "fences": ("\n```\n",),
}

_TAG = re.compile(r"<(Analyze|Understand|Code|Answer)>(.*?)(?:</\1>|(?=<(?:Analyze|Understand|Code|Answer)>)|\Z)", re.DOTALL)
_FENCE = re.compile(r"```[ \t]*(?:python|py|python3)?[ \t]*\n(.*?)(?:\n?```|\Z)", re.DOTALL | re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")

MALFORMED = {
    "empty": "Your reply was empty.",
    "cut": "Your reply was cut off because it was too long; nothing of it was run. Write a shorter one.",
    "tags": "Your reply had no complete block. Write one <Code>...</Code> block, or the final <Answer>...</Answer>.",
    "fences": "Your reply had no complete ```python block.",
    "list": "Your reply was not the list that was asked for.",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as understood: its blocks, or the key of `MALFORMED` that says why there are none to act on."""

    actions: tuple[Action, ...] = ()
    fault: str = ""


def parse(completion: Completion, dialect: Dialect) -> Reply:
    """What a reply asks for: at most one code block, or an answer. Never raises.

    Code that is followed by an answer is run and the answer dropped: it was written before the result was seen. What
    follows a tag that only the host may write (`<Execute>`) is dropped.
    """
    text = completion.whole
    if not text.strip():
        return Reply(fault="empty")
    actions = _tagged(text) if dialect != "fences" else _fenced(text)
    last = next((i for i, a in enumerate(actions) if a.kind in ("code", "answer")), None)
    if last is None:
        return Reply(actions, "cut" if completion.finish == "length" else dialect if dialect == "fences" else "tags")
    if actions[last].kind == "code" and completion.finish != "stop" and not _closed(text):
        return Reply(actions[:last], "cut")
    return Reply(actions[: last + 1])


def code_in(text: str) -> str | None:
    """The first fenced block of a text, or `None`."""
    found = _FENCE.search(text)
    return found.group(1).strip("\n") if found and found.group(1).strip() else None


def _tagged(text: str) -> tuple[Action, ...]:
    text = text.split("<Execute>", 1)[0]
    found = []
    for tag, body in _TAG.findall(text):
        body = (code_in(body) or body.strip()) if tag == "Code" else body.strip()
        if body:
            found.append(Action(tag.lower(), body))
    return tuple(found)


def _fenced(text: str) -> tuple[Action, ...]:
    if (code := code_in(text)) is None:
        return () if "```" in text else (Action("answer", text.strip()),)
    thought = text[: _FENCE.search(text).start()].strip()  # type: ignore[union-attr]
    return (*((Action("analyze", thought),) if thought else ()), Action("code", code))


def _closed(text: str) -> bool:
    """Whether the first code block has its end, so that a cut later in the reply does not matter."""
    after = text[found.start() + 3 :] if (found := re.search(r"```[ \t]*(?:python|py)?", text)) else ""
    return "```" in after or "</Code>" in text


# --- observations -------------------------------------------------------------------------------------------------------

_NOTHING = {
    "ok": "(no output: print what you want to see)",
    "timeout": "(no output)",
    "died": "(no output)",
}


def feedback(observation: Observation, most: int, count: Count) -> str:
    """What the model is told of an observation, in at most `most` tokens: notes, output (head and tail), error.

    What was printed before an error is kept, and of the traceback the deepest line of the cell itself.
    """
    error = next((o for o in observation.outputs if o.kind == "error"), None)
    told = "\n".join(part for part in (f"[Error]: {_error(error)}" if error else "", observation.note) if part)
    told = shorten(told, most // 2, count)
    printed = "\n".join(filter(None, (_plain(o) for o in _merged(observation.outputs)))).strip("\n")
    if not printed and not told:
        return _NOTHING.get(observation.status, "")
    printed = shorten(printed, max(most - count(told) - 8, 0), count)
    return "\n".join(part for part in (printed, told) if part)


def printed(observation: Observation) -> str:
    """All that a cell showed as text, uncut."""
    return "\n".join(filter(None, (_plain(o) for o in _merged(observation.outputs) if o.kind != "stderr"))).strip("\n")


def shorten(text: str, most: int, count: Count) -> str:
    """Head and tail of `text` by lines, in at most `most` tokens, with a line that says how much is missing."""
    if count(text) <= most:
        return text
    if most < 24:
        return ""
    lines = [line if len(line) <= 400 else f"{line[:280]} ... {line[-100:]}" for line in text.split("\n")]
    low, high = 0, len(lines)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count(_head_and_tail(lines, middle)) <= most else (low, middle - 1)
    if low:
        return _head_and_tail(lines, low)
    keep = len(text)
    while keep and count(text[:keep]) > most - 12:
        keep //= 2
    return f"{text[:keep]}\n... ({len(text) - keep} characters left out)" if keep else ""


def _head_and_tail(lines: Sequence[str], keep: int) -> str:
    if keep >= len(lines):
        return "\n".join(lines)
    head = (keep * 2 + 2) // 3
    tail = lines[len(lines) - (keep - head) :] if keep > head else []
    return "\n".join([*lines[:head], f"... ({len(lines) - keep} lines left out) ...", *tail])


def _merged(outputs: Sequence[Output]) -> list[Output]:
    return [o for o in outputs if o.kind != "error"]


def _plain(output: Output) -> str:
    text = output.data.get("text/plain", "")
    if not text and output.data:
        text = f"[{next(iter(output.data))}]"
    return _CONTROL.sub("", text).rstrip()


def _error(output: Output) -> str:
    name, value = output.data.get("ename", "Error"), output.data.get("evalue", "")
    value = _CONTROL.sub("", value).strip()
    head = f"{name}: {value}" if value else name
    frame = _deepest_frame(output.data.get("text/plain", ""))
    return f"{head}\n{frame}" if frame else head


_FRAME = re.compile(r"^(?:Cell In\[\d+\]|Input In \[\d+\]|File <.*?ipython.*?>|Cell In .*?), line (\d+)", re.MULTILINE)
_ARROW = re.compile(r"^-+>\s*(\d+)\s?(.*)$", re.MULTILINE)


def _deepest_frame(traceback: str) -> str:
    """`line 3: df["x"]`: the last line of the user's own cell that the traceback passes through."""
    frames = list(_FRAME.finditer(traceback))
    if not frames:
        return ""
    arrow = _ARROW.search(traceback, frames[-1].end())
    if arrow and arrow.group(2).strip():
        return f"in line {arrow.group(1)}: {_CONTROL.sub('', arrow.group(2)).strip()[:200]}"
    return f"in line {frames[-1].group(1)}"
