"""What stands around a box for attacks to reach: data, a home with a secret, listeners, a process, an environment.

Everything is a decoy made here, and everything is looked at from outside: `harm` compares what is there with what was
there before, so no attack is believed when it says that it failed. It knows no attack.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

KEY_CANARY = "canary-of-the-private-key"
LOGIN_CANARY = "canary-of-the-environment"
PROCESS_CANARY = "canary-of-the-command-line"
RUN_CANARY = "canary-of-another-run.md"
MEMORY_CANARY = "canary-of-the-memory"
INPUT = "a,b\n" + "1,2\n" * 1000
CANARIES = (KEY_CANARY, LOGIN_CANARY, PROCESS_CANARY, RUN_CANARY, MEMORY_CANARY)
"""What nobody in a box may come to know. Their names have no word in them by which secrets could be filtered."""

PREAMBLE = '''
import ctypes, os, platform, subprocess, sys, time

libc = ctypes.CDLL(None, use_errno=True)
NUMBERS = {{
    "x86_64": {{"unshare": 272, "open_by_handle_at": 304, "process_vm_readv": 310, "io_uring_setup": 425}},
    "aarch64": {{"unshare": 97, "open_by_handle_at": 265, "process_vm_readv": 270, "io_uring_setup": 425}},
}}[platform.machine()]

def attempt(action, *arguments):
    """Say in one line whether it could be done."""
    try:
        print("DONE", repr(action(*arguments))[:200])
    except BaseException as error:
        print("REFUSED", type(error).__name__, str(error)[:200])

def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

def call(name, *arguments):
    """A system call that Python has no name for."""
    return checked(libc.syscall(NUMBERS[name], *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments)))

def shell(*command):
    """What a program prints; an error if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise OSError(done.stderr.strip()[-200:])
    return done.stdout

