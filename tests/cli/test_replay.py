"""`deepanalyze replay`: the same bytes from the recording alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from command import PENGUINS, answer, cell, digests, run, run_folder, script

NAMES = ("report.md", "report.html", "ledger.json", "analysis.ipynb", "trace.ipynb", "figures/figure-1.png")


def alone(good, folder: Path) -> Path:
    """What a replay may use of a run: the trace, the lock and the manifest."""
    folder.mkdir()
    for name in ("trace.jsonl", "deepanalyze.lock", "manifest.json"):
        shutil.copy(good.folder / name, folder)
    return folder


def test_everything_is_the_same_byte_for_byte_and_twice(good, tmp_path):
    folder = alone(good, tmp_path / "alone")
    for out in ("first", "second"):
        done = run(tmp_path, "replay", folder, "--out", out)
        assert (done.returncode, done.stderr) == (3, ""), "there is nothing beside the trace to be the same as"
    before, first, second = (digests(f) for f in (good.folder, tmp_path / "first", tmp_path / "second"))
    assert first == second
    assert {name: first[name] for name in (*NAMES, "manifest.json")} == {
        n: before[n] for n in (*NAMES, "manifest.json")
    }


def test_a_run_that_nobody_touched_is_told_to_be_the_same(good, tmp_path):
    done = run(tmp_path, "replay", good.folder, "--out", "made", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["ok"], told["out"]) == (0, True, "made")
    assert {file["file"] for file in told["files"]} == set(NAMES)
    assert all(file["same"] and file["sha256"] == file["recorded"] for file in told["files"])


def test_a_report_that_was_changed_is_told_and_made_again(good, tmp_path):
    copy = Path(shutil.copytree(good.folder, tmp_path / "copy"))
    (copy / "report.md").write_text("Nothing of note.\n")
    done = run(tmp_path, "replay", copy)
    assert done.returncode == 3
    assert [line.split()[1:] for line in done.stdout.splitlines() if "DIFFERS" in line] == [["report.md", "DIFFERS"]]
    assert (copy / "replay" / "report.md").read_bytes() == (good.folder / "report.md").read_bytes()


def test_what_became_of_written_tables_is_remembered(tmp_path):
    code = "penguins.head(3).assign(f='=1+1').to_csv('heads.csv', index=False)\nprint('written')"
    model = script(tmp_path / "script.jsonl", cell(code), answer("Three rows are in a file."))
    assert run(tmp_path, "analyze", PENGUINS, "-m", model, "-o", "out", "-q").returncode == 0
    folder = run_folder(tmp_path / "out")
    assert "a spreadsheet would have taken for a formula" in (folder / "report.md").read_text()
    shutil.rmtree(folder / "work")
    shutil.rmtree(folder / "tables")
    done = run(tmp_path, "replay", folder)
    assert done.returncode == 0, done.stdout


def test_a_damaged_trace_is_named(good, tmp_path):
    folder = alone(good, tmp_path / "alone")
    (folder / "trace.jsonl").write_text("{}\n")
    done = run(tmp_path, "replay", folder)
    assert done.returncode == 5 and "not a trace" in done.stderr
