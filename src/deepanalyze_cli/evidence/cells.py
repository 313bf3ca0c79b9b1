"""The cells of a notebook file as plain values, read by somebody who does not trust it.

Only what a reader sees and what would be run: sources, printed text, pictures, and the turn a cell is of. Runs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..artefacts import Refused, read_artefact
from ..errors import InputError
from .compare import NOTHING, Failure, pictures_failures, text_failures

_AGAIN = "restore it, or make it again with `deepanalyze replay`"
MOST = 256 * 1024 * 1024
"""Bytes of a notebook."""
MOST_CELLS = 2000


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell. `number` is that of the report (0 for cells of ours), `turn` that of the trace (-1 for none).

    `printed` is the text of all outputs but warnings, an error as `Name: message`; `pictures` are in base64.
    """

    id: str
    kind: str
    source: str
    number: int = 0
    turn: int = -1
    status: str = ""
    printed: str = ""
    pictures: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """How the cell is called."""
        return f"cell {self.number}" if self.number else f"the cell {self.id!r}"


def read_cells(folder: Path, name: str) -> tuple[Cell, ...]:
    """The cells of the notebook `name` in a run's folder.

    Raises:
        InputError: there is none, or it is no notebook of the form we write.
    """
    try:
        told = json.loads(read_artefact(folder, name, MOST))
    except Refused as refused:
        raise InputError(f"{name}: {refused.message}", _AGAIN) from None
    except (ValueError, RecursionError):
        raise _broken(name, "not JSON") from None
    cells = told.get("cells") if isinstance(told, dict) else None
    if not isinstance(cells, list) or len(cells) > MOST_CELLS or not all(isinstance(c, dict) for c in cells):
        raise _broken(name, f"no list of at most {MOST_CELLS:,} cells")
    found = tuple(map(_cell, cells))
    if len({cell.id for cell in found}) != len(found):
        raise _broken(name, "two cells of one id")
    return found


def _cell(told: dict[str, object]) -> Cell:
    about = _dict(told.get("metadata"))
    origin, outputs, tags = _dict(about.get("deepanalyze")), told.get("outputs"), about.get("tags")
    shown = [o for o in outputs if isinstance(o, dict)] if isinstance(outputs, list) else []
    return Cell(
        id=_text(told.get("id")),
        kind=_text(told.get("cell_type")),
        source=_text(told.get("source")),
        number=_number(origin.get("cell"), 0),
        turn=_number(origin.get("turn"), -1),
        status=_text(origin.get("status")),
        printed=joined(_outputs(shown)),
        pictures=tuple(p for o in shown if (p := "".join(_text(_dict(o.get("data")).get("image/png")).split()))),
        tags=tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
    )


def _outputs(outputs: Sequence[dict[str, object]]) -> Iterator[tuple[str, str]]:
    for output in outputs:
        if output.get("output_type") == "stream":
            yield ("stderr" if output.get("name") == "stderr" else "stdout"), _text(output.get("text"))
        elif output.get("output_type") == "error":
            yield "error", f"{_text(output.get('ename'))}: {_text(output.get('evalue'))}"
        else:
            yield "result", _text(_dict(output.get("data")).get("text/plain"))


def joined(outputs: Iterator[tuple[str, str]]) -> str:
    """What was printed, as one text: (kind, text) of each output, warnings left out."""
    text = ""
    for kind, said in outputs:
        if kind == "stderr" or not said:
            continue
        text += "\n" if kind != "stdout" and text and not text.endswith("\n") else ""
        text += said + ("\n" if kind != "stdout" else "")
    return text.strip("\n")


def _text(value: object) -> str:
    if isinstance(value, list):
        return "".join(piece for piece in value if isinstance(piece, str))
    return value if isinstance(value, str) else ""


def _number(value: object, otherwise: int) -> int:
    return value if type(value) is int else otherwise


def _dict(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _broken(name: str, why: str) -> InputError:
    return InputError(f"{name}: {why}", "the file was changed or damaged; make it again with `deepanalyze replay`")


def cell_failures(name: str, expected: Sequence[Cell], found: Sequence[Cell]) -> Iterator[Failure]:
    """Cells of a notebook that are not those that the recorded run gives: removed, added, moved, edited."""
    there = {cell.id: cell for cell in found}
    known = {cell.id: cell for cell in expected}
    for cell in expected:
        if cell.id not in there:
            yield Failure("notebook", f"{name}, {cell.label}", f"{_first(cell)}", f"{NOTHING}: the cell was removed")
            continue
        yield from _edited(name, cell, there[cell.id])
    for cell in found:
        if cell.id not in known:
            yield Failure("notebook", f"{name}, {cell.label}", NOTHING, f"a cell that was added: {_first(cell)}")
    order = [cell.id for cell in found if cell.id in known]
    if order != [cell.id for cell in expected if cell.id in there]:
        yield Failure("notebook", name, "the cells in the order of the run", "another order")


def _edited(name: str, expected: Cell, found: Cell) -> Iterator[Failure]:
    where = f"{name}, {expected.label}"
    if expected.kind != found.kind:
        yield Failure("notebook", where, f"a {expected.kind} cell", f"a {found.kind} cell")
    part = f"{where}, code" if expected.kind == "code" else where
    yield from text_failures("notebook", part, expected.source, found.source)
    yield from text_failures("notebook", f"{where}, stored output", expected.printed, found.printed)
    yield from pictures_failures("notebook", where, expected.pictures, found.pictures)


def _first(cell: Cell) -> str:
    return cell.source.strip().partition("\n")[0]
