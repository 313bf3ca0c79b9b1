"""What the tests of the command line share: one good run, made once and read by many."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from command import PENGUINS, answer, cell, digests, run, run_folder, script

MEANS = cell("means = penguins.groupby('species')['body_mass_g'].mean().round(1)\nprint(means)")
CHART = cell("import matplotlib.pyplot as plt\nmeans.plot.bar(title='Mean mass')\nplt.show()\nprint(means.idxmax())")
ANSWER = answer("# Penguins\n\nGentoo penguins are the heaviest, at 5076.0 g on average.")


@dataclass(frozen=True)
class GoodRun:
    """A finished run: the process, its folder, and the data's digests before it."""

    done: subprocess.CompletedProcess[str]
    folder: Path
    before: dict[str, str]


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> GoodRun:
    """Two cells, one of them with a chart, and an answer, on the penguins."""
    folder, before = tmp_path_factory.mktemp("good"), digests(PENGUINS)
    model = script(folder / "script.jsonl", MEANS, CHART, ANSWER)
    done = run(folder, "analyze", PENGUINS, "-m", model, "-o", folder / "out")
    return GoodRun(done, run_folder(folder / "out"), before)


@pytest.fixture
def short(tmp_path: Path) -> str:
    """A script of one cell and the answer."""
    return script(tmp_path / "short.jsonl", cell("print(1 + 1)"), answer("Two."))
