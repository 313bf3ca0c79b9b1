"""The trace: one recorded event a line, written before anything else and synced, so that a killed run loses at most
the turn in flight. Reading it folds the events into the `Run`.

Does not know what an event means: that is `events.apply`.
"""

from __future__ import annotations

import json
import math
import os
import stat
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..errors import DeepAnalyzeError, InputError, UsageError
from ..events import Event, Recorded, RunStarted, TurnFinished, apply
from ..types import FORMAT_VERSION, Run

if TYPE_CHECKING:
    from pydantic import TypeAdapter

MOST = 64 * 1024 * 1024
"""The longest line in bytes, its end included. A turn with a dozen charts takes about one million."""
MOST_IN_ALL = 2 * 1024 * 1024 * 1024
"""The longest trace in bytes."""


class TraceWriter:
    """A sink that appends recorded events to a new file and ignores the others.

    Raises:
        UsageError: the file exists, or cannot be written (any more).
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            self._file = path.open("xb", buffering=0)
        except OSError as error:
            raise _unwritable(path, error) from None

    def __call__(self, event: Event) -> None:
        if not isinstance(event, Recorded):
            return
        line = dumps(event).encode() + b"\n"
        if len(line) > MOST:
            raise DeepAnalyzeError(f"an event of {len(line):,} bytes is too large for {self.path}", "print less")
        try:
            written = 0
            while written < len(line):
                written += self._file.write(line[written:])
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _unwritable(self.path, error) from None

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        self._file.close()


def dumps(event: Recorded) -> str:
    """One event as one line of JSON, without its end. Infinite log-probabilities are strings, as JSON has none."""
    try:
        return _adapter().dump_json(event).decode()
    except ValueError:  # half a surrogate pair, which UTF-8 cannot encode
        return json.dumps(_whole(_adapter().dump_python(event)), ensure_ascii=False, separators=(",", ":"))


def read_run(path: Path) -> Run:
    """The run that a trace (or the trace in a run's folder) tells of, finished or not.

    A last line that was torn by a kill is left out.

    Raises:
        InputError: there is no such file, it is no trace, of an unknown version, or damaged (named by line).
    """
    run: Run | None = None
    path = path / "trace.jsonl" if path.is_dir() else path
    try:
        with _opened(path) as file:
            for number, line in enumerate(iter(lambda: file.readline(MOST + 1), b""), 1):
                event = _read(path, number, line)
                if event is None:
                    break
                if why := _out_of_place(run, event):
                    raise _damaged(path, number, why)
                run = apply(run, event)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", "name a run's folder or its trace.jsonl") from None
    if run is None:
        raise InputError(f"{path} holds no run", "it was cut off before its first event; start the run again")
    return run


def _opened(path: Path) -> BinaryIO:
    """A plain file only: a pipe would be waited for, a device never ends."""
    file = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb")
    about = os.fstat(file.fileno())
    if stat.S_ISREG(about.st_mode) and about.st_size <= MOST_IN_ALL:
        return file
    file.close()
    raise InputError(f"{path} is no trace", "name a run's folder or its trace.jsonl")


def _out_of_place(run: Run | None, event: Recorded) -> str:
    """Why an event cannot follow on what was read before; empty if it can. Turns are told apart by their number."""
    if run is None:
        return ""
    if isinstance(event, RunStarted):
        return "a second run begins"
    if run.stop is not None:
        return "the run was over already"
    if isinstance(event, TurnFinished) and run.turns and event.turn.index <= run.turns[-1].index:
        return f"turn {event.turn.index} comes after turn {run.turns[-1].index}"
    return ""


def _read(path: Path, number: int, line: bytes) -> Recorded | None:
    """The event on one line; `None` for a torn one."""
    if len(line) > MOST:
        raise _damaged(path, number, f"longer than {MOST:,} bytes")
    try:
        if number == 1:
            _check(path, json.loads(line))
        return _adapter().validate_json(line)
    except (ValueError, RecursionError):
        if not line.endswith(b"\n") and number > 1:
            return None
        if number == 1:
            raise InputError(f"{path}, line 1: not a trace", "name a run's folder or its trace.jsonl") from None
        raise _damaged(path, number, "not a recorded event") from None


def _check(path: Path, first: object) -> None:
    """The version is looked at before anything else, because a newer form need not validate."""
    if not isinstance(first, dict) or first.get("type") != "run_started" or not isinstance(first.get("run"), dict):
        raise ValueError("not the first event of a trace")
    version = first["run"].get("version")
    if version != FORMAT_VERSION:
        raise InputError(
            f"{path}, line 1: trace format {version}, but this deepanalyze reads {FORMAT_VERSION}",
            "read it with the version that wrote it, or upgrade",
        )


@cache
def _adapter() -> TypeAdapter[Recorded]:
    from typing import Annotated

    from pydantic import ConfigDict, Field, TypeAdapter

    return TypeAdapter(Annotated[Recorded, Field(discriminator="type")], config=ConfigDict(ser_json_inf_nan="strings"))


def _whole(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {_whole(k): _whole(v) for k, v in value.items()}
    return [_whole(v) for v in value] if isinstance(value, (list, tuple)) else value


def _damaged(path: Path, number: int, why: str) -> InputError:
    return InputError(f"{path}, line {number}: {why}", "the file was changed or damaged; restore it from a copy")


def _unwritable(path: Path, error: OSError) -> UsageError:
    why = f"the --out folder cannot be written: {path}: {error.strerror}"
    return UsageError(why, "free space, mend its permissions or choose another --out")
