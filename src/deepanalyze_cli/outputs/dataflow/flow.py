"""The words in which it is told what code does to names, and how names hang together. Reads no code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from . import calls

ANY = "*"
"""Stands for every name: loaded where it cannot be told which, changed where anything may have been."""
SETTINGS, FOLDERS, ANY_FILE = "state settings", "file /", "file *"
RESULT = "state result"
"""What a database connection was last asked, which the next question takes away."""


@dataclass(frozen=True, slots=True)
class Effects:
    """What a piece of code takes from before it, surely gives names to, and may have given a name or changed in place.

    `touched` are the names whose objects may be changed, `called` those whose functions may change what they use;
    `shares` are groups of names that may be the same object or parts of it, `later` names that are used whenever the
    key is: by a function, a view, a query that waits. `opaque` is code whose effects only running it would tell.
    """

    loads: frozenset[str] = frozenset()
    stores: frozenset[str] = frozenset()
    changes: frozenset[str] = frozenset()
    touched: frozenset[str] = frozenset()
    called: frozenset[str] = frozenset()
    shares: tuple[frozenset[str], ...] = ()
    later: tuple[tuple[str, frozenset[str]], ...] = ()
    opaque: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What the cells of one run say about names, wherever they say it.

    `modules` are imported names and what of; `functions` those the cells define, classes too, of which `changing` may
    change what they are given or use, and `lazy` give something that runs code of theirs later. `methods` are those of
    the cells' classes, `drawn` the names of charts and axes.
    """

    modules: Mapping[str, str] = field(default_factory=lambda: calls.MODULES)
    functions: frozenset[str] = frozenset()
    changing: frozenset[str] = frozenset()
    methods: frozenset[str] = frozenset()
    drawn: frozenset[str] = frozenset()
    lazy: frozenset[str] = frozenset()


def spread(names: Iterable[str], shares: Iterable[frozenset[str]]) -> set[str]:
    """The names with all that may be the same objects, over any number of steps."""
    found, left = set(names), list(shares)
    while near := [group for group in left if group & found]:
        found.update(*near)
        left = [group for group in left if not group <= found]
    return found
