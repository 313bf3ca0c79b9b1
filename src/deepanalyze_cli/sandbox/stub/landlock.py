"""Landlock: which files this process and its children may open, from now on and for good.

Source: Linux `Documentation/userspace-api/landlock.rst`. What it does not see (chmod, stat, pathname sockets, UDP) is
why it is never the only layer.
"""

from __future__ import annotations

import ctypes
import os
import struct

from . import system

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE, _MAKE_CHAR, _MAKE_DIR = (
    1 << bit for bit in range(8)
)
_MAKE_REG, _MAKE_SOCK, _MAKE_FIFO, _MAKE_BLOCK, _MAKE_SYM, _REFER, _TRUNCATE, _IOCTL_DEV = (
    1 << bit for bit in range(8, 16)
)

LIST = _READ_DIR
LOOK = _READ_FILE | _READ_DIR
READ = LOOK | _EXECUTE
USE = _READ_FILE | _WRITE_FILE
_MAKE = _MAKE_DIR | _MAKE_REG | _MAKE_SOCK | _MAKE_FIFO | _MAKE_SYM
WRITE = LOOK | _WRITE_FILE | _TRUNCATE | _REFER | _REMOVE_DIR | _REMOVE_FILE | _MAKE
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV

_VERSION = 1
_RULE_PATH_BENEATH = 1
_NO_TCP, _NO_FOREIGN_SCOPE = 3, 3


def abi() -> int:
    """The version of Landlock that this kernel speaks, 0 for none. Signals and abstract sockets need 6."""
    try:
        return system.call("landlock_create_ruleset", 0, 0, _VERSION)
    except OSError:
        return 0


def restrict(rules: list[tuple[str, int]]) -> None:
    """Allow only what the `rules` (path, rights) add up to; no TCP, no signals outside where the kernel can tell.

    A path that is not there is passed over.

    Raises:
        OSError: this kernel has no Landlock.
    """
    version = abi()
    handled = (1 << 13) - 1
    handled |= (
        (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0) | (_IOCTL_DEV if version >= 5 else 0)
    )
    parts = [handled]
    parts += [_NO_TCP] if version >= 4 else []
    parts += [_NO_FOREIGN_SCOPE] if version >= 6 else []
    packed = struct.pack(f"={len(parts)}Q", *parts)
    ruleset = system.call("landlock_create_ruleset", ctypes.create_string_buffer(packed, len(packed)), len(packed), 0)
    for path, rights in rules:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        if not os.path.isdir(path):
            rights &= _OF_A_FILE
        beneath = ctypes.create_string_buffer(struct.pack("=Qi", rights & handled, place), 12)
        system.call("landlock_add_rule", ruleset, _RULE_PATH_BENEATH, beneath, 0)
        os.close(place)
    system.call("landlock_restrict_self", ruleset, 0)
    os.close(ruleset)
