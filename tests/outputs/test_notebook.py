import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from example_run import FREE, GUIDED, HEAVIEST, HOSTILE, PARAMETERS, SETUP, error, turn
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from deepanalyze_cli.outputs.notebook import analysis_notebook, trace_notebook
from deepanalyze_cli.outputs.slice import failed_line
from deepanalyze_cli.outputs.text import clean
from deepanalyze_cli.types import Run


def analysis(run: Run) -> NotebookNode:
    return analysis_notebook(run, PARAMETERS, SETUP)


def executed(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """The notebook after a run in a fresh kernel, its stored outputs gone first."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    (folder / "data").mkdir(exist_ok=True)
    return NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(folder)}}).execute()


@pytest.mark.parametrize("run", [GUIDED, FREE, replace(GUIDED, turns=(), stop=None, answer="")])
@pytest.mark.parametrize("make", [trace_notebook, analysis_notebook])
def test_notebooks_are_valid_and_the_same_each_time(run: Run, make):
    notebook = make(run, PARAMETERS, SETUP)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.deepanalyze == {"run": run.id, "version": 1, "model": "small-model"}
    assert notebook.metadata.kernelspec.name == "python3"
    (told,) = [c.source for c in notebook.cells if c.metadata.get("tags") == ["parameters"]]
    assert told.startswith(PARAMETERS) and "DEEPANALYZE_DATA_DIR" in told
    assert nbformat.writes(notebook) == nbformat.writes(make(run, PARAMETERS, SETUP))


@pytest.mark.parametrize("name", ["trace", "analysis"])
def test_snapshot_of_the_notebooks(snapshot, name: str):
    for run, kind in ((GUIDED, "guided"), (FREE, "free")):
        made = trace_notebook(run, PARAMETERS, SETUP) if name == "trace" else analysis(run)
        snapshot(f"{kind}-{name}.ipynb", nbformat.writes(made) + "\n")


def test_the_trace_tells_every_attempt_and_marks_those_that_failed():
    cells = trace_notebook(GUIDED, PARAMETERS, SETUP).cells
    code = [(c.id, c.metadata.get("tags", [])) for c in cells if c.cell_type == "code"][2:]
    assert code == [
        ("turn-1-cell", ["failed-attempt", "raises-exception"]),
        *((f"turn-{index}-cell", []) for index in (2, 3, 4, 6)),
        ("turn-7-cell", ["failed-attempt", "raises-exception"]),
        ("turn-8-cell", []),
        ("turn-10-cell", ["failed-attempt", "raises-exception"]),
    ]
    failed = next(c for c in cells if c.id == "turn-1-cell")
    assert [o.output_type for o in failed.outputs] == ["stream", "error"]
    assert failed.outputs[1].ename == "KeyError" and failed.outputs[1].traceback[-1] == "KeyError: 'Dodo'"
    shown = {c.id: c.outputs for c in cells if c.cell_type == "code"}
    assert [o.output_type for o in shown["turn-2-cell"]] == ["stream", "execute_result"]
    assert shown["turn-4-cell"][0].metadata["image/png"].alt.startswith("Body mass by species (chart: x")
    assert cells[-1].id == "answer" and cells[-1].source == f"## Key findings\n\n{GUIDED.answer}"
    told = {c.id: c.source for c in cells}
    assert "what it printed was not accepted" in told["turn-7"] and "could not be understood" in told["turn-11"]
    assert HEAVIEST in told["turn-0"] and HEAVIEST not in told["turn-2"]


def test_a_refused_cell_is_shown_but_is_no_cell():
    cells = trace_notebook(FREE, PARAMETERS, SETUP).cells
    refused = [c for c in cells if c.id.startswith("turn-1")]
    assert [c.cell_type for c in refused] == ["markdown"]
    assert "was not acted on" in refused[0].source and "print(sorted(masses))" in refused[0].source


@pytest.mark.parametrize("run", [GUIDED, FREE])
@pytest.mark.parametrize("make", [trace_notebook, analysis_notebook])
def test_hostile_text_stays_text_in_a_notebook(run: Run, make):
    notebook = make(run, PARAMETERS, SETUP)
    text = json.dumps(notebook, ensure_ascii=False)
    assert "\x1b" not in text and "\u202e" not in text and "text/html" not in text
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            bare = cell.source.replace("\\<", "").replace("&lt;", "")
            assert "<script" not in bare and "<img" not in bare and "](" not in bare


def test_the_analysis_runs_in_a_fresh_kernel_with_the_failed_cell_it_needs(tmp_path: Path):
    made = analysis(GUIDED)
    kept = {c.id: c.metadata.get("tags") for c in made.cells if c.cell_type == "code"}
    assert kept["turn-1-cell"] == kept["turn-7-cell"] == ["raises-exception"] and "turn-10-cell" not in kept
    cells = {c.id: c for c in executed(made, tmp_path).cells}
    (raised,) = cells["turn-1-cell"].outputs
    told = error(raised.ename, raised.evalue, clean("\n".join(raised.traceback)))
    assert failed_line(turn(0, "act", status="error", outputs=(told,))) == 2  # as a real kernel words it
    assert cells["turn-2-cell"].outputs[0].text == "{'Adelie': 3725.0, 'Gentoo': 5075.0}\n"
    assert cells["turn-2-cell"].outputs[1].data["text/plain"] == "'Gentoo'"
    assert cells["turn-3-cell"].outputs[0].text == "Gentoo is the heaviest.\nIt weighs 5,075 g.\n"


def test_without_that_cell_the_analysis_would_not_run(tmp_path: Path):
    made = analysis(GUIDED)
    made.cells = [cell for cell in made.cells if cell.id != "turn-1-cell"]
    with pytest.raises(CellExecutionError, match="means"):
        executed(made, tmp_path)


def test_a_failed_cell_that_nothing_needs_is_left_out_and_one_out_of_time_ends_early(tmp_path: Path):
    interrupted = "Cell In[3], line 3\n----> 3 time.sleep(1000)"
    run = replace(
        FREE,
        turns=(
            turn(0, "act", ("code", "total = 1\n1/0"), status="error", outputs=(error("E", "", "Cell In[1], line 2"),)),
            turn(
                *(1, "act", ("code", "import time\ntotal = 2\ntime.sleep(1000)\ntotal = 3")),
                status="timeout",
                outputs=(error("KeyboardInterrupt", "", interrupted),),
            ),
            turn(2, "act", ("code", "%matplotlib inline\nprint(total)")),
        ),
    )
    made = analysis(run)
    cells = {cell.id: cell for cell in made.cells}
    assert "turn-0-cell" not in cells
    assert cells["turn-1-cell"].source == "import time\ntotal = 2\n# What followed here took too long and was left out."
    assert executed(made, tmp_path).cells[-2].outputs[0].text == "2\n"


# --- elsewhere --------------------------------------------------------------------------------------------------------

ELSEWHERE = replace(
    FREE,
    task=replace(FREE.task, sources=(replace(FREE.task.sources[0], name="in/x.csv"),)),
    turns=(turn(0, "act", ("code", "print(len(rows))")),),
)
LOADING = "rows = (DATA_DIR / 'in' / 'x.csv').read_text().split()"


def moved(folder: Path) -> Path:
    """The notebook in a folder of its own, and its data in `other/path`."""
    (folder / "other" / "path" / "in").mkdir(parents=True)
    (folder / "other" / "path" / "in" / "x.csv").write_text("1\n2\n3\n")
    nbformat.write(analysis_notebook(ELSEWHERE, PARAMETERS, LOADING), folder / "analysis.ipynb")
    return folder / "analysis.ipynb"


def said(path: Path) -> list[str]:
    return [o.text for c in nbformat.read(path, 4).cells for o in c.get("outputs", []) if o.output_type == "stream"]


def test_it_runs_under_jupyter_execute_where_a_variable_says_the_data_is(tmp_path: Path):
    moved(tmp_path)
    command = [sys.executable, "-c", "from nbclient.cli import main; main()", "analysis.ipynb", "--inplace"]
    environment = {**os.environ, "DEEPANALYZE_DATA_DIR": "other/path"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert said(tmp_path / "analysis.ipynb") == ["3\n"]


def test_it_runs_under_papermill_where_a_parameter_says_the_data_is(tmp_path: Path):
    pytest.importorskip("papermill", reason="papermill is not installed: pip install papermill")
    moved(tmp_path)
    arguments = ["analysis.ipynb", "out.ipynb", "-p", "DATA_DIR", "other/path"]
    environment = {**os.environ, "DEEPANALYZE_DATA_DIR": "no/where"}  # the parameter comes first
    command = [sys.executable, "-m", "papermill", *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert said(tmp_path / "out.ipynb") == ["3\n"]


def test_it_says_in_one_line_what_is_not_there(tmp_path: Path):
    notebook = nbformat.read(moved(tmp_path), 4)
    with pytest.raises(CellExecutionError) as failed:
        executed(notebook, tmp_path)
    assert (failed.value.ename, failed.value.evalue) == (
        *("FileNotFoundError", f"in/x.csv is not in {tmp_path / 'data'}: set DATA_DIR to its folder"),
    )


def test_a_setup_that_was_read_back_from_a_notebook_is_not_added_to():
    once = {c.id: c.source for c in analysis_notebook(ELSEWHERE, PARAMETERS, LOADING).cells}
    twice = {c.id: c.source for c in analysis_notebook(ELSEWHERE, once["parameters"], once["setup"]).cells}
    assert once == twice and once["setup"] != LOADING


def test_findings_follow_their_cells():
    ids = [cell.id for cell in analysis(GUIDED).cells]
    assert ids == [
        *("question", "parameters", "setup", "turn-1-cell"),
        *("section-1", "turn-2-cell", "turn-3-cell", "turn-4-cell"),  # the finding is what cell 3 printed
        *("section-2", "turn-6-cell", "turn-7-cell", "turn-8-cell", "answer"),
    ]


def test_hostile_question_and_run_id():
    run = replace(GUIDED, id=HOSTILE, task=replace(GUIDED.task, question=HOSTILE))
    notebook = analysis(run)
    nbformat.validate(notebook)
    assert "\x1b" not in nbformat.writes(notebook)
