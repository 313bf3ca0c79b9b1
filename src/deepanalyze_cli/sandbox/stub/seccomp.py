"""seccomp: which system calls this process and its children may make, from now on and for good.

A classic BPF program, assembled here. Source: Linux `Documentation/userspace-api/seccomp_filter.rst` and the system
call tables of the kernel. A deny list: it closes what files and namespaces do not (sockets, io_uring, ptrace, mounts,
keys, the terminal). It cannot look behind pointers, so calls whose danger lies there are refused whole.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from collections.abc import Callable

from . import system

X86_64 = dict(
    socket=41, connect=42, sendto=44, socketpair=53, clone=56, ptrace=101, syslog=103, personality=135,
    pivot_root=155, adjtimex=159, chroot=161, acct=163, settimeofday=164, mount=165, umount2=166, swapon=167,
    swapoff=168, reboot=169, sethostname=170, setdomainname=171, iopl=172, ioperm=173, init_module=175,
    delete_module=176, quotactl=179, lookup_dcookie=212, clock_settime=227, kexec_load=246, add_key=248,
    request_key=249, keyctl=250, mknod=133, mknodat=259, unshare=272, vmsplice=278, perf_event_open=298,
    fanotify_init=300, name_to_handle_at=303, open_by_handle_at=304, clock_adjtime=305, setns=308,
    process_vm_readv=310, process_vm_writev=311, kcmp=312, finit_module=313, memfd_create=319,
    kexec_file_load=320, bpf=321, userfaultfd=323, io_uring_setup=425, io_uring_enter=426, io_uring_register=427,
    open_tree=428, move_mount=429, fsopen=430, fsconfig=431, fsmount=432, fspick=433, clone3=435, pidfd_getfd=438,
    mount_setattr=442, quotactl_fd=443, memfd_secret=447, ioctl=16, chmod=90, fchmod=91, fchmodat=268,
    fchmodat2=452, chown=92, fchown=93, lchown=94, fchownat=260, utime=132, utimes=235, futimesat=261,
    utimensat=280, setxattr=188, lsetxattr=189, fsetxattr=190, removexattr=197, lremovexattr=198,
    fremovexattr=199, setxattrat=463, removexattrat=466, open_tree_attr=467, file_setattr=469,
    shmget=29, shmat=30, shmctl=31, semget=64, semop=65, semctl=66, semtimedop=220, msgget=68, msgsnd=69, msgrcv=70,
    msgctl=71, mq_open=240, prlimit64=302, prctl=157,
)  # fmt: skip
AARCH64 = dict(
    socket=198, connect=203, sendto=206, socketpair=199, clone=220, ptrace=117, syslog=116, personality=92,
    pivot_root=41, adjtimex=171, chroot=51, acct=89, settimeofday=170, mount=40, umount2=39, swapon=224,
    swapoff=225, reboot=142, sethostname=161, setdomainname=162, init_module=105, delete_module=106, quotactl=60,
    lookup_dcookie=18, clock_settime=112, kexec_load=104, add_key=217, request_key=218, keyctl=219, mknodat=33,
    unshare=97, vmsplice=75, perf_event_open=241, fanotify_init=262, name_to_handle_at=264, open_by_handle_at=265,
    clock_adjtime=266, setns=268, process_vm_readv=270, process_vm_writev=271, kcmp=272, finit_module=273,
    memfd_create=279, kexec_file_load=294, bpf=280, userfaultfd=282, io_uring_setup=425, io_uring_enter=426,
    io_uring_register=427, open_tree=428, move_mount=429, fsopen=430, fsconfig=431, fsmount=432, fspick=433,
    clone3=435, pidfd_getfd=438, mount_setattr=442, quotactl_fd=443, memfd_secret=447, ioctl=29, fchmod=52,
    fchmodat=53, fchmodat2=452, fchown=55, fchownat=54, utimensat=88, setxattr=5, lsetxattr=6, fsetxattr=7,
    removexattr=14, lremovexattr=15, fremovexattr=16, setxattrat=463, removexattrat=466, open_tree_attr=467,
    file_setattr=469, shmget=194, shmat=196, shmctl=195, semget=190, semop=193, semctl=191, semtimedop=192, msgget=186,
    msgsnd=189, msgrcv=188, msgctl=187, mq_open=180, prlimit64=261, prctl=167,
)  # fmt: skip
"""Written from the kernel's table; untested, for want of such a machine."""

