"""The tables that cells wrote, brought to where a reader looks for them.

A reader will open them in a spreadsheet, which carries out formulas and follows links. To take those out a table has to
be parsed, and that is done in the box, by `export`; here its copies are fetched by the careful reader and no answer of
the box is trusted. What cannot be made safe stays where it is, and that is told.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from .. import artefacts
from ..errors import DeepAnalyzeError
from ..types import Run
from . import words
from .export import MOST
from .placing import place, placing
from .text import one_line

PARSED = frozenset({".csv", ".tsv", ".xlsx"})
"""Kinds of tables that a spreadsheet opens, and in which it may find something to carry out."""
KINDS = PARSED | {".parquet"}
"""Kinds of tables a reader may want."""
MOST_TABLES = 100
MOST_IN_ALL = 200_000_000
"""Bytes of all tables together."""
README = "README.txt"
_ATTEMPTS = 4
"""How often the box is asked, as a hostile table may bring it down; the ones behind that table are asked for again."""


class Ended(Protocol):
    """How a program in the box ended; `sandbox.run.Finished` is such."""

    @property
    def ok(self) -> bool: ...
    @property
    def killed(self) -> str: ...
    @property
    def out(self) -> bytes: ...


class Boxed(Protocol):
    """Runs a program in the box, in the folder the cells worked in; a `partial` of `sandbox.run.run_boxed` is such."""

    def __call__(self, argv: Sequence[str], *, stdin: bytes) -> Ended: ...


@dataclass(frozen=True, slots=True)
class Exported:
    """What became of one table: the file it is now, with so many cells made text, or why it was left out."""

    name: str
    file: str = ""
    changed: int = 0
    why: str = ""


def export_tables(run: Run, work: Path, tables: Path, boxed: Boxed | None) -> tuple[Exported, ...]:
    """Bring the tables that the cells of `run` wrote below `work` into the folder `tables`.

    Without `boxed` nothing is parsed, so only those that need not be are brought.

    Raises:
        UsageError: `tables` cannot be written.
    """
    wrote = dict.fromkeys(name for turn in run.turns if turn.observation for name in turn.observation.files)
    names = [name for name in wrote if _suffix(name) in KINDS and _is_there(work, name)]
    into = f".export-{secrets.token_hex(8)}"
    try:
        answers = _ask([name for name in names[:MOST_TABLES] if _suffix(name) in PARSED], into, boxed)
        done = _fetch(names, answers, work, tables)
    finally:
        with contextlib.suppress(OSError):
            artefacts.remove_tree(work / into)
    if told := "\n".join(_lines(done)):
        place(tables / README, told.encode())
    return done


def caveats(exported: Sequence[Exported]) -> Iterator[str]:
    """What a reader of the report should know of it, in sentences."""
    if changed := [table for table in exported if table.changed]:
        cells = sum(table.changed for table in changed)
        yield (
            f"In {words.count(len(changed), 'file')} of tables/ {words.count(cells, 'cell')} that a spreadsheet "
            "would have taken for a formula were made text (tables/README.txt)."
        )
    if out := [table for table in exported if table.why]:
        yield f"{words.count(len(out), 'table')} that cells wrote could not be brought to tables/ (tables/README.txt)."


def _lines(exported: Sequence[Exported]) -> Iterator[str]:
    if any(table.changed for table in exported):
        yield "Cells that a spreadsheet would have taken for formulas were made text: in text files by a ' before them."
        yield from (f"  {table.file}: {words.count(table.changed, 'cell')}" for table in exported if table.changed)
        yield ""
    if any(table.file.endswith(".xlsx") for table in exported):
        yield "Workbooks hold the values only: no links, macros, comments, charts or colours.\n"
    if any(table.why for table in exported):
        yield "Left out, and to be found in the folder work as the cells left it. Open it with care:"
        yield from (f"  {one_line(table.name)}: {table.why}" for table in exported if table.why)
        yield ""


def _is_there(work: Path, name: str) -> bool:
    """Whether there is anything of that name; a table that a later cell removed is none."""
    try:
        with artefacts.open_artefact(work, name, MOST):
            return True
    except artefacts.Refused as refused:
        return refused.message not in (artefacts.GONE, artefacts.ELSEWHERE)


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


# --- asking the box ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Answer:
    """Where in the box's folder the copy of a table is and how many cells it changed, or why there is none."""

    copy: str = ""
    changed: int = 0
    why: str = ""


