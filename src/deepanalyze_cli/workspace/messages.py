"""What the reader of the data says to the launcher, line by line, and how much of it is believed.

The reader parses strangers' files, and a fault in a parser could make it say anything. So each line has to be one of
these messages, must fit what was asked, and its texts are made short and harmless; what fails that is `Forged`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ..types import Column, Table
from .loads import is_load
from .names import is_name
from .relate import Relation
from .text import clean

if TYPE_CHECKING:
    from pydantic import TypeAdapter

LONGEST_NAME = 10_000
"""Characters of a column's name; names stay as they are, since code has to use them."""
LONGEST_TEXT = 100
"""Characters of an example, a type, or one end of a range."""
LONGEST_NOTE = 400
MOST_NOTES = 200


@dataclass(frozen=True, slots=True)
class Started:
    """The reader runs; what goes wrong from here on is due to the data."""

    type: Literal["started"] = "started"


@dataclass(frozen=True, slots=True)
class Reading:
    """A file is about to be read. `file` is its place in the request, here and below."""

    file: int
    type: Literal["reading"] = "reading"


@dataclass(frozen=True, slots=True)
class Read:
    """The file's tables, profiled."""

    file: int
    tables: tuple[Table, ...]
    type: Literal["read"] = "read"


@dataclass(frozen=True, slots=True)
class Failed:
    """The file cannot be read; `reason` completes the sentence "<file> ..."."""

    file: int
    reason: str
    fix: str
    type: Literal["failed"] = "failed"


@dataclass(frozen=True, slots=True)
class Joined:
    """The last message: how the tables belong together."""

    relations: tuple[Relation, ...] = ()
    type: Literal["joined"] = "joined"


Message = Started | Reading | Read | Failed | Joined


class Forged(Exception):
    """No honest reader says this."""


def encode(message: Message) -> bytes:
    """One line of JSON in ASCII, with its end."""
    return json.dumps(asdict(message)).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message of a line.

    Raises:
        Forged: it is none.
    """
    try:
        return _adapter().validate_json(line, strict=True)
    except ValueError as error:
        raise Forged("is no message") from error


@cache
def _adapter() -> TypeAdapter[Any]:
    from pydantic import Field, TypeAdapter

    return TypeAdapter(Annotated[Message, Field(discriminator="type")])


def believed_tables(tables: Sequence[Table], name: str, taken: set[str]) -> tuple[Table, ...]:
    """The tables said to be in the file `name`, their texts cleaned; their names are added to `taken`.

    Raises:
        Forged: they cannot be.
    """
    if not tables:
        raise Forged("has no table")
    believed = tuple(_table(table, name) for table in tables)
    for table in believed:
        if table.name in taken:
            raise Forged("has a table of a name that is taken")
        taken.add(table.name)
    return believed


def believed_relations(relations: Sequence[Relation], tables: Sequence[Table]) -> tuple[Relation, ...]:
    """Those relations that are between columns that exist."""
    columns = {table.name: {c.name for c in table.columns} for table in tables}
    return tuple(r for r in relations if _joins(r, columns) and 0 <= r.matched <= 1)


def _joins(relation: Relation, columns: Mapping[str, set[str]]) -> bool:
    left, right = columns.get(relation.left_table, ()), columns.get(relation.right_table, ())
    return relation.left_column in left and relation.right_column in right


def _table(table: Table, name: str) -> Table:
    names = [column.name for column in table.columns]
    if not is_name(table.name) or not is_load(table.load, name):
        raise Forged("has a table that is loaded in a strange way")
    if not names or table.rows < 1 or not set(table.keys) <= set(names):
        raise Forged("has a table without a shape")
    columns = tuple(_column(column, table.rows) for column in table.columns)
    notes = tuple(clean(note, LONGEST_NOTE) for note in table.notes[:MOST_NOTES])
    return replace(table, columns=columns, notes=notes)


def _column(column: Column, rows: int) -> Column:
    if not (0 <= column.nulls <= rows and 0 <= column.distinct <= rows) or len(column.name) > LONGEST_NAME:
        raise Forged("has a column of impossible numbers")
    ends = (column.low, column.high)
    if column.type in ("integer", "number") and any(ends) and not all(map(_is_number, ends)):
        raise Forged("has numbers that are none")
    return replace(
        column,
        type=clean(column.type, LONGEST_TEXT),
        examples=tuple(clean(example, LONGEST_TEXT) for example in column.examples[:20]),
        low=clean(column.low, LONGEST_TEXT),
        high=clean(column.high, LONGEST_TEXT),
    )


def _is_number(text: str) -> bool:
    try:
        return len(text) <= LONGEST_TEXT and not math.isnan(float(text))
    except ValueError:
        return False
