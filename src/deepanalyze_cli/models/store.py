"""Where weights lie, and whether they are what their card says.

One flat folder. A file is believed after one full SHA-256, of which a note beside it remembers the result for as long
as size and time of change stay the same. Nothing here touches the network.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TextIO

from ..errors import DigestMismatch, ModelError
from ..seams import ignore
from ..types import ModelCard
from . import formats, registry, trial
from .fetch import CHUNK, length, writing_in

MARGIN = 32 << 20
"""Bytes of disk to leave free."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A file that was hashed: its path seen from our folder, the result, and how to tell that it has not changed."""

    path: str
    sha256: str
    bytes: int
    mtime_ns: int


def root() -> Path:
    """The folder of all weights: `$DEEPANALYZE_MODELS_DIR`, else the user's data folder. It need not exist."""
    if chosen := os.environ.get("DEEPANALYZE_MODELS_DIR"):
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return platformdirs.user_data_path("deepanalyze") / "models"


def place(card: ModelCard) -> Path:
    """Where the weights of a card belong: a file, or a folder for a model of several files."""
    return root() / (card.file or card.name)


def beside(card: ModelCard, suffix: str) -> Path:
    """A file of ours that goes with the weights."""
    target = place(card)
    return target.with_name(target.name + suffix)


def is_ours(card: ModelCard) -> bool:
    """False for a card made up for a file that lies somewhere else."""
    return not Path(card.file).is_absolute()


def locate(card: ModelCard) -> Path | None:
    """The weights on this machine, if they are: in our folder, or as a file in the Hugging Face cache at the pinned
    revision. A folder counts only once it was verified. Says nothing about the digest: see `ensure_verified`."""
    path = place(card)
    if card.file:
        return path if path.is_file() else _in_hub_cache(card)
    return path if path.is_dir() and _stamps(card) else None


def sha256_of(path: Path, on_bytes: Callable[[int], None] = ignore) -> str:
    """SHA-256 of a file, in hexadecimal. `on_bytes` is told how many bytes were read so far.

    Raises:
        ModelError: it cannot be read.
    """
    digest, done = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                done += len(chunk)
                on_bytes(done)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}", "check the file and the disk") from None
    return digest.hexdigest()


def verify(card: ModelCard, path: Path, on_bytes: Callable[[int], None] = ignore) -> None:
    """Hash all of a model, whatever the note says. A file with a made-up card, which has no digest, passes.

    Raises:
        DigestMismatch: names what was expected and what was found.
        ModelError: it cannot be read.
    """
    if not _expected(card, path):
        return
    try:
        remember(card, _hash(card, path, on_bytes))
    except DigestMismatch:  # the same size and time, and yet other bytes: the note must not vouch for them any more
        remember(card, [replace(known, mtime_ns=0) for known in _stamps(card)])
        raise


def ensure_verified(card: ModelCard, path: Path, on_bytes: Callable[[int], None] = ignore) -> Path:
    """`path`, hashed now unless it was before and has not changed since.

    Raises:
        DigestMismatch: names what was expected and what was found.
        ModelError: it cannot be read.
    """
    stamps = _stamps(card)
    expected = _expected(card, path)
    if expected == {stamp.path: stamp.sha256 for stamp in stamps} and all(map(_unchanged, stamps)):
        return path
    verify(card, path, on_bytes)
    return path


def remember(card: ModelCard, stamps: list[Stamp]) -> None:
    """Write the note that saves the next hash. A folder that cannot be written only costs that hash."""
    note = beside(card, ".verified")
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        new = note.with_name(f"{note.name}.new")
        new.write_text(json.dumps([asdict(stamp) for stamp in stamps], indent=1), encoding="utf-8")
        new.replace(note)


def stamp(path: Path, sha256: str) -> Stamp:
    """The stamp of a file that was just hashed."""
    facts = path.stat()
    return Stamp(_name(path), sha256, facts.st_size, facts.st_mtime_ns)


