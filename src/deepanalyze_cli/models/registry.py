"""Which models there are: one TOML card each, read strictly.

A card says what a file must be (size, digest, licence) and where it can come from. Nothing here looks at weights but
for the begin of a file that is named by its path (`formats`); nothing here touches the network.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import asdict
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ..errors import ModelError
from ..types import ModelCard, ModelSource, Sampling
from . import formats

DEFAULT = "qwen2.5-coder-1.5b"
"""The model a run uses when none is named."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Names of cards and of weight files: they become file names, so they hold no separator and begin with no dot."""

_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.!+_-]*")
_REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def cards() -> dict[str, ModelCard]:
    """Every model by name: the shipped cards, then the user's, which win where both have a name.

    Raises:
        ModelError: a card is not what a card must be; says which file and which key.
    """
    found = {}
    for folder in (shipped_folder(), user_folder()):
        for path in sorted(folder.glob("*.toml")):
            card = read_card(path)
            found[card.name] = card
    return found


def find(name: str) -> ModelCard:
    """The card of a model: its name, or the path of any GGUF file, for which one is made up.

    A made-up card has the file's absolute path in `file` and no digest to check it against.

    Raises:
        ModelError: no such model, no such file, or a file that is not GGUF.
    """
    known = cards()
    if name in known:
        return known[name]
    path = Path(name).expanduser()
    if path.is_file() or "/" in name or "\\" in name or path.suffix.lower() == ".gguf":
        return _card_of_file(path)
    raise ModelError(f"no model is called {name!r}", _suggest(name, known))


def shipped_folder() -> Path:
    """Where the cards that come with the package lie: in the wheel, or at the top of a source checkout."""
    in_wheel = Path(__file__).parent / "cards"
    return in_wheel if in_wheel.is_dir() else Path(__file__).parents[3] / "models"


def user_folder() -> Path:
    """Where a user's own cards lie; it need not exist."""
    import platformdirs

    return platformdirs.user_config_path("deepanalyze") / "models"


def read_card(path: Path) -> ModelCard:
    """One card.

    Raises:
        ModelError: not TOML, an unknown or missing key, or a value that cannot be right.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _wrong(path, str(error)) from None
    sampling = _build(Sampling, _table(table.pop("sampling", {}), path, "sampling"), path, "sampling.")
    listed = table.pop("source", [])
    if not isinstance(listed, list):
        raise _wrong(path, "source must be written [[source]]")
    sources = tuple(_build(ModelSource, _table(s, path, "source"), path, "source.") for s in listed)
    card = _build(ModelCard, table, path, "", sampling=sampling, sources=sources)
    for complaint in (_complaint(card), *map(_source_complaint, card.sources)):
        if complaint:
            raise _wrong(path, complaint)
    return card


def card_text(card: ModelCard) -> str:
    """The TOML of a card without sources (weights that were brought by hand), as `read_card` reads it."""
    values = asdict(card)
    values.pop("sources")
    sampling = {key: value for key, value in values.pop("sampling").items() if value not in (None, ())}
    lines = [f"{key} = {_toml(value)}" for key, value in values.items() if value != ""]
    return "\n".join([*lines, "", "[sampling]", *(f"{key} = {_toml(value)}" for key, value in sampling.items()), ""])


def _card_of_file(path: Path) -> ModelCard:
    formats.check_file(path)
    path = path.resolve()
    return ModelCard(path.stem, "llama.cpp", file=str(path), bytes=path.stat().st_size, licence="unknown")


def _suggest(name: str, known: dict[str, ModelCard]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name.lower(), known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{hint}known are {', '.join(sorted(known))}; or give the path of a .gguf file"


def _build(cls: type, table: dict[str, Any], path: Path, prefix: str, **rest: Any) -> Any:
    """A dataclass from a TOML table: every key is a field, every value of the field's type."""
    hints = get_type_hints(cls)
    for key, value in table.items():
        if key not in hints or key in rest:
            raise _wrong(path, f"unknown key {prefix}{key}")
        if not _fits(value, hints[key]):
            raise _wrong(path, f"{prefix}{key} cannot be {value!r}")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    try:
        return cls(**values, **rest)
    except TypeError as error:
        raise _wrong(path, str(error).split("() ")[-1]) from None


def _fits(value: object, hint: Any) -> bool:
    """Whether a TOML value can stand in a field of this type."""
    origin = get_origin(hint)
    if origin is Literal:
        return value in get_args(hint)
    if origin is tuple:
        return isinstance(value, list) and all(_fits(item, get_args(hint)[0]) for item in value)
    if origin is UnionType:
        return any(_fits(value, one) for one in get_args(hint))
    if hint is float:
        return type(value) in (int, float)
    return type(value) is hint


def _complaint(card: ModelCard) -> str:
    """What is wrong with a card as a whole, or nothing."""
    if not NAME.fullmatch(card.name):
        return f"name cannot be {card.name!r}: letters, digits, '.', '_' and '-'"
    if card.file and not NAME.fullmatch(card.file):
        return f"file cannot be {card.file!r}: a plain file name"
    if card.sha256 and not _SHA256.fullmatch(card.sha256):
        return "sha256 must be 64 hexadecimal digits in lower case"
    if card.backend == "llama.cpp" and not card.file:
        return "a llama.cpp model needs a file"
    if card.file and not (card.sha256 and card.bytes):
        return "a file needs bytes and sha256"
    if any(bool(source.file) != bool(card.file) for source in card.sources if source.kind == "hub"):
        return "a hub source has a file where the card has one, and none where the model is a folder"
    if card.context <= 0 or card.bytes < 0:
        return "context and bytes must be positive"
    return ""


def _source_complaint(source: ModelSource) -> str:
    if source.kind == "hub" and not (_REPO.fullmatch(source.repo) and _COMMIT.fullmatch(source.revision)):
        return "a hub source needs repo (OWNER/NAME) and revision (the 40 digits of a commit)"
    if source.kind == "parts" and not (source.members and source.packages):
        return "a parts source needs packages and members"
    unpinned = next((p for p in source.packages if not _REQUIREMENT.fullmatch(p)), None)
    return f"package {unpinned!r} must be pinned: NAME==VERSION" if unpinned else ""


def _table(value: object, path: Path, key: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(path, f"{key} must be a table")
    return value


def _toml(value: object) -> str:
    """A string, number or list as TOML; JSON's spelling of these is TOML's."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _wrong(path: Path, what: str) -> ModelError:
    return ModelError(f"the model card {path}: {what}", "correct or remove that file")
