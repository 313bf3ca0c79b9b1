"""A program in a box, from its start to its end. What it says comes back as bytes, within a limit."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import cgroup, processes
from .box import Box
from .private import private_folder
from .watchdog import Watchdog

OnLine = Callable[[bytes], float | None]
"""Gets each line of stdout as it comes, without its end; may return the seconds that are allowed from now on."""

_KEPT = 16_384
"""Bytes kept of the end of stderr."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How it ended: the exit code, and why it was killed if it was."""

    code: int
    killed: str
    out: bytes
    err: str

    @property
    def ok(self) -> bool:
        return self.code == 0 and not self.killed


def run_boxed(
    box: Box,
    argv: Sequence[str],
    *,
    seconds: float,
    work: Path | None = None,
    stdin: bytes = b"",
    on_line: OnLine | None = None,
    most: int = 64 << 20,
    environment: Mapping[str, str] | None = None,
) -> Finished:
    """Run `argv` in `box` for at most `seconds`, able to write the folder `work`, in which it starts.

    With `on_line` no output is kept. More than `most` bytes on stdout end it.

    Raises:
        OSError: it cannot be started.
    """
    with contextlib.ExitStack() as stack:
        private = stack.enter_context(private_folder())
        inside = private / "box"
        prepare(inside)
        cwd = work.resolve() if work else inside
        write = list(dict.fromkeys((inside, cwd)))
        cgroups = stack.enter_context(cgroup.limited(box.tasks, box.memory)) if box.tier.level else ()
        process = subprocess.Popen(
            box.command(argv, write=write, cwd=cwd, private=private, cgroups=cgroups),
            cwd=cwd,
            env=box.environment(inside, environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        stack.enter_context(process)
        stack.callback(processes.end, process, box.tier)
        watchdog = Watchdog(process, box, write)
        stack.callback(watchdog.stop)
        talk = _Talk(process, stdin, on_line, most)
        if why := talk.until_over(seconds):
            watchdog.condemn(why)
        try:
            code = process.wait(talk.left)
        except subprocess.TimeoutExpired:
            watchdog.condemn("it closed its outputs and went on")
            code = process.wait()
        return Finished(code, watchdog.verdict, bytes(talk.out), talk.err.decode("utf-8", "replace"))


def prepare(inside: Path) -> None:
    """The folders that `Box.environment` names."""
    for name in ("home", "tmp", "matplotlib", "ipython"):
        (inside / name).mkdir(parents=True, exist_ok=True)


class _Talk:
    """The three streams of a process, served in one loop."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes, on_line: OnLine | None, most: int):
        self.out, self.err = bytearray(), bytearray()
        self._process, self._left, self._on_line, self._most = process, memoryview(stdin), on_line, most
        self._seen = 0
        self._allowed = self._deadline = 0.0

    def until_over(self, seconds: float) -> str:
        """Serve until both outputs are closed; why it has to be ended, empty if it need not."""
        self._allow(seconds)
        with selectors.DefaultSelector() as selector:
            for stream, events in self._streams():
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, events)
            while any(key.fileobj is not self._process.stdin for key in selector.get_map().values()):
                if (left := self._deadline - time.monotonic()) <= 0:
                    return f"it took longer than {self._allowed:,.0f} s"
                for key, _ in selector.select(min(left, 1.0)):
                    if not self._serve(key.fileobj):
                        selector.unregister(key.fileobj)
                if self._seen > self._most:
                    return f"it printed more than {self._most / 1e6:,.0f} MB"
        return ""

    @property
    def left(self) -> float:
        """Seconds that are still allowed, at least a few to end in."""
        return max(self._deadline - time.monotonic(), 5.0)

    def _streams(self) -> Iterator[tuple[object, int]]:
        yield self._process.stdin, selectors.EVENT_WRITE
        yield self._process.stdout, selectors.EVENT_READ
        yield self._process.stderr, selectors.EVENT_READ

    def _serve(self, stream: object) -> bool:
        """One portion; whether there may be more."""
        if stream is self._process.stdin:
            return self._write()
        piece = os.read(stream.fileno(), 1 << 16)
        if stream is self._process.stderr:
            self.err += piece
            del self.err[:-_KEPT]
        else:
            self._seen += len(piece)
            self.out += piece
            if self._on_line:
                self._tell()
        return bool(piece)

    def _write(self) -> bool:
        try:
            self._left = self._left[os.write(self._process.stdin.fileno(), self._left[: 1 << 16]) :]
        except BlockingIOError:
            return True
        except BrokenPipeError:
            self._left = self._left[:0]
        if self._left:
            return True
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        return False

    def _tell(self) -> None:
        *lines, rest = self.out.split(b"\n")
        self.out[:] = rest
        for line in lines:
            if allowed := self._on_line(bytes(line)):
                self._allow(allowed)

    def _allow(self, seconds: float) -> None:
        self._allowed, self._deadline = seconds, time.monotonic() + seconds
