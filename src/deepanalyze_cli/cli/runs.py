"""Which recorded run is meant: a run's folder, the one run below a folder, or a zip of either."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..errors import UsageError

TRACE = "trace.jsonl"


def run_folder(path: Path) -> Path:
    """The folder of the run meant by `path`, with links resolved.

    Raises:
        UsageError: there is none, or several.
    """
    folder = path.expanduser().resolve()
    folder = folder.parent if folder.name == TRACE and folder.is_file() else folder
    if (folder / TRACE).is_file():
        return folder
    found = sorted(below.parent for below in folder.glob(f"*/{TRACE}")) if folder.is_dir() else []
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(f"no run in {path}", "name the folder of a run, the one with trace.jsonl in it")
    raise UsageError(f"{len(found)} runs in {path}", f"name one of them: {', '.join(f.name for f in found[:5])}")


@contextlib.contextmanager
def opened(path: Path, *, packed: bool = False) -> Iterator[Path]:
    """The same for what may be a zip, which is unpacked into a folder that is gone afterwards; it is where `packed`.

    Raises:
        UsageError: there is no run, or several.
        InputError: the zip is damaged, or no zip of a run.
    """
    if not (path.is_file() and (packed or path.suffix == ".zip")):
        yield run_folder(path)
        return
    from ..evidence.bundle import unpack

    with tempfile.TemporaryDirectory(prefix="deepanalyze-bundle-") as scratch:
        unpack(path, Path(scratch))
        yield run_folder(Path(scratch))
