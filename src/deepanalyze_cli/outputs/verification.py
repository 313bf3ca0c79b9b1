"""Whether a run's folder still says what was recorded, and whether its notebook still prints it.

Files are compared with what the trace renders, cells with what they print now; where a cell prints something else,
three fresh kernels tell a changed cell from one that never prints the same. Finds the differences, decides nothing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from ..artefacts import Refused, read_artefact
from ..errors import InputError
from ..evidence import lock as locks
from ..evidence.cells import Cell, cell_failures, read_cells
from ..evidence.compare import NOTHING, Failure, page_failures, text_failures
from ..types import Claim, Run
from .replay import expected_manifest, read_manifest
from .rerun import OURS, Rerun

MOST_FILE = 512 * 1024 * 1024
_FIGURE = "[figure"
MOST_LINES = 8
"""Differing lines of one cell that are told."""

# --- files ------------------------------------------------------------------------------------------------------------


def artefact_failures(run: Run, folder: Path, rendered: Path) -> Iterator[Failure]:
    """Where the files of `folder` are not those in `rendered`, which `replay` made of the trace."""
    yield from _lock_failures(run, folder)
    yield from _manifest_failures(run, folder)
    for path in sorted(path for path in rendered.rglob("*") if path.is_file()):
        name = path.relative_to(rendered).as_posix()
        if name == "manifest.json":
            continue
        try:
            found = read_artefact(folder, name, MOST_FILE)
        except Refused as refused:
            yield Failure("file", name, "a file as the trace tells it", f"{NOTHING}: {refused.message}")
            continue
        if found != path.read_bytes():
            yield from _file_failures(name, rendered, folder, found)


def _file_failures(name: str, rendered: Path, folder: Path, found: bytes) -> Iterator[Failure]:
    expected = (rendered / name).read_bytes()
    if name.endswith(".ipynb"):
        try:
            told = list(cell_failures(name, read_cells(rendered, name), read_cells(folder, name)))
        except InputError as error:
            told = [Failure("notebook", name, "a notebook as it was written", error.message)]
        yield from told  # a notebook that was only run or saved again by Jupyter is the same
    elif name.endswith(".png"):
        yield Failure("figure", name, "the chart that its cell drew", _which(found, name, rendered))
    else:
        compare = page_failures if name.endswith(".html") else text_failures
        kind = "report" if name.startswith("report.") else "file"
        yield from compare(kind, name, expected.decode("utf-8", "replace"), found.decode("utf-8", "replace"))


def _which(found: bytes, name: str, rendered: Path) -> str:
    others = (path for path in sorted((rendered / name).parent.iterdir()) if path.read_bytes() == found)
    return next((f"that of {path.name}" for path in others), f"another picture ({len(found):,} bytes)")


def _lock_failures(run: Run, folder: Path) -> Iterator[Failure]:
    try:
        found = locks.read_lock(folder)
    except InputError as error:
        yield Failure("lock", locks.NAME, "the lock of the run's data", error.message)
        return
    if found is None:
        yield Failure("lock", locks.NAME, "the lock of the run's data", NOTHING)
        return
    expected = locks.lock_of(run, memory=found.memory, spill=found.spill, written=found.written)
    for where, was, now in locks.differences(expected, found):
        yield Failure("lock", f"{locks.NAME}, {where}", was, now)


def _manifest_failures(run: Run, folder: Path) -> Iterator[Failure]:
    try:
        found = read_manifest(folder)
    except InputError as error:
        yield Failure("manifest", "manifest.json", "the manifest of the run", error.message)
        return
    if not found:
        yield Failure("manifest", "manifest.json", "the manifest of the run", NOTHING)
    for where, was, now in _unequal("", expected_manifest(run), found):
        yield Failure("manifest", f"manifest.json, {where}", was, now)


def _unequal(where: str, expected: object, found: object) -> Iterator[tuple[str, str, str]]:
    """Members of `expected` that are not so in `found`; what else `found` has is not looked at."""
    if isinstance(expected, dict):
        for key, value in expected.items():
            inner = found.get(key) if isinstance(found, dict) else None
            yield from _unequal(f"{where}.{key}" if where else key, value, inner)
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for number, (value, inner) in enumerate(zip(expected, found, strict=True)):
            yield from _unequal(f"{where}[{number}]", value, inner)
    elif expected != found:
        yield where, str(expected), NOTHING if found is None else str(found)


# --- cells ------------------------------------------------------------------------------------------------------------


def odd(expected: Sequence[Cell], ran: Sequence[Rerun]) -> list[str]:
    """The ids of cells that did not come out as they were recorded."""
    now = {one.cell.id: one for one in ran}
    return [c.id for c in expected if _compared(c) and (c.id not in now or not _same(c, now[c.id]))]


def _compared(cell: Cell) -> bool:
    """Whether a cell's outputs are known: not those of the opening, nor of one that had run out of time."""
    return cell.kind == "code" and cell.turn >= 0 and cell.status != "timeout"


def _same(cell: Cell, now: Rerun) -> bool:
    return (cell.printed, cell.status in ("ok", "refused")) == (now.printed, now.status == "ok")


