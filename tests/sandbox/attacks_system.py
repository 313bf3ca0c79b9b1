"""Attacks on the network and on other processes.

The code is what a cell would hold. `attempt`, `call`, `shell` and the names in capitals come from `scene.PREAMBLE`.
Whether a decoy was reached or hurt is seen from outside, by the scene.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from pathlib import Path

import psutil
from attack import Attack, Trial, either, killed, refused, unseen

FAMILIES = """
import socket
unix, ip4, ip6, netlink, packet, alg, vsock, raw = 1, 2, 10, 16, 17, 38, 40, 3
stream, datagram, sequenced = 1, 2, 5
for family, kind in (
    *((ip4, stream), (ip4, datagram), (ip4, raw), (ip6, stream), (ip6, datagram)),
    *((netlink, raw), (packet, raw), (vsock, stream), (alg, sequenced)),
):
    attempt(socket.socket, family, kind)
"""
PIP = """
attempt(shell, sys.executable, "-m", "pip", "install", "--no-input", "--retries", "0", "--timeout", "3",
        "--index-url", f"http://127.0.0.1:{TCP}/", "nothing")
"""

NETWORK = (
    Attack(
        "nt-01",
        "connect by TCP",
        "import socket\nattempt(socket.create_connection, ('127.0.0.1', TCP), 2)",
        refused,
        control=True,
    ),
    Attack(
        "nt-02",
        "send a datagram by UDP",
        "import socket\nattempt(lambda: socket.socket(2, 2).sendto(b'x', ('127.0.0.1', UDP)))",
        refused,
        control=True,
    ),
    Attack("nt-03", "open sockets of nine other families", FAMILIES, refused),
    Attack("nt-04", "look up a name", "import socket\nattempt(socket.getaddrinfo, 'example.com', 80)", refused),
    Attack(
        "nt-05",
        "connect by TCP Fast Open, without connect()",
        "import socket\nattempt(lambda: socket.socket(2, 1).sendto(b'x', 0x20000000, ('127.0.0.1', TCP)))",
        refused,
        control=True,
    ),
    Attack(
        "nt-06",
        "go past system calls by io_uring",
        "attempt(call, 'io_uring_setup', 4, ctypes.create_string_buffer(120))",
        refused,
        control=True,
    ),
    Attack(
        "nt-07",
        "connect to an abstract unix socket",
        "import socket\nattempt(lambda: socket.socket(1, 1).connect('\\0' + ABSTRACT))",
        refused,
        control=True,
    ),
    Attack(
        "nt-08",
        "connect to a unix socket in a folder (D-Bus, docker, ssh-agent)",
        "import socket\nattempt(lambda: socket.socket(1, 1).connect(STREAM))",
        refused,
        control=True,
    ),
    Attack(
        "nt-09",
        "send a datagram to a unix socket in a folder (/dev/log)",
        "import socket\nattempt(lambda: socket.socket(1, 2).sendto(b'x', DATAGRAM))",
        refused,
        control=True,
    ),
    Attack(
        "nt-10",
        "let DuckDB fetch an extension",
        "import duckdb\nattempt(duckdb.sql, 'INSTALL httpfs')",
        refused,
        seconds=30,
    ),
    Attack("nt-11", "install a package with pip", PIP, refused, seconds=60),
    Attack(
        "nt-12",
        "connect by a program that was started",
        "attempt(shell, 'bash', '-c', f'echo x > /dev/tcp/127.0.0.1/{TCP}')",
        refused,
        control=True,
    ),
)

DAEMON = """
import fcntl
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    alive = open("alive", "w")
    fcntl.flock(alive, fcntl.LOCK_EX)
    alive.write("here")
    alive.flush()
    time.sleep(60)
    os._exit(0)
while not os.path.exists("alive") or not os.path.getsize("alive"):
    time.sleep(0.01)
