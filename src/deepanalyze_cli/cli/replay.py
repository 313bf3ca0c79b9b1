"""`deepanalyze replay`: report and notebooks once more from the recording, and whether they are the same."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated

import typer

from ..errors import ExitCode
from .runs import run_folder


def replay(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for what is made.", show_default="RUN/replay")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Make the report and the notebooks of a run again from trace.jsonl: no model, no kernel, no data, no network.

    Exit codes: 0 all are the same byte for byte, 3 one is not, 2 wrong usage, 5 the recording is damaged.
    """
    from ..evidence.lock import read_lock
    from ..outputs import replay as replaying
    from ..outputs.text import one_line
    from ..outputs.trace import read_run

    folder = run_folder(run)
    into = (out or folder / "replay").expanduser()
    facts = replaying.read_manifest(folder)
    replaying.replay(read_run(folder), folder, into, read_lock(folder), facts)
    files = []
    for name in sorted({*replaying.REPLAYED, *(f"figures/{p.name}" for p in (into / "figures").glob("*.png"))}):
        made, before = _digest(into / name), _digest(folder / name)
        files.append({"file": name, "sha256": made, "recorded": before, "same": made == before})
    same = all(file["same"] for file in files)
    if as_json:
        print(json.dumps({"ok": same, "out": str(into), "files": files}, ensure_ascii=False))
    else:
        for file in files:
            verdict = "same" if file["same"] else "DIFFERS" if file["recorded"] else "made; there was none"
            print(f"{file['sha256']}  {one_line(str(file['file']))}  {verdict}")
        print(f"\n{one_line(str(into), 400)}")
    raise typer.Exit(int(ExitCode.OK if same else ExitCode.VERIFICATION))


def _digest(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
