"""`deepanalyze analyze` from start to end: the real command, data, kernel and outputs; only the model is scripted."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import nbformat
import pytest
from command import COMMAND, PENGUINS, answer, cell, digests, environment, run, run_folder, script

from deepanalyze_cli.outputs.trace import read_run

EXECUTE = (
    "import sys, nbclient, nbformat\n"
    "notebook = nbformat.read(sys.argv[1], as_version=4)\n"
    "nbclient.NotebookClient(notebook, timeout=100).execute()\n"
    "print(*(o.get('text', '') for c in notebook.cells for o in c.get('outputs', ())))"
)


def test_the_result_is_on_stdout_and_the_progress_on_stderr(good):
    assert good.done.returncode == 0, good.done.stderr
    assert good.done.stdout.startswith("# Penguins\n\nGentoo penguins are the heaviest")
    assert good.done.stdout.endswith(f"report    {good.folder}/report.html\nnotebook  {good.folder}/analysis.ipynb\n")
    told = good.done.stderr.splitlines()
    assert told[0].startswith("sandbox: ") and "level" in told[0]
    assert told[1:4] == ["reading penguins.csv", "loading scripted", "starting the kernel"]
    assert told[-1].startswith("finished: answer after 3 turns")


def test_what_is_no_terminal_gets_no_escape_codes(good):
    assert "\x1b" not in good.done.stdout + good.done.stderr


def test_the_trace_folds_into_the_run(good):
    run = read_run(good.folder)
    assert (run.stop, len(run.turns)) == ("answer", 3)
    assert [turn.observation.status for turn in run.turns] == ["ok", "ok", "ok"]
    assert "Gentoo        5076" in run.turns[0].feedback


@pytest.mark.parametrize("name", ["analysis.ipynb", "trace.ipynb"])
def test_notebooks_are_valid(good, name):
    notebook = nbformat.read(good.folder / name, as_version=4)
    nbformat.validate(notebook)
    assert any("groupby('species')" in cell.source for cell in notebook.cells)


def test_the_manifest_tells_how_it_ended(good):
    facts = json.loads((good.folder / "manifest.json").read_text())
    assert (facts["exit_code"], facts["stop"], facts["cells"]) == (0, "answer", 2)
    assert facts["settings"]["out"]["from"] == "--out"
    assert facts["sandbox"]["tier"] == read_run(good.folder).sandbox and facts["sandbox"]["level"] >= 2
    assert facts["sandbox"]["does_not_stop"] and facts["changed"] == []
    assert facts["sources"][0]["sha256"] == good.before["penguins.csv"]


class Loads(HTMLParser):
    """Collects what a page would fetch."""

    def __init__(self):
        super().__init__()
        self.fetched = []

    def handle_starttag(self, tag, attrs):
        wanted = {"src", "srcset", "data", "poster", *(["href"] if tag == "link" else [])}
        self.fetched += [value for name, value in attrs if name in wanted]


def test_the_report_is_one_file_with_its_chart(good):
    page = (good.folder / "report.html").read_text()
    loads = Loads()
    loads.feed(page)
    assert [value[:22] for value in loads.fetched] == ["data:image/png;base64,"]
    assert "url(" not in page and "@import" not in page
    assert (good.folder / "figures" / "figure-1.png").read_bytes().startswith(b"\x89PNG")
    assert "Gentoo penguins are the heaviest" in (good.folder / "report.md").read_text()


def test_nothing_but_the_artefacts_is_left(good):
    names = {path.name for path in good.folder.iterdir()}
    made = {
        "trace.jsonl",
        "trace.ipynb",
        "analysis.ipynb",
        "ledger.json",
        "report.md",
        "report.html",
        "manifest.json",
        "deepanalyze.lock",
        "figures",
        "work",
    }
    assert names == made


def test_the_data_is_untouched(good):
    assert digests(PENGUINS) == good.before


def test_the_notebook_runs_from_another_folder(good, tmp_path):
    command = [sys.executable, "-c", EXECUTE, str(good.folder / "analysis.ipynb")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment(tmp_path), timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Gentoo        5076" in done.stdout


def test_quiet_prints_the_folder_only(tmp_path, short):
    done = run(tmp_path, "analyze", PENGUINS, "-m", short, "-o", "out", "-q")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"out/{run_folder(tmp_path / 'out').name}\n"


def test_json_is_one_document(tmp_path, short):
    done = run(tmp_path, "analyze", PENGUINS, "-m", short, "-o", "out", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["ok"], told["stop"], told["answer"], told["turns"]) == (True, "answer", "Two.", 2)
    assert (tmp_path / told["report"]).is_file() and (tmp_path / told["notebook"]).is_file()


@pytest.mark.parametrize(
    ("arguments", "code"), [(["nowhere", "-m", "scripted:no"], 5), (["--max-steps", "many"], 2), (["x", "--modle"], 2)]
)
def test_json_is_one_document_on_errors_too(tmp_path, arguments, code):
    done = run(tmp_path, "analyze", *arguments, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["ok"], told["error"]["code"]) == (code, False, code)
    assert told["error"]["message"] and told["error"]["fix"]


def test_a_dumb_terminal_gets_no_escape_codes_and_a_real_one_does(tmp_path, short):
    assert b"\x1b" not in seen_on_a_terminal(tmp_path, short, "dumb")
    assert b"\x1b[" in seen_on_a_terminal(tmp_path, short, "xterm")


def seen_on_a_terminal(folder, model, kind):
    ours, theirs = pty.openpty()
    command = [*COMMAND, "analyze", str(PENGUINS), "-m", model, "-o", "out"]
    env = environment(folder, TERM=kind)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, cwd=folder, env=env)
    os.close(theirs)
    seen = b""
    with process, open(ours, "rb", buffering=0) as terminal:
        while piece := read(terminal):
            seen += piece
    assert process.returncode == 0 and b"finished" in seen
    return seen


def read(terminal):
    try:
        return terminal.read(65536)
    except OSError:  # how Linux says that the other end is closed
        return b""


@pytest.mark.parametrize(("limit", "stop"), [(["--max-steps", "2"], "turns"), (["--max-time", "5"], "seconds")])
def test_a_limit_ends_the_run_with_a_report_that_says_so(tmp_path, limit, stop):
    model = script(tmp_path / "script.jsonl", cell("print(penguins.shape)"), answer("As far as I came."))
    done = run(tmp_path, "analyze", PENGUINS, "-m", model, "-o", "out", *limit)
    folder = run_folder(tmp_path / "out")
    assert (done.returncode, read_run(folder).stop) == (4, stop), done.stderr
    assert json.loads((folder / "manifest.json").read_text())["exit_code"] == 4
    notice = {"turns": "Stopped early: the limit of 2 turns", "seconds": "Stopped early: the time limit"}[stop]
    for report in "report.md", "report.html":
        assert notice in (folder / report).read_text()


def test_a_model_that_fails_leaves_a_report_of_what_there_is(tmp_path):
    model = script(tmp_path / "script.jsonl", cell("print('four', 2 + 2)"))
    done = run(tmp_path, "analyze", PENGUINS, "-m", model, "-o", "out")
    folder = run_folder(tmp_path / "out")
    assert (done.returncode, done.stdout) == (6, "")
    assert done.stderr.splitlines()[-2:] == [
        f"what there is: out/{folder.name}/report.html",
        "deepanalyze: the script has 1 replies and the run asks for one more"
        " -- end the script with an <Answer>...</Answer> reply",
    ]
    facts = json.loads((folder / "manifest.json").read_text())
    assert (facts["exit_code"], facts["stop"], facts["cells"]) == (6, "failed", 1)
    assert "four 4" in (folder / "trace.ipynb").read_text()
    assert (folder / "report.html").is_file()


def test_a_model_that_cannot_be_loaded_leaves_no_folder(tmp_path):
    done = run(tmp_path, "analyze", PENGUINS, "-m", "scripted:missing", "-o", "out")
    assert done.returncode == 6
    assert list((tmp_path / "out").iterdir()) == []


def test_the_bare_command_prints_its_help(tmp_path):
    done = run(tmp_path)
    assert (done.returncode, done.stderr) == (2, "")
    assert "analyze" in done.stdout and "models" in done.stdout


def test_a_second_run_does_not_take_the_first_for_data(tmp_path, short):
    data = tmp_path / "data"
    shutil.copytree(PENGUINS, data)
    for _ in range(2):
        done = run(tmp_path, "analyze", ".", "-m", short, "--json", cwd=data)
        assert done.returncode == 0, done.stderr
    assert [source.name for source in read_run(data / json.loads(done.stdout)["run"]).task.sources] == ["penguins.csv"]
