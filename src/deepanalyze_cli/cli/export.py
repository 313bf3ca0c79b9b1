"""`deepanalyze export`: a run as one file to hand on, made again from the recording.

A bundle is written so that it tells nothing of where things lay on this machine, as far as that is ours to say: the
data is `data/` in it, wherever it was. What cells printed is evidence and stays as it is, with the paths in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from enum import StrEnum
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from ..errors import InputError, UsageError
from .runs import TRACE, opened

if TYPE_CHECKING:
    from ..evidence.bundle import Member
    from ..evidence.lock import Lock
    from ..types import DataSource, Run

DATA = "data"
"""The folder of a bundle in which `verify` looks for the data."""


class Form(StrEnum):
    """What a run can be handed on as."""

    zip = "zip"
    html = "html"
    md = "md"
    ipynb = "ipynb"
    pdf = "pdf"


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, or a zip of one.", show_default=False)],
    to: Annotated[Form | None, typer.Option("--to", help="What to make.", show_default="by --out, else zip")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file, or a folder for it.", show_default="named as the run")
    ] = None,
    data: Annotated[bool, typer.Option("--data", help="Put the data into the zip, for others to verify.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Make one file of a run: a zip for `verify --bundle`, or its report (html, md, pdf) or notebook (ipynb).

    Exit codes: 0 written, 2 wrong usage or the file exists, 5 the recording or the data is missing or damaged.
    """
    with opened(run) as folder:
        form = to or _by_name(out)
        if data and form is not Form.zip:
            raise UsageError("--data goes with --to zip only", f"leave it out for {form}")
        target = _target(out, f"{folder.name}.{form}")
        if form is Form.zip:
            notes = _bundle(folder, target, with_data=data, force=force)
        else:
            notes = _single(folder, form, target, force=force)
    told = {"file": str(target), "bytes": target.stat().st_size, "sha256": _digest(target)}
    _tell(told, notes, as_json=as_json)


def _by_name(out: Path | None) -> Form:
    suffix = out.suffix.lower().removeprefix(".") if out else ""
    return Form(suffix) if suffix in list(Form) else Form.zip


def _target(out: Path | None, name: str) -> Path:
    out = out.expanduser() if out else Path(name)
    return out / name if out.is_dir() else out


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tell(told: dict[str, object], notes: list[str], *, as_json: bool) -> None:
    from ..outputs.text import one_line

    if as_json:
        print(json.dumps({"ok": True, **told, "notes": notes}, ensure_ascii=False))
        return
    print(f"{told['sha256']}  {one_line(str(told['file']), 400)}")
    for note in notes:
        print(f"note: {one_line(note, 400)}", file=sys.stderr)


# --- one file of the report -------------------------------------------------------------------------------------------


def _single(folder: Path, form: Form, target: Path, *, force: bool) -> list[str]:
    """Put the report or the notebook at `target`, and the charts of Markdown into `figures/` beside it."""
    from ..evidence.lock import read_lock
    from ..outputs.trace import read_run

    run, lock = read_run(folder), read_lock(folder)
    with _rendered(run, folder, lock) as made:
        files = {target: _pdf(run, lock) if form is Form.pdf else (made / _NAMES[form]).read_bytes()}
        if form is Form.md:
            charts = sorted((made / "figures").glob("*.png"))
            files |= {target.parent / "figures" / chart.name: chart.read_bytes() for chart in charts}
    for path in files:
        _refuse_to_overwrite(path, force=force)
    for path, content in files.items():
        _placed(path, lambda file, content=content: file.write(content), force=force)
    return [f"its {len(files) - 1} charts lie in {target.parent / 'figures'}"] if len(files) > 1 else []


_NAMES = {Form.html: "report.html", Form.md: "report.md", Form.ipynb: "analysis.ipynb"}


@contextlib.contextmanager
def _rendered(run: Run, folder: Path, lock: Lock | None) -> Iterator[Path]:
    """A folder with the artefacts of the run, made again from what was recorded."""
    from ..outputs.replay import read_manifest, replay

    with tempfile.TemporaryDirectory(prefix="deepanalyze-export-") as scratch:
        made = Path(scratch).resolve()
        replay(run, folder, made, lock, read_manifest(folder))
        yield made


