"""How strong a box can be on this machine: found out by making one, never from version numbers, and never weakened in
silence.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from ..errors import KernelError

Wish = Literal["auto", "full", "bwrap", "landlock", "none"]
WISHES: tuple[Wish, ...] = ("auto", "full", "bwrap", "landlock", "none")

BUBBLEWRAP = "/usr/bin/bwrap"
"""The system's own: it is the one that Ubuntu's AppArmor lets make namespaces."""

_OF_A_PREFIX = ("bin", "lib", "lib64", "libexec", "include", "share", "pyvenv.cfg")
"""What there is below a Python's prefix."""
_PROBE_SECONDS = 20.0
_TRUNCATE_ABI = 3


@dataclass(frozen=True, slots=True)
class Tier:
    """One way of making a box. `gaps` are what it does not stop, in words for its user."""

    name: str
    level: int
    """3 full, 2 without namespaces, 1 what macOS or Windows offer, 0 nothing."""
    summary: str
    gaps: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} (level {self.level} of 3): {self.summary}"


_ALWAYS = (
    "faults in the operating system's kernel, which the box shares",
    "conclusions about you drawn from timing and load",
    "what the data itself says: it may stand in the report, and so may any other file of the data folder",
    "memory and disk that no process is seen to hold: the limits are watched, and can be passed for a while",
)


def choose(wish: Wish = "auto") -> Tier:
    """The tier that was asked for, or for `auto` the strongest one that works here.

    Raises:
        KernelError: it does not work here. There is no fallback to a box that is none.
    """
    candidates = [t for t in tiers() if t.name == wish] if wish != "auto" else [t for t in tiers() if t.level]
    failures = []
    for tier in candidates:
        if not (why := probe(tier)):
            return tier
        failures.append(f"{tier.name}: {why}")
    fix = "see `deepanalyze doctor`; `--sandbox none` runs the model's code without any protection"
    raise KernelError(f"no sandbox can be made here ({'; '.join(failures) or f'{wish} is unknown'})", fix)


@cache
def probe(tier: Tier) -> str:
    """Makes such a box and runs `true` in it: empty if that went well, or why not in one line."""
    if not tier.level:
        return ""
    if tier.name == "job":
        return "not wired up yet"
    if tier.name == "bwrap" and not Path(BUBBLEWRAP).exists():
        return f"{BUBBLEWRAP} is not installed"
    if tier.name == "landlock" and (abi := _landlock()) < _TRUNCATE_ABI:
        return f"this kernel's Landlock is of version {abi}: from {_TRUNCATE_ABI} on it keeps files from being emptied"
    try:
        done = _run_true(tier)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return "" if done.returncode == 0 else lines[-1][:200] if lines else f"exit code {done.returncode}"


@cache
def tiers() -> tuple[Tier, ...]:
    """All there are for this system, the strongest first; `none` is the last."""
    system = {"linux": _linux, "darwin": _macos, "win32": _windows}.get(sys.platform, tuple)()
    return (*system, _NONE)


def _linux() -> tuple[Tier, ...]:
    sealed = "no network, data read-only, nothing else of this machine visible, limited memory and disk"
    open_ways = (
        "the command lines of other processes can be read, and how many files they have open",
        "that a file exists, how large it is and when it changes can be seen anywhere",
        "the priority of your other processes can be lowered",
        "multiprocessing pools do not work (they need /dev/shm)",
    )
    if _landlock() < 6:
        open_ways += ("your other processes can be sent signals",)
    second = (
        () if _landlock() else ("faults in how its folders are mounted: there is no Landlock here as a second lock",)
    )
    always = (*_ALWAYS, *second)
    return (
        Tier("full", 3, sealed, always),
        Tier("bwrap", 3, f"{sealed} (by bubblewrap)", always),
        Tier("landlock", 2, "no network, data read-only, other files closed", (*open_ways, *_ALWAYS)),
    )


def _macos() -> tuple[Tier, ...]:
    gaps = ("limits of memory and processes hold only as far as they are watched", "UNTESTED on a real Mac", *_ALWAYS)
    return (Tier("seatbelt", 1, "no network, files as macOS's sandbox-exec allows", gaps),)


def _windows() -> tuple[Tier, ...]:
    gaps = ("files and network are not restricted at all", "UNTESTED on a real Windows", *_ALWAYS)
    return (Tier("job", 1, "memory and processes limited by a job object", gaps),)


_NONE = Tier(
    "none",
    0,
    "NO SANDBOX: the model's code can do whatever you can",
    ("anything: reading and deleting your files, using the network, going on after the end",),
)


def _landlock() -> int:
    from .stub import landlock

    return landlock.abi()


def _run_true(tier: Tier) -> subprocess.CompletedProcess[bytes]:
    from .box import Box
    from .private import private_folder

    with private_folder() as private:
        inside = private / "box"
        inside.mkdir()
        command = Box(tier).command([shutil.which("true") or "/bin/true"], write=[inside], cwd=inside, private=private)
        environment = {"PATH": os.defpath}
        return subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROBE_SECONDS, check=False
        )


def interpreter() -> tuple[Path, ...]:
    """What has to be readable for this Python and this package to run, and nothing above it."""
    own = Path(__file__).resolve().parents[1]
    prefixes = [sys.prefix, sys.base_prefix, sys.exec_prefix, Path(sys.executable).resolve().parents[1]]
    # Part by part: somebody's home may be the prefix.
    parts = (Path(prefix, part).absolute() for prefix in dict.fromkeys(prefixes) for part in _OF_A_PREFIX)
    return (*(part for part in parts if part.exists()), own)
