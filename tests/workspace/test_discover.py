from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deepanalyze_cli.errors import ExitCode, InputError
from deepanalyze_cli.workspace.discover import Found, discover, kind, stem

Write = Callable[[str, str | bytes], Path]


def test_one_file_several_files_and_a_folder(write: Write, tmp_path: Path) -> None:
    a, b, c = write("x/a.csv", "a\n1\n"), write("x/y/b.tsv", "b\n1\n"), write("x/README.md", "read me")
    assert discover([a]) == Found(tmp_path / "x", (a,), (a,))
    assert discover([b, a]) == Found(tmp_path / "x", (a, b), (b, a))
    assert discover([tmp_path]) == Found(tmp_path, (c, a, b), (tmp_path,))
    assert discover([tmp_path, a, a]) == Found(tmp_path, (c, a, b), (tmp_path, a))


def test_relative_paths_become_absolute(write: Write, tmp_path: Path) -> None:
    a = write("a.csv", "a\n1\n")
    assert discover([Path(os.path.relpath(a))]) == Found(tmp_path, (a,), (a,))


def test_hidden_and_outside_are_left_out(write: Write, tmp_path: Path) -> None:
    inside = write("data/a.csv", "a\n1\n")
    write("data/.hidden.csv", "a\n1\n")
    write("data/.git/b.csv", "a\n1\n")
    secret = write("secret.csv", "a\n1\n")
    (tmp_path / "data/outside.csv").symlink_to(secret)
    (tmp_path / "data/inside.csv").symlink_to(inside)
    (tmp_path / "data/broken.csv").symlink_to(tmp_path / "nothing.csv")
    (tmp_path / "data/loop.csv").symlink_to(tmp_path / "data/loop.csv")
    (tmp_path / "data/again").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "data/pipe.csv")
    assert [p.name for p in discover([tmp_path / "data"]).files] == ["a.csv", "inside.csv"]


@pytest.mark.parametrize(
    ("files", "path", "message"),
    [
        ([], "nothing.csv", "no such file or folder: .*nothing.csv .check the path."),
        (["penguins.csv"], "pengiuns.csv", "no such file or folder: .*did you mean .*penguins.csv"),
        ([], "gone/a.csv", "no such file or folder"),
        ([], ".", "the folder .* is empty"),
        ([".a.csv"], ".", "the folder .* is empty"),
        (["a.md", "b.pdf", "c.png", "d.doc"], ".", "no data file in .*, only a.md, b.pdf, c.png and 1 more"),
        (["notes.pdf"], "notes.pdf", "notes.pdf is of an unknown format .convert it to one of csv"),
        (["a.zip.gz"], "a.zip.gz", "of an unknown format"),
        (["data"], "data", "of an unknown format"),
    ],
)
def test_what_cannot_be_meant(write: Write, tmp_path: Path, files: list[str], path: str, message: str) -> None:
    for name in files:
        write(name, "x")
    with pytest.raises(InputError) as error:
        discover([tmp_path / path])
    assert re.search(message, str(error.value))
    assert error.value.exit_code == ExitCode.INPUT
    assert "\n" not in str(error.value)


def test_no_path_and_no_regular_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no data was given"):
        discover([])
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(InputError, match="not a regular file"):
        discover([tmp_path / "pipe.csv"])


@contextmanager
def nobody() -> Iterator[None]:
    """Be somebody whom permissions bind: root may read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("locked", ["a.csv", "sub", "."])
def test_permissions(locked: str) -> None:
    # pytest's own folder is closed to others.
    folder = Path(tempfile.mkdtemp(prefix="deepanalyze-test-")).resolve()
    try:
        (folder / "sub").mkdir()
        (folder / "a.csv").write_text("a\n1\n")
        (folder / "sub/b.csv").write_text("a\n1\n")
        folder.chmod(0o755)
        (folder / locked).chmod(0)
        with nobody(), pytest.raises(InputError, match=r"cannot read .*permission denied .check its permissions"):
            discover([folder])
    finally:
        folder.chmod(0o700)
        (folder / locked).chmod(0o700)
        shutil.rmtree(folder)


def test_kind_and_stem() -> None:
    names = ["a.CSV", "sales.2024.csv.gz", "b.jsonl.gz", "c.xlsx.gz", "d", "e.sqlite3", ".gz"]
    assert [kind(Path(n)) for n in names] == ["csv", "csv", "jsonl", None, None, "sqlite", None]
    assert [stem(Path(n)) for n in names[:3]] == ["a", "sales.2024", "b"]
