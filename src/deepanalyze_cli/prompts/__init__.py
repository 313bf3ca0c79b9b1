"""The prompts: text files, one per purpose, filled in with `string.Template` so that braces in data are only braces."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from string import Template


@cache
def _template(name: str) -> Template:
    return Template(files(__name__).joinpath(f"{name}.txt").read_text(encoding="utf-8").strip("\n"))


def prompt(name: str, **values: object) -> str:
    """The prompt `name` with its `$names` filled in. A missing value is a `KeyError`."""
    return _template(name).substitute(values)


@cache
def kinds() -> dict[str, dict[str, str]]:
    """The kinds of question of `kinds.toml`: name -> `plan`, `code`, `tell`."""
    return tomllib.loads(files(__name__).joinpath("kinds.toml").read_text(encoding="utf-8"))


@cache
def recipes() -> tuple[tuple[re.Pattern[str], str], ...]:
    """The recipes of `cookbook.toml`: the words that ask for one, and what it says."""
    book = tomllib.loads(files(__name__).joinpath("cookbook.toml").read_text(encoding="utf-8"))["recipe"]
    return tuple((re.compile(recipe["words"], re.IGNORECASE | re.DOTALL), recipe["text"]) for recipe in book)
