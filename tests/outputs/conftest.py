"""Snapshots: what an output looked like when somebody last looked at it and found it good."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "snapshots"


@pytest.fixture
def snapshot() -> Callable[[str, str], None]:
    """Compare a text with the stored file of that name. A missing one is stored, all with `UPDATE_SNAPSHOTS=1`."""

    def compare(name: str, text: str) -> None:
        path = FOLDER / name
        if os.environ.get("UPDATE_SNAPSHOTS") or not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        stored = path.read_text(encoding="utf-8")
        if stored != text:
            lines = difflib.unified_diff(stored.splitlines(), text.splitlines(), "stored", "now", lineterm="", n=2)
            pytest.fail(f"{path.name} differs (UPDATE_SNAPSHOTS=1 stores it anew):\n" + "\n".join(lines), pytrace=False)

    return compare