{facts}
'''
"""The first cell of every kernel under attack: the facts that an attacker could find out, and three small words."""


class Scene:
    """Decoys in `folder`, which has to exist. `close` takes down what is not a file."""

    def __init__(self, folder: Path):
        self.folder = folder.resolve()
        self.data, self.home, self.runs = (self.folder / name for name in ("data", "home", "runs"))
        self.mark = Path("/tmp") / f"attack-{os.getuid()}-{os.getpid()}"
        site = sysconfig.get_paths()["purelib"]
        self._forbidden = (str(self.mark), "/etc/attack", f"{site}/attack.pth", "/sys/fs/cgroup/pids/attack")
        self._memory = ctypes.create_string_buffer(MEMORY_CANARY.encode())
        self._signals: list[int] = []
        self._open = contextlib.ExitStack()
        self._listeners = self._open.enter_context(_listeners())
        self._open.callback(signal.signal, signal.SIGCONT, signal.signal(signal.SIGCONT, self._signalled))
        os.environ["FAKE_LOGIN"] = LOGIN_CANARY
        self._open.callback(os.environ.pop, "FAKE_LOGIN", None)
        self._victim = self._bystander()
        self.mend()

    def facts(self) -> dict[str, str | int]:
        """Name -> value of what an attack is told."""
        return {
            "DATA": str(self.data),
            "INPUT": str(self.data / "in.csv"),
            "LINK": str(self.data / "link_out"),
            "HOME": str(self.home),
            "SECRET": str(self.home / ".ssh" / "id_rsa"),
            "RUNS": str(self.runs),
            "MARK": str(self.mark),
            "LAUNCHER": os.getpid(),
            "ADDRESS": ctypes.addressof(self._memory),
            "LENGTH": len(MEMORY_CANARY),
            "VICTIM": self._victim.pid,
            **self._listeners.facts(),
        }

    def preamble(self) -> str:
        return PREAMBLE.format(facts="\n".join(f"{name} = {value!r}" for name, value in self.facts().items()))

    def harm(self) -> list[str]:
        """What is no longer as it was, in sentences; none if nothing happened."""
        found = [f"{path} was {what}" for path, what in _differences(self._before, self._state())]
        found += [f"the {name} decoy was reached" for name in self._listeners.reached()]
        if self._signals:
            found.append("the launcher got a signal")
        if _process_state(self._victim.pid) != "T":
            found.append("the bystander was killed or woken")
        return found + [f"{place} was created" for place in self._forbidden if os.path.lexists(place)]

    def mend(self) -> None:
        """Put everything back, in place: a box holds on to the data folder that was there when it was made."""
        for folder in (self.data, self.home, self.data / "sub", self.home / ".ssh", self.runs / "yesterday"):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o755)
        (self.runs / RUN_CANARY).touch()
        files = {
            self.data / "in.csv": INPUT,
            self.data / "two.csv": "x\n1\n",
            self.home / ".ssh" / "id_rsa": KEY_CANARY,
        }
        link = self.data / "link_out"
        for path in (*self.data.iterdir(), *self.home.iterdir()):
            if path not in (*files, link, self.data / "sub", self.home / ".ssh"):
                path.unlink()
        for path, text in files.items():
            path.unlink(missing_ok=True)
            path.write_text(text)
        if not link.is_symlink():
            link.symlink_to(self.home / ".ssh" / "id_rsa")
        self.mark.unlink(missing_ok=True)
        self._signals.clear()
        self._listeners.reached()
        if _process_state(self._victim.pid) != "T":
            self._end(self._victim)
            self._victim = self._bystander()
        self._before = self._state()

    def close(self) -> None:
        self._end(self._victim)
        self._open.close()
        self.mark.unlink(missing_ok=True)

    def _state(self) -> dict[str, str]:
        return {**states(self.data), **states(self.home)}

    def _signalled(self, number: int, _: FrameType | None) -> None:
        self._signals.append(number)

    @staticmethod
    def _bystander() -> subprocess.Popen[bytes]:
        """Another program of this user. It is stopped, so that even a harmless SIGCONT is seen from outside."""
        environment = {**os.environ, "FAKE_LOGIN": LOGIN_CANARY}
        process = subprocess.Popen(
            [PROCESS_CANARY, "9000"], executable=shutil.which("sleep"), env=environment, start_new_session=True
        )
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        return process

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()


class Listeners:
    """One listener of each kind that a box must not reach. Nobody answers: what came is counted afterwards.

    There are no threads: a connection is in the backlog, and a datagram in the queue, before the attack knows that it
    got through.
    """

    def __init__(self, folder: Path, stack: contextlib.ExitStack):
        self.abstract = f"decoy-{os.getpid()}-{folder.name}"
        self.stream, self.datagram = folder / "stream", folder / "datagram"
        unix, internet = socket.AF_UNIX, socket.AF_INET
        addresses = {
            "tcp": (internet, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            "udp": (internet, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            "abstract": (unix, socket.SOCK_STREAM, f"\0{self.abstract}"),
            "stream": (unix, socket.SOCK_STREAM, str(self.stream)),
            "datagram": (unix, socket.SOCK_DGRAM, str(self.datagram)),
        }
        self._sockets = {name: stack.enter_context(_listen(*how)) for name, how in addresses.items()}

    def facts(self) -> dict[str, str | int]:
        ports = {name.upper(): self._sockets[name].getsockname()[1] for name in ("tcp", "udp")}
        return {**ports, "ABSTRACT": self.abstract, "STREAM": str(self.stream), "DATAGRAM": str(self.datagram)}

    def reached(self) -> list[str]:
        """The names of those that something came to since the last time."""
        return [name for name, listener in self._sockets.items() if _drain(listener)]


@contextlib.contextmanager
def _listeners() -> Iterator[Listeners]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="decoys-", dir="/tmp")))
        yield Listeners(folder, stack)


def _listen(family: int, kind: int, address: tuple[str, int] | str) -> socket.socket:
    listener = socket.socket(family, kind)
    listener.bind(address)
    if kind == socket.SOCK_STREAM:
        listener.listen(16)
    listener.setblocking(False)
    return listener


def _drain(listener: socket.socket) -> int:
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            if listener.type == socket.SOCK_DGRAM:
                listener.recv(100)
            else:
                listener.accept()[0].close()
            count += 1
    return count


def states(folder: Path) -> dict[str, str]:
    """Path -> all that can be told of it (mode, owner, links, times, size, attributes, content), links not followed.

    The time of change (ctime) shows even what was done and undone.
    """
    found = {}
    for path in (folder, *sorted(folder.rglob("*"))):
        try:
            seen = path.lstat()
            content = path.read_bytes() if stat.S_ISREG(seen.st_mode) else b""
            attributes = os.listxattr(path, follow_symlinks=False)
        except OSError as error:
            found[str(path)] = f"made unreadable ({error.strerror})"
            continue
        times = "" if stat.S_ISLNK(seen.st_mode) else (seen.st_mtime_ns, seen.st_ctime_ns)
        owner = (seen.st_uid, seen.st_gid)
        digest = hashlib.sha256(content).hexdigest()
        found[str(path)] = repr((oct(seen.st_mode), owner, seen.st_nlink, seen.st_size, times, attributes, digest))
    return found


def _differences(before: dict[str, str], after: dict[str, str]) -> Iterator[tuple[str, str]]:
    for path in sorted({*before, *after}):
        if path not in after:
            yield path, "removed"
        elif path not in before:
            yield path, "created"
        elif before[path] != after[path]:
            yield path, f"changed from {before[path]} to {after[path]}"


def _process_state(pid: int) -> str:
    """The letter that `ps` shows; empty for none. Source: `proc_pid_stat(5)`."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