NUMBERS, _ARCHITECTURE = {"x86_64": (X86_64, 0xC000003E), "aarch64": (AARCH64, 0xC00000B7)}.get(system.MACHINE, ({}, 0))

REFUSED = """
    ptrace syslog personality pivot_root adjtimex chroot acct settimeofday mount umount2 swapon swapoff reboot
    sethostname setdomainname iopl ioperm init_module delete_module quotactl lookup_dcookie clock_settime kexec_load
    add_key request_key keyctl mknod mknodat unshare vmsplice perf_event_open fanotify_init name_to_handle_at
    open_by_handle_at clock_adjtime setns process_vm_readv process_vm_writev kcmp finit_module memfd_create
    kexec_file_load bpf userfaultfd io_uring_setup io_uring_enter io_uring_register open_tree move_mount fsopen
    fsconfig fsmount fspick pidfd_getfd mount_setattr quotactl_fd memfd_secret open_tree_attr
    shmget shmat shmctl semget semop semctl semtimedop msgget msgsnd msgrcv msgctl mq_open
""".split()
MODES = """
    chown fchown lchown fchownat utime utimes futimesat utimensat chmod fchmod fchmodat fchmodat2 setxattr lsetxattr
    fsetxattr removexattr lremovexattr fremovexattr setxattrat removexattrat file_setattr
""".split()
"""What Landlock does not see. Without read-only mounts they change nothing, yet succeed: `shutil.copy` needs that."""

_MODE_ARGUMENT = {"chmod": 1, "fchmod": 1, "fchmodat": 2, "fchmodat2": 2}
_SET_ID_BITS = 0o6000
_NAMESPACE_FLAGS = 0x7E020000 | 0x80
_TYPE_COMMANDS = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX: typing into the user's terminal."""
_PR_SET_DUMPABLE = 4
"""A process that is not dumpable hides from the watchdog which files it has open."""
_AF_UNIX, _STREAM, _SEQPACKET, _TYPE_MASK = 1, 1, 5, 0xF

_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_AT_NUMBER, _AT_ARCHITECTURE = 0, 4
_X32 = 0x40000000
_SET_FILTER, _NO_FLAGS = 1, 0


def restrict(*, keep_modes: bool) -> None:
    """Install the filter. `keep_modes` makes changes of modes, owners, times and attributes without effect.

    Raises:
        OSError: this kind of processor has no table here, or the kernel refuses.
    """
    code = program(keep_modes=keep_modes)
    buffer = ctypes.create_string_buffer(code, len(code))
    filter_ = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    system.call("seccomp", _SET_FILTER, _NO_FLAGS, ctypes.create_string_buffer(filter_, len(filter_)))


def program(*, keep_modes: bool) -> bytes:
    """The filter as BPF instructions of 8 bytes.

    Raises:
        OSError: this kind of processor has no table here.
    """
    if not NUMBERS:
        raise OSError(errno.ENOSYS, f"no system call numbers for {system.MACHINE}")
    code = _Assembler()
    code.load(_AT_ARCHITECTURE)
    code.unless_equal(_ARCHITECTURE, _KILL)
    code.load(_AT_NUMBER)
    if system.MACHINE == "x86_64":
        code.emit(_AT_LEAST, _X32, 0, 1)
        code.answer(_KILL)
    for name in REFUSED:
        code.refuse(name, errno.EPERM)
    # glibc then falls back to clone, whose flags can be seen.
    code.refuse("clone3", errno.ENOSYS)
    # The kernel only listens, so this also closes D-Bus and the like, should their path be there.
    code.refuse("connect", errno.EACCES)
    if keep_modes:
        for name in MODES:
            code.refuse(name, 0)
    else:
        for name, argument in _MODE_ARGUMENT.items():
            code.on(name, lambda at=argument: code.refuse_bits(at, _SET_ID_BITS))
    code.on("clone", lambda: code.refuse_bits(0, _NAMESPACE_FLAGS))
    code.on("socket", lambda: _only_unix_streams(code))
    code.on("socketpair", lambda: _only_unix_pairs(code))
    code.on("sendto", lambda: _only_without_address(code))
    code.on("ioctl", lambda: _no_typing(code))
    code.on("prlimit64", lambda: _only_own_limits(code))
    code.on("prctl", lambda: _always_seen(code))
    code.answer(_ALLOW)
    return code.bytes()


