"""`deepanalyze verify`: is the data as locked, the files as the trace tells, and the output as it was?"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import DeepAnalyzeError, ExitCode, InputError
from .analyze import Interrupted
from .runs import opened

if TYPE_CHECKING:
    from ..evidence.cells import Cell
    from ..evidence.compare import Failure
    from ..evidence.lock import LockedSource
    from ..outputs.rerun import Rerun
    from ..sandbox import Box
    from ..types import Run

LEAST_SECONDS = 60.0
SLOWER = 3
"""How many times the limit of the run a cell may take now: another machine, other work beside it."""
RUNS = 3
"""Fresh kernels in which a cell whose output differs is seen."""


@dataclass(slots=True)
class _Verdict:
    """What was looked at, and what was found."""

    checked: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def code(self) -> ExitCode:
        if any(failure.kind == "data" for failure in self.failures):
            return ExitCode.INPUT
        return ExitCode.VERIFICATION if self.failures else ExitCode.OK


def verify(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, or a zip of one.", show_default=False)],
    data: Annotated[
        Path | None, typer.Option("--data", help="The data folder, if it moved.", show_default="as in the lock")
    ] = None,
    sandbox: Annotated[str, typer.Option(help="What encloses the notebook's code, as for analyze.")] = "auto",
    bundle: Annotated[bool, typer.Option("--bundle", help="RUN is a zip; data/ in it is the data.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Check a run: the data by its lock, the files by the trace, and every printed value by running the notebook again.

    Exit codes: 0 all well, 3 verification failed, 5 data missing or changed, 2 wrong usage, 7 no sandbox or kernel,
    130 interrupted.
    """
    try:
        with opened(run, packed=bundle) as folder:
            verdict = _verified(folder, data, sandbox)
    except KeyboardInterrupt:
        raise Interrupted("interrupted") from None
    verdict.failures.sort(key=lambda failure: failure.kind not in ("data", "trace"))  # the others follow from these
    if as_json:
        told = {"ok": verdict.code == ExitCode.OK, "exit_code": int(verdict.code), "run": str(run)}
        told |= {"checked": verdict.checked, "failures": [asdict(f) for f in verdict.failures], "notes": verdict.notes}
        print(json.dumps(told, ensure_ascii=False))
    else:
        _print(verdict)
    raise typer.Exit(int(verdict.code))


def _verified(folder: Path, data: Path | None, sandbox: str) -> _Verdict:
    from ..evidence.lock import data_dir
    from ..outputs.trace import read_run
    from ..sandbox import Box, choose

    run, verdict = read_run(folder), _Verdict()
    box = Box(choose(sandbox))
    where = _data_folder(folder, data, data_dir(run))
    verdict.failures += _data_failures(run, where, box)
    verdict.checked.append(f"data: {_count(len(run.task.sources), 'file')} in {where}")
    with tempfile.TemporaryDirectory(prefix="deepanalyze-replay-") as scratch:
        rendered = Path(scratch).resolve()
        recorded = _compare_files(run, folder, rendered, verdict)
    if any(failure.kind == "data" for failure in verdict.failures):
        verdict.notes.append("the notebook was not run: its data is not what it was")
    elif recorded:
        _compare_cells(run, folder, recorded, box, where, verdict)
    return verdict


# --- the data ---------------------------------------------------------------------------------------------------------


def _data_folder(folder: Path, given: Path | None, recorded: str) -> Path:
    """Where the data lies: as given, in the bundle, or where it was."""
    if given is not None:
        return given.expanduser().resolve()
    return folder / "data" if (folder / "data").is_dir() else Path(recorded)


def _data_failures(run: Run, where: Path, box: Box) -> Iterator[Failure]:
    from ..evidence.compare import NOTHING, Failure
    from ..evidence.lock import is_below, locked
    from ..workspace.inputs import taken

    for source in map(locked, run.task.sources):
        if not is_below(source.name):
            raise InputError(f"the trace names data outside its folder: {source.name!r}", "restore it from a copy")
        try:
            now = taken(where / source.name, where)
        except InputError as error:
            yield Failure("data", f"{where / source.name}", f"{source.bytes:,} bytes", f"{NOTHING}: {error.message}")
            continue
        if (now.bytes, now.sha256) == (source.bytes, source.sha256):
            continue
        if now.bytes != source.bytes:
            yield Failure("data", f"{source.name}, bytes", f"{source.bytes:,}", f"{now.bytes:,}")
        yield Failure("data", f"{source.name}, sha256", source.sha256, now.sha256)
        yield from _schema_failures(source, where, box)


def _schema_failures(source: LockedSource, where: Path, box: Box) -> Iterator[Failure]:
    """What a changed file holds now, as far as it can be read, in a box."""
    from ..evidence.compare import Failure
    from ..evidence.lock import locked, schema_differences
    from ..workspace import open_workspace

    try:
        (now,) = open_workspace([where / source.name], box=box).sources
    except (InputError, ValueError) as error:
        yield Failure("data", f"{source.name}, content", "tables as they were", f"it cannot be read: {error}")
        return
    for what, was, found in schema_differences(source.tables, locked(now).tables):
        yield Failure("data", f"{source.name}, {what}", was, found)


