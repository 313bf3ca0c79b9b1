"""Says which box can be had when this system lacks something, by really taking it away from this process.

    python tests/sandbox/restricted.py [--wish TIER] [SYSTEM_CALL=ERROR ...]

Prints the tier that was chosen, or `none:` and why. System calls are taken away by a seccomp filter as containers use
it, so that a probe sees what it would see there; `clone` and `unshare` are refused with namespace flags only.
"""

from __future__ import annotations

import ctypes
import errno
import struct
import sys

from deepanalyze_cli.errors import KernelError
from deepanalyze_cli.sandbox import choose
from deepanalyze_cli.sandbox.stub import system

NUMBERS = {
    "x86_64": {"clone": 56, "unshare": 272, "seccomp": 317, "prctl": 157},
    "aarch64": {"clone": 220, "unshare": 97, "seccomp": 277, "prctl": 167},
}[system.MACHINE] | {"landlock_create_ruleset": 444}
_WITH_FLAGS = ("clone", "unshare")
_NAMESPACES = 0x7E020000
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER, _FIRST_ARGUMENT = 0, 16
_ALLOW, _ERROR = 0x7FFF0000, 0x50000
_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2


def take_away(calls: dict[str, int]) -> None:
    """Let each of these system calls fail with its error number, here and in all that is started from here."""
    code = [(_LOAD, 0, 0, _NUMBER)]
    for name, error in calls.items():
        refuse = [(_RETURN, 0, 0, _ERROR | error)]
        if name in _WITH_FLAGS:
            allow = (_RETURN, 0, 0, _ALLOW)
            refuse = [(_LOAD, 0, 0, _FIRST_ARGUMENT), (_ANY_BIT, 0, 1, _NAMESPACES), *refuse, allow]
        code += [(_EQUAL, 0, len(refuse), NUMBERS[name]), *refuse]
    code.append((_RETURN, 0, 0, _ALLOW))
    program = b"".join(struct.pack("=HBBI", *instruction) for instruction in code)
    buffer = ctypes.create_string_buffer(program, len(program))
    filter_ = ctypes.create_string_buffer(struct.pack("@HP", len(code), ctypes.addressof(buffer)))
    system.prctl(_NO_NEW_PRIVS, 1)
    system.prctl(_SET_SECCOMP, _FILTER, ctypes.addressof(filter_))


def main(arguments: list[str]) -> None:
    wish = arguments[1] if arguments[:1] == ["--wish"] else "auto"
    pairs = [argument.split("=") for argument in arguments if "=" in argument]
    take_away({name: getattr(errno, error) for name, error in pairs})
    try:
        print(choose(wish).name)
    except KernelError as error:
        print(f"none: {error.message}")


if __name__ == "__main__":
    main(sys.argv[1:])
