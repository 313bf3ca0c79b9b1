"""`deepanalyze analyze` with real weights: 135 million parameters find nothing out, but every part has to hold."""

from __future__ import annotations

import json

import nbformat
import pytest
from command import PENGUINS, run, run_folder

from deepanalyze_cli.outputs.trace import read_run


@pytest.fixture
def models(smollm2):
    """The environment in which the model is found."""
    return {"DEEPANALYZE_MODELS_DIR": str(smollm2.parent)}


def test_a_small_model_comes_to_an_end(tmp_path, models):
    arguments = ("-m", "smollm2-135m", "-o", "out", "--max-steps", 6, "--max-time", "40s", "--offline", "--json")
    done = run(tmp_path, "analyze", PENGUINS, *arguments, env=models, seconds=400)
    assert done.returncode in (0, 4), done.stderr
    told, folder = json.loads(done.stdout), run_folder(tmp_path / "out")
    found = read_run(folder)
    assert (told["exit_code"], told["stop"], told["turns"]) == (done.returncode, found.stop, len(found.turns))
    assert 1 <= len(found.turns) <= 6
    for turn in found.turns:
        assert turn.completion.completion_tokens == len(turn.completion.tokens.ids)
    for name in "analysis.ipynb", "trace.ipynb":
        nbformat.validate(nbformat.read(folder / name, as_version=4))
    assert json.loads((folder / "manifest.json").read_text())["model"]["sha256"] == found.model.sha256
    assert "smollm2-135m" in (folder / "report.html").read_text()


def test_a_context_that_is_too_small_is_one_line(tmp_path, models):
    done = run(tmp_path, "analyze", PENGUINS, "-m", "smollm2-135m", "--context", 600, "-q", "--offline", env=models)
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (6, "")
    assert "context window" in line and "use a larger --context" in line


def test_a_file_without_a_card_is_run_too(tmp_path, smollm2):
    arguments = ("-m", smollm2, "--max-steps", 1, "--max-time", "2m", "--context", 2048, "-q")
    done = run(tmp_path, "analyze", PENGUINS, *arguments, seconds=300)
    assert done.returncode == 4, done.stderr
    assert read_run(run_folder(tmp_path / "runs")).model.name == smollm2.stem
