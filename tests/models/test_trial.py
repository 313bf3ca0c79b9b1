"""The first load of a file that nobody vouches for: what crashes, crashes somewhere else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import tiny

from deepanalyze_cli.errors import ExitCode, ModelError
from deepanalyze_cli.models import gguf, registry, store, trial
from deepanalyze_cli.models.backends import open_model
from deepanalyze_cli.types import Message, Sampling

DEADLY = {
    "blocks that are not there": {"llama.block_count": (tiny.U32, 0)},
    "an epsilon that is no number": {"llama.attention.layer_norm_rms_epsilon": (tiny.F32, float("nan"))},
    "a tokenizer without its tokens": {"tokenizer.ggml.model": (tiny.STRING, "bert")},
}
"""Sound headers on which llama.cpp (of llama-cpp-python 0.3.36) ends its process."""


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    (tmp_path / "sound.gguf").write_bytes(tiny.file())
    return tmp_path / "sound.gguf"


def deadly(folder: Path, values: dict[str, tiny.Value]) -> Path:
    path = folder / "deadly.gguf"
    path.write_bytes(tiny.file({**tiny.VALUES, **values}))
    gguf.check(path)
    return path


def test_a_sound_file_passes_and_is_left_alone(sound):
    before = sound.read_bytes(), sorted(sound.parent.iterdir())
    trial.load(sound)
    assert (sound.read_bytes(), sorted(sound.parent.iterdir())) == before


@pytest.mark.parametrize("values", DEADLY.values(), ids=DEADLY)
def test_a_file_that_ends_llama_cpp_does_not_end_us(tmp_path, capfd, values):
    path = deadly(tmp_path, values)
    with pytest.raises(ModelError, match=r"'deadly.gguf' is not a sound GGUF file \(llama.cpp ended by SIG") as caught:
        trial.load(path)
    assert caught.value.fix and "\n" not in caught.value.message
    assert capfd.readouterr() == ("", "")


def test_a_file_that_llama_cpp_refuses(tmp_path):
    path = deadly(tmp_path, {"general.architecture": (tiny.STRING, "nothing")})
    with pytest.raises(ModelError, match=r"llama\.cpp does not load it"):
        trial.load(path)


@pytest.mark.parametrize("template", ["{% for %}", "{{ 'x' * 10 ** 11 }}"])
def test_a_template_is_not_compiled_where_it_could_do_harm(tmp_path, template):
    """Jinja would work out the constant while it compiles."""
    path = deadly(tmp_path, {"tokenizer.chat_template": (tiny.STRING, template)})
    model = open_model(registry.find(str(path)), path, context=256)
    with pytest.raises(ModelError, match="the model's chat template cannot be used"):
        model.generate((Message("user", "Hello"),), Sampling(max_tokens=1))
    model.close()


def test_a_header_that_lies_is_not_even_tried(tmp_path):
    (tmp_path / "lie.gguf").write_bytes(tiny.file(counts=(1 << 60, 1)))
    with pytest.raises(ModelError, match="do not fit into"):
        trial.load(tmp_path / "lie.gguf")


def test_a_file_named_by_its_path_is_tried_before_it_is_opened(tmp_path, sound):
    model = open_model(registry.find(str(sound)), sound, context=256)
    assert model.count("penguin") > 0
    model.close()
    path = deadly(tmp_path, DEADLY["blocks that are not there"])
    with pytest.raises(ModelError, match="ended by SIGABRT"):
        open_model(registry.find(str(path)), path)


def test_a_file_is_tried_before_it_is_taken_in(tmp_path, home):
    path = deadly(tmp_path, DEADLY["blocks that are not there"])
    with pytest.raises(ModelError, match="ended by SIGABRT"):
        store.import_file(path, "mine")
    assert not home.exists() and "mine" not in registry.cards()


@pytest.mark.parametrize("arguments", [["models", "import", "{}", "--name", "mine"], ["analyze", ".", "-m", "{}"]])
def test_the_command_says_so_in_one_line(tmp_path, arguments):
    path = deadly(tmp_path, DEADLY["blocks that are not there"])
    (tmp_path / "data.csv").write_text("a,b\n1,2\n")
    command = [sys.executable, "-m", "deepanalyze_cli", *(word.format(path) for word in arguments)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == ExitCode.MODEL, done.stderr
    [line] = [line for line in done.stderr.splitlines() if "not a sound GGUF file" in line]
    assert "SIGABRT" in line