# --- the files, and the cells -----------------------------------------------------------------------------------------


def _compare_files(run: Run, folder: Path, rendered: Path, verdict: _Verdict) -> tuple[Cell, ...]:
    """Compare what is there with what the trace gives; the cells of the notebook it gives, none if it gives none."""
    from ..evidence.cells import read_cells
    from ..evidence.compare import Failure
    from ..evidence.lock import read_lock
    from ..outputs.replay import read_manifest, replay
    from ..outputs.verification import artefact_failures

    lock, facts = None, {}
    with suppress(InputError):  # told with the other files
        facts = read_manifest(folder)
    with suppress(InputError):
        lock = read_lock(folder)
    try:
        replay(run, folder, rendered, lock, facts)
    except InputError as error:
        verdict.failures.append(Failure("file", "the recording", "one that can be replayed", error.message))
    verdict.failures += artefact_failures(run, folder, rendered)
    if not (rendered / "analysis.ipynb").exists():
        return ()
    verdict.checked.append(f"files: {_count(sum(p.is_file() for p in rendered.rglob('*')), 'file')} as the trace tells")
    verdict.notes += _other_versions(facts)
    return read_cells(rendered, "analysis.ipynb")


def _other_versions(facts: dict[str, object]) -> Iterator[str]:
    from ..outputs.manifest import versions

    told = facts.get("versions")
    before, now = (told if isinstance(told, dict) else {}), versions()
    if other := [f"{n} {was}, here {now[n]}" for n, was in before.items() if now.get(n, was) != was]:
        yield f"made with other versions: {'; '.join(other[:8])}"


def _compare_cells(
    run: Run, folder: Path, recorded: tuple[Cell, ...], box: Box, where: Path, verdict: _Verdict
) -> None:
    """Run the notebook file, three times where it differs of itself, and compare outputs and the ledger's values."""
    from ..evidence.cells import read_cells
    from ..outputs.verification import claim_failures, odd, picture_failures, printed_failures

    try:
        stored = read_cells(folder, "analysis.ipynb")
    except InputError:  # told already
        return
    runs = [_run(run, folder, stored, box, where)]
    edited = {failure.kind for failure in verdict.failures} & {"notebook"}
    if not edited and odd(recorded, runs[0]):
        runs += [_run(run, folder, stored, box, where) for _ in range(RUNS - 1)]
    verdict.checked.append(f"cells: {_count(len(runs[0]), 'cell')} run in {_count(len(runs), 'fresh kernel')}")
    claims = _claims(folder, verdict)
    for failure in printed_failures(recorded, stored, runs, claims):
        if failure.kind == "chance":
            verdict.notes.append(f"{failure.where}: another one each time, no number stands on it: {failure.expected}")
        else:
            verdict.failures.append(failure)
    for swapped, failure in picture_failures(recorded, runs[0]):
        if swapped:
            verdict.failures.append(failure)
        else:
            verdict.notes.append(f"{failure.where}: drawn otherwise now, from the same data")
    verdict.failures += claim_failures(claims, runs[0])
    if claims:
        held = sum(bool(claim.evidence) for claim in claims)
        verdict.checked.append(f"numbers: {_count(len(claims), 'number')} of the report, {held:,} printed by a cell")


def _run(run: Run, folder: Path, cells: tuple[Cell, ...], box: Box, where: Path) -> tuple[Rerun, ...]:
    from dataclasses import replace

    from ..outputs.rerun import rerun
    from ..prelude import parameters
    from ..workspace import discover

    visible = discover([where / source.name for source in run.task.sources]).visible
    moved = tuple(replace(c, source=parameters(where)) if c.id == "parameters" else c for c in cells)
    packages = folder / "packages"
    has_packages = packages.is_dir() and not packages.is_symlink()
    return rerun(
        moved,
        replace(box, read=(*box.read, *visible)),
        seconds=max(run.limits.cell_seconds * SLOWER, LEAST_SECONDS),
        packages=packages if has_packages else None,
        on_cell=_tell,
    )


def _tell(cell: Cell) -> None:
    from ..outputs.text import one_line

    if sys.stderr.isatty():
        print(f"running {one_line(cell.label, 80)}", file=sys.stderr, flush=True)


def _claims(folder: Path, verdict: _Verdict) -> tuple:
    from ..evidence.claims import read_claims

    try:
        return read_claims(folder)
    except DeepAnalyzeError as error:
        from ..evidence.compare import Failure

        verdict.failures.append(Failure("ledger", "ledger.json", "the ledger of the run", error.message))
        return ()


# --- telling ----------------------------------------------------------------------------------------------------------


def _print(verdict: _Verdict) -> None:
    from ..outputs.text import one_line

    for said in verdict.checked:
        print(f"checked {one_line(said, 300)}")
    for note in verdict.notes:
        print(f"note    {one_line(note, 600)}")
    for failure in verdict.failures:
        where, expected, found = (one_line(text, 400) for text in (failure.where, failure.expected, failure.found))
        print(f"FAILED  {failure.kind}: {where}: expected {expected}, found {found}")
    well = "all well" if not verdict.failures else f"not verified: {_count(len(verdict.failures), 'failure')}"
    print(well)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