def _ask(names: Sequence[str], into: str, boxed: Boxed | None) -> dict[str, _Answer]:
    """Have the tables copied. A table at which the program ends before it has said a word of it is the one to blame."""
    if boxed is None:
        return dict.fromkeys(names, _Answer(why="there was no sandbox to look into it"))
    answers: dict[str, _Answer] = {}
    for attempt in range(_ATTEMPTS):
        left = [name for name in names if name not in answers]
        if not left:
            break
        folder = f"{into}/{attempt}"
        request = json.dumps({"into": folder, "tables": left}).encode()
        try:
            ended = boxed([sys.executable, "-P", "-m", "deepanalyze_cli.outputs.export"], stdin=request)
        except (OSError, DeepAnalyzeError) as error:
            return answers | dict.fromkeys(left, _Answer(why=f"no sandbox could be made: {one_line(str(error))}"))
        answers |= _understood(ended.out, left, folder)
        if blamed := next((name for name in left if name not in answers), ""):
            why = one_line(ended.killed) or "looking into it ended with an error"
            answers[blamed] = _Answer(why=why)
    return answers | {name: _Answer(why="others before it failed") for name in names if name not in answers}


def _understood(out: bytes, names: Sequence[str], folder: str) -> dict[str, _Answer]:
    """What the box said, as far as it is an answer to what was asked."""
    answers = {}
    for line in out[:1_000_000].split(b"\n"):
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            continue
        number = said.get("table") if isinstance(said, dict) else None
        if type(number) is not int or not 0 <= number < len(names):
            continue
        changed, why = said.get("changed"), said.get("refused")
        if type(changed) is int and 0 <= changed < 10**9:
            answers[names[number]] = _Answer(f"{folder}/{number}{_suffix(names[number])}", changed)
        elif isinstance(why, str) and why:
            answers[names[number]] = _Answer(why=one_line(why))
    return answers


# --- fetching ---------------------------------------------------------------------------------------------------------


def _fetch(names: Sequence[str], answers: dict[str, _Answer], work: Path, tables: Path) -> tuple[Exported, ...]:
    """Copy what may be had, each under a name of its own that any file system and any terminal can bear."""
    done: list[Exported] = []
    room = MOST_IN_ALL
    for number, name in enumerate(names):
        answer = answers.get(name, _Answer(name))
        file = _file_name(name, {table.file.casefold() for table in done})
        why = answer.why if number < MOST_TABLES else f"there are more than {MOST_TABLES} tables"
        if not why:
            try:
                with (
                    artefacts.open_artefact(work, answer.copy, min(MOST, room)) as pieces,
                    placing(tables / file) as copy,
                ):
                    room -= sum(copy.write(piece) for piece in pieces)
            except artefacts.Refused as refused:
                all_of = f" (all tables together may be of {MOST_IN_ALL:,})" if room < MOST else ""
                why = refused.message + all_of
        done.append(Exported(name, why=why) if why else Exported(name, file, answer.changed))
    return tuple(done)


def _file_name(name: str, taken: set[str]) -> str:
    """`sub/new table.csv` as `sub_new table.csv`: no folders, nothing but letters, digits and `-. `, none twice."""
    path = PurePosixPath(name)
    words_of_name = unicodedata.normalize("NFC", "_".join(path.with_suffix("").parts))
    stem = re.sub(r"[^\w. -]+", "_", words_of_name).lstrip("-. ")[:80].rstrip() or "table"
    file, number = f"{stem}{path.suffix.lower()}", 1
    while file.casefold() in taken:
        number += 1
        file = f"{stem}-{number}{path.suffix.lower()}"
    return file
