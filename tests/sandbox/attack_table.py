"""The table of attacks: each one against a real kernel in a box of every tier, judged from outside.

    python tests/sandbox/attack_table.py [--tiers full bwrap landlock none] [--only ID ...]
                                         [--as-user | --user NAME] [--python INTERPRETER]

C is contained, `open` is not, `-` was not run. Without a box only what is harmless is run, and there it has to succeed:
a test that cannot fail shows nothing. As root, `--as-user` and `--user` run the same as an ordinary user, without and
with an account. Ends with 1 if an attack was open in a box, or harmless without one, or something was left behind.
"""

from __future__ import annotations

import argparse
import os
import pwd
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from attacks import ATTACKS, BY_ID, expected
from launchers import left_after_a_kill, lost_after_a_kill
from scene import Scene
from trial import Trials, Verdict, applicable, leftovers

from deepanalyze_cli.errors import KernelError
from deepanalyze_cli.sandbox import Tier, choose
from deepanalyze_cli.sandbox.private import sweep

TIERS = ("full", "bwrap", "landlock", "none")
NOBODY = 54321
"""A user id without an account."""
LAUNCHERS = {
    "pd-1": ("kill the launcher while a cell and a daemon run", left_after_a_kill),
    "pr-14": ("the same in the middle of a run: processes, record", lost_after_a_kill),
}
ROWS = {attack.id: attack.what for attack in ATTACKS} | {id: what for id, (what, _) in LAUNCHERS.items()}
Column = dict[str, Verdict]


def main() -> int:
    options = _options()
    if options.user is not None:
        return _again_as(options)
    ids = [id for id in ROWS if id.startswith(tuple(options.only) or ("",))]
    columns: dict[str, Column] = {}
    remains: list[str] = []
    with tempfile.TemporaryDirectory(prefix="attacks-", ignore_cleanup_errors=True) as folder:
        tempfile.tempdir = folder  # so that what is left behind is ours
        scene = Scene(Path(folder))
        for name in options.tiers:
            try:
                tier = choose(name)
            except KernelError as error:
                print(f"{name}: not here: {error.message}", flush=True)
                continue
            columns[name] = _column(tier, scene, ids)
            remains += [f"{name}: {what} was left behind" for what in leftovers(scene)]
        scene.close()
    wrong = [*_print_table(columns, ids), *remains]
    print("\n".join(wrong))
    return bool(wrong)


def _column(tier: Tier, scene: Scene, ids: list[str]) -> Column:
    """Run what is to be run in one tier, and tell of it while it goes on."""
    trials, column = Trials(tier, scene), {}
    started = time.monotonic()
    try:
        for id in ids:
            if id in BY_ID and applicable(BY_ID[id], tier):
                verdict = trials.run(BY_ID[id])
            elif id in LAUNCHERS and (tier.level or id == "pd-1"):
                verdict = _launcher(id, tier, scene)
            else:
                continue
            column[id] = verdict
            text = " | ".join(verdict.text.split("\n"))[:200]
            print(f"{tier.name:9}{id:6}{verdict.cell:5}{verdict.seconds:5.1f} s {text}", file=sys.stderr)
    finally:
        trials.close()
    sweep()  # as every start of the command does: a killed launcher cannot remove its folder
    print(f"{tier.name}: {len(column)} attacks in {time.monotonic() - started:.0f} s", file=sys.stderr)
    return column


def _launcher(id: str, tier: Tier, scene: Scene) -> Verdict:
    started = time.monotonic()
    complaint = LAUNCHERS[id][1](tier, scene.runs / f"{tier.name}-{id}")
    return Verdict(complaint, "", time.monotonic() - started, "")


def _print_table(columns: dict[str, Column], ids: list[str]) -> list[str]:
    """Print it; what is not as it should be, in sentences."""
    who = "root" if os.getuid() == 0 else f"user {os.getuid()}"
    print(f"\n{who}, {os.uname().sysname} {os.uname().release}\n")
    print(f"| id    | {'attack':63} | " + " | ".join(f"{name:8}" for name in columns) + " |")
    print("|---" * (2 + len(columns)) + "|")
    for id in ids:
        cells = [column[id].cell if id in column else "-" for column in columns.values()]
        print(f"| {id:5} | {ROWS[id]:63} | " + " | ".join(f"{cell:8}" for cell in cells) + " |")
    print()
    wrong = []
    for name, column in columns.items():
        counts = Counter(verdict.cell for verdict in column.values())
        known = sum(bool(verdict.open) and expected(name, id, verdict.open) for id, verdict in column.items())
        told = f", {known} of them told to the user" if known and name != "none" else ""
        print(f"{name}: {len(column)} run, {counts['C']} contained, {counts['open']} open{told}")
        wrong += [
            f"{name}: {id} {verdict.open or 'is contained without a box'}\n    {verdict.text}"
            for id, verdict in column.items()
            if not expected(name, id, verdict.open)
        ]
    return wrong


def _again_as(options: argparse.Namespace) -> int:
    """The same command with the rights of another user, in a folder that is theirs."""
    account = pwd.getpwnam(options.user) if options.user else None
    uid, gid = (account.pw_uid, account.pw_gid) if account else (NOBODY, NOBODY)
    # `env` looks for the interpreter with the user's rights, which setpriv by itself does not.
    identity = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "env"]
    if subprocess.run([*identity, options.python, "-c", "pass"], stderr=subprocess.DEVNULL, check=False).returncode:
        print(f"user {uid} cannot run {options.python}: name one with --python that it can, with this package in it")
        return 2
    only = ["--only", *options.only] if options.only else []
    with tempfile.TemporaryDirectory(prefix="user-", dir="/tmp") as folder:
        os.chown(folder, uid, gid)
        command = [*identity, options.python, str(Path(__file__).resolve()), "--tiers", *options.tiers, *only]
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "TMPDIR": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Attacks on the sandbox, as a table.")
    parser.add_argument("--tiers", nargs="+", choices=TIERS, default=TIERS, metavar="TIER", help=" ".join(TIERS))
    parser.add_argument("--only", nargs="+", default=[], metavar="ID", help="ids, or how they begin")
    parser.add_argument("--user", metavar="NAME", help="run as this user (root only)")
    parser.add_argument("--as-user", dest="user", action="store_const", const="", help="run as a user without account")
    parser.add_argument("--python", default=sys.executable, help="the interpreter of that user; this one if not given")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
