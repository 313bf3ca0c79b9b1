"""Folders that are not to be given away, each a real one."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deepanalyze_cli.errors import ExitCode, InputError
from deepanalyze_cli.workspace import refuse
from deepanalyze_cli.workspace.discover import DEEPEST, discover

Write = Callable[[str, str | bytes], Path]


def refused(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        discover([folder])
    assert caught.value.exit_code == ExitCode.INPUT
    assert "files, that hold the data" in caught.value.fix
    assert "\n" not in str(caught.value)
    return caught.value.message


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("/", "is the whole machine"),
        ("/etc", "belongs to the operating system"),
        ("/proc/self", "belongs to the operating system"),
        ("/root", "is a home folder"),
        ("/home", "home"),
        ("~", "home"),
    ],
)
def test_places_that_hold_more_than_data(folder: str, message: str) -> None:
    place = Path(folder).expanduser()
    if not place.is_dir():
        pytest.skip(f"there is no {folder}")
    assert message in refused(place)


def test_every_home_is_refused_and_what_lies_in_it_is_not() -> None:
    for home in ("/home/somebody", "/Users/somebody"):
        with pytest.raises(InputError, match="is a home folder"):
            refuse.check_name(Path(home))
        refuse.check_name(Path(home, "data"))


def test_one_that_holds_a_home(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = write("all/ann/a.csv", "a\n1\n").parent
    monkeypatch.setenv("HOME", str(home))
    assert "is a home folder" in refused(home)
    assert "holds home folders" in refused(tmp_path / "all")
    assert discover([home / "a.csv"]).visible == (home / "a.csv",)


def test_a_link_to_a_home_is_that_home(tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(Path.home())
    assert "is a home folder" in refused(tmp_path / "data")


@pytest.mark.parametrize("name", [".ssh", ".gnupg", ".aws", "old/.hidden/.ssh"])
def test_keys(name: str, write: Write, tmp_path: Path) -> None:
    write("data/a.csv", "a\n1\n")
    write(f"data/{name}/id_rsa", "secret")
    assert f"holds {name}, where keys and logins are kept" in refused(tmp_path / "data")
    assert discover([tmp_path / "data/a.csv"]).files == (tmp_path / "data/a.csv",)


def test_a_file_of_that_name_is_none(write: Write, tmp_path: Path) -> None:
    write("a.csv", "a\n1\n")
    write(".ssh", "x")
    assert discover([tmp_path]).notes == ()


@pytest.fixture
def short(tmp_path: Path) -> Iterator[Path]:
    """A folder whose sockets may have a name."""
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


@pytest.mark.parametrize("place", ["s", "sub/s", ".git/s"])
def test_sockets(place: str, short: Path, write: Write) -> None:
    write("a.csv", "a\n1\n")
    Path(place).parent.mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(place)
        assert f"holds the socket {place}" in refused(short)


def test_pipes_and_devices_are_passed_over(write: Write, tmp_path: Path) -> None:
    a = write("a.csv", "a\n1\n")
    os.mkfifo(tmp_path / "b.csv")
    if os.geteuid() == 0:
        os.mknod(tmp_path / "c.csv", 0o20600, os.makedev(1, 3))
    assert discover([tmp_path]).files == (a,)


def test_three_thousand_folders_in_each_other(write: Write, tmp_path: Path) -> None:
    a = write("data/a.csv", "a\n1\n")
    deep = os.open(tmp_path / "data", os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=deep)
        below = os.open("d", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = below
    os.close(deep)
    found = discover([tmp_path / "data"])
    assert found.files == (a,)
    assert found.notes == (f"1 folder more than {DEEPEST} levels deep not looked into",)
    # pytest itself would fail at it.
    subprocess.run(["rm", "-rf", str(tmp_path / "data")], check=True)


def test_too_many_files(write: Write, tmp_path: Path) -> None:
    write("data/a.csv", "a\n1\n")
    for i in range(4):
        first = write(f"data/s{i}/first", "")
        for j in range(refuse.MOST // 4):
            os.link(first, first.with_name(str(j)))
    assert "holds more than 100,000 files and folders" in refused(tmp_path / "data")
    subprocess.run(["rm", "-rf", str(tmp_path / "data")], check=True)


def test_a_folder_of_keys_itself(write: Write) -> None:
    folder = write(".ssh/a.csv", "a\n1\n").parent
    with pytest.raises(InputError, match=r"lies in \.ssh, where keys and logins are kept"):
        discover([folder])


def test_a_link_beside_a_database_leads_nowhere(write: Write, tmp_path: Path) -> None:
    secret, base = write("home/secret", "s"), write("data/sales.db", "x")
    Path(f"{base}-wal").symlink_to(secret)
    write("data/sales.db-shm", "y")
    assert [path.name for path in discover([base]).visible] == ["sales.db", "sales.db-shm"]
