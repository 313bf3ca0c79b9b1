"""What a kernel says about one cell, gathered into outputs.

Pure: messages in (the dictionaries of the Jupyter protocol 5), `Output` values out, within fixed bounds however much is
printed. A cell can send messages of its own making: one that is not of the protocol's shape is passed over. It does not
talk to a kernel, keep time or decide what a status means.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal

from .types import Output

KEPT = 500_000
"""Characters kept of the beginning, and again of the end, of each stream of a cell."""
ENTRIES = 500
"""Outputs kept of a cell."""
DATA_LIMIT = 8_000_000
"""Characters kept of one displayed value (a chart in base64 is some 50,000)."""
ALL_DATA = 32_000_000
"""Characters kept of all displayed values of a cell."""
KINDS = ("text/plain", "text/html", "image/png")
"""What is kept of a displayed value; nothing of ours shows or runs any other kind."""

_SHAPES: dict[str, dict[str, type]] = {
    "status": {"execution_state": str},
    "execute_reply": {"status": str},
    "stream": {"name": str, "text": str},
    "execute_result": {"data": dict},
    "display_data": {"data": dict},
    "update_display_data": {"data": dict, "transient": dict},
    "error": {"ename": str, "evalue": str, "traceback": list},
    "clear_output": {"wait": bool},
}
"""What we need of a message's content. Source: Jupyter Client documentation, "Messaging in Jupyter"."""

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")

_GAP = re.compile(r"\n\[\.\.\. (\d[\d,]{0,15}) characters cut \.\.\.\]\n")
"""Where `capture` has cut already."""


def plain(text: str) -> str:
    """Text without terminal codes, progress bars folded to their last state."""
    text = _ANSI.sub("", text).replace("\r\n", "\n")
    if "\r" not in text:
        return text
    return "\n".join(next((part for part in reversed(line.split("\r")) if part), "") for line in text.split("\n"))


@dataclass(slots=True)
class _Entry:
    """One output while it still grows: a stream has pieces, everything else has data."""

    kind: Literal["stdout", "stderr", "result", "display", "error"]
    data: dict[str, str] = field(default_factory=dict)
    pieces: list[str] = field(default_factory=list)
    display_id: str = ""

    def output(self) -> Output:
        return Output(self.kind, self.data or {"text/plain": plain("".join(self.pieces))})


@dataclass(slots=True)
class _Stream:
    """How much of a stream went to the entries (`head`), and the last of what did not (`tail`)."""

    head: int = 0
    cut: int = 0
    tail: deque[str] = field(default_factory=deque)
    tail_size: int = 0

    def keep_end(self, text: str) -> None:
        self.tail.append(text)
        self.tail_size += len(text)
        while (excess := self.tail_size - KEPT) > 0:
            first = self.tail.popleft()
            if excess < len(first):
                self.tail.appendleft(first[excess:])
            gone = min(excess, len(first))
            self.tail_size -= gone
            self.cut += gone


