"""A run's folder: what is where, and how an artefact gets there whole.

The trace is the truth and is written by `trace`; everything else here can be made from it again, is written beside its
place and renamed into it, so that a reader never meets half a file.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ..errors import UsageError
from ..events import Event, Recorded, apply
from ..types import Run
from . import words

TABLES = frozenset({".csv", ".tsv", ".parquet", ".xlsx"})
"""Kinds of files a cell writes that a reader of the report may want."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The places in one run's folder."""

    path: Path

    @classmethod
    def create(cls, out: Path, slug: str, run_id: str, started: str) -> RunFolder:
        """A new folder `<UTC time>-<slug>-<id>` in `out`, with the folder the cells work in.

        Raises:
            UsageError: it exists already, or cannot be made.
        """
        when = words.moment(started) or datetime.now(UTC)
        words_of_slug = re.sub(r"[^a-z0-9]+", "-", slug.lower()).strip("-")[:40].rstrip("-") or "run"
        folder = cls(out / f"{when:%Y%m%dT%H%M%SZ}-{words_of_slug}-{re.sub(r'[^A-Za-z0-9]+', '', run_id)[:8]}")
        with writing(folder.path):
            folder.path.mkdir(parents=True)
            folder.work.mkdir()
        return folder

    @property
    def trace(self) -> Path:
        return self.path / "trace.jsonl"

    @property
    def report_md(self) -> Path:
        return self.path / "report.md"

    @property
    def report_html(self) -> Path:
        return self.path / "report.html"

    @property
    def analysis(self) -> Path:
        return self.path / "analysis.ipynb"

    @property
    def trace_notebook(self) -> Path:
        return self.path / "trace.ipynb"

    @property
    def manifest(self) -> Path:
        return self.path / "manifest.json"

    @property
    def figures(self) -> Path:
        return self.path / "figures"

    @property
    def tables(self) -> Path:
        return self.path / "tables"

    @property
    def work(self) -> Path:
        """Where the cells run; what they write lies here."""
        return self.path / "work"

    def write_notebooks(self, run: Run, *, parameters: str, setup: str) -> None:
        """Both notebooks, as far as the run has come.

        Raises:
            UsageError: the folder cannot be written.
        """
        import nbformat

        from .notebook import analysis_notebook, trace_notebook

        for path, made in ((self.trace_notebook, trace_notebook), (self.analysis, analysis_notebook)):
            _replace(path, (nbformat.writes(made(run, parameters, setup)) + "\n").encode())

    def write_artefacts(self, run: Run, *, parameters: str, setup: str, manifest: Mapping[str, object]) -> None:
        """All artefacts: the notebooks, the report with its figures, the tables the cells wrote, the manifest.

        Raises:
            UsageError: the folder cannot be written.
        """
        from .html import to_html
        from .report import to_markdown, to_report

        self.write_notebooks(run, parameters=parameters, setup=setup)
        report = to_report(run)
        drawn = [figure for section in report.sections for figure in section.figures]
        for number, figure in enumerate(drawn, 1):
            _replace(self.figures / f"figure-{number}.png", base64.b64decode(figure.png))
        _replace(self.report_md, to_markdown(report, run).encode())
        _replace(self.report_html, to_html(report, run).encode())
        self._copy_tables(run)
        text = json.dumps(manifest, indent=2, ensure_ascii=False, default=str)
        _replace(self.manifest, (text + "\n").encode("utf-8", "replace"))

    def _copy_tables(self, run: Run) -> None:
        """What cells wrote is as little trusted as what they print: no links are followed, no pipes opened."""
        names = dict.fromkeys(name for turn in run.turns if turn.observation for name in turn.observation.files)
        for name in names:
            if PurePosixPath(name).suffix.lower() not in TABLES:
                continue
            with contextlib.ExitStack() as stack:
                if file := _open_below(self.work, name, stack):
                    with writing(self.path), _beside(self.tables / PurePosixPath(name)) as beside:
                        shutil.copyfileobj(file, beside)


class Notebooks:
    """A sink that keeps the notebooks of a folder up with the run."""

    def __init__(self, folder: RunFolder, *, parameters: str, setup: str):
        self.folder, self._parameters, self._setup = folder, parameters, setup
        self._run: Run | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Recorded):
            self._run = apply(self._run, event)
            self.folder.write_notebooks(self._run, parameters=self._parameters, setup=self._setup)


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


def _replace(path: Path, content: bytes) -> None:
    with writing(path), _beside(path) as beside:
        beside.write(content)


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[BinaryIO]:
    """A file next to `path` that takes its place when all went well, and is gone when not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    try:
        with beside.open("wb") as file:
            yield file
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def _open_below(folder: Path, name: str, stack: contextlib.ExitStack) -> BinaryIO | None:
    """A regular file below `folder`, opened part by part without following a link; `None` where it is not one."""
    parts = PurePosixPath(name).parts
    if not parts or any(part in ("..", "/") or "\\" in part or ":" in part for part in parts):
        return None
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        if not {os.open, os.stat} <= os.supports_dir_fd:  # Windows
            path = folder.joinpath(*parts)
            return stack.enter_context(path.open("rb")) if path.resolve() == folder.resolve().joinpath(*parts) else None
        at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        stack.callback(os.close, at)
        for part in parts[:-1]:
            at = os.open(part, flags | os.O_DIRECTORY, dir_fd=at)
            stack.callback(os.close, at)
        at = os.open(parts[-1], flags, dir_fd=at)
        stack.callback(os.close, at)
    except OSError:
        return None
    found = os.fstat(at)
    plain = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
    return os.fdopen(at, "rb", closefd=False) if plain else None