"""
"""Whoever holds the lock of the file `alive` lives: that is seen from every namespace, and without a clock."""
NOHUP = """
import fcntl
with open("alive", "w") as alive:
    fcntl.flock(alive, fcntl.LOCK_EX)
    subprocess.Popen(["setsid", "nohup", "sleep", "60"], pass_fds=[alive.fileno()], stdout=-3, stderr=-3)
"""


def locked(folder: Path) -> bool:
    """Whether anybody still holds the file `alive` in this folder."""
    with (folder / "alive").open("r+") as file, contextlib.suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    return True


def end_holders(folder: Path) -> None:
    """Kill whoever holds the file `alive`: where an attack succeeded, as it has to without a box, it is not left."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(file.path == str(folder / "alive") for file in process.open_files()):
                process.kill()


def gone_at_close(trial: Trial) -> str:
    """What was started lives while the kernel does, and no longer than that."""
    if trial.observation.status != "ok" or not locked(trial.folder):
        return f"it never ran: {trial.text[-200:]}"
    trial.kernel.close()
    deadline = time.monotonic() + 3
    while locked(trial.folder):
        if time.monotonic() > deadline:
            end_holders(trial.folder)
            return "it lives on after the kernel"
    return ""


MEMORY = """
here = ctypes.create_string_buffer(LENGTH)
to, from_ = ((ctypes.c_long * 2)(address, LENGTH) for address in (ctypes.addressof(here), ADDRESS))
attempt(call, "process_vm_readv", LAUNCHER, to, 1, from_, 1, 0)
print(here.value)
"""
INTEL_32 = """
import mmap
memory = mmap.mmap(-1, 4096, prot=7)
memory.write(bytes.fromhex("b814000000cd80c3"))  # mov eax, 20 (getpid); int 0x80; ret
attempt(ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(memory))))
"""

PROCESSES = (
    Attack(
        "pr-01",
        "send signals to the launcher",
        "attempt(os.kill, LAUNCHER, 0)\nattempt(os.kill, LAUNCHER, 18)",
        refused,
        control=True,
    ),
    Attack("pr-02", "kill another process of this user", "attempt(os.kill, VICTIM, 9)", refused),
    Attack("pr-03", "wake every process there is (kill -1)", "attempt(os.kill, -1, 18)", unseen),
    Attack("pr-04", "attach to another process", "attempt(lambda: checked(libc.ptrace(16, VICTIM, 0, 0)))", refused),
    Attack(
        "pr-05",
        "read the launcher's memory",
        MEMORY,
        refused,
        control=True,
    ),
    Attack(
        "pr-06",
        "be root in a user namespace of its own",
        "attempt(call, 'unshare', 0x10000000)\nattempt(shell, 'unshare', '-Ur', 'true')",
        refused,
        control=True,
        alone=True,
    ),
    Attack("pr-07", "mount", "attempt(lambda: checked(libc.mount(b'x', b'/tmp', b'tmpfs', 0, 0)))", refused),
    Attack("pr-08", "become root by su", "attempt(shell, 'su', '-c', 'id')", refused),
    Attack(
        "pr-09",
        "system calls of 32-bit programs",
        INTEL_32,
        killed(),
        control=True,
        alone=True,
        machine="x86_64",
    ),
    Attack(
        "pr-10",
        "system calls of the x32 table",
        "attempt(lambda: checked(libc.syscall(0x40000000 + 39)))",
        either(killed(), refused),
        alone=True,
        machine="x86_64",
    ),
    Attack(
        "pr-11",
        "type into the user's terminal",
        """
import fcntl
TIOCSTI = 0x5412
attempt(lambda: fcntl.ioctl(os.open("/dev/tty", os.O_RDWR), TIOCSTI, b"x"))
attempt(fcntl.ioctl, 0, TIOCSTI, b"x")
""",
        refused,
    ),
    Attack("pr-12", "stay as a daemon (two forks, setsid)", DAEMON, gone_at_close, control=True, alone=True),
    Attack("pr-13", "stay as a program (setsid nohup)", NOHUP, gone_at_close, alone=True),
)

ATTACKS = (*NETWORK, *PROCESSES)