class Transcript:
    """The outputs of one cell so far. `request` is the id of the message that asked for the cell."""

    def __init__(self, request: str):
        self.request = request
        self.idle = False
        self.replied = False
        self.failed = False
        self._dropped = 0
        self._clear_next = False
        self._clear()

    @property
    def over(self) -> bool:
        """Both signs are needed: the reply overtakes the outputs, and the cell can forge an idle status."""
        return self.idle and self.replied

    def take(self, message: dict[str, Any]) -> Output | None:
        """Note one message of either channel; the new output, if there is one to show at once."""
        kind, content = _checked(message, self.request)
        match kind:
            case "status":
                self.idle = self.idle or content["execution_state"] == "idle"
            case "execute_reply":
                self.replied, self.failed = True, self.failed or content["status"] != "ok"
            case "stream":
                return self._write(content["name"], content["text"]) if content["name"] in self._streams else None
            case "execute_result":
                return self._add(_Entry("result", _texts(content["data"])))
            case "display_data":
                return self._add(_Entry("display", _texts(content["data"]), display_id=_display_id(content)))
            case "update_display_data":
                self._update(_display_id(content), _texts(content["data"]))
            case "error":
                self.failed = True
                lines = [line for line in content["traceback"] if isinstance(line, str)]
                told = {"text/plain": "\n".join(lines), "ename": content["ename"], "evalue": content["evalue"]}
                return self._add(_Entry("error", {key: plain(_shortened(text)) for key, text in told.items()}))
            case "clear_output":
                self._clear_next = content["wait"]
                if not self._clear_next:
                    self._clear()
        return None

    def outputs(self) -> tuple[Output, ...]:
        """Everything kept, adjoining writes to a stream as one. The end of a long stream stands with its beginning."""
        entries = list(self._entries)
        for name, stream in self._streams.items():
            if stream.tail:
                gap = f"\n[... {stream.cut:,} characters cut ...]\n" if stream.cut else ""
                place = max((i for i, entry in enumerate(entries) if entry.kind == name), default=len(entries))
                pieces = entries[place].pieces if place < len(entries) else []
                entries[place : place + 1] = [_Entry(name, pieces=[*pieces, gap, *stream.tail])]
        return tuple(entry.output() for entry in entries)

    @property
    def note(self) -> str:
        """What is missing from the outputs, in a sentence or none."""
        cut = [f"{stream.cut:,} characters of {name}" for name, stream in self._streams.items() if stream.cut]
        if self._dropped:
            cut.append(f"{self._dropped:,} outputs")
        return f"The cell printed too much: {' and '.join(cut)} were cut." if cut else ""

    def _clear(self) -> None:
        self._clear_next = False
        self._entries: list[_Entry] = []
        self._room = ALL_DATA
        self._streams = {"stdout": _Stream(), "stderr": _Stream()}

    def _add(self, entry: _Entry) -> Output | None:
        if self._clear_next:
            self._clear()
        # A few errors are always let in: they are why the cell stopped.
        size = sum(map(len, entry.data.values()))
        if len(self._entries) >= ENTRIES + (10 if entry.kind == "error" else 0) or size > self._room:
            self._dropped += 1
            return None
        self._room -= size
        self._entries.append(entry)
        return entry.output()

    def _write(self, name: Literal["stdout", "stderr"], text: str) -> Output | None:
        if self._clear_next:
            self._clear()
        stream = self._streams[name]
        stream.cut += sum(int(count.replace(",", "")) for count in _GAP.findall(text))
        room = 0 if stream.tail or len(self._entries) >= ENTRIES else KEPT - stream.head
        head, rest = text[:room], text[room:]
        if rest:
            stream.keep_end(rest)
        if not head:
            return None
        stream.head += len(head)
        if not self._entries or self._entries[-1].kind != name:
            self._entries.append(_Entry(name))
        self._entries[-1].pieces.append(head)
        return Output(name, {"text/plain": head})

    def _update(self, display_id: str, data: dict[str, str]) -> None:
        size = sum(map(len, data.values()))
        for entry in self._entries:
            if display_id and entry.display_id == display_id and size <= self._room:
                self._room -= size
                entry.data = data


def _checked(message: dict[str, Any], request: str) -> tuple[str, dict[str, Any]]:
    """Kind and content of a message that answers the request and has the protocol's shape; else nothing."""
    parent, content, kind = (message.get(key) for key in ("parent_header", "content", "msg_type"))
    if not (isinstance(parent, dict) and isinstance(content, dict) and isinstance(kind, str)):
        return "", {}
    shape = _SHAPES.get(kind)
    well = shape is not None and all(isinstance(content.get(key), sort) for key, sort in shape.items())
    return (kind, content) if well and parent.get("msg_id") == request else ("", {})


def _display_id(content: dict[str, Any]) -> str:
    transient = content.get("transient")
    found = transient.get("display_id") if isinstance(transient, dict) else ""
    return found if isinstance(found, str) else ""


def _texts(bundle: dict[str, Any]) -> dict[str, str]:
    """MIME type -> text, within `DATA_LIMIT`. What is too long is left out; plain text keeps its beginning."""
    texts = {kind: bundle[kind] for kind in KINDS if isinstance(bundle.get(kind), str)}
    kept = {kind: text for kind, text in texts.items() if len(text) <= DATA_LIMIT}
    if "text/plain" in texts:
        kept["text/plain"] = plain(_shortened(texts["text/plain"]))
    return kept or {"text/plain": "[a value too long to show]" if texts else "[a value that is no text and no chart]"}


def _shortened(text: str) -> str:
    if len(text) <= KEPT:
        return text
    return f"{text[:KEPT]}\n[... {len(text) - KEPT:,} characters cut ...]"
