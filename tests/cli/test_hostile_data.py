"""A malicious data folder and a model that obeys every instruction in it: nothing of ours gets out or is lost."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import hostile
import pytest
from command import PENGUINS, answer, cell, digests, environment, run, run_folder, script

from deepanalyze_cli.outputs.trace import read_run

DONE = answer("Two, 2.")


@pytest.fixture(scope="module")
def obeyed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """A home with a secret, the run's folder, and all that the command said."""
    folder = tmp_path_factory.mktemp("hostile")
    home = folder / "home"
    (home / ".ssh").mkdir(parents=True)
    secret = home / ".ssh" / "id_rsa"
    secret.write_text(hostile.CANARY)
    data = hostile.make(folder, secret)
    before = digests(folder / "home") | {p.name: p.lstat() for p in data.iterdir()}
    script = folder / "obey.jsonl"
    replies = hostile.obedience(data, secret, home)
    script.write_text("".join(json.dumps({"text": reply}) + "\n" for reply in replies), "utf-8")
    env = {"HOME": str(home), "DECOY": hostile.CANARY, "DECOY_KEY": hostile.CANARY, "XDG_CACHE_HOME": str(folder / "c")}
    out = folder / "out"
    done = run(folder, "analyze", "data", "-m", f"scripted:{script}", "-o", out, cwd=folder, env=env, seconds=300)
    assert done.returncode == 0, done.stderr
    after = digests(folder / "home") | {p.name: p.lstat() for p in data.iterdir()}
    assert {name: _fixed(state) for name, state in after.items()} == {n: _fixed(s) for n, s in before.items()}
    return home, run_folder(out), done.stdout + done.stderr


def _fixed(state: object) -> object:
    """A file's state less the time it was last read."""
    return (state.st_mode, state.st_size, state.st_mtime_ns) if hasattr(state, "st_mode") else state


def test_no_secret_is_in_any_artefact(obeyed):
    home, folder, said = obeyed
    places = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert {"report.html", "report.md", "analysis.ipynb", "trace.ipynb", "trace.jsonl"} <= {p.name for p in places}
    assert [path for path in places if hostile.CANARY.encode() in path.read_bytes()] == []
    assert hostile.CANARY not in said and not (home / ".bashrc").exists()


def test_the_model_did_obey(obeyed):
    _, folder, _ = obeyed
    first = read_run(folder).turns[0]
    assert first.observation.status == "ok" and first.feedback.count("REFUSED") >= 8


def test_everything_hostile_is_flagged(obeyed):
    _, folder, _ = obeyed
    task = read_run(folder).task
    notes = "\n".join([*task.notes, *(note for s in task.sources for table in s.tables for note in table.notes)])
    for flag in ("instructions to a language model", "HTML that a browser", "terminal escape codes", "invisible"):
        assert flag in notes
    assert "bomb.xlsx is left out: it is a zip bomb" in notes
    assert not any(source.name in ("link.csv", "pipe.csv", "model.pkl") for source in task.sources)


def test_a_value_closes_no_block_and_opens_no_turn(obeyed):
    _, folder, _ = obeyed
    run = read_run(folder)
    assert [turn.code is not None for turn in run.turns] == [True, True, True, False]
    data = run.prompt[-1].content.partition("# Data")[2].partition("Explore the data")[0]
    for text in (data, *(turn.feedback for turn in run.turns)):
        assert text.strip() and not re.search(r"</?(?:Execute|Answer|Code)>|<\|im_", text)


def test_the_page_runs_and_fetches_nothing(obeyed):
    _, folder, _ = obeyed
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            for name, value in attributes:
                fetched = name in ("src", "href") and not (value or "").startswith(("#", "data:image/png"))
                if name.startswith("on") or fetched:
                    found.append(f"{tag} {name}={value}")
            if tag in ("script", "iframe", "object", "base", "form", "link"):
                found.append(tag)

    Reader().feed((folder / "report.html").read_text())
    assert found == []


def test_the_terminal_gets_no_control_character(obeyed):
    _, _, said = obeyed
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", said)


MODULES = ("pandas", "nbformat", "json", "matplotlib", "sitecustomize", "usercustomize", "ipykernel", "deepanalyze_cli")
PLANT = """
import os, pathlib
for name in {modules}:
    pathlib.Path(name + ".py").write_text("open({mark!r}, 'w').close()")
for name in (".env", "AGENTS.md", "jupyter_config.py", "ipython_config.py", ".ipython/profile_default/startup/a.py"):
    pathlib.Path(name).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(name).write_text("open({mark!r}, 'w').close()")
pathlib.Path("deepanalyze.toml").write_text('model = "/evil.gguf"')
print("planted", len(os.listdir()))
"""


def test_what_a_cell_plants_in_the_run_folder_is_run_by_nobody(tmp_path):
    """ar-3 and cf-1: neither by this launcher while it writes the artefacts, nor by the next one started in there."""
    mark = tmp_path / "ran"
    plant = cell(PLANT.format(modules=MODULES, mark=str(mark)))
    model = script(tmp_path / "s.jsonl", plant, cell("1 / 0"), cell("import os\nos._exit(1)"), cell("print(2)"), DONE)
    first = run(tmp_path, "analyze", PENGUINS, "-m", model, "-o", tmp_path / "out")
    assert first.returncode == 0, first.stderr
    work = run_folder(tmp_path / "out") / "work"
    assert "planted" in read_run(work.parent).turns[0].feedback and (work / "pandas.py").exists()
    model = script(tmp_path / "again.jsonl", cell("print(1 + 1)"), DONE)
    command = shutil.which("deepanalyze", path=Path(sys.executable).parent)
    second = subprocess.run(
        [command, "analyze", str(PENGUINS), "-m", model, "-o", str(tmp_path / "second")],
        cwd=work,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert second.returncode == 0, second.stderr
    assert not mark.exists()
