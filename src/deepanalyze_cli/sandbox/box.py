"""A box as a value, and the command line that puts a program into it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .processes import tasks_of_user
from .tiers import BUBBLEWRAP, Tier, interpreter

_STUB = "import sys; sys.path.append(sys.argv.pop(1)); import stub; stub.main()"
_ENTER = """\
while [ "$1" != -- ]; do echo 0 >"$1/cgroup.procs" || exit 126; shift; done
shift
echo 1000 >/proc/self/oom_score_adj || exit 126
exec "$@"
"""
_JOIN = ("/bin/sh", "-c", _ENTER, "sh")
"""What cannot be done from within bubblewrap: entering the cgroups, which follow up to `--`, and being killed first."""
_SYSTEM = (
    *("/usr", "/bin", "/lib", "/lib64", "/sbin", "/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives"),
    *("/etc/fonts", "/etc/mime.types", "/sys/devices/system/cpu"),
)
"""What programs need of the system. Nothing of the user's, and no names of users or machines."""
_WITHOUT_OWN_ROOT = ("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/sys/fs/cgroup")
"""DuckDB aborts where it may not read a limit in /sys/fs/cgroup; where it is not there at all, it does not."""


SECRET = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")
"""An environment variable whose name has one of these in it is never passed on."""


def usual_memory() -> int:
    """Half of this machine's memory, at most 8 GB."""
    return min(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2, 8 << 30)


@dataclass(frozen=True, slots=True)
class Box:
    """What a program may read (besides the system and this Python) and use up. Amounts are bytes.

    `memory` holds for the whole box, `disk` and `files` for the folders that may be written together, `tmp` and `shm`
    for its private /tmp and /dev/shm, `tasks` for processes and threads.
    """

    tier: Tier
    read: tuple[Path, ...] = ()
    memory: int = field(default_factory=usual_memory)
    disk: int = 2 << 30
    files: int = 50_000
    tasks: int = 512
    tmp: int = 512 << 20
    shm: int = 256 << 20

    def command(
        self, argv: Sequence[str], *, write: Sequence[Path], cwd: Path, private: Path, cgroups: Sequence[str] = ()
    ) -> list[str]:
        """What to start so that `argv` runs in the box, able to write the folders `write`; `cwd` is one of them.

        The policy is left in `private`, a folder that nothing in the box can write.
        """
        if not self.tier.level:
            return list(argv)
        if self.tier.name == "seatbelt":
            from . import seatbelt

            return seatbelt.command(argv, self._readable(), write)
        policy = private / "policy.json"
        stub = [sys.executable, "-I", "-S", "-c", _STUB, str(Path(__file__).parent), str(policy)]
        policy.write_text(json.dumps(self.policy(write, cwd, cgroups)), encoding="utf-8")
        if self.tier.name == "bwrap":
            return [*_JOIN, *cgroups, "--", *self._bwrap(write, cwd, private), *stub, *argv]
        return [*stub, *argv]

    def policy(self, write: Sequence[Path], cwd: Path, cgroups: Sequence[str] = ()) -> dict[str, object]:
        """What `stub` needs to know, ready for JSON.

        namespaces: make them; own_root: there is one, made by us or by bwrap; landlock: put it on; supervise: stay
        behind to end what is left; victim: be killed first for want of memory; parent: process whose end is ours, 0 if
        it cannot be seen; uid: who to be inside; read, write, list: paths whose content may be read, changed, or only
        listed; the others speak for themselves.
        """
        from .stub import landlock

        full, bwrap = self.tier.name == "full", self.tier.name == "bwrap"
        return {
            "namespaces": full,
            "own_root": full or bwrap,
            "landlock": self.tier.name == "landlock" or landlock.abi() > 0,
            "supervise": self.tier.name == "landlock",
            "victim": not bwrap,
            "parent": 0 if bwrap else os.getpid(),
            "uid": os.getuid() or 1000,
            "read": [str(path) for path in self._readable()],
            "write": [str(path) for path in write],
            # To import a package Python lists the folder it is in.
            "list": ["/"] if full or bwrap else [str(Path(__file__).resolve().parents[2])],
            "cwd": str(cwd),
            "tmp": self.tmp,
            "shm": self.shm,
            "limits": self._limits(),
            "cgroups": [] if bwrap else list(cgroups),
        }

    def environment(self, inside: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """All environment variables of a program in the box; `inside` is its private folder.

        It is made from nothing, unless there is no box: then it is the user's, without secrets.
        """
        if not self.tier.level:
            own = {name: value for name, value in os.environ.items() if not any(w in name.upper() for w in SECRET)}
            private = {"MPLBACKEND": "Agg", "MPLCONFIGDIR": str(inside / "matplotlib")}
            return own | private | {"IPYTHONDIR": str(inside / "ipython"), **(extra or {})}
        own_tmp = self.tier.name in ("full", "bwrap")
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(inside / "home"),
            "TMPDIR": "/tmp" if own_tmp else str(inside / "tmp"),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "USER": "agent",
            "LOGNAME": "agent",
            "MPLBACKEND": "Agg",
            "MPLCONFIGDIR": str(inside / "matplotlib"),
            "IPYTHONDIR": str(inside / "ipython"),
            "PYTHONSAFEPATH": "1",
            "PYTHONNOUSERSITE": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **(extra or {}),
        }

    def _readable(self) -> tuple[Path, ...]:
        own_root = self.tier.name in ("full", "bwrap")
        system = _SYSTEM if own_root else (*_SYSTEM, *_WITHOUT_OWN_ROOT)
        return (*map(Path, system), *interpreter(), *(path.absolute() for path in self.read))

    def _limits(self) -> dict[str, int]:
        """Limits of each process. Of all together the watchdog knows; DATA leaves it room to speak first.

        NPROC counts all of the user's tasks, those outside too, unless the box has users of its own.
        """
        outside = 0 if self.tier.name in ("full", "bwrap") else tasks_of_user()
        limits = {"CORE": 0, "NOFILE": 1024, "FSIZE": self.disk, "DATA": self.memory * 3 // 2}
        return limits | {"NPROC": self.tasks + outside}

    def _bwrap(self, write: Sequence[Path], cwd: Path, private: Path) -> list[str]:
        """The system's bubblewrap with the same lists."""
        from .stub import root

        uid = os.getuid() or 1000
        options = [BUBBLEWRAP, "--unshare-all", "--unshare-user", "--die-with-parent", "--hostname", "box"]
        options += ["--uid", str(uid), "--gid", str(uid), "--proc", "/proc", "--dev", "/dev"]
        options += ["--size", str(self.tmp), "--tmpfs", "/tmp", "--size", str(self.shm), "--tmpfs", "/dev/shm"]
        for name, text in root.etc(uid).items():
            file = private / name
            file.write_text(text, encoding="utf-8")
            options += ["--ro-bind", str(file), f"/etc/{name}"]
        read, made = [str(path) for path in self._readable()], set()
        for path in (*read, *map(str, write)):
            for link, said in root.symlinks(path):
                if link not in made:
                    made.add(link)
                    options += ["--symlink", said, link]
        places = {os.path.realpath(path): "--ro-bind-try" for path in read}
        places |= {os.path.realpath(path): "--bind" for path in write}
        for path in sorted(places, key=lambda p: p.count("/")):
            options += [places[path], path, path]
        policy = str(private / "policy.json")
        return [
            *options,
            "--ro-bind",
            policy,
            policy,
            "--remount-ro",
            "/proc",
            "--remount-ro",
            "/",
            "--chdir",
            str(cwd),
            "--",
        ]
