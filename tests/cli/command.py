"""The real command in a process of its own, with a configuration and models of its own, and scripts for its model."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
PENGUINS = EXAMPLES / "penguins"
COMMAND = (sys.executable, "-m", "deepanalyze_cli")
OURS = ("DEEPANALYZE_", "HF_", "PIP_", "NO_COLOR", "FORCE_COLOR")


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Ours, without the settings of whoever runs the tests, and without a way to the network."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {
        **kept,
        "XDG_CONFIG_HOME": str(folder / "config"),
        "DEEPANALYZE_MODELS_DIR": str(folder / "models"),
        "HF_HUB_CACHE": str(folder / "hub"),
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_RETRIES": "0",
        "NO_PROXY": "127.0.0.1",
        **more,
    }


def run(
    folder: Path,
    *arguments: object,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    seconds: float = 120,
) -> subprocess.CompletedProcess[str]:
    """`deepanalyze ARGUMENTS` with `folder` for all that is its own, and as the working folder."""
    command = [*COMMAND, *map(str, arguments)]
    own = environment(folder, **(env or {}))
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, cwd=cwd or folder, env=own)


def script(path: Path, *replies: str) -> str:
    """A script of these replies at `path`, as `--model` takes it."""
    path.write_text("".join(json.dumps({"text": reply}) + "\n" for reply in replies), encoding="utf-8")
    return f"scripted:{path}"


def cell(code: str) -> str:
    """A reply that is one cell."""
    return f"<Analyze>A thought.</Analyze>\n<Code>\n```python\n{code}\n```\n</Code>"


def answer(text: str) -> str:
    """A reply that ends the run."""
    return f"<Answer>\n{text}\n</Answer>"


def run_folder(out: Path) -> Path:
    """The one run folder in `out`."""
    (found,) = out.iterdir()
    return found


def digests(folder: Path) -> dict[str, str]:
    """Path -> SHA-256 of every file below `folder`."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
