"""What a run was made with, for whoever has to make it again: versions, model, settings, data, costs.

A plain dictionary, ready for JSON. Says nothing of what was found.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from ..sandbox import Box
from ..types import DataSource, Run, Turn
from . import story
from .report import tokens

PACKAGES = (
    *("deepanalyze-cli", "llama-cpp-python", "transformers", "torch"),
    *("duckdb", "pandas", "pyarrow", "numpy", "scipy", "scikit-learn", "statsmodels", "matplotlib", "seaborn"),
    *("ipykernel", "jupyter-client", "nbformat"),
)
"""Distributions whose version can change what a run finds."""


def versions() -> dict[str, str]:
    """Versions of Python, of the platform and of the installed ones of `PACKAGES`."""
    found = {"python": platform.python_version(), "platform": platform.platform(), "machine": platform.machine()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found | {"implementation": sys.implementation.name}


def manifest(
    run: Run,
    *,
    versions: Mapping[str, str],
    settings: Mapping[str, object],
    box: Box | None = None,
    exit_code: int | None,
) -> dict[str, object]:
    """The manifest of a run. Seconds are wall time; `exit_code` is `None` while it is not known."""
    read, reused, written = tokens(run)
    ran = story.numbered(run)
    return {
        "run": run.id,
        "format": run.version,
        "started": run.started,
        "question": run.task.question,
        "stop": run.stop,
        "exit_code": exit_code,
        "error": run.error,
        "seconds": round(run.seconds, 3),
        "model_seconds": round(sum(turn.completion.seconds for turn in run.turns), 3),
        "cell_seconds": round(sum(_seconds(turn) for turn in run.turns), 3),
        "turns": len(run.turns),
        "cells": len(ran),
        "failed_cells": sum(turn.index in ran and story.status(turn) != "ok" for turn in run.turns),
        "tokens": {"prompt": read, "reused": reused, "completion": written},
        "model": {
            "name": run.model.name,
            "backend": run.model.backend,
            "file": run.model.file,
            "sha256": run.model.sha256,
            "adapter": run.model.adapter,
            "licence": run.model.licence,
            "context": run.model.context,
            "strategy": run.model.strategy,
            "dialect": run.model.dialect,
        },
        "sandbox": _sandbox(box) if box else {"tier": run.sandbox},
        "sources": [_source(source) for source in run.task.sources],
        "changed": list(run.changed),
        "settings": dict(settings),
        "versions": dict(versions),
    }


def _sandbox(box: Box) -> dict[str, object]:
    """How the code was enclosed, what that does not stop, and how much it might use (bytes, processes)."""
    return {
        "tier": box.tier.name,
        "level": box.tier.level,
        "does": box.tier.summary,
        "does_not_stop": list(box.tier.gaps),
        "memory": box.memory,
        "disk": box.disk,
        "files": box.files,
        "tasks": box.tasks,
    }


def _seconds(turn: Turn) -> float:
    return turn.observation.seconds if turn.observation else 0.0


def _source(source: DataSource) -> dict[str, object]:
    return {
        "name": source.name,
        "kind": source.kind,
        "bytes": source.bytes,
        "sha256": source.sha256,
        "tables": [
            {"name": table.name, "rows": table.rows, "columns": len(table.columns), "notes": list(table.notes)}
            for table in source.tables
        ],
    }
