"""The one careful reader of what a cell left in a folder, and how such a folder is measured and removed.

A name is resolved by the kernel below the folder and through no link; only a plain file with one name is read, and no
more of it than was agreed, however it changes meanwhile. Folders are walked by handles, with a bounded number of them
open, so that no depth and no link leads out or overflows a stack. Nothing here understands what a file holds.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import stat
import struct
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Self

from .errors import DeepAnalyzeError

PIECE = 1 << 20
"""Bytes that are read at once."""
HELD = 64
"""Folder handles that one walk keeps open."""

_FILE = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_FOLDER = _FILE | getattr(os, "O_DIRECTORY", 0)
_HANDLES = {os.open, os.stat, os.unlink, os.rmdir} <= os.supports_dir_fd and os.scandir in os.supports_fd
"""Whether folders can be walked by handles; not on Windows."""


class Refused(DeepAnalyzeError):
    """What was left is not read. `message` says why, in words that take nothing from the file or its name."""


# --- reading ----------------------------------------------------------------------------------------------------------


def read_artefact(folder: Path, name: str, most: int) -> bytes:
    """The content of the plain file `name` below `folder`, if it is of at most `most` bytes.

    Raises:
        Refused: it is no such file.
    """
    with open_artefact(folder, name, most) as pieces:
        return b"".join(pieces)


@contextlib.contextmanager
def open_artefact(folder: Path, name: str, most: int) -> Iterator[Iterator[bytes]]:
    """The same in pieces of at most `PIECE` bytes, for what need not be in memory as a whole.

    Raises:
        Refused: it is no such file, or, while the pieces are taken, it became one that is too long or was changed.
    """
    parts = _parts(name)
    try:
        handle = _open(folder, parts)
    except OSError as error:
        raise Refused(_REASONS.get(error.errno or 0, "it cannot be opened")) from None
    try:
        yield _pieces(handle, most)
    finally:
        os.close(handle)


GONE, ELSEWHERE = "it is gone", "its name leads elsewhere"
"""Why a name that is no name of anything in the folder is refused."""
_REASONS = {
    errno.ENOENT: GONE,
    errno.ELOOP: "it is a link, or a link leads to it",
    errno.ENOTDIR: "it is a link, or a link leads to it",
    errno.EXDEV: "it lies outside the folder",
    errno.ENAMETOOLONG: "its name is too long",
    errno.EACCES: "its permissions forbid it",
    errno.ENXIO: "it is no plain file",
}


def _parts(name: str) -> list[str]:
    """The parts of a name that can only lead downwards. C would cut a name at a NUL and so open another one."""
    parts = name.split("/")
    bad = {"", ".", ".."} & {*parts} or "\0" in name or (os.name == "nt" and {"\\", ":"} & {*name})
    if bad:
        raise Refused(ELSEWHERE)
    try:
        os.fsencode(name)
    except UnicodeError:
        raise Refused(ELSEWHERE) from None
    return parts


def _pieces(handle: int, most: int) -> Iterator[bytes]:
    """What the file holds. The size is that at the start and is checked again with each piece."""
    before = os.fstat(handle)
    if not stat.S_ISREG(before.st_mode):
        raise Refused("it is no plain file")
    if before.st_nlink != 1:
        raise Refused("it has a second name (a hard link)")
    if before.st_size > most:
        raise Refused(f"it is of {before.st_size:,} bytes, more than {most:,}")
    read = 0
    while piece := os.read(handle, min(PIECE, most - read + 1)):
        read += len(piece)
        if read > most:
            raise Refused(f"it grew beyond {most:,} bytes while it was read")
        yield piece
    after = os.fstat(handle)
    if (read, after.st_mtime_ns, after.st_nlink) != (before.st_size, before.st_mtime_ns, 1):
        raise Refused("it was changed while it was read")


def _open(folder: Path, parts: list[str]) -> int:
    if not _HANDLES:
        return _open_by_path(folder, parts)
    at = os.open(folder, _FOLDER)
    try:
        return _open_at_once(at, parts)
    except OSError as error:
        # An older kernel, or a filter around us that does not know the call.
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise
        return _open_by_steps(at, parts)
    finally:
        os.close(at)


_OPENAT2 = 437
"""The same number on every architecture. Source: `openat2(2)`, Linux 5.6."""
_RESOLVE = 0x02 | 0x04 | 0x08
"""RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS and RESOLVE_BENEATH of linux/openat2.h."""


def _open_at_once(at: int, parts: list[str]) -> int:
    """One call in which the kernel takes no link and no way out, whatever is swapped meanwhile."""
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    how = ctypes.create_string_buffer(struct.pack("=QQQ", _FILE, 0, _RESOLVE), 24)
    for _ in range(10):
        handle = syscall(
            ctypes.c_long(_OPENAT2), ctypes.c_long(at), os.fsencode("/".join(parts)), how, ctypes.c_size_t(24)
        )
        if handle >= 0:
            return int(handle)
        if ctypes.get_errno() not in (errno.EAGAIN, errno.EINTR):  # a rename elsewhere made the kernel unsure
            break
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _open_by_steps(at: int, parts: list[str]) -> int:
    """The same in one step a part, each from the handle of the one before."""
    with contextlib.ExitStack() as opened:
        for part in parts[:-1]:
            at = os.open(part, _FOLDER, dir_fd=at)
            opened.callback(os.close, at)
        return os.open(parts[-1], _FILE, dir_fd=at)


def _open_by_path(folder: Path, parts: list[str]) -> int:
    """Windows, where making a link takes a right that a cell hardly has: looked at first, then opened. UNTESTED."""
    path = folder.joinpath(*parts)
    if path.resolve() != folder.resolve().joinpath(*parts):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return os.open(path, _FILE | getattr(os, "O_BINARY", 0))


# --- walking ----------------------------------------------------------------------------------------------------------


class _Descent:
    """Where one is below a folder, as handles from there to here.

    Handles that are more than `HELD` levels above are closed, and found again by `..`; that it is the same folder is
    checked, because what is being walked through may be moved.
    """

    def __init__(self, top: Path, *, unlock: bool):
        self._unlock = unlock
        self._handles: list[int | None] = []
        self._identities: list[tuple[int, int]] = []
        self._push(self._opened(str(top), None))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            if handle is not None:
                os.close(handle)

    @property
    def here(self) -> int:
        """The handle of the folder one is in."""
        handle = self._handles[-1]
        assert handle is not None
        return handle

    def down(self, name: str) -> None:
        self._push(self._opened(name, self.here))
        if len(self._handles) > HELD and (far := self._handles[-HELD - 1]) is not None:
            os.close(far)
            self._handles[-HELD - 1] = None

    def up(self) -> None:
        if self._handles[-2] is None:
            above = os.open("..", _FOLDER, dir_fd=self.here)
            self._handles[-2] = above
            if _identity(above) != self._identities[-2]:
                raise OSError(errno.ESTALE, "a folder was moved while it was walked through")
        os.close(self.here)
        self._handles.pop()
        self._identities.pop()

    def _push(self, handle: int) -> None:
        self._handles.append(handle)
        self._identities.append(_identity(handle))

    def _opened(self, name: str, at: int | None) -> int:
        try:
            return os.open(name, _FOLDER, dir_fd=at)
        except PermissionError:
            if not self._unlock:
                raise
        _allow(name, at)
        return os.open(name, _FOLDER, dir_fd=at)


def _identity(handle: int) -> tuple[int, int]:
    found = os.fstat(handle)
    return found.st_dev, found.st_ino


def _allow(name: str, at: int | None) -> None:
    """Give the owner all rights on a folder that even its owner may not open, and never on what a link leads to."""
    if not hasattr(os, "O_PATH"):
        os.chmod(name, 0o700, dir_fd=at, follow_symlinks=False)
        return
    handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
    try:
        Path(f"/proc/self/fd/{handle}").chmod(0o700)
    finally:
        os.close(handle)


def remove_tree(folder: Path) -> None:
    """Delete a folder with all below it: no link is followed, no depth is too great, no mode 0 keeps it.

    Raises:
        OSError: it is a link or no folder, or something in it cannot be removed or goes on being made.
    """
    if not _HANDLES:
        shutil.rmtree(folder)
        return
    for attempt in range(3):
        try:
            _empty(folder)
            folder.rmdir()
            return
        except OSError as error:
            # Whatever is still at work in there may have made or moved something meanwhile.
            if attempt == 2 or error.errno not in _MEANWHILE:
                raise


_MEANWHILE = (errno.ENOTEMPTY, errno.EEXIST, errno.ESTALE, errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR)


def _empty(folder: Path) -> None:
    with _Descent(folder, unlock=True) as at:
        names: list[str] = []
        below = [_without_files(at.here)]
        while below:
            if below[-1]:
                names.append(below[-1].pop())
                at.down(names[-1])
                below.append(_without_files(at.here))
                continue
            below.pop()
            if names:
                at.up()
                os.rmdir(names.pop(), dir_fd=at.here)


def _without_files(handle: int) -> list[str]:
    """Remove what is no folder; the names of the folders."""
    if os.fstat(handle).st_mode & 0o700 != 0o700:
        os.fchmod(handle, 0o700)
    with os.scandir(handle) as found:
        entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
    for name, is_folder in entries:
        if not is_folder:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=handle)
    return [name for name, is_folder in entries if is_folder]


def usage(folder: Path, most_entries: int) -> tuple[int, int]:
    """Bytes that are taken up below `folder`, and the number of entries; counting ends when they are more than most.

    May be called while something is at work in there. Bytes are those allocated, or the size where a file system does
    not say. Folders that even their owner may not open are opened for the owner, so that nothing can hide in them.

    Raises:
        OSError: it cannot be told; whoever sets a limit takes it for exceeded.
    """
    for attempt in range(3):
        try:
            return _usage(folder, most_entries)
        except OSError as error:
            if attempt == 2 or error.errno != errno.ESTALE:
                raise
    raise AssertionError


def _usage(folder: Path, most_entries: int) -> tuple[int, int]:
    if not _HANDLES:
        raise OSError(errno.ENOSYS, "folders cannot be measured on this system")
    with _Descent(folder, unlock=True) as at:
        used, entries, below = _measured(at.here, most_entries)
        todo = [below]
        while todo and entries <= most_entries:
            if todo[-1]:
                try:
                    at.down(todo[-1].pop())
                except (FileNotFoundError, NotADirectoryError):  # removed or replaced since it was listed
                    continue
                more, count, below = _measured(at.here, most_entries - entries)
                used, entries = used + more, entries + count
                todo.append(below)
                continue
            todo.pop()
            if todo:
                at.up()
    return used, entries


def _measured(handle: int, most: int) -> tuple[int, int, list[str]]:
    """Bytes and number of the entries of one folder, and the names of the folders among them."""
    used, entries, folders = 0, 0, []
    with os.scandir(handle) as found:
        for entry in found:
            try:
                about = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            used += about.st_blocks * 512 or about.st_size
            entries += 1
            if stat.S_ISDIR(about.st_mode):
                folders.append(entry.name)
            if entries > most:
                break
    return used, entries, folders


State = tuple[int, int]
"""Bytes, and time of the last change in nanoseconds."""


def plain_files(folder: Path, most: int) -> dict[str, State]:
    """The visible plain files below `folder`, by path with forward slashes, at most so many; none if it is no folder.

    May be called while something is at work in there: what changes meanwhile may be missing.
    """
    files: dict[str, State] = {}
    with contextlib.suppress(OSError), _Descent(folder, unlock=False) as at:
        path: list[str] = []
        todo = [_visible(at.here, "", files)]
        looked = 0
        while todo and len(files) < most and looked < 10 * most:
            looked += 1
            if not todo[-1]:
                todo.pop()
                if todo:
                    at.up()
                    path.pop()
                continue
            name = todo[-1].pop(0)
            with contextlib.suppress(OSError):
                at.down(name)
                path.append(name)
                todo.append([])
                todo[-1] = _visible(at.here, "/".join(path) + "/", files)
    return dict(islice(files.items(), most))


def _visible(handle: int, prefix: str, files: dict[str, State]) -> list[str]:
    """Note the plain files of one folder, and return the names of the folders in it."""
    folders = []
    with os.scandir(handle) as found:
        for entry in sorted(islice(found, 10_000), key=lambda entry: entry.name):
            if entry.name.startswith(".") or entry.name == "__pycache__":
                continue
            with contextlib.suppress(FileNotFoundError):
                about = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(about.st_mode):
                    folders.append(entry.name)
                elif stat.S_ISREG(about.st_mode):
                    files[prefix + entry.name] = (about.st_size, about.st_mtime_ns)
    return folders
