import json
import resource
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from example_run import FREE, GUIDED, PARAMETERS, SETUP, events, turn

from deepanalyze_cli.errors import UsageError
from deepanalyze_cli.events import TextDelta
from deepanalyze_cli.outputs.folder import Notebooks, RunFolder
from deepanalyze_cli.outputs.manifest import manifest, versions
from deepanalyze_cli.outputs.trace import TraceWriter, read_run
from deepanalyze_cli.types import Run

NAMED = "20261123T184102Z-penguins-4f3a2b1c"


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path, "penguins", GUIDED.id, GUIDED.started)


def write(folder: RunFolder, run: Run = GUIDED, manifest: Mapping[str, object] | None = None) -> None:
    folder.write_artefacts(run, parameters=PARAMETERS, setup=SETUP, manifest=manifest or {})


def listed(path: Path) -> list[str]:
    return sorted(str(p.relative_to(path)) for p in path.rglob("*") if not p.is_dir())


@pytest.mark.parametrize(
    ("slug", "run_id", "started", "name"),
    [
        ("penguins", "4f3a2b1c", "2026-11-23T18:41:02+00:00", NAMED),
        ("../Étude de marché!", "a/../b" * 3, "2026-11-23T20:41:02+02:00", "20261123T184102Z-tude-de-march-ababab"),
        ("", "x", "2026-11-23T18:41:02", "20261123T184102Z-run-x"),
    ],
)
def test_names_of_folders(tmp_path: Path, slug: str, run_id: str, started: str, name: str):
    made = RunFolder.create(tmp_path / "new" / "out", slug, run_id, started)
    assert made.path == tmp_path / "new" / "out" / name
    assert made.work.is_dir()


def test_a_folder_is_made_once(folder: RunFolder, tmp_path: Path):
    with pytest.raises(UsageError, match=f"{NAMED}: File exists"):
        RunFolder.create(tmp_path, "penguins", GUIDED.id, GUIDED.started)


def test_a_folder_below_a_file_cannot_be_made(tmp_path: Path):
    (tmp_path / "out").write_text("")
    with pytest.raises(UsageError, match="the --out folder cannot be written") as caught:
        RunFolder.create(tmp_path / "out", "x", "y", "")
    assert caught.value.fix


@pytest.mark.parametrize("run", [GUIDED, FREE, replace(GUIDED, turns=(), stop="failed", answer="")])
def test_all_artefacts_and_nothing_else(folder: RunFolder, run: Run):
    write(folder, run, {"run": "é"})
    figures = [name for name in listed(folder.path) if name.startswith("figures/")]
    assert figures == [f"figures/figure-{n}.png" for n in range(1, len(figures) + 1)]
    assert sorted({*listed(folder.path)} - {*figures}) == [
        *("analysis.ipynb", "ledger.json", "manifest.json", "report.html", "report.md", "trace.ipynb"),
    ]
    for path in (folder.analysis, folder.trace_notebook):
        nbformat.validate(nbformat.read(path, 4))
    assert json.loads(folder.manifest.read_text()) == {"run": "é"}
    assert all(name in folder.report_md.read_text() for name in figures)
    assert all((folder.path / name).read_bytes().startswith(b"\x89PNG") for name in figures)


def test_writing_twice_gives_the_same_bytes(folder: RunFolder):
    write(folder)
    before = {name: (folder.path / name).read_bytes() for name in listed(folder.path)}
    write(folder)
    assert {name: (folder.path / name).read_bytes() for name in listed(folder.path)} == before


def test_the_notebooks_keep_up_with_the_run(folder: RunFolder):
    writer, notebooks = TraceWriter(folder.trace), Notebooks(folder, parameters=PARAMETERS, setup=SETUP)
    grown = []
    for event in (*events(GUIDED), TextDelta(9, "x")):
        writer(event)
        notebooks(event)
        grown.append(len(nbformat.read(folder.trace_notebook, 4).cells))
    writer.close()
    assert grown[0] == 3 and grown == sorted(grown) and grown[-1] > grown[-4]
    assert read_run(folder.path) == GUIDED
    assert folder.analysis.exists() and not folder.report_md.exists()


def test_tables_that_cells_wrote_are_told_of_in_the_report(folder: RunFolder):
    for name in ("a.csv", "b.parquet"):
        (folder.work / name).write_text("x")
    run = replace(GUIDED, turns=(turn(0, "code", ("code", "x"), section=1, files=("a.csv", "b.parquet", "x.png")),))
    write(folder, run)
    assert listed(folder.tables) == ["README.txt", "b.parquet"]
    said = "1 table that cells wrote could not be brought to tables/ (tables/README.txt)."
    assert said in folder.report_html.read_text() and said in folder.report_md.read_text()


def test_a_full_disk_leaves_the_artefacts_of_before(folder: RunFolder):
    """A limit on the size of files stands in for the full disk: the same error at the same call."""
    write(folder, replace(GUIDED, turns=()))
    before = {name: (folder.path / name).read_bytes() for name in listed(folder.path)}
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    try:
        with pytest.raises(UsageError, match=f"--out folder cannot be written: {folder.path}.*too large") as caught:
            write(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert caught.value.fix
    assert {name: (folder.path / name).read_bytes() for name in listed(folder.path)} == before


def test_snapshot_of_the_manifest(snapshot):
    settings = {"turns": {"value": 30, "from": "default"}}
    made = manifest(GUIDED, versions={"python": "3.11"}, settings=settings, exit_code=0)
    snapshot("guided-manifest.json", json.dumps(made, indent=2) + "\n")


def test_versions_are_those_installed():
    found = versions()
    assert {"python", "platform", "deepanalyze-cli", "duckdb", "pandas"} <= set(found)
    assert found["duckdb"].startswith("1.")
