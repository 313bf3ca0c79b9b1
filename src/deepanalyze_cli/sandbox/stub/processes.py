"""Who waits for whom, so that nothing of a box outlives its launcher."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import NoReturn

from . import system

_DEAF = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def fork_first() -> None:
    """Become the first process of the new process namespace; the one we were waits outside and dies with the launcher.

    The kernel forgets a parent's death signal in the child, so it is asked for anew; the pipe closes the gap between.
    """
    ready, tell = os.pipe()
    child = os.fork()
    if child:
        os.close(ready)
        _ignore_signals()
        os.write(tell, b"1")
        os.close(tell)
        _exit_as(os.waitpid(child, 0)[1])
    system.die_with_parent(0)
    os.close(tell)
    if os.read(ready, 1) != b"1":
        os._exit(125)
    os.close(ready)


def fork_below_init() -> None:
    """Return in a child; the first process of the namespace stays to collect orphans."""
    child = os.fork()
    if child == 0:
        return
    _ignore_signals()
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == child:
            _exit_as(status)


def fork_below_reaper() -> None:
    """Return in a child; the parent stays outside the box and ends all that the child leaves behind.

    SIGTERM, which is also what the launcher's death is to it, makes it end everything and exit.
    """
    system.become_reaper()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        system.die_with_parent(parent)
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end_all)
    system.end_with_parent()
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == child:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            _kill_below()
            _exit_as(status)


def _end_all(number: int, _: FrameType | None) -> None:
    _kill_below()
    os._exit(128 + number)


def _ignore_signals() -> None:
    for number in _DEAF:
        signal.signal(number, signal.SIG_IGN)


def _exit_as(status: int) -> NoReturn:
    """End with the exit code of another, as a shell tells it: 128 and the number of a signal."""
    os._exit(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))


def _kill_below() -> None:
    """Stop, then kill, everything below us, orphans included, until nothing is left."""
    for _ in range(100):
        try:
            below = _descendants()
        except OSError:  # whoever took our right to open files is still below us
            continue
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in below:
                try:
                    os.kill(process, number)
                except OSError:
                    continue
        try:
            while os.waitpid(-1, os.WNOHANG if not below else 0)[0]:
                pass
        except ChildProcessError:
            return


def _descendants() -> list[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    after = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(after[1]), []).append(int(name))
    found, todo = [], [os.getpid()]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found
