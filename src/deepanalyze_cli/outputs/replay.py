"""A run's artefacts once more, from what was recorded: no model, no kernel, no data, no network.

What the trace does not hold is in the lock (how much DuckDB may use, what became of written tables) and in the manifest
(versions, settings). Older runs have no lock; there the setup cell is taken from the notebook as it stands.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ..artefacts import Refused, read_artefact
from ..errors import InputError
from ..evidence.cells import read_cells
from ..evidence.lock import Lock, data_dir
from ..prelude import parameters, setup
from ..types import Run
from .folder import RunFolder
from .manifest import manifest
from .tables import Exported

REPLAYED = ("report.md", "report.html", "ledger.json", "analysis.ipynb", "trace.ipynb")
"""What is the same byte for byte, besides the figures and the manifest."""
MOST_MANIFEST = 16 * 1024 * 1024


def replay(run: Run, folder: Path, into: Path, lock: Lock | None, facts: dict[str, object]) -> None:
    """Make the artefacts of the `run` that was recorded in `folder` again, in the folder `into`.

    `facts` are those of its manifest, if there are any.

    Raises:
        InputError: there is neither a lock nor a notebook.
        UsageError: `into` cannot be written.
    """
    RunFolder(into).write_artefacts(
        run,
        **opening(run, folder, lock),
        manifest=facts or manifest(run, versions={}, settings={}, exit_code=None),
        exported=_exported(lock),
    )


def opening(run: Run, folder: Path, lock: Lock | None) -> dict[str, str]:
    """The cells `parameters` and `setup` as the notebooks of the run have them."""
    if lock is not None:
        bounds = {"memory": lock.memory or None, "spill": lock.spill or None}
        folder_of_data = Path(data_dir(run))
        return {"parameters": parameters(folder_of_data), "setup": setup(run.task.sources, folder_of_data, **bounds)}
    found = {cell.id: cell.source for cell in read_cells(folder, "analysis.ipynb") if cell.kind == "code"}
    if not {"parameters", "setup"} <= found.keys():
        raise InputError("analysis.ipynb has no setup cell, and there is no deepanalyze.lock", "restore either")
    return {name: found[name] for name in ("parameters", "setup")}


def read_manifest(folder: Path) -> dict[str, object]:
    """What the manifest says; empty if there is none.

    Raises:
        InputError: it cannot be read.
    """
    try:
        facts = json.loads(read_artefact(folder, "manifest.json", MOST_MANIFEST))
    except Refused as refused:
        if not (folder / "manifest.json").exists():
            return {}
        raise InputError(f"manifest.json: {refused.message}", "restore it from a copy") from None
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise InputError("manifest.json: not a JSON object", "restore it from a copy")
    return facts


def expected_manifest(run: Run) -> dict[str, object]:
    """What the manifest has to say of a recorded run, as far as the recording knows it."""
    facts = manifest(run, versions={}, settings={}, exit_code=None)
    del facts["versions"], facts["settings"], facts["exit_code"], facts["sandbox"]
    return json.loads(json.dumps(facts, default=str)) | {"sandbox": {"tier": run.sandbox}}


def _exported(lock: Lock | None) -> Sequence[Exported]:
    return [Exported(**asdict(table)) for table in lock.written] if lock else ()
