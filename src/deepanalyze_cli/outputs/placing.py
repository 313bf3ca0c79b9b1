"""How a file of ours gets to its place: whole or not at all, and what goes wrong is said as the user's to mend."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ..errors import UsageError


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Whatever goes wrong while writing at `path` is the user's to mend.

    Raises:
        UsageError: instead of any `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"the --out folder cannot be written: {error.filename or path}: {error.strerror}",
            "free space, mend its permissions or choose another --out",
        ) from None


def place(path: Path, content: bytes) -> None:
    """Put a file with this content at `path`.

    Raises:
        UsageError: it cannot be written.
    """
    with placing(path) as file:
        file.write(content)


@contextlib.contextmanager
def placing(path: Path) -> Iterator[BinaryIO]:
    """A file next to `path` that takes its place when all went well, and is gone when not.

    Raises:
        UsageError: it cannot be written.
    """
    beside = path.with_name(f".{path.name}.part")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("wb") as file:
                yield file
            beside.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
            raise
