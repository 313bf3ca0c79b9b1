"""From the settings to a loaded model, for every command that needs one; and one line at a time to the user."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DigestMismatch
from ..seams import Model
from ..types import ModelCard

if TYPE_CHECKING:
    from ..settings import Settings

Say = Callable[[str], None]


def card(settings: Settings) -> ModelCard:
    """The card of the model that the settings name, with their seed and strategy.

    Raises:
        ModelError: there is no such model.
    """
    from ..models import registry
    from ..models.backends.scripted import CARD

    found = CARD if settings.model.startswith("scripted:") else registry.find(settings.model)
    chosen = {"strategy": settings.strategy} if settings.strategy else {}
    return replace(found, sampling=replace(found.sampling, seed=settings.seed), **chosen)


def weights(card: ModelCard, settings: Settings, say: Say) -> Path:
    """The model's file, verified; fetched first where it is missing and the network may be used.

    Raises:
        ModelError: it cannot be had, or is not what it should be.
    """
    from ..models import store
    from ..models.download import pull
    from .models import _progress

    if card.backend == "scripted":
        return Path(settings.model.removeprefix("scripted:")).expanduser()
    if path := store.locate(card):
        try:
            return store.ensure_verified(card, path)
        except DigestMismatch as error:
            fix = f"run `deepanalyze models pull {card.name}` to fetch it again"
            raise DigestMismatch(error.message, fix) from error
    if settings.offline or say is silent:
        return pull(card, offline=settings.offline)
    say(f"the model {card.name} is not on this machine yet: fetching {card.bytes / 1e6:,.0f} MB, once")
    with _progress() as on_progress:
        return pull(card, on_progress=on_progress)


def model(card: ModelCard, weights: Path, settings: Settings, say: Say) -> closing[Model]:
    """The loaded model, closed with its context.

    Raises:
        ModelError: it cannot be loaded.
    """
    from ..models.backends import open_model

    say(f"loading {card.name}")
    return closing(open_model(card, weights, context=settings.context or None))


def say(text: str) -> None:
    """One harmless line on stderr."""
    from ..outputs.text import one_line

    print(one_line(text), file=sys.stderr, flush=True)


def silent(text: str) -> None:
    """For `--quiet`."""
