"""What may hold weights, and what is never opened because opening it runs it."""

from __future__ import annotations

import ast
import json
import pickle
import zipfile
from pathlib import Path

import pytest

from deepanalyze_cli.errors import ExitCode, ModelError
from deepanalyze_cli.models import formats, registry, store
from deepanalyze_cli.models.backends import open_model
from deepanalyze_cli.types import ModelCard


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.fixture
def mark(tmp_path: Path):
    """What a bomb would leave."""
    path = tmp_path / "exploded"
    yield path
    assert not path.exists()


@pytest.mark.parametrize("name", ["m.bin", "m.pt", "m.pth", "m.ckpt", "m.PT", "m.gguf", "m"])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_pickle_is_refused_by_its_name_and_by_its_bytes(tmp_path, mark, name, zipped):
    path = tmp_path / name
    path.write_bytes(pickle.dumps(Bomb(mark)))
    if zipped:
        with zipfile.ZipFile(tmp_path / "torch", "w") as archive:
            archive.write(path, "archive/data.pkl")
        (tmp_path / "torch").rename(path)
    for use in (lambda: registry.find(str(path)), lambda: store.import_file(path, "mine")):
        with pytest.raises(ModelError, match="can run code when it is loaded, and is never loaded here") as caught:
            use()
        assert "safetensors" in caught.value.fix and caught.value.exit_code == ExitCode.MODEL


@pytest.mark.parametrize("text", ["hello", "", "GGU"])
def test_a_suffix_is_enough_and_other_files_are_just_not_gguf(tmp_path, text):
    (tmp_path / "m.bin").write_text(text)
    with pytest.raises(ModelError, match="can run code"):
        formats.check_file(tmp_path / "m.bin")
    (tmp_path / "m.gguf").write_text(text)
    with pytest.raises(ModelError, match="is not a GGUF file"):
        formats.check_file(tmp_path / "m.gguf")


CONFIGURATION = {"architectures": ["X"], "auto_map": {"AutoModel": "modeling_x.X"}}


@pytest.mark.parametrize(
    ("name", "content", "refusal"),
    [
        ("pytorch_model.bin", b"", "can run code"),
        ("sub/folder/model.ckpt", b"", "can run code"),
        ("modeling_x.py", b"", "brings code"),
        ("config.json", json.dumps(CONFIGURATION).encode(), "brings code"),
        ("tokenizer_config.json", json.dumps({"deep": [{"er": CONFIGURATION}]}).encode(), "brings code"),
        ("config.json", b"{" * 100_000, "brings code"),
        ("config.json", b"[" * 100_000 + b"]" * 100_000, "brings code"),
        ("config.json", b"\xff", "brings code"),
    ],
)
def test_a_folder_that_brings_code_is_refused(tmp_path, name, content, refusal):
    folder = tmp_path / "model"
    (folder / name).parent.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(bytes(100))
    formats.check_folder(folder)
    (folder / name).write_bytes(content)
    card = ModelCard("m", "llama.cpp")
    for use in (lambda: formats.check_folder(folder), lambda: open_model(card, folder)):
        with pytest.raises(ModelError, match=refusal) as caught:
            use()
        assert Path(name).name in caught.value.message and "\n" not in str(caught.value)
    with pytest.raises(ModelError, match=refusal):
        registry.find(str(folder))


def test_a_folder_of_data_passes(tmp_path):
    (tmp_path / "config.json").write_text('{"auto_map": {}, "vocab": "auto_map"}')
    (tmp_path / "model.safetensors").write_bytes(b"")
    formats.check_folder(tmp_path)


def calls(tree: ast.AST) -> set[str]:
    """Every name that is called, or passed by name, in a module."""
    names = {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg}
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return names | {ast.unparse(function) for function in called}


def test_nothing_of_ours_trusts_remote_code_or_loads_a_pickle():
    ours = sorted(Path(formats.__file__).parents[1].rglob("*.py"))
    assert len(ours) > 40
    forbidden = {"trust_remote_code", "allow_pickle", "weights_only"}
    forbidden |= {
        "torch.load",
        "pickle.load",
        "pickle.loads",
        "joblib.load",
        "np.load",
        "pd.read_pickle",
        "marshal.loads",
    }
    for path in ours:
        assert not calls(ast.parse(path.read_text("utf-8"))) & forbidden, path
