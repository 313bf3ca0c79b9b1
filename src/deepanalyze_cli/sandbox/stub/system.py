"""The system calls that Python has no name for: numbers and structures from the Linux headers (uapi), by ctypes."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
MACHINE = platform.machine()

_X86 = {"capset": 126, "pivot_root": 155, "unshare": 272, "seccomp": 317}
_ARM = {"capset": 91, "pivot_root": 41, "unshare": 97, "seccomp": 277}
NUMBERS = {
    **{"x86_64": _X86, "aarch64": _ARM}.get(MACHINE, {}),
    **{"mount_setattr": 442, "landlock_create_ruleset": 444, "landlock_add_rule": 445, "landlock_restrict_self": 446},
}

_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
_PDEATHSIG, _CAPBSET_DROP, _SECUREBITS, _SUBREAPER, _NO_NEW_PRIVS, _AMBIENT = 1, 24, 28, 36, 38, 47

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 8, 4096, 16384, 1 << 18
_AT_FDCWD, _AT_RECURSIVE, _MNT_DETACH = -100, 0x8000, 2


def call(name: str, *arguments: int | bytes | ctypes.Array[ctypes.c_char]) -> int:
    """One raw system call.

    Raises:
        OSError: it failed, or this kind of processor is unknown to us.
    """
    if name not in NUMBERS:
        raise OSError(f"no system call numbers for {MACHINE}")
    raw = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _checked(LIBC.syscall(ctypes.c_long(NUMBERS[name]), *raw), name)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return int(result)


def prctl(option: int, *values: int) -> int:
    padded = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    return _checked(LIBC.prctl(option, *padded), f"prctl {option}")


def die_with_parent(parent: int) -> None:
    """Be killed when the thread that started us ends; `parent` is its process id, 0 where that cannot be seen."""
    prctl(_PDEATHSIG, signal.SIGKILL)
    if parent and os.getppid() != parent:
        os._exit(125)


def end_with_parent() -> None:
    """Be told by SIGTERM instead, to clean up first."""
    prctl(_PDEATHSIG, signal.SIGTERM)


def become_reaper() -> None:
    prctl(_SUBREAPER, 1)


def no_new_privileges() -> None:
    prctl(_NO_NEW_PRIVS, 1)


def unshare_all(uid: int) -> None:
    """New user, mount, process, network, IPC and host name namespaces, in which we are `uid` and never 0."""
    outside, group = os.getuid(), os.getgid()
    call("unshare", _NEWUSER | _NEWNS | _NEWPID | _NEWNET | _NEWIPC | _NEWUTS)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {outside} 1"), ("gid_map", f"{uid} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    LIBC.sethostname(b"box", 3)


def drop_capabilities() -> None:
    """None in any set, and none to be had again (securebits: NOROOT, NO_SETUID_FIXUP, each locked)."""
    for capability in range(64):
        if LIBC.prctl(_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break
    LIBC.prctl(_AMBIENT, 4, 0, 0, 0)
    LIBC.prctl(_SECUREBITS, 0x2F, 0, 0, 0)
    header = ctypes.create_string_buffer(struct.pack("=Ii", 0x20080522, 0), 8)
    call("capset", header, ctypes.create_string_buffer(24))


def mount(source: str | None, target: str, kind: str | None = None, flags: int = 0, options: str | None = None) -> None:
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind, options)]
    result = LIBC.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3])
    _checked(result, f"mount {source or kind} on {target}")


def seal_mount(path: str, flags: int, *, deep: bool = True) -> None:
    """Set attributes (read-only 1, nosuid 2, nodev 4) on a mount, and on those below it if `deep`."""
    attributes = ctypes.create_string_buffer(struct.pack("=QQQQ", flags, 0, 0, 0), 32)
    name = ctypes.create_string_buffer(os.fsencode(path))
    call("mount_setattr", _AT_FDCWD, name, _AT_RECURSIVE if deep else 0, attributes, 32)


def change_root(folder: str) -> None:
    """Make `folder` the root, and let go of the old one."""
    os.chdir(folder)
    call("pivot_root", b".", b".")
    _checked(LIBC.umount2(b".", _MNT_DETACH), "umount of the old root")
    os.chdir("/")
