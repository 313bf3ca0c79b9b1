"""The tiers there are, and which of them this machine has."""

from __future__ import annotations

import pytest

from deepanalyze_cli.errors import KernelError
from deepanalyze_cli.sandbox import Tier, choose
from deepanalyze_cli.sandbox.tiers import Wish

TIERS: tuple[Wish, ...] = ("full", "bwrap", "landlock")


def tier_or_skip(name: Wish) -> Tier:
    try:
        return choose(name)
    except KernelError as error:
        pytest.skip(error.message)