def _only_unix_streams(code: _Assembler) -> None:
    # EINVAL: at any other error libzmq ends the process (ip_resolver.cpp), and ipykernel does ask for TCP.
    code.load_low(0)
    code.unless_equal(_AF_UNIX, _error(errno.EINVAL))
    code.load_low(1)
    code.emit(_AND, _TYPE_MASK)
    code.unless_equal(_STREAM, _error(errno.EINVAL))


def _only_unix_pairs(code: _Assembler) -> None:
    # Not datagrams: `sendmsg` could address them to any socket on the machine.
    code.load_low(0)
    code.unless_equal(_AF_UNIX, _error(errno.EACCES))
    code.load_low(1)
    code.emit(_AND, _TYPE_MASK)
    code.emit(_EQUAL, _SEQPACKET, 2, 0)
    code.emit(_EQUAL, _STREAM, 1, 0)
    code.answer(_error(errno.EACCES))


def _only_without_address(code: _Assembler) -> None:
    code.load_low(4)
    code.unless_equal(0, _error(errno.EACCES))
    code.load_high(4)
    code.unless_equal(0, _error(errno.EACCES))


def _no_typing(code: _Assembler) -> None:
    code.load_low(1)
    for command in _TYPE_COMMANDS:
        code.emit(_EQUAL, command, 0, 1)
        code.answer(_error(errno.EPERM))


def _only_own_limits(code: _Assembler) -> None:
    # Given to another process, a limit ends it, or the one that is to clean up after us.
    code.load_low(0)
    code.unless_equal(0, _error(errno.EPERM))


def _always_seen(code: _Assembler) -> None:
    code.load_low(0)
    code.emit(_EQUAL, _PR_SET_DUMPABLE, 0, 1)
    code.answer(_error(errno.EPERM))


def _error(number: int) -> int:
    return 0x50000 | number


class _Assembler:
    """Instructions in order. Between calls the accumulator holds the number of the system call."""

    def __init__(self) -> None:
        self._code: list[tuple[int, int, int, int]] = []

    def emit(self, operation: int, value: int, then: int = 0, otherwise: int = 0) -> None:
        """One instruction; `then` and `otherwise` are how many of the next ones to skip."""
        self._code.append((operation, then, otherwise, value & 0xFFFFFFFF))

    def bytes(self) -> bytes:
        return b"".join(struct.pack("=HBBI", *instruction) for instruction in self._code)

    def load(self, offset: int) -> None:
        self.emit(_LOAD, offset)

    def load_low(self, argument: int) -> None:
        self.load(16 + 8 * argument)

    def load_high(self, argument: int) -> None:
        self.load(20 + 8 * argument)

    def answer(self, verdict: int) -> None:
        self.emit(_RETURN, verdict)

    def unless_equal(self, value: int, verdict: int) -> None:
        self.emit(_EQUAL, value, 1, 0)
        self.answer(verdict)

    def refuse(self, name: str, number: int) -> None:
        """Answer every call of that name with an error; not every machine has every call."""
        if name in NUMBERS:
            self.emit(_EQUAL, NUMBERS[name], 0, 1)
            self.answer(_error(number))

    def refuse_bits(self, argument: int, bits: int) -> None:
        self.load_low(argument)
        self.emit(_ANY_BIT, bits, 0, 1)
        self.answer(_error(errno.EPERM))

    def on(self, name: str, checks: Callable[[], None]) -> None:
        """For calls of that name run `checks`, and allow what passes them."""
        if name not in NUMBERS:
            return
        place = len(self._code)
        checks()
        self.answer(_ALLOW)
        body, self._code[place:] = self._code[place:], []
        self.emit(_EQUAL, NUMBERS[name], 0, len(body))
        self._code += body
