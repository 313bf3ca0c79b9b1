"""What a hostile cell can leave in its folder, and what comes of reading, measuring and removing it."""

from __future__ import annotations

import errno
import os
import resource
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deepanalyze_cli import artefacts
from deepanalyze_cli.artefacts import Refused, open_artefact, plain_files, read_artefact, remove_tree, usage

DEEP = 3000
SECRET = "canary"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """Something outside the folder that must be neither read nor touched."""
    (tmp_path / "outside").mkdir()
    file = tmp_path / "outside" / "secret.csv"
    file.write_text(SECRET)
    return file


@pytest.fixture
def work(tmp_path: Path, secret: Path) -> Path:
    """A folder as a hostile cell would leave it."""
    work = tmp_path / "work"
    (work / "sub").mkdir(parents=True)
    (work / "ok.csv").write_text("fine")
    (work / "sub" / "ok.csv").write_text("fine")
    (work / "empty.csv").touch()
    (work / "link.csv").symlink_to(secret)
    (work / "inner.csv").symlink_to("ok.csv")
    (work / "folder").symlink_to(secret.parent)
    (work / "environ.csv").symlink_to("/proc/self/environ")
    (work / "loop.csv").symlink_to("loop.csv")
    os.link(secret, work / "hard.csv")
    os.mkfifo(work / "pipe.csv")
    (work / "folder.csv").mkdir()
    with (work / "huge.csv").open("w") as file:
        file.truncate(1 << 40)
    there = Path.cwd()
    os.chdir(work)  # the names of sockets may be no longer than 107 bytes
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.csv")
    os.chdir(there)
    return work


