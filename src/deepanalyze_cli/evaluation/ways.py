"""The ways of solving that can be measured against each other on the same questions, weights and machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from ..errors import UsageError
from ..seams import Model
from ..types import Limits
from .attempts import Solver
from .ours import WITHOUT
from .voting import Reseeded, voting

WAYS: Mapping[str, tuple[str, str]] = {
    "ours": ("ours", "Ours"),
}
"""Name -> the module here and the class in it, which is made of a model and its limits."""
LADDER = tuple(WAYS)
"""From the plainest to ours."""


ABLATION = ("ours", *(f"ours-without-{step}" for step in WITHOUT))


@dataclass(frozen=True, slots=True)
class Way:
    """A class of `WAYS`, less the steps it does `without`, asked `samples` times for the vote."""

    base: str
    without: tuple[str, ...] = ()
    samples: int = 1

    @property
    def name(self) -> str:
        """As it is given on the command line, and how often it votes."""
        steps = "".join(f"-without-{step}" for step in self.without)
        return f"{self.base}{steps}" + (f" x {self.samples}" if self.samples > 1 else "")

    def solver(self, model: Model, limits: Limits) -> Solver:
        """What solves questions this way.

        Raises:
            UsageError: what it needs is not installed.
        """
        module, made = WAYS[self.base]
        make = cast(Callable[..., Solver], getattr(import_module(f".{module}", __package__), made))
        options = {"limits": limits} | ({"without": self.without} if self.without else {})
        if self.samples == 1:
            return make(model, **options)
        return voting([make(Reseeded(model, number), **options) for number in range(self.samples)])


def way(name: str, samples: int = 1) -> Way:
    """The way that `name` says: one of `WAYS`, or `ours-without-STEP`.

    Raises:
        UsageError: there is none.
    """
    base, *without = name.split("-without-")
    if base not in WAYS:
        raise UsageError(f"there is no way {base!r} of solving", f"take one of {', '.join(WAYS)}")
    if without and base != "ours":
        raise UsageError(f"{base} has no steps to leave out", "only ours has")
    if unknown := [step for step in without if step not in WITHOUT]:
        raise UsageError(f"ours has no step {unknown[0]!r}", f"leave out one of {', '.join(WITHOUT)}")
    return Way(base, tuple(without), samples)
