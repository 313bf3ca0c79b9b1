"""The ways of solving that can be measured against each other on the same questions, weights and machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import cast

from ..errors import UsageError
from ..seams import Model
from ..types import Limits
from .attempts import Solver
from .voting import Reseeded, voting

WAYS: Mapping[str, tuple[str, str]] = {
    "ours": ("ours", "Ours"),
}
"""Name -> the module here and the class in it, which is made of a model and its limits."""
LADDER = tuple(WAYS)
"""From the plainest to ours."""


def way(name: str, model: Model, limits: Limits, *, samples: int = 1) -> Solver:
    """The solver of that name; with several `samples`, one that solves so often and takes the answer given most.

    Raises:
        UsageError: there is none, or what it needs is not installed.
    """
    if name not in WAYS:
        raise UsageError(f"there is no way {name!r} of solving", f"take one of {', '.join(WAYS)}")
    module, made = WAYS[name]
    make = cast(Callable[..., Solver], getattr(import_module(f".{module}", __package__), made))
    if samples == 1:
        return make(model, limits=limits)
    return voting([make(Reseeded(model, number), limits=limits) for number in range(samples)])
