"""Matplotlib's list of fonts, made once and copied into each box.

Without it every kernel would search the system for fonts (0.7 s to some seconds). It is made in a box that has seen no
data, and kept where no box can write.
"""

from __future__ import annotations

import contextlib
import re
import sys
from functools import cache
from pathlib import Path

from .box import Box

_SECONDS = 60.0
_LARGEST = 4 << 20
_MAKE = """\
import json, pathlib, matplotlib
from matplotlib import font_manager
name = f"fontlist-v{font_manager.FontManager.__version__}.json"
made = pathlib.Path(matplotlib.get_cachedir(), name)
if not made.exists():
    font_manager.json_dump(font_manager.fontManager, made)
print(name, json.dumps(json.loads(made.read_text())))
"""


def place_font_list(folder: Path, box: Box) -> None:
    """Copy the list into `folder`; make it first where there is none yet. Without success matplotlib makes its own."""
    with contextlib.suppress(OSError):
        kept = _kept() or _made(box)
        if kept:
            (folder / kept.name).write_bytes(kept.read_bytes())


def _kept() -> Path | None:
    return next(_place().glob("fontlist-v*.json"), None)


def _made(box: Box) -> Path | None:
    from .run import run_boxed

    done = run_boxed(Box(box.tier), [sys.executable, "-P", "-c", _MAKE], seconds=_SECONDS, most=_LARGEST)
    name, _, text = done.out.decode("utf-8", "replace").partition(" ")
    if not done.ok or not re.fullmatch(r"fontlist-v[\w.]+\.json", name):
        return None
    place = _place()
    place.mkdir(parents=True, exist_ok=True)
    beside = place / f".{name}.part"
    beside.write_text(text, encoding="utf-8")
    return beside.replace(place / name)


@cache
def _place() -> Path:
    """One folder for each version of matplotlib and each Python it is installed in."""
    import hashlib
    from importlib.metadata import version

    import platformdirs

    own = hashlib.sha256(sys.prefix.encode()).hexdigest()[:8]
    return platformdirs.user_cache_path("deepanalyze") / "fonts" / f"matplotlib-{version('matplotlib')}-{own}"
