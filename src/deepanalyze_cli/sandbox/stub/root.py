"""A root folder of the box's own, in which nothing exists but what the policy names.

An empty file system in memory; what may be read is bound into it read-only, what may be written as it is. Sources are
held open before anything is mounted, so that a path cannot be exchanged for another on the way.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from .system import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
    change_root,
    mount,
    seal_mount,
)

_BASE = "/tmp"
"""Where it is built: a folder that exists everywhere, and that is covered in this mount namespace only."""
_READ_ONLY, _SEALED = 1, 2 | 4
_DEVICES = ("null", "zero", "full", "random", "urandom")
_LINKS = (("/proc/self/fd", "fd"), ("/proc/self/fd/0", "stdin"), ("/proc/self/fd/1", "stdout"))


def enter(policy: dict[str, Any]) -> None:
    """Build the new root and move into it; the old one is gone afterwards.

    Raises:
        OSError: a file system could not be mounted.
    """
    mount(None, "/", flags=MS_REC | MS_PRIVATE)
    held = [*_held(policy["read"], _READ_ONLY), *_held(policy["write"], 0)]
    links = dict(link for path in (*policy["read"], *policy["write"]) for link in symlinks(path))
    devices = [(os.open(f"/dev/{name}", os.O_PATH), name) for name in _DEVICES]
    mount("box", _BASE, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=16m")
    _mount_devices(devices, policy["shm"])
    os.makedirs(f"{_BASE}/tmp")
    mount("box", f"{_BASE}/tmp", "tmpfs", MS_NOSUID | MS_NODEV, f"mode=1777,nr_inodes=65536,size={policy['tmp']}")
    _write_etc(policy["uid"])
    for target, link in links.items():
        _make_folder(os.path.dirname(target))
        if not os.path.lexists(_BASE + target):
            os.symlink(link, _BASE + target)
    # Parents before what lies in them, whatever may be written last: a run's folder may lie inside the data.
    for place, path, flags in sorted(held, key=lambda entry: entry[1].count("/")):
        _bind(place, path, flags)
    os.makedirs(f"{_BASE}/proc", exist_ok=True)
    mount("proc", f"{_BASE}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    # Whoever is root outside owns the files of /proc/sys, and would need no capability to write them.
    seal_mount(f"{_BASE}/proc", _READ_ONLY, deep=False)
    seal_mount(_BASE, _READ_ONLY, deep=False)
    seal_mount(f"{_BASE}/dev", _READ_ONLY, deep=False)
    change_root(_BASE)


def symlinks(path: str) -> Iterator[tuple[str, str]]:
    """The links on the way to `path`, with what each says: `/bin/sh` on most systems passes `/bin` -> `usr/bin`."""
    seen = 0
    done, todo = "", [part for part in path.split("/") if part]
    while todo and seen < 40:
        here = f"{done}/{todo.pop(0)}"
        if not os.path.islink(here):
            done = here
            continue
        seen += 1
        said = os.readlink(here)
        yield here, said
        whole = os.path.normpath(os.path.join(done or "/", said))
        done, todo = "", [part for part in whole.split("/") if part] + todo


def _held(paths: list[str], flags: int) -> Iterator[tuple[int, str, int]]:
    for path in paths:
        real = os.path.realpath(path)
        try:
            yield os.open(real, os.O_PATH | os.O_NOFOLLOW), real, flags
        except OSError:
            continue


def _bind(place: int, path: str, flags: int) -> None:
    source, target = f"/proc/self/fd/{place}", _BASE + path
    if not os.path.exists(target):
        _make_folder(path if os.path.isdir(source) else os.path.dirname(path))
        if not os.path.isdir(source):
            open(target, "w").close()
    mount(source, target, flags=MS_BIND | MS_REC)
    seal_mount(target, flags | _SEALED)
    os.close(place)


def _make_folder(path: str) -> None:
    os.makedirs(_BASE + path, exist_ok=True)


def _mount_devices(devices: list[tuple[int, str]], shm: int) -> None:
    folder = f"{_BASE}/dev"
    os.makedirs(folder)
    mount("box", folder, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64k")
    os.makedirs(f"{folder}/shm")
    mount("box", f"{folder}/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, f"mode=1777,nr_inodes=4096,size={shm}")
    for place, name in devices:
        with open(f"{folder}/{name}", "w"):
            pass
        mount(f"/proc/self/fd/{place}", f"{folder}/{name}", flags=MS_BIND)
        os.close(place)
    for said, name in (*_LINKS, ("/proc/self/fd/2", "stderr")):
        os.symlink(said, f"{folder}/{name}")


def _write_etc(uid: int) -> None:
    """Names for the only user there is; the real ones are nobody's business in here."""
    _make_folder("/etc")
    for name, text in etc(uid).items():
        with open(f"{_BASE}/etc/{name}", "w") as file:
            file.write(text)


def etc(uid: int) -> dict[str, str]:
    return {
        "passwd": f"agent:x:{uid}:{uid}:agent:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
        "group": f"agent:x:{uid}:\nnogroup:x:65534:\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    }
