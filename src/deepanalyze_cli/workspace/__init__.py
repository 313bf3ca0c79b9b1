"""The data of a run: paths -> profiled tables and their joins -> a card for the prompt.

`open_workspace` has everything read once, in a box, and keeps nothing open: a `Workspace` is a plain value, and the
kernel loads the tables again by their `load` expressions. The launcher itself sees of the data no more than names,
sizes and digests.

    launcher   discover, refuse, inputs, boxed            which files, and what is believed of what was read
    between    messages, loads                            what may be said
    box        survey, read and the readers, profile, relate
    any        names, text, payloads, flags
    prompt     card
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..seams import ignore
from ..types import DataSource, Table
from . import flags, inputs
from .boxed import FILE_SECONDS, Account, File, Runner, read_here, read_in_box
from .card import card
from .discover import FORMATS, Found, discover, kind
from .inputs import Input
from .read import Unreadable
from .relate import Relation
from .text import clean, harmless

if TYPE_CHECKING:
    from ..sandbox import Box

__all__ = ["Input", "Relation", "Workspace", "card", "discover", "inputs_changed", "open_unboxed", "open_workspace"]


@dataclass(frozen=True, slots=True)
class Workspace:
    """Profiled data below one folder.

    `notes` say which files were left out and why; what is odd inside a table stands in the table's own notes. `visible`
    is what a kernel must be able to read for the tables to load, `inputs` are the data files as they were.
    """

    data_dir: Path
    sources: tuple[DataSource, ...]
    notes: tuple[str, ...] = ()
    relations: tuple[Relation, ...] = ()
    visible: tuple[Path, ...] = ()
    inputs: tuple[Input, ...] = ()

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables of all sources, in order."""
        return tuple(table for source in self.sources for table in source.tables)


def open_workspace(
    paths: Sequence[Path],
    *,
    box: Box,
    on_progress: Callable[[str], None] = ignore,
    run: Runner | None = None,
    file_seconds: float = FILE_SECONDS,
) -> Workspace:
    """Have the data at `paths` read and profiled in a box like `box` that can read just that.

    `on_progress` gets a file's name before the file is read. A file that cannot be read, or that takes longer than
    `file_seconds` and a second for each 5 MB, is left out with a note, as long as there is another one.

    Raises:
        InputError: there is no data that can be read at `paths`, or it is not to be given away.
        KernelError: the box cannot be made.
    """
    if run is None:
        from ..sandbox.run import run_boxed

        run = run_boxed
    found, known = _look(paths)
    files = [File(one.name, one.bytes) for one in known]
    seeing = replace(box, read=(*box.read, *found.visible))
    account = read_in_box(found.data_dir, files, seeing, run, on_progress, file_seconds)
    return _workspace(found, known, account)


def open_unboxed(paths: Sequence[Path], *, on_progress: Callable[[str], None] = ignore) -> Workspace:
    """The same in this very process, for data that is known to be harmless: a parser's fault is ours.

    Raises:
        InputError: there is no data that can be read at `paths`, or it is not to be given away.
    """
    found, known = _look(paths)
    files = [File(one.name, one.bytes) for one in known]
    return _workspace(found, known, read_here(found.data_dir, files, on_progress))


def inputs_changed(workspace: Workspace) -> tuple[str, ...]:
    """The names of data files that are not what they were when the workspace was opened, or are gone."""
    return inputs.changed(workspace.inputs)


def _look(paths: Sequence[Path]) -> tuple[Found, tuple[Input, ...]]:
    found = discover(paths)
    return found, tuple(inputs.taken(file, found.data_dir) for file in found.files if kind(file) is not None)


def _workspace(found: Found, known: Sequence[Input], account: Account) -> Workspace:
    """What was said of the files, put to what the launcher knows of them by itself."""
    if not account.tables:
        raise _nothing([(known[i].name, why) for i, why in sorted(account.failed.items())])
    sources = tuple(
        DataSource(
            name=known[i].name,
            location=str(known[i].location),
            kind=kind(known[i].location) or "",
            bytes=known[i].bytes,
            sha256=known[i].sha256,
            tables=account.tables[i],
        )
        for i in sorted(account.tables)
    )
    failed = sorted(account.failed.items())
    notes = [f"{harmless(known[i].name, 200)} is left out: it {why.reason}" for i, why in failed]
    notes += [*account.notes, *found.notes, *_ignored(found)]
    notes += flags.name_notes("file name", [one.name for one in known])
    return Workspace(found.data_dir, sources, tuple(notes), account.relations, found.visible, tuple(known))


def _ignored(found: Found) -> list[str]:
    there = {str(f) for f in found.files}
    other = [f for f in found.files if kind(f) is None and not _is_part(f, there)]
    ignored = [f.relative_to(found.data_dir).as_posix() for f in other]
    more = f" and {len(ignored) - 5} more" if len(ignored) > 5 else ""
    return [f"not data, ignored: {clean(', '.join(ignored[:5]), 400)}{more}"] if ignored else []


def _is_part(file: Path, there: set[str]) -> bool:
    """Whether a file belongs to a SQLite database beside it."""
    base, ending = str(file)[:-4], str(file)[-4:]
    return ending in ("-wal", "-shm") and base in there and kind(Path(base)) == "sqlite"


def _nothing(failed: Sequence[tuple[str, Unreadable]]) -> InputError:
    name, error = failed[0]
    if len(failed) == 1:
        return error.about(name)
    return InputError(
        f"none of {len(failed)} files can be read; {clean(name, 200)} {error.reason}", f"it reads {FORMATS}"
    )