def _pdf(run: Run, lock: Lock | None) -> bytes:
    from ..outputs.pdf import to_pdf
    from ..outputs.publication import publish
    from ..outputs.tables import Exported, caveats

    published = publish(run, caveats([Exported(**asdict(table)) for table in lock.written] if lock else ()))
    return to_pdf(published.report, run, published.ledger)


def _refuse_to_overwrite(path: Path, *, force: bool) -> None:
    if os.path.lexists(path) and (path.is_dir() or not force):
        fix = "choose another --out" if path.is_dir() else "choose another --out, or add --force"
        raise UsageError(f"{path} exists", fix)


def _placed(path: Path, write: Callable[[BinaryIO], object], *, force: bool) -> None:
    """Have a file written beside `path` and moved there when it is whole."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("xb") as file:
                write(file)
            _refuse_to_overwrite(path, force=force)  # it may have come meanwhile
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        why = f"{error.filename or path} cannot be written: {error.strerror}"
        raise UsageError(why, "free space, mend its permissions or choose another --out") from None


# --- a bundle ---------------------------------------------------------------------------------------------------------


def _bundle(folder: Path, target: Path, *, with_data: bool, force: bool) -> list[str]:
    """Pack the recording, all that follows from it, what cannot be made again, and the data if it is wanted."""
    from ..evidence.bundle import pack
    from ..evidence.lock import data_dir, dumps, read_lock
    from ..outputs.trace import read_run

    _refuse_to_overwrite(target, force=force)
    run, lock = read_run(folder), read_lock(folder)
    moved = _elsewhere(run) if lock else run
    members: dict[str, Member] = {TRACE: partial(_trace, folder, moved)}
    if lock:
        lock = replace(lock, data_dir=data_dir(moved))
        members["deepanalyze.lock"] = partial(_content, dumps(lock).encode())
    with _rendered(moved, folder, lock) as made:
        for path in sorted(p for p in made.rglob("*") if p.is_file()):
            members[path.relative_to(made).as_posix()] = partial(_content, path.read_bytes())
    if manifest := _manifest(folder):
        members["manifest.json"] = partial(_content, manifest)
    kept, notes = _kept(folder, lock)
    members |= kept
    if with_data:
        where = folder / DATA if (folder / DATA).is_dir() else Path(data_dir(run))
        members |= {f"{DATA}/{source.name}": _source(source, where) for source in run.task.sources}
    _placed(target, lambda file: pack(file, folder.name, members), force=force)
    return [*notes, *_differing(folder, members), *_paths_left(run, members)]


@contextlib.contextmanager
def _content(content: bytes) -> Iterator[Iterable[bytes]]:
    yield (content,)


def _elsewhere(run: Run) -> Run:
    """The run as if its data lay in `data/` beside it, and its model without its folder."""
    sources = tuple(replace(source, location=f"{DATA}/{source.name}") for source in run.task.sources)
    model = replace(run.model, file=PurePath(run.model.file).name)
    return replace(run, task=replace(run.task, sources=sources), model=model)


@contextlib.contextmanager
def _trace(folder: Path, moved: Run) -> Iterator[Iterable[bytes]]:
    """The recording with the places of its first event as they are in `moved`; every other line as it stands."""
    from ..artefacts import Refused, open_artefact
    from ..outputs.trace import MOST_IN_ALL

    try:
        with open_artefact(folder, TRACE, MOST_IN_ALL) as pieces:
            yield _with_places(pieces, moved)
    except Refused as refused:
        raise InputError(f"{TRACE}: {refused.message}", "restore it from a copy") from None


def _with_places(pieces: Iterable[bytes], moved: Run) -> Iterator[bytes]:
    pieces, head = iter(pieces), b""
    while b"\n" not in head and (piece := next(pieces, b"")):
        head += piece
    line, end, rest = head.partition(b"\n")
    first = json.loads(line)
    for told, source in zip(first["run"]["task"]["sources"], moved.task.sources, strict=True):
        told["location"] = source.location
    first["run"]["model"]["file"] = moved.model.file
    yield json.dumps(first, ensure_ascii=False, separators=(",", ":")).encode() + end + rest
    yield from pieces


def _manifest(folder: Path) -> bytes:
    """What the manifest says, with files by their names alone; empty where there is none."""
    from ..outputs.replay import read_manifest

    def bare(value: object) -> object:
        if isinstance(value, dict):
            return {key: bare(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [bare(inner) for inner in value]
        if isinstance(value, str) and "\n" not in value:
            scheme, colon, path = value.rpartition(":")
            return f"{scheme}{colon}{PurePath(path).name}" if PurePath(path).is_absolute() else value
        return value

    facts = read_manifest(folder)
    if not facts:
        return b""
    facts = {name: bare(said) if name in ("settings", "model") else said for name, said in facts.items()}
    return (json.dumps(facts, indent=2, ensure_ascii=False, default=str) + "\n").encode("utf-8", "replace")


def _kept(folder: Path, lock: Lock | None) -> tuple[dict[str, Member], list[str]]:
    """What cells left and the run keeps: the tables of the report, and the packages that its code imports."""
    from ..artefacts import Refused, open_artefact, plain_files
    from ..evidence.bundle import MOST, MOST_FILES

    names = [f"tables/{table.file}" for table in (lock.written if lock else ()) if table.file]
    if (folder / "packages").is_dir() and not (folder / "packages").is_symlink():
        names += [f"packages/{name}" for name in plain_files(folder / "packages", MOST_FILES)]
    members: dict[str, Member] = {}
    notes = []
    for name in names:
        try:
            with open_artefact(folder, name, MOST):
                members[name] = partial(open_artefact, folder, name, MOST)
        except Refused as refused:
            notes.append(f"{name} is left out: {refused.message}")
    return members, notes


def _source(source: DataSource, where: Path) -> Member:
    """One file of the data, if it is still what was analysed, now and while it is packed."""
    from ..evidence.lock import is_below
    from ..workspace.inputs import taken

    if not is_below(source.name):
        raise InputError(f"the trace names data outside its folder: {source.name!r}", "restore it from a copy")
    if taken(where / source.name, where).sha256 != source.sha256:
        raise _other(source)

    @contextlib.contextmanager
    def member() -> Iterator[Iterable[bytes]]:
        with (where / source.name).open("rb") as file:
            yield _unchanged(iter(partial(file.read, 1 << 20), b""), source)

    return member


def _unchanged(pieces: Iterable[bytes], source: DataSource) -> Iterator[bytes]:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
        yield piece
    if digest.hexdigest() != source.sha256:
        raise _other(source)


def _other(source: DataSource) -> InputError:
    return InputError(f"{source.name} is not what was analysed any more", "restore it, or export without --data")


def _differing(folder: Path, members: dict[str, Member]) -> Iterator[str]:
    """Reports of the folder that are not those of the recording."""
    from ..artefacts import Refused, read_artefact
    from ..outputs.verification import MOST_FILE

    for name in ("report.md", "report.html"):
        with contextlib.suppress(Refused), members[name]() as pieces:
            if read_artefact(folder, name, MOST_FILE) != b"".join(pieces):
                yield f"{name} in {folder.name} is not what the recording gives; the bundle holds the recorded one"


def _paths_left(run: Run, members: dict[str, Member]) -> Iterator[str]:
    """In which files places of this machine are still to be read."""
    from ..evidence.lock import data_dir

    places = {str(Path.home()), sys.prefix, data_dir(run)} - {"", "/", "."}
    needles = [json.dumps(place)[1:-1].encode() for place in places]
    found = []
    for name in sorted(members):
        if name.startswith((f"{DATA}/", "packages/", "tables/")) or name.endswith(".png"):
            continue
        with members[name]() as pieces:
            if any(needle in piece for piece in pieces for needle in needles):
                found.append(name)
    if found:
        yield f"what cells printed still names folders of this machine: {', '.join(found)}"
