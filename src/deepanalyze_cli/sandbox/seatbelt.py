"""macOS: a program under `sandbox-exec`, Apple's Seatbelt. UNTESTED: written from its documentation, no Mac was here.

Deny by default: files below two lists, unix sockets in folders that may be written, no other network. Limits of memory,
processes and disk are the watchdog's. `sandbox-exec` is called deprecated by Apple and used by Chromium all the same.
Paths go in as parameters and never into the text of the profile, so that no name can end a string there.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

PROGRAM = "/usr/bin/sandbox-exec"
"""By its path: a program of that name elsewhere is not it."""

SYSTEM = (
    *("/System", "/usr/lib", "/usr/bin", "/usr/share", "/bin", "/Library/Preferences/.GlobalPreferences.plist"),
    *("/Library/Fonts", "/private/etc/localtime", "/private/var/db/timezone", "/private/var/db/dyld"),
    *("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random"),
)
"""What programs read of the system; nothing of a user's. `read` may name what only Linux has: that does no harm."""

_BASE = """\
(version 1)
(deny default)
(allow process-fork)
(allow signal (target same-sandbox))
(allow process-info* (target same-sandbox))
(allow sysctl-read)
(allow ipc-posix-sem)
(allow ipc-posix-shm*)
(allow file-read-metadata)
(allow file-read* (literal "/"))
(allow file-ioctl (literal "/dev/null"))
(allow file-write-data (literal "/dev/null"))
(allow system-socket (socket-domain AF_UNIX))
"""
"""`file-read-metadata`: that a file exists can be seen anywhere, for without it no path is resolved. Mach services, the
way to the pasteboard, the keychain and the name service, are not allowed at all."""


def command(argv: Sequence[str], read: Sequence[Path], write: Sequence[Path]) -> list[str]:
    """What to start so that `argv` runs confined: it reads and executes below `read` and `write`, writes below `write`.

    Links in both lists are resolved, as Seatbelt sees real paths only (/tmp is /private/tmp).
    """
    reads = _real([*map(Path, SYSTEM), *read, *write])
    writes = _real(write)
    names = {f"READ_{i}": path for i, path in enumerate(reads)} | {f"WRITE_{i}": path for i, path in enumerate(writes)}
    defined = [word for name, path in names.items() for word in ("-D", f"{name}={path}")]
    return [PROGRAM, *defined, "-p", profile(len(reads), len(writes)), *argv]


def profile(reads: int, writes: int) -> str:
    """The profile for so many folders, which are its parameters READ_0 and on, WRITE_0 and on."""
    below_read = " ".join(f'(subpath (param "READ_{i}"))' for i in range(reads))
    below_write = " ".join(f'(subpath (param "WRITE_{i}"))' for i in range(writes))
    rules = [_BASE, f"(allow file-read* file-map-executable process-exec {below_read})\n"]
    if writes:
        sockets = " ".join(f'(unix-socket (subpath (param "WRITE_{i}")))' for i in range(writes))
        local = sockets.replace("(unix-socket", "(local unix-socket")
        remote = sockets.replace("(unix-socket", "(remote unix-socket")
        rules.append(f"(allow file-write* {below_write})\n")
        rules.append(f"(allow network-bind network-inbound {local})\n(allow network-outbound {remote})\n")
    return "".join(rules)


def _real(paths: Sequence[Path]) -> list[str]:
    return list(dict.fromkeys(os.path.realpath(path) for path in paths))
