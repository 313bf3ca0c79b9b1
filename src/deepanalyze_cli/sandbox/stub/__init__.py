"""Put this process into the box that a policy describes, then become the command. Standard library and ctypes only.

    python -I -S -c "import sys; sys.path.append(sys.argv.pop(1)); import stub; stub.main()" FOLDER POLICY COMMAND...

With namespaces there are three processes: the one that was started, which only waits (it dies with the launcher); the
first of the new process namespace, which collects orphans (it dies with the one before, and everything dies with it);
and the command. Without, the first stays outside the box and ends whatever the command leaves behind.

Every layer that the policy asks for is put on, or the command is not run: exit code 126 and one line on stderr.
The policy is a JSON object made by `box.policy`, which documents its keys. Nothing of this package is imported here.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from typing import Any

from . import landlock, processes, root, seccomp, system

FAILED = 126
"""Exit code of a box that could not be made, as a shell's for a command that cannot be run."""

Policy = dict[str, Any]


def main() -> None:
    try:
        with open(sys.argv[1], encoding="utf-8") as file:
            policy = json.load(file)
        enter(policy)
        os.execvp(sys.argv[2], sys.argv[2:])
    except BaseException as error:
        sys.stderr.write(f"box: {type(error).__name__}: {error}\n")
        sys.stderr.flush()
        os._exit(FAILED)


def enter(policy: Policy) -> None:
    """Everything but the command itself, in the one order that works; returns in the process that is to become it."""
    system.die_with_parent(policy["parent"])
    _join(policy["cgroups"])
    if policy["victim"]:
        _be_killed_first()
    os.closerange(3, min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 1 << 16))
    if policy["namespaces"]:
        system.unshare_all(policy["uid"])
        processes.fork_first()
        root.enter(policy)
    elif policy["supervise"]:
        processes.fork_below_reaper()
    os.chdir(policy["cwd"])
    system.drop_capabilities()
    system.no_new_privileges()
    _limit(policy["limits"])
    if policy["landlock"]:
        landlock.restrict(_rules(policy))
    seccomp.restrict(keep_modes=not policy["own_root"])
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if policy["namespaces"]:
        processes.fork_below_init()


def _join(cgroups: list[str]) -> None:
    for folder in cgroups:
        with open(f"{folder}/cgroup.procs", "w") as file:
            file.write(str(os.getpid()))


def _be_killed_first() -> None:
    """Let the kernel's own out-of-memory killer choose the box, not the user's desktop."""
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def _limit(limits: dict[str, int]) -> None:
    for name, value in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def _rules(policy: Policy) -> list[tuple[str, int]]:
    """The same lists again for Landlock, as a second lock on the same door."""
    rules = [(place, landlock.READ) for place in policy["read"]]
    rules += [(place, landlock.WRITE) for place in policy["write"]]
    rules += [(place, landlock.LIST) for place in policy["list"]]
    rules += [("/proc", landlock.LOOK)]
    if policy["own_root"]:
        rules += [("/tmp", landlock.WRITE), ("/dev/shm", landlock.WRITE), ("/dev", landlock.LOOK)]
    rules += [(f"/dev/{name}", landlock.USE) for name in ("null", "zero", "full", "random", "urandom")]
    return rules
