"""What the tests of the sandbox share: the scene, and the tiers of this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from available import tier_or_skip
from scene import Scene
from trial import leftovers

from deepanalyze_cli.sandbox import Tier


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-attacks", action="store_true", help="all attacks in all tiers, not a selection (4 minutes)")


@pytest.fixture(scope="module")
def private_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where boxes have their private folders: a place in which nobody else has any. Its name is short, for sockets."""
    tmp_path_factory.getbasetemp()  # which is to stay where it always is
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="boxes-", dir="/tmp") as folder:
        tempfile.tempdir = folder
        yield Path(folder)
        tempfile.tempdir = before


@pytest.fixture(scope="module")
def scene(private_place: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Decoys, all of them whole at the beginning of a test. Nothing may be left of any box at the end."""
    scene = Scene(tmp_path_factory.mktemp("scene"))
    yield scene
    left = leftovers(scene)
    scene.close()
    assert left == []


@pytest.fixture(scope="module")
def tier(request: pytest.FixtureRequest) -> Tier:
    """The tier of the parameter, if this machine has it."""
    return tier_or_skip(request.param)


@pytest.fixture(scope="session")
def best() -> Tier:
    """The strongest there is."""
    return tier_or_skip("auto")
