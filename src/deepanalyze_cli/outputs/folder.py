"""A run's folder: what is where, and how an artefact gets there whole.

The trace is the truth and is written by `trace`; everything else here can be made from it again, is written beside its
place and renamed into it, so that a reader never meets half a file.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..events import Event, Recorded, apply
from ..types import Run
from . import words
from .placing import place, writing
from .tables import Boxed, Exported, caveats, export_tables

if TYPE_CHECKING:
    from .publication import Publication


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
    def ledger(self) -> Path:
        return self.path / "ledger.json"

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

    def write_notebooks(self, run: Run, *, parameters: str, setup: str, published: Publication | None = None) -> None:
        """Both notebooks, as far as the run has come. `analysis.ipynb` is cut down to what was published.

        Raises:
            UsageError: the folder cannot be written.
        """
        import nbformat

        from .notebook import analysis_notebook, trace_notebook

        report, ledger = (published.report, published.ledger) if published else (None, None)
        made = {
            self.trace_notebook: trace_notebook(run, parameters, setup),
            self.analysis: analysis_notebook(run, parameters, setup, report, ledger),
        }
        for path, notebook in made.items():
            place(path, (nbformat.writes(notebook) + "\n").encode())

    def write_artefacts(
        self,
        run: Run,
        *,
        parameters: str,
        setup: str,
        manifest: Mapping[str, object],
        boxed: Boxed | None = None,
        exported: Sequence[Exported] | None = None,
    ) -> tuple[Publication, Sequence[Exported]]:
        """All artefacts: the notebooks, the tables the cells wrote, the report with figures and ledger, the manifest.

        `boxed` runs a program in the box with `work` as its folder: a `partial` of `sandbox.run.run_boxed`. Without it
        no table is looked into, so those a spreadsheet would open stay in `work`. With `exported`, what became of the
        tables when the run was fresh, none is brought again. Returns what was published and what became of them.

        Raises:
            UsageError: the folder cannot be written.
        """
        from ..evidence.claims import dumps
        from .html import to_html
        from .publication import publish
        from .report import to_markdown

        if exported is None:
            exported = export_tables(run, self.work, self.tables, boxed)
        published = publish(run, caveats(exported))
        report, ledger = published.report, published.ledger
        self.write_notebooks(run, parameters=parameters, setup=setup, published=published)
        drawn = [figure for section in report.sections for figure in section.figures]
        for number, figure in enumerate(drawn, 1):
            place(self.figures / f"figure-{number}.png", base64.b64decode(figure.png))
        place(self.report_md, to_markdown(report, run, ledger).encode())
        place(self.report_html, to_html(report, run, ledger).encode())
        place(self.ledger, dumps(ledger).encode())
        text = json.dumps(manifest, indent=2, ensure_ascii=False, default=str)
        place(self.manifest, (text + "\n").encode("utf-8", "replace"))
        return published, exported


class Notebooks:
    """A sink that keeps the notebooks of a folder up with the run."""

    def __init__(self, folder: RunFolder, *, parameters: str, setup: str):
        self.folder, self._parameters, self._setup = folder, parameters, setup
        self._run: Run | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Recorded):
            self._run = apply(self._run, event)
            self.folder.write_notebooks(self._run, parameters=self._parameters, setup=self._setup)
