"""Have the data read in a box, and get through it whatever the data does to its reader.

The launcher's half: it asks, checks what is said (`messages`), and when a file was the end of the reader it asks again
without that file. It knows of files only their names and sizes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from ..errors import KernelError
from ..types import Table
from . import messages
from .messages import Failed, Forged, Joined, Read, Reading, Started
from .payloads import is_payload
from .read import Unreadable
from .relate import Relation
from .survey import Request, survey
from .text import clean, plural

if TYPE_CHECKING:
    from ..sandbox import Box
    from ..sandbox.run import Finished, OnLine

START_SECONDS = 60.0
FILE_SECONDS = 120.0
BYTES_A_SECOND = 5_000_000
"""The time for one file: so many seconds, and one more for every so many bytes."""
JOIN_SECONDS = 120.0

MOST_SAID = 32 << 20
"""Bytes; 10,000 columns take some 3 MB."""

MOST_DEATHS = 5
"""Files that may be the end of their reader; after that, what was not read yet is left out."""

ARGV = (sys.executable, "-P", "-m", "deepanalyze_cli.workspace")
_KILLED = (137, -9)
_NO_MEMORY = ("memory allocation of", "MemoryError", "bad_alloc", "Out of Memory")


class Runner(Protocol):
    """Runs a program in a box to its end; `sandbox.run.run_boxed` is one."""

    def __call__(
        self, box: Box, argv: Sequence[str], *, seconds: float, stdin: bytes, on_line: OnLine, most: int
    ) -> Finished: ...


@dataclass(frozen=True, slots=True)
class File:
    """A file to be read: its path below the data folder, and its size in bytes."""

    name: str
    bytes: int


@dataclass(slots=True)
class Account:
    """What is known of the files by their place in the list: their tables, or why there are none."""

    tables: dict[int, tuple[Table, ...]] = field(default_factory=dict)
    failed: dict[int, Unreadable] = field(default_factory=dict)
    relations: tuple[Relation, ...] = ()
    notes: list[str] = field(default_factory=list)


def read_in_box(
    data_dir: Path,
    files: Sequence[File],
    box: Box,
    run: Runner,
    on_progress: Callable[[str], None],
    file_seconds: float = FILE_SECONDS,
) -> Account:
    """Read `files` below `data_dir` in `box`; no file can take the others with it.

    Raises:
        KernelError: there is no box, or Python does not start in it.
    """
    ends: dict[int, Unreadable] = {}
    announced: set[str] = set()

    def announce(file: File) -> float:
        if file.name not in announced:
            announced.add(file.name)
            on_progress(file.name)
        return file_seconds + file.bytes / BYTES_A_SECOND

    while True:
        talk = _Talk(files, [i for i in range(len(files)) if i not in ends], announce)
        why = _hold(talk, data_dir, box, run)
        talk.account.failed |= ends
        if talk.now == "reading":
            ends[talk.file] = talk.account.failed[talk.file] = why
        if talk.now == "joining":
            talk.account.notes.append(f"{_NO_JOINS}: that {why.reason}")
        elif talk.now == "reading" and len(ends) < MOST_DEATHS:
            continue
        return _completed(talk.account, files)


def read_here(data_dir: Path, files: Sequence[File], on_progress: Callable[[str], None]) -> Account:
    """The same conversation without a box, within this process."""

    def announce(file: File) -> float:
        on_progress(file.name)
        return 0.0

    talk = _Talk(files, range(len(files)), announce)
    talk.hear(messages.encode(Started()))
    for message in survey(Request(str(data_dir), talk.request)):
        talk.hear(messages.encode(message))
    return talk.account


_NO_JOINS = "joins between the tables were not looked for"


def _completed(account: Account, files: Sequence[File]) -> Account:
    """Nothing is passed over in silence."""
    rest = [i for i in range(len(files)) if i not in account.tables and i not in account.failed]
    if rest:
        reason = f"was not read after {plural(MOST_DEATHS, 'file')} that could not be"
        account.failed |= {i: Unreadable(reason, "leave those out") for i in rest}
        account.notes.append(_NO_JOINS)
    return account


class _Talk:
    """One conversation with the reader about the files at `order`: where it stands, and what came of it."""

    def __init__(self, files: Sequence[File], order: Sequence[int], announce: Callable[[File], float]):
        self.account = Account()
        self.now: Literal["start", "reading", "joining", "over"] = "start"
        self.request = tuple(files[i].name for i in order)
        self._files, self._order, self._announce = files, order, announce
        self._next = 0
        self._taken: set[str] = set()
        self.allowed = START_SECONDS
        """Seconds for what it is at now."""

    @property
    def file(self) -> int:
        """The file that is being read."""
        return self._order[self._next]

    def hear(self, line: bytes) -> float | None:
        """Take in what the reader says; how long it may take from here, if that changes.

        Raises:
            Forged: no honest reader says that, or not now.
        """
        message = messages.decode(line)
        if isinstance(message, Reading | Read | Failed) and (self.now != "reading" or message.file != self._next):
            raise Forged("is about another file")
        match message:
            case Reading():
                self.allowed = self._announce(self._files[self.file])
                return self.allowed
            case Read(_, tables):
                name = self._files[self.file].name
                self.account.tables[self.file] = messages.believed_tables(tables, name, self._taken)
                self._next += 1
            case Failed(_, reason, fix):
                # A parser's error may quote the file.
                said = "cannot be read" if is_payload(reason) else clean(reason, 400)
                self.account.failed[self.file] = Unreadable(said, clean(fix, 200))
                self._next += 1
            case Joined(relations) if self.now == "joining":
                tables = [table for found in self.account.tables.values() for table in found]
                self.account.relations = messages.believed_relations(relations, tables)
                self.now = "over"
                return None
            case Started() if self.now == "start":
                pass
            case _:
                raise Forged("is out of turn")
        if self._next < len(self._order):
            self.now = "reading"
            return None
        self.now, self.allowed = "joining", JOIN_SECONDS
        return self.allowed


def _hold(talk: _Talk, data_dir: Path, box: Box, run: Runner) -> Unreadable:
    """Have the conversation; the reason why it ended, which counts only if it ended too early.

    Raises:
        KernelError: it did not begin.
    """
    request = Request(str(data_dir), talk.request, box.memory // 2)
    asked = json.dumps(asdict(request)).encode()
    try:
        finished = run(box, ARGV, seconds=START_SECONDS, stdin=asked, on_line=talk.hear, most=MOST_SAID)
    except Forged:
        why, last = Unreadable("makes its reader say what cannot be", "leave it out"), []
    except OSError as error:
        raise KernelError(f"the reader of the data cannot be started: {error.strerror}", _NO_START) from error
    else:
        why, last = _why(finished, talk.allowed), finished.err.strip().splitlines()[-1:]
    if talk.now == "start":
        said = clean("".join(last), 200) or why.reason
        raise KernelError(f"the reader of the data does not start: {said}", _NO_START)
    return why


_NO_START = "see `deepanalyze doctor`"


def _why(finished: Finished, allowed: float) -> Unreadable:
    """Why a reader ended, said of the file it was reading."""
    if finished.killed.startswith("it took longer"):
        span = f"{allowed:,.0f} s" if allowed < 120 else f"{allowed / 60:,.0f} min"
        return Unreadable(f"took longer than {span} to read", "convert it to Parquet, or analyse a part of it")
    if "--memory" in finished.killed:
        return Unreadable(finished.killed.removeprefix("it "), "allow more with --memory, or leave it out")
    if finished.killed:
        return Unreadable(f"could not be read: {finished.killed}", "leave it out")
    if finished.code in _KILLED or any(sign in finished.err for sign in _NO_MEMORY):
        return Unreadable.too_large()
    return Unreadable(f"was the end of the program that reads it (exit code {finished.code})", "leave it out")
