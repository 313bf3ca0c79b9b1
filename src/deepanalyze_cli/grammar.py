"""The action language: what a model may write, how it is read, and how an observation is told.

The only place that knows a tag or a fence. Pure: nothing here runs, asks or writes anything. Three dialects:

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
    # Not "\n```\n": that is how a block without a language opens, and the words before it would pass for the answer.
    "fences": ("\n```\n\n", "\nOutput:"),
}

_SPOKEN_OF = r"(?<!(?<!`)`)"
"""Not after a single backtick: a tag in an inline code span is spoken of, not written."""
_OPENING = rf"{_SPOKEN_OF}<(?:Analyze|Understand|Code|Answer)>"
_TAG = re.compile(rf"{_SPOKEN_OF}<(Analyze|Understand|Code|Answer)>(.*?)(</\1>|(?={_OPENING})|\Z)", re.DOTALL)
_EXECUTE = re.compile(rf"{_SPOKEN_OF}<Execute>")
_BLOCK = re.compile(
    r"(?<![^\s:>])(?P<fence>`{3,}|~{3,})[ \t]*(?P<language>[^\s`]*)[ \t]*\n"
    r"(?:[ \t]*(?P=fence)[ \t]*py(?:thon)?[ \t]*\n)?"
    r"(?P<code>.*?)(?P<end>^[ \t]*(?P=fence)(?!\w)|(?P=fence)[ \t]*$|(?=^[ \t]*(?P=fence)\w)|\Z)",
    re.DOTALL | re.MULTILINE | re.IGNORECASE,
)
"""A fenced block; its opening may be there twice, since a model often repeats the one it was given."""
_PYTHON = re.compile(r"(?:i?python|py)[\d.]*", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_MARKUP = re.compile(r"<(?=/?(?:Analyze|Understand|Code|Execute|Answer|File)>|[|｜])", re.IGNORECASE)
"""What opens or closes a block or a turn. In an observation it is data, and is shown with another bracket."""

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
    follows a tag that only the host may write (`<Execute>`) is dropped. A block that was cut off is not acted on.
    """
    text = completion.whole.replace("\r\n", "\n")
    if not text.strip():
        return Reply(fault="empty")
    found = _fenced(text) if dialect == "fences" else _tagged(text)
    actions = tuple(action for action, _ in found)
    last = next((i for i, a in enumerate(actions) if a.kind in ("code", "answer")), None)
    cut = completion.finish != "stop"
    if last is None:
        return Reply(actions, "cut" if cut else "fences" if dialect == "fences" else "tags")
    return Reply(actions[:last], "cut") if cut and not found[last][1] else Reply(actions[: last + 1])


def code_in(text: str) -> str | None:
    """The first fenced block of a text that says it is Python, else the first that does not say what it is."""
    block = _python_block(text)
    return _code(block) if block else None


def without_code(text: str) -> str:
    """A text without its Python blocks."""
    return _BLOCK.sub(lambda block: "" if _PYTHON.fullmatch(block["language"]) else block.group(), text).strip()


_Found = tuple[Action, bool]
"""A block of a reply, and whether it has its end."""


def _tagged(text: str) -> list[_Found]:
    text = _EXECUTE.split(text, maxsplit=1)[0]
    found = []
    for tag, body, end in _TAG.findall(text):
        block = _python_block(body) if tag == "Code" else None
        body = _code(block) if block else "" if tag == "Code" and _BLOCK.search(body) else body.strip()
        if body:
            found.append((Action(tag.lower(), body), bool(end or (block and block["end"]))))
    return found


def _fenced(text: str) -> list[_Found]:
    if not (block := _python_block(text)):
        return [] if _BLOCK.search(text) else [(Action("answer", text.strip()), False)]
    thought = text[: block.start()].strip()
    code = (Action("code", _code(block)), bool(block["end"]))
    return [(Action("analyze", thought), True), code] if thought else [code]


def _python_block(text: str) -> re.Match[str] | None:
    blocks = [block for block in _BLOCK.finditer(text) if _code(block)]
    named = (block for block in blocks if _PYTHON.fullmatch(block["language"]))
    return next(named, None) or next((block for block in blocks if not block["language"]), None)


def _code(block: re.Match[str]) -> str:
    return block["code"].strip("\n") if block["code"].strip() else ""


# --- observations -----------------------------------------------------------------------------------------------------

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
    return _inert(text).rstrip()


def _inert(text: str) -> str:
    return _MARKUP.sub("‹", _CONTROL.sub("", text))


def _error(output: Output) -> str:
    name, value = output.data.get("ename", "Error"), output.data.get("evalue", "")
    name, value = _inert(name)[:200], _CELL_FILE.sub("", _inert(value)).strip()
    head = f"{name}: {value}" if value else name
    frame = _deepest_frame(output.data.get("text/plain", ""))
    return f"{head}\n{frame}" if frame else head


_CELL_FILE = re.compile(r" \((?:\d+\.py|<unknown>), line \d+\)$")
"""What a syntax error says of its place: a file that nobody has, of the kernel's naming."""
_FRAME = re.compile(r"^[ \t]*(?:Cell In|Input In) ?\[\d+\], line (\d+).*\n(.*)", re.MULTILINE)
_ARROW = re.compile(r"^-+> ?(\d+) ?(.*)$", re.MULTILINE)


def _deepest_frame(traceback: str) -> str:
    """`in line 3: df["x"]`: the last line of the user's own cell that the traceback passes through.

    Source: the `Context` and, for a `SyntaxError`, `Plain` tracebacks of IPython 9.
    """
    frames = list(_FRAME.finditer(traceback))
    if not frames:
        return ""
    number, source = frames[-1].groups()
    below = traceback[frames[-1].end(1) :].split("\n\n", 1)[0]
    if arrow := next((a for a in _ARROW.finditer(below) if a[1] == number), None):
        source = arrow[2]
    elif not source.startswith("    "):
        source = ""
    source = _inert(source).strip()[:200]
    return f"in line {number}: {source}" if source else f"in line {number}"
