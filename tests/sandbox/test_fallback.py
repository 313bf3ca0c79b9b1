"""fb-1: where something is missing the next tier is found, and where too much is missing there is none, not a weak one.

What is missing is really missing: see `restricted`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from available import tier_or_skip

RESTRICTED = [sys.executable, str(Path(__file__).with_name("restricted.py"))]
WITHOUT_NAMESPACES = ["unshare=EPERM", "clone=EPERM"]
WITHOUT_LANDLOCK = ["landlock_create_ruleset=ENOSYS"]
WITHOUT_SECCOMP = ["seccomp=ENOSYS"]
NO_MORE_USERS = ["unshare", "-Ur", "sh", "-c", 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', "sh"]
"""The other way in which a system lets nobody make namespaces: a limit of zero."""


def chosen(*arguments: str, inside: list[str] | None = None) -> str:
    command = [*(inside or []), *RESTRICTED, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


@pytest.fixture(autouse=True)
def whole():
    """A machine on which nothing is missing to begin with."""
    for name in ("full", "landlock"):
        tier_or_skip(name)


def test_nothing_is_missing():
    assert chosen() == "full"


def test_without_namespaces_it_is_landlock():
    assert chosen(*WITHOUT_NAMESPACES) == "landlock"


def test_where_no_namespace_may_be_made_it_is_landlock():
    assert chosen(inside=NO_MORE_USERS) == "landlock"


def test_without_landlock_the_first_layer_is_enough():
    assert chosen(*WITHOUT_LANDLOCK) == "full"


@pytest.mark.parametrize(
    "missing",
    [(*WITHOUT_NAMESPACES, *WITHOUT_LANDLOCK), WITHOUT_SECCOMP],
    ids=["neither namespaces nor Landlock", "no seccomp"],
)
def test_without_both_layers_or_the_filter_there_is_none_and_every_reason_is_given(missing):
    said = chosen(*missing)
    assert said.startswith("none: no sandbox can be made here (")
    assert all(f"{name}: " in said for name in ("full", "bwrap", "landlock"))


@pytest.mark.parametrize("wish", ["full", "bwrap"])
def test_what_was_asked_for_by_name_has_no_fallback(wish):
    said = chosen("--wish", wish, *WITHOUT_NAMESPACES)
    assert said.startswith(f"none: no sandbox can be made here ({wish}: ") and "landlock" not in said


def test_none_has_to_be_asked_for():
    assert chosen("--wish", "none", *WITHOUT_NAMESPACES, *WITHOUT_LANDLOCK) == "none"