def printed_failures(
    expected: Sequence[Cell], stored: Sequence[Cell], runs: Sequence[Sequence[Rerun]], claims: Sequence[Claim]
) -> Iterator[Failure]:
    """What cells print now that they did not print before, with `runs` in one or three fresh kernels.

    `stored` are the cells of the notebook file: where the file agrees with the kernel, it is the trace that was edited.
    A difference of the kind `chance` is one that no number of the report stands on.
    """
    lines = (line for claim in claims for e in claim.evidence for line in e.line.split("\n"))
    told = frozenset(" ".join(line.split()) for line in lines) if claims else None
    files = {cell.id: cell for cell in stored}
    for one in runs[0]:
        if one.cell.id in OURS and one.status != "ok":
            last = one.printed.strip().rpartition("\n")[2] or one.note
            yield Failure("output", one.cell.label, "it ends as ok", f"it ends as {one.status}: {last}")
    for cell in (c for c in expected if c.id in odd(expected, runs[0]) and c.id in files):
        outcomes = [{one.cell.id: one for one in ran}.get(cell.id) for ran in runs]
        first = outcomes[0]
        if first is None:
            yield Failure("output", cell.label, "a cell that runs", f"{NOTHING}: the notebook stopped before it")
            continue
        if (first.status == "ok") != (cell.status in ("ok", "refused")):
            last = first.printed.strip().rpartition("\n")[2] or first.note
            yield Failure("output", cell.label, f"it ends as {cell.status}", f"it ends as {first.status}: {last}")
            continue
        texts = [one.printed for one in outcomes if one]
        if len(set(texts)) > 1:
            yield from _bounded(cell, _unstable(cell, texts, told))
        elif first.printed == files[cell.id].printed:
            where = f"trace.jsonl, turn {cell.turn + 1} ({cell.label})"
            yield from _bounded(cell, text_failures("trace", where, cell.printed, first.printed))
        else:
            yield from _bounded(cell, text_failures("output", f"{cell.label}, output", cell.printed, first.printed))


def _bounded(cell: Cell, failures: Iterator[Failure]) -> Iterator[Failure]:
    told = list(failures)
    yield from told[:MOST_LINES]
    if len(told) > MOST_LINES:
        yield Failure("output", cell.label, "the lines as recorded", f"{len(told) - MOST_LINES:,} more that differ")


def _unstable(cell: Cell, texts: Sequence[str], told: frozenset[str] | None) -> Iterator[Failure]:
    """The lines that come out another way each time, with all the ways and how far numbers are apart.

    `told` are the lines that the report's numbers stand on, where that is known.
    """
    lines = [text.split("\n") for text in (cell.printed, *texts)]
    if len({len(one) for one in lines}) > 1:
        yield Failure("unstable", cell.label, cell.printed, "another text each time: it depends on chance or the clock")
        return
    for number, (was, *now) in enumerate(zip(*lines, strict=True), 1):
        if len(set(now)) > 1 or now[0] != was:
            said = "; ".join(dict.fromkeys(one.strip() for one in now))
            where = f"{cell.label}, output, line {number}"
            # What a cell says of a chart may hold chance that no seed reaches; no number stands on it.
            kind = (
                "chance"
                if was.startswith(_FIGURE) or not (told is None or " ".join(was.split()) in told)
                else "unstable"
            )
            yield Failure(kind, where, was.strip(), f"in {len(now)} runs {said}{_spread(now)}")


def _spread(lines: Sequence[str]) -> str:
    """From where to where the numbers of a line go that is else the same, one after the other."""
    from ..evidence.figures import numerals

    values = [[one.value for one in numerals(line)] for line in lines]
    if len({len(one) for one in values}) > 1:
        return ""
    apart = [f"{min(column):g} to {max(column):g}" for column in zip(*values, strict=True) if len(set(column)) > 1]
    return f" (spread: {', '.join(apart)})" if apart else ""


def picture_failures(expected: Sequence[Cell], ran: Sequence[Rerun]) -> Iterator[tuple[bool, Failure]]:
    """Charts that come out otherwise: (whether it is another cell's chart, and not just drawn otherwise; what)."""
    now = {one.cell.id: one.pictures for one in ran}
    drawn = {picture: cell.label for cell in expected for picture in now.get(cell.id, ())}
    for cell in expected:
        if not _compared(cell) or cell.id not in now or now[cell.id] == cell.pictures:
            continue
        for number, picture in enumerate(cell.pictures, 1):
            shown = now[cell.id][number - 1] if number <= len(now[cell.id]) else ""
            if shown != picture:
                owner = drawn.get(picture, "")
                found = f"recorded is the chart of {owner}" if owner else f"another picture ({_digest(shown)})"
                yield bool(owner), Failure("figure", f"{cell.label}, chart {number}", "the chart as recorded", found)


def _digest(picture: str) -> str:
    return f"sha256 {hashlib.sha256(base64.b64decode(picture)).hexdigest()[:12]}" if picture else NOTHING


# --- numbers ----------------------------------------------------------------------------------------------------------


def claim_failures(claims: Iterable[Claim], ran: Sequence[Rerun]) -> Iterator[Failure]:
    """Numbers of the report whose line no cell prints any more."""
    lines: Mapping[int, list[str]] = {
        one.cell.turn: [" ".join(line.split()) for line in one.printed.split("\n")] for one in ran
    }
    labels = {one.cell.turn: one.cell.label for one in ran}
    everywhere = frozenset(line for found in lines.values() for line in found)
    for claim in claims:
        for evidence, line in ((e, " ".join(line.split())) for e in claim.evidence for line in e.line.split("\n")):
            if line in everywhere or not line:
                continue
            near = get_close_matches(line, lines.get(evidence.turn, []), 1, 0.4)
            where = labels.get(evidence.turn, f"turn {evidence.turn + 1}")
            yield Failure(
                "ledger",
                f'{claim.place}, "{claim.sentence}"',
                f"{claim.text}, which {where} printed: {line}",
                f"it prints: {near[0]}" if near else "no such line is printed",
            )
