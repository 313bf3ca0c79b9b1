from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from deepanalyze_cli.errors import InputError
from deepanalyze_cli.workspace import inputs, inputs_changed, open_unboxed

Write = Callable[[str, str | bytes], Path]


def replaced_by_a_link(file: Path) -> None:
    other = file.with_name("other")
    file.rename(other)
    file.symlink_to(other)
    os.utime(file)


def put_back(file: Path) -> None:
    """Another content, everything else as it was."""
    before = file.stat()
    file.write_text("a\n2\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda file: file.write_text("a\n2\n"),
    "content, time put back": put_back,
    "mode": lambda file: file.chmod(0o777),
    "time": lambda file: os.utime(file, (0, 0)),
    "gone": Path.unlink,
    "a folder": lambda file: (file.unlink(), file.mkdir()),
    "a pipe": a_pipe,
    "a link": replaced_by_a_link,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(change: str, write: Write, tmp_path: Path) -> None:
    write("sub/same.csv", "a\n1\n")
    write("broken.csv", "")
    file = write("a.csv", "a\n1\n")
    write("notes.md", "x")
    workspace = open_unboxed([tmp_path])
    assert [one.name for one in workspace.inputs] == ["a.csv", "broken.csv", "sub/same.csv"]
    assert inputs_changed(workspace) == ()
    CHANGES[change](file)
    assert inputs_changed(workspace) == ("a.csv",)


def test_a_file_that_was_left_out_is_watched_too(write: Write, tmp_path: Path) -> None:
    write("a.csv", "a\n1\n")
    broken = write("broken.csv", "")
    workspace = open_unboxed([tmp_path])
    broken.write_text("a\n1\n")
    assert inputs_changed(workspace) == ("broken.csv",)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(InputError, match=r"cannot read .*a\.csv: is not a regular file"):
        inputs.taken(tmp_path / "a.csv", tmp_path)
