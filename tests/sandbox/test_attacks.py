"""The attack table: a selection in the best box there is, fewer of them in every tier, and the harmless ones unboxed.

`pytest tests/sandbox --all-attacks` runs all of it; `attack_table.py` does so too, as any user, and prints a table.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from attacks import ATTACKS, BY_ID, GAPS, expected
from scene import Scene
from trial import Trials, applicable

from deepanalyze_cli.sandbox import Tier

EVERYWHERE = ("in-02", "in-07", "rd-02", "rd-07", "nt-01", "nt-08", "pr-01", "pr-12")
SELECTION = (
    *EVERYWHERE,
    *("in-06", "in-09", "in-12", "in-13", "wr-03", "wr-05", "wr-07", "wr-09", "rd-01", "rd-05", "rd-08"),
    *("nt-05", "nt-07", "nt-09", "pr-05", "pr-06", "pr-09", "ex-04", "ex-06", "ex-12", "ex-17", "ex-20", "de-05"),
    *("tm-02", "tm-04"),
)
COMPLETE = ("full", "bwrap", "landlock", "none")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "attack" not in metafunc.fixturenames:
        return
    ids = [attack.id for attack in ATTACKS]
    plan = [(tier, ids) for tier in COMPLETE]
    if not metafunc.config.getoption("all_attacks", False):
        plan = [("auto", SELECTION), ("bwrap", EVERYWHERE), ("landlock", EVERYWHERE), ("none", SELECTION)]
    cases = [(name, id) for name, chosen in plan for id in chosen if name != "none" or BY_ID[id].control]
    metafunc.parametrize(("tier", "attack"), cases, indirect=["tier"], ids=map("-".join, cases))


@pytest.fixture(scope="module")
def trials(tier: Tier, scene: Scene) -> Iterator[Trials]:
    trials = Trials(tier, scene)
    yield trials
    trials.close()


def test_an_attack(trials: Trials, attack: str):
    if not applicable(BY_ID[attack], trials.tier):
        pytest.skip("another processor")
    verdict = trials.run(BY_ID[attack])
    assert expected(trials.tier.name, attack, verdict.open), f"{verdict.open or 'contained'}: {verdict.text}"


def test_the_table_is_whole():
    assert len(BY_ID) == len(ATTACKS) == 99
    assert sum(attack.control for attack in ATTACKS) == 42
    assert {id for _, id in GAPS} <= {*BY_ID}
