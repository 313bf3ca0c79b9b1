"""`deepanalyze export`: what is handed on is the recording, and somebody else can verify it."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest
from command import PENGUINS, answer, cell, run, run_folder, script


def packed(folder: Path, run_: Path, *arguments: object) -> Path:
    done = run(folder, "export", run_, "--out", folder / "run.zip", *arguments)
    assert done.returncode == 0, done.stderr
    return folder / "run.zip"


def test_a_bundle_with_its_data_is_verified_elsewhere(good, tmp_path):
    bundle = packed(tmp_path, good.folder, "--data")
    assert run(tmp_path, "export", good.folder, "--data", "--out", "again.zip").returncode == 0
    assert (tmp_path / "again.zip").read_bytes() == bundle.read_bytes()
    (tmp_path / "elsewhere").mkdir()
    done = run(tmp_path / "elsewhere", "verify", "--bundle", bundle)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "all well" and str(PENGUINS) not in done.stdout


def test_a_bundle_names_no_folder_of_this_machine(good, tmp_path):
    with zipfile.ZipFile(packed(tmp_path, good.folder, "--data")) as bundle:
        names, parts = bundle.namelist(), {n.partition("/")[2]: bundle.read(n) for n in bundle.namelist()}
        assert {part.date_time for part in bundle.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert names == sorted(names) and {name.partition("/")[0] for name in names} == {good.folder.name}
    assert {"trace.jsonl", "deepanalyze.lock", "manifest.json", "ledger.json", "data/penguins.csv"} <= {*parts}
    assert not [name for name in parts if name.startswith("work/")]
    for name, content in parts.items():
        assert str(PENGUINS).encode() not in content, name
        assert str(good.folder.parents[1]).encode() not in content, name
    assert "DATA_DIR = Path('data')\n" in json.loads(parts["analysis.ipynb"])["cells"][1]["source"]


def test_without_its_data_a_bundle_is_verified_with_it(good, tmp_path):
    bundle = packed(tmp_path, good.folder)
    assert run(tmp_path, "verify", bundle).returncode == 5
    done = run(tmp_path, "verify", bundle, "--data", PENGUINS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_bundle_of_a_bundle_is_the_same(good, tmp_path):
    bundle = packed(tmp_path, good.folder, "--data")
    assert run(tmp_path, "export", bundle, "--data", "--out", "again.zip").returncode == 0
    assert (tmp_path / "again.zip").read_bytes() == bundle.read_bytes()


def test_a_changed_report_is_told_and_left_out(good, tmp_path):
    copy = Path(shutil.copytree(good.folder, tmp_path / good.folder.name))
    (copy / "report.md").write_text("Gentoo weigh 9000 g.\n")
    done = run(tmp_path, "export", copy, "--out", "run.zip", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 0 and told["notes"][0].startswith("report.md in ")
    with zipfile.ZipFile(tmp_path / "run.zip") as bundle:
        assert bundle.read(f"{copy.name}/report.md") == (good.folder / "report.md").read_bytes()


@pytest.mark.parametrize(("form", "name"), [("html", "report.html"), ("md", "report.md"), ("ipynb", "analysis.ipynb")])
def test_one_file_is_that_of_the_run(good, tmp_path, form, name):
    done = run(tmp_path, "export", good.folder, "--to", form)
    made = tmp_path / f"{good.folder.name}.{form}"
    assert (done.returncode, made.read_bytes()) == (0, (good.folder / name).read_bytes())
    assert (tmp_path / "figures" / "figure-1.png").exists() == (form == "md")


def test_the_form_goes_by_the_name_of_the_file(good, tmp_path):
    assert run(tmp_path, "export", good.folder, "--out", "mine.html").returncode == 0
    assert (tmp_path / "mine.html").read_bytes() == (good.folder / "report.html").read_bytes()


def test_what_is_there_is_not_overwritten(good, tmp_path):
    (tmp_path / "mine.html").write_text("mine")
    done = run(tmp_path, "export", good.folder, "--out", "mine.html")
    assert done.returncode == 2 and "mine.html exists" in done.stderr
    assert (tmp_path / "mine.html").read_text() == "mine"
    assert run(tmp_path, "export", good.folder, "--out", "mine.html", "--force").returncode == 0
    assert (tmp_path / "mine.html").read_text() != "mine"
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []


def test_data_that_changed_or_is_gone_is_no_data_of_the_run(tmp_path):
    data = Path(shutil.copytree(PENGUINS, tmp_path / "data"))
    model = script(tmp_path / "script.jsonl", cell("print(len(penguins))"), answer("344 birds."))
    assert run(tmp_path, "analyze", data, "-m", model, "-o", "out", "-q").returncode == 0
    folder = run_folder(tmp_path / "out")
    (data / "penguins.csv").write_text((data / "penguins.csv").read_text() + "\n")
    done = run(tmp_path, "export", folder, "--data", "--out", "run.zip")
    assert done.returncode == 5 and "penguins.csv is not what was analysed" in done.stderr
    (data / "penguins.csv").unlink()
    done = run(tmp_path, "export", folder, "--data", "--out", "run.zip")
    assert done.returncode == 5 and "penguins.csv" in done.stderr
    os.mkfifo(data / "penguins.csv")
    done = run(tmp_path, "export", folder, "--data", "--out", "run.zip")
    assert done.returncode == 5 and not list(tmp_path.glob("*.zip*"))


def test_what_a_cell_left_in_the_folder_does_no_harm(good, tmp_path):
    copy = Path(shutil.copytree(good.folder, tmp_path / good.folder.name))
    (copy / "report.md").unlink()
    os.mkfifo(copy / "report.md")
    (copy / "packages").symlink_to("/etc")
    (copy / "work" / "link").symlink_to("/etc/passwd")
    bundle = packed(tmp_path, copy)
    with zipfile.ZipFile(bundle) as parts:
        assert not [name for name in parts.namelist() if "packages" in name or "link" in name]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere"], 2, "no run in"),
        (["RUN", "--to", "docx"], 2, "docx"),
        (["RUN", "--to", "html", "--data"], 2, "--to zip only"),
        (["RUN", "--out", "missing.txt/x.zip"], 2, "cannot be written"),
    ],
)
def test_wrong_usage_is_told_in_one_line(good, tmp_path, arguments, code, said):
    (tmp_path / "missing.txt").write_text("")
    done = run(tmp_path, "export", *[good.folder if a == "RUN" else a for a in arguments])
    assert done.returncode == code and said in done.stderr and done.stderr.count("\n") == 1