def deep(folder: Path, levels: int = DEEP, beside: str = "") -> Path:
    """A folder of so many levels, each with a folder `beside` the next."""
    folder.mkdir()
    at = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        for name in filter(None, ("d", beside)):
            os.mkdir(name, dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    return folder


def said(folder: Path, name: str, most: int = 100) -> str:
    """The content, or why there is none."""
    try:
        return read_artefact(folder, name, most).decode()
    except Refused as refused:
        return refused.message


# --- reading ----------------------------------------------------------------------------------------------------------

LINK, NAME, PLAIN = "it is a link, or a link leads to it", "its name leads elsewhere", "it is no plain file"
LEFT = [
    ("ok.csv", "fine"),
    ("sub/ok.csv", "fine"),
    ("empty.csv", ""),
    ("gone.csv", "it is gone"),
    ("link.csv", LINK),
    ("inner.csv", LINK),
    ("folder/secret.csv", LINK),
    ("environ.csv", LINK),
    ("loop.csv", LINK),
    ("ok.csv/x", LINK),
    ("hard.csv", "it has a second name (a hard link)"),
    ("pipe.csv", PLAIN),
    ("socket.csv", PLAIN),
    ("folder.csv", PLAIN),
    ("huge.csv", "it is of 1,099,511,627,776 bytes, more than 100"),
    ("../outside/secret.csv", NAME),
    ("sub/../ok.csv", NAME),
    ("sub//ok.csv", NAME),
    ("./ok.csv", NAME),
    ("/etc/passwd", NAME),
    ("", NAME),
    (".", NAME),
    ("ok.csv\0.png", NAME),
    ("half\ud800", NAME),
    ("n" * 300, "its name is too long"),
]


@pytest.mark.parametrize(("name", "expected"), LEFT, ids=[ascii(name[:20]) for name, _ in LEFT])
def test_only_a_plain_file_with_one_name_below_the_folder_is_read(work: Path, name: str, expected: str):
    started = time.monotonic()
    assert said(work, name) == expected
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(("name", "expected"), [case for case in LEFT if case[1] != NAME])
@pytest.mark.parametrize("way", [artefacts._open_at_once, artefacts._open_by_steps], ids=["at once", "by steps"])
def test_both_ways_of_opening_refuse_the_same(work: Path, way: Callable[..., int], name: str, expected: str):
    at = os.open(work, os.O_RDONLY | os.O_DIRECTORY)
    try:
        handle = way(at, name.split("/"))
    except OSError as error:
        assert artefacts._REASONS[error.errno or 0] == expected
    else:
        os.close(handle)
        assert expected in ("fine", "", PLAIN) or "second name" in expected or "bytes" in expected
    finally:
        os.close(at)


@pytest.mark.parametrize("name", ["a\nb.csv", "\x1b[31m.csv", "<script>.csv", "-rf.csv", os.fsdecode(b"\xff\xfe.csv")])
def test_strange_names_are_only_names(work: Path, name: str):
    (work / name).write_text("strange")
    assert said(work, name) == "strange"


@pytest.mark.parametrize(("most", "expected"), [(4, "fine"), (3, "it is of 4 bytes, more than 3")])
def test_the_most_that_is_read(work: Path, most: int, expected: str):
    assert said(work, "ok.csv", most) == expected


def test_what_grows_or_changes_between_two_pieces_is_refused(work: Path):
    file = work / "big.csv"
    file.write_bytes(b"x" * (3 * artefacts.PIECE))
    with open_artefact(work, "big.csv", 4 * artefacts.PIECE) as pieces:
        assert len(next(pieces)) == artefacts.PIECE
        with file.open("ab") as more:
            more.write(b"y" * (2 * artefacts.PIECE))
        with pytest.raises(Refused, match="it grew beyond 4,194,304 bytes while it was read"):
            list(pieces)
    with open_artefact(work, "big.csv", 9 * artefacts.PIECE) as pieces:
        next(pieces)
        file.write_bytes(b"z")
        with pytest.raises(Refused, match="it was changed while it was read"):
            list(pieces)


@contextmanager
def meanwhile(act: Callable[[], None]) -> Iterator[None]:
    """`act` over and over in another thread."""
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            act()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_race_of_swapped_files_links_and_folders_is_never_won(work: Path, secret: Path):
    """ar-5: what is read is what the name stood for as a plain file, whole, or nothing."""
    content = "fine" * 200_000
    (work / "real").mkdir()
    (work / "real" / "x.csv").write_text(content)
    (work / "evil").symlink_to(secret.parent)
    (secret.parent / "x.csv").write_text(SECRET)
    (work / "a.csv").write_text(content)

    def swap() -> None:
        for source in (work / "real", work / "evil"):
            (work / "at").unlink(missing_ok=True)
            (work / "at").symlink_to(source)
        (work / "at").unlink()
        (work / "real").rename(work / "at")
        (work / "at").rename(work / "real")
        (work / "new").symlink_to(secret)
        (work / "new").rename(work / "b.csv")
        (work / "new").write_text(content)
        (work / "new").rename(work / "b.csv")
        with (work / "a.csv").open("r+") as file:
            file.truncate(7)
            file.write(content)

    came: dict[str, int] = {}
    with meanwhile(swap):
        until = time.monotonic() + 3
        while time.monotonic() < until:
            for name in ("at/x.csv", "b.csv", "a.csv"):
                found = said(work, name, 1_000_000)
                assert SECRET not in found
                if name != "a.csv":  # one that is written in place may be read half written
                    assert found == content or found.startswith("it "), found[:100]
                came[f"{name} {found[:4]}"] = came.get(f"{name} {found[:4]}", 0) + 1
    assert {"b.csv fine", "b.csv it i"} <= came.keys(), f"the race was not run: {came}"


# --- removing ---------------------------------------------------------------------------------------------------------


def test_everything_goes_and_nothing_behind_a_link(work: Path, secret: Path):
    (work / "sub" / "up").symlink_to("../..")
    remove_tree(work)
    assert not work.exists()
    assert secret.read_text() == SECRET


@pytest.mark.parametrize("beside", ["", "a", "z"])
def test_deep_folders_go_fast_and_with_few_handles(tmp_path: Path, beside: str):
    folder = deep(tmp_path / "deep", beside=beside)
    with few_handles():
        remove_tree(folder)
    assert not folder.exists()


@contextmanager
def few_handles() -> Iterator[None]:
    """No more open files than `HELD` and what is open already."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(handle.name) for handle in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + artefacts.HELD + 5, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def locked(base: Path) -> str:
    """Folders of mode 0 in each other, and what comes of them."""
    folder, outside = base / "work", base / "outside"
    for path in ("a/b", "c"):
        (folder / path).mkdir(parents=True)
        (folder / path / "file").touch()
    outside.mkdir(mode=0o500)
    (folder / "link").symlink_to(outside)
    for path, mode in (("a/b", 0), ("c", 0o500), ("a", 0), (".", 0)):
        (folder / path).chmod(mode)
    assert usage(folder, 100)[1] == 6
    remove_tree(folder)
    return f"left: {[path.name for path in base.iterdir()]}, mode {outside.stat().st_mode & 0o777:o}"


def as_ordinary_user(act: Callable[[], str]) -> str:
    """What `act` says in a process of a user for whom rights hold."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            os.write(write, act().encode())
        except BaseException as error:
            os.write(write, repr(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as told:
        return told.read()


NOBODY = 65534


def test_folders_without_rights_go_and_are_never_taken_for_empty():
    base = Path(tempfile.mkdtemp(prefix="deepanalyze-test-"))
    try:
        if os.getuid() == 0:
            os.chown(base, NOBODY, NOBODY)
        assert as_ordinary_user(lambda: locked(base)) == "left: ['outside'], mode 500"
    finally:
        remove_tree(base)


def test_only_a_folder_is_removed(work: Path, secret: Path):
    for name, number in (("folder", errno.ENOTDIR), ("ok.csv", errno.ENOTDIR), ("gone", errno.ENOENT)):
        with pytest.raises(OSError) as caught:
            remove_tree(work / name)
        assert caught.value.errno in (number, errno.ELOOP)
    assert secret.read_text() == SECRET and (work / "ok.csv").exists()


def test_removing_while_something_goes_on_making_files_ends(tmp_path: Path):
    folder = tmp_path / "busy"
    folder.mkdir()

    def make() -> None:
        try:
            (folder / "a" / "b").mkdir(parents=True, exist_ok=True)
            (folder / "a" / "b").replace(folder / "c")
        except OSError:
            pass

    with meanwhile(make):
        for _ in range(200):
            try:
                remove_tree(folder)
            except OSError as error:
                assert error.errno in artefacts._MEANWHILE
    if folder.exists():
        remove_tree(folder)
    assert not folder.exists()


def test_a_folder_moved_under_way_is_noticed(tmp_path: Path):
    """Far up there is no handle any more, and `..` would lead to where the folder was moved to."""
    folder, elsewhere = deep(tmp_path / "deep", 100), tmp_path / "elsewhere"
    elsewhere.mkdir()
    with artefacts._Descent(folder, unlock=False) as at:
        for _ in range(100):
            at.down("d")
        (folder / "d" / "d").rename(elsewhere / "d")
        with pytest.raises(OSError, match="a folder was moved while it was walked through"):
            for _ in range(100):
                at.up()


# --- measuring --------------------------------------------------------------------------------------------------------


def test_bytes_and_entries_are_counted_without_following_links(tmp_path: Path):
    outside, folder = tmp_path / "outside", tmp_path / "work"
    outside.mkdir()
    (outside / "big").write_bytes(b"x" * 5_000_000)
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "file").write_bytes(b"x" * 1_000_000)
    with (folder / "sparse").open("wb") as file:
        file.write(b"x" * 5000)
        file.truncate(1 << 40)
    for name, target in (("a", outside), ("b", outside / "big"), ("c", folder)):
        (folder / name).symlink_to(target)
    used, entries = usage(folder, 100)
    assert entries == 6
    assert 1_005_000 <= used < 1_200_000


def test_counting_ends_when_it_is_too_much(tmp_path: Path):
    for number in range(50):
        (tmp_path / f"{number % 5}").mkdir(exist_ok=True)
        (tmp_path / f"{number % 5}" / f"{number}").touch()
    assert usage(tmp_path, 55)[1] == 55
    assert usage(tmp_path, 54)[1] == 55
    assert usage(tmp_path, 0)[1] == 1


@pytest.mark.parametrize("beside", ["", "a"])
def test_deep_folders_are_measured_to_the_bottom(tmp_path: Path, beside: str):
    folder = deep(tmp_path / "deep", beside=beside)
    started = time.monotonic()
    with few_handles():
        assert usage(folder, 50_000)[1] == DEEP * (2 if beside else 1)
    assert time.monotonic() - started < 5
    remove_tree(folder)


def test_measuring_while_folders_come_and_go(tmp_path: Path):
    def churn() -> None:
        (tmp_path / "a" / "b" / "c").mkdir(parents=True)
        (tmp_path / "a" / "b").rename(tmp_path / "d")
        (tmp_path / "d" / "c").rmdir()
        (tmp_path / "d").rmdir()
        (tmp_path / "a").rmdir()

    with meanwhile(churn):
        until = time.monotonic() + 1
        while time.monotonic() < until:
            assert 0 <= usage(tmp_path, 100)[1] <= 4


def test_what_cannot_be_measured_is_an_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        usage(tmp_path / "gone", 10)
    (tmp_path / "link").symlink_to("/")
    with pytest.raises(OSError):
        usage(tmp_path / "link", 10)


def test_the_plain_files_of_a_folder_by_path(work: Path):
    (work / ".hidden").mkdir()
    (work / ".hidden" / "x").touch()
    assert [*plain_files(work, 100)] == ["empty.csv", "hard.csv", "huge.csv", "ok.csv", "sub/ok.csv"]
    assert plain_files(work, 100)["huge.csv"][0] == 1 << 40
    assert len(plain_files(work, 2)) == 2
    assert plain_files(work / "gone", 2) == plain_files(work / "folder", 2) == {}


def test_the_plain_files_of_deep_folders(tmp_path: Path):
    folder = deep(tmp_path / "deep", 300, beside="a")
    (folder / "d" / "d" / "d" / "a" / "x").touch()
    (folder / "z").touch()
    assert [*plain_files(folder, 1000)] == ["z", "d/d/d/a/x"]
    remove_tree(folder)