def adopt(card: ModelCard, file: Path, on_bytes: Callable[[int], None] = ignore) -> Path:
    """Make `file`, which lies in our folder under a passing name, the weights of a card.

    Raises:
        DigestMismatch: it is not them; the file is gone then.
    """
    try:
        [found] = _hash(card, file, on_bytes)
    except DigestMismatch:
        file.unlink()
        raise
    target = place(card)
    with writing_in(target.parent):
        with file.open("rb") as written:
            os.fsync(written.fileno())
        file.replace(target)
    remember(card, [stamp(target, found.sha256)])
    return target


def import_file(path: Path, name: str | None = None, on_bytes: Callable[[int], None] = ignore) -> ModelCard:
    """Take in a GGUF file that lies on this machine, by a hard link where possible, else by a copy.

    A file with the digest of a known card becomes that model. Any other needs a `name` and to pass a `trial`, and a
    card with its measured digest is written into the user's folder.

    Raises:
        ModelError: not GGUF, unknown and without a name, a name that is taken or cannot be one, not sound, or no room.
    """
    formats.check_file(path)
    path = path.resolve()
    digest = sha256_of(path, on_bytes)
    known = registry.cards()
    card = next((c for c in known.values() if c.sha256 == digest), None)
    if card:
        _take_in(card, path)
        return card
    card = _new_card(path, digest, name, known)
    trial.load(path)
    _take_in(card, path)
    folder = registry.user_folder()
    with writing_in(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{card.name}.toml").write_text(registry.card_text(card), encoding="utf-8")
    return card


def remove(card: ModelCard) -> int:
    """Delete the weights of a card and all that goes with them, half a pull too; the bytes that this frees.

    The card of an imported file goes as well: without its file it leads nowhere.

    Raises:
        ModelError: nothing of it lies in our folder, or a pull of it is running.
    """
    if not is_ours(card):
        raise ModelError(f"{card.file} is not kept by us", "delete the file yourself if you want to")
    with locked(card):
        paths = [p for p in (place(card), beside(card, ".verified"), *leftovers(card)) if p.exists()]
        own_card = registry.user_folder() / f"{card.name}.toml"
        if not card.sources and own_card.exists():
            paths.append(own_card)
        if not paths:
            elsewhere = locate(card)
            fix = f"it lies in the Hugging Face cache: {elsewhere}" if elsewhere else "there is nothing to remove"
            raise ModelError(f"{card.name} is not in {root()}", fix)
        freed = sum(_bytes_below(p) for p in paths)
        with writing_in(root()):
            for path in paths:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    return freed


def leftovers(card: ModelCard) -> list[Path]:
    """What an unfinished pull has left behind: `<file>.partial` and all that begins so."""
    begin = f"{place(card).name}.partial"
    return sorted(p for p in root().iterdir() if p.name.startswith(begin)) if root().is_dir() else []


def room_for(needed: int) -> None:
    """Pass if our folder's disk can take so many more bytes.

    Raises:
        ModelError: names what is needed and what is free.
    """
    from rich.filesize import decimal

    free = shutil.disk_usage(root()).free
    if free < needed + MARGIN:
        message = f"not enough room in {root()}: {decimal(needed + MARGIN)} needed, {decimal(free)} free"
        raise ModelError(message, "make room, or set DEEPANALYZE_MODELS_DIR to a folder on a larger disk")


@contextmanager
def locked(card: ModelCard) -> Iterator[None]:
    """Hold the weights of a card for ourselves. A lock whose holder died, however, is free: the kernel sees to that.

    Raises:
        ModelError: another process holds it.
    """
    path = beside(card, ".lock")
    with writing_in(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _hold(path)
    if not file:
        message = f"another pull is running (pid {_holder(path)}): {card.name}"
        raise ModelError(message, "wait until it has finished")
    with file:
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _hold(path: Path) -> TextIO | None:
    """The lock file, open and locked with our process id in it, or nothing if someone else holds it."""
    import fcntl

    while True:
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        if path.exists() and os.fstat(file.fileno()).st_ino == path.stat().st_ino:
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            return file
        file.close()  # its holder removed it between our two calls: what we hold is no longer the one others see


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip() or "unknown"
    except OSError:
        return "unknown"


def _in_hub_cache(card: ModelCard) -> Path | None:
    pinned = [s for s in card.sources if s.kind == "hub" and s.file]
    if not pinned:
        return None
    snapshots = [
        _hub_cache() / f"models--{s.repo.replace('/', '--')}" / "snapshots" / s.revision / s.file for s in pinned
    ]
    return next((path for path in snapshots if path.is_file()), None)


def _hub_cache() -> Path:
    """The folder of the Hugging Face cache (huggingface_hub 2.4, `constants.py`), found without importing it."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    cache = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or Path(home, "hub")
    return Path(os.path.expandvars(cache)).expanduser()


def _expected(card: ModelCard, path: Path) -> dict[str, str]:
    """The digest each file of a model must have. Those of a folder were listed by the hub when it was fetched."""
    if card.file:
        return {_name(path): card.sha256} if card.sha256 else {}
    return {stamp.path: stamp.sha256 for stamp in _stamps(card)}


def _hash(card: ModelCard, path: Path, on_bytes: Callable[[int], None]) -> list[Stamp]:
    stamps, before = [], 0
    for name, expected in _expected(card, path).items():
        file = root() / name
        size = length(file)
        if card.file and size != card.bytes:
            raise _mismatch(file, f"{card.bytes} bytes (sha256 {expected})", f"{size} bytes")
        found = sha256_of(file, lambda n, before=before: on_bytes(before + n))
        if found != expected:
            raise _mismatch(file, f"sha256 {expected}", found)
        stamps.append(stamp(file, found))
        before += size
    return stamps


def _name(path: Path) -> str:
    """Relative to our folder where it lies there, so that the folder can be moved."""
    return path.relative_to(root()).as_posix() if path.is_relative_to(root()) else str(path)


def _mismatch(file: Path, expected: str, found: str) -> DigestMismatch:
    return DigestMismatch(f"{file} is not what its card says: expected {expected}, found {found}", "pull it again")


def _stamps(card: ModelCard) -> list[Stamp]:
    try:
        return [Stamp(**entry) for entry in json.loads(beside(card, ".verified").read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        return []


def _unchanged(stamp: Stamp) -> bool:
    try:
        facts = (root() / stamp.path).stat()
    except OSError:
        return False
    return (facts.st_size, facts.st_mtime_ns) == (stamp.bytes, stamp.mtime_ns)


def _new_card(path: Path, digest: str, name: str | None, known: dict[str, ModelCard]) -> ModelCard:
    if name is None:
        message = f"{path} is none of the models we know (sha256 {digest})"
        raise ModelError(message, "give it a name: deepanalyze models import PATH --name NAME")
    file = f"{name}.gguf"
    taken = name in known or any(card.file == file for card in known.values())
    if taken or not registry.NAME.fullmatch(name):
        why = "it is taken" if taken else "letters, digits, '.', '_' and '-' only"
        raise ModelError(f"a model cannot be called {name!r}: {why}", "choose another --name")
    size = path.stat().st_size
    return ModelCard(name, "llama.cpp", file=file, bytes=size, sha256=digest, licence="unknown")


def _take_in(card: ModelCard, path: Path) -> None:
    target = place(card)
    if target.exists() and target.samefile(path):
        return
    with locked(card):
        passing = beside(card, ".partial.import")
        with writing_in(target.parent):
            passing.unlink(missing_ok=True)
            try:
                os.link(path, passing)
            except OSError:  # another disk, or one without hard links
                room_for(card.bytes)
                shutil.copyfile(path, passing)
            else:
                passing.replace(target)
                return remember(card, [stamp(target, card.sha256)])
        adopt(card, passing)


def _bytes_below(path: Path) -> int:
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) if path.is_dir() else path.stat().st_size
