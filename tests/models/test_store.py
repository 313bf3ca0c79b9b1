"""store: where weights lie, whether they are right, how they come in and go."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from website import COMMIT, HUB

from deepanalyze_cli.errors import DigestMismatch, ModelError
from deepanalyze_cli.models import registry, store


@pytest.fixture
def file(tmp_path, weights) -> Path:
    """The weights as someone brought them, outside of our folder."""
    path = tmp_path / "brought.gguf"
    path.write_bytes(weights)
    return path


@pytest.fixture
def placed(home, card, weights) -> Path:
    """The weights where they belong."""
    home.mkdir()
    path = home / card.file
    path.write_bytes(weights)
    return path


@pytest.fixture
def known(card, tmp_path):
    """The card, among the user's."""
    folder = tmp_path / "config" / "deepanalyze" / "models"
    folder.mkdir(parents=True)
    (folder / "tiny.toml").write_text(registry.card_text(card))
    return registry.find("tiny")


def spoil(path: Path) -> None:
    """Change one byte, and neither size nor time."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(1000)
        old = file.read(1)
        file.seek(1000)
        file.write(bytes([old[0] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_the_folder_is_chosen_by_the_environment(home, monkeypatch, tmp_path):
    assert store.root() == home
    monkeypatch.delenv("DEEPANALYZE_MODELS_DIR")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert store.root() == tmp_path / "data" / "deepanalyze" / "models"


def test_locate(card, home, placed):
    assert store.locate(card) == placed
    placed.unlink()
    assert store.locate(card) is None


def test_verify_names_what_it_expected_and_found(card, placed):
    store.verify(card, placed)
    spoil(placed)
    found = hashlib.sha256(placed.read_bytes()).hexdigest()
    with pytest.raises(DigestMismatch, match=f"expected sha256 {card.sha256}, found {found}"):
        store.verify(card, placed)


def test_another_size_is_wrong_without_a_hash(card, placed):
    placed.write_bytes(b"GGUF")
    told = []
    with pytest.raises(DigestMismatch, match=f"expected {card.bytes} bytes .*found 4 bytes"):
        store.verify(card, placed, told.append)
    assert told == []


def test_a_second_hash_is_spared_until_size_or_time_change(card, placed):
    told = []
    store.ensure_verified(card, placed, told.append)
    assert told[-1] == card.bytes
    told.clear()
    assert store.ensure_verified(card, placed, told.append) == placed
    assert told == []
    os.utime(placed)
    store.ensure_verified(card, placed, told.append)
    assert told[-1] == card.bytes


def test_what_verify_found_wrong_is_not_believed_again(card, placed):
    store.ensure_verified(card, placed)
    spoil(placed)
    store.ensure_verified(card, placed)  # which is the price of not hashing
    with pytest.raises(DigestMismatch):
        store.verify(card, placed)
    with pytest.raises(DigestMismatch):
        store.ensure_verified(card, placed)


def test_another_digest_in_the_card_is_noticed(card, placed):
    store.ensure_verified(card, placed)
    with pytest.raises(DigestMismatch):
        store.ensure_verified(replace(card, sha256="0" * 64), placed)


def test_the_folder_may_be_moved(card, placed, home, monkeypatch, tmp_path):
    store.ensure_verified(card, placed)
    home.rename(tmp_path / "moved")
    monkeypatch.setenv("DEEPANALYZE_MODELS_DIR", str(tmp_path / "moved"))
    told = []
    store.ensure_verified(card, store.locate(card), told.append)
    assert told == []


def test_a_file_named_by_its_path_is_not_checked_and_nothing_is_written_beside_it(file):
    made_up = registry.find(str(file))
    before = sorted(file.parent.iterdir())
    assert store.locate(made_up) == file
    assert store.ensure_verified(made_up, file) == file
    store.verify(made_up, file)
    assert sorted(file.parent.iterdir()) == before


def test_a_known_file_is_adopted_by_its_digest(known, file, home):
    assert store.import_file(file, name="anything") == known
    assert store.locate(known).samefile(file)
    told = []
    store.ensure_verified(known, store.locate(known), told.append)
    assert told == []
    assert sorted(p.name for p in home.iterdir()) == ["tiny.gguf", "tiny.gguf.verified"]


def test_importing_twice_or_from_our_own_folder_is_harmless(known, file):
    store.import_file(file)
    store.import_file(store.place(known))
    store.import_file(file)
    store.verify(known, store.locate(known))


def test_a_file_on_another_disk_is_copied(known, small_disk, weights):
    (small_disk / "far.gguf").write_bytes(weights)
    store.import_file(small_disk / "far.gguf")
    assert store.locate(known).stat().st_nlink == 1
    store.verify(known, store.locate(known))


def test_an_unknown_file_needs_a_name(file, home):
    with pytest.raises(ModelError, match=r"none of the models we know .*--name"):
        store.import_file(file)
    assert not home.exists()


def test_an_unknown_file_with_a_name_becomes_a_card(file, card):
    made = store.import_file(file, "mine")
    assert registry.find("mine") == made
    assert (made.sha256, made.bytes, made.file) == (card.sha256, card.bytes, "mine.gguf")
    assert store.locate(made).samefile(file)


@pytest.mark.parametrize("name", ["smollm2-135m", "deepanalyze-8b-q4_k_m", "../mine", "", "a b"])
def test_a_name_that_is_taken_or_cannot_be_one(file, name, home):
    with pytest.raises(ModelError, match="cannot be called"):
        store.import_file(file, name)
    assert not home.exists()


def test_what_is_not_gguf_is_not_imported(tmp_path):
    (tmp_path / "x.gguf").write_text("hello, world")
    with pytest.raises(ModelError, match="not a GGUF file"):
        store.import_file(tmp_path / "x.gguf", "x")


def test_remove_takes_all_that_goes_with_the_weights(card, placed, home, weights):
    store.ensure_verified(card, placed)
    (home / "tiny.gguf.partial").write_bytes(b"x" * 10)
    (home / "tiny.gguf.partial.json").write_text("{}")
    (home / "other.gguf").write_bytes(b"stays")
    note = (home / "tiny.gguf.verified").stat().st_size
    assert store.remove(card) == len(weights) + note + 12
    assert [p.name for p in home.iterdir()] == ["other.gguf"]


def test_removing_an_imported_model_removes_its_card_and_not_the_original(file):
    store.remove(store.import_file(file, "mine"))
    assert "mine" not in registry.cards()
    assert file.exists()


def test_nothing_to_remove(card, file):
    with pytest.raises(ModelError, match="there is nothing to remove"):
        store.remove(card)
    with pytest.raises(ModelError, match="is not kept by us"):
        store.remove(registry.find(str(file)))
    assert file.exists()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HF_HUB_CACHE", "{0}/hf/hub"),
        ("HF_HUB_CACHE", "$HF_HOME/hub"),
        ("HUGGINGFACE_HUB_CACHE", "{0}/hf/hub"),
        ("HF_HOME", "{0}/hf"),
        ("XDG_CACHE_HOME", "{0}/cache"),
        ("HOME", "{0}/home"),
    ],
)
def test_the_hubs_cache_is_where_the_hub_says(card, weights, tmp_path, monkeypatch, variable, value):
    """Compared with `huggingface_hub` itself, in a process of its own: it reads the variables when it is imported."""
    if not variable.startswith(("HF_H", "HUGG")):
        monkeypatch.delenv("HF_HOME")
    monkeypatch.setenv(variable, value.format(tmp_path))
    code = "from huggingface_hub.constants import HF_HUB_CACHE; print(HF_HUB_CACHE)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    path = Path(done.stdout.strip(), "models--someone--Tiny", "snapshots", COMMIT, "tiny.gguf")
    assert path.is_relative_to(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(weights)
    for revision, found in ((COMMIT, path), ("f" * 40, None)):
        wanted = replace(card, sources=(replace(HUB, revision=revision),))
        assert store.locate(wanted) == found
    assert store.ensure_verified(replace(card, sources=(HUB,)), path) == path
    assert [p.name for p in path.parent.iterdir()] == ["tiny.gguf"]


HOLD = (
    "import sys; from deepanalyze_cli.models import store; from deepanalyze_cli.types import ModelCard\n"
    "with store.locked(ModelCard('tiny', 'llama.cpp', 'tiny.gguf')):\n"
    "    print('held', flush=True); sys.stdin.read()"
)


def test_one_at_a_time_and_a_dead_holder_holds_nothing(card, home):
    holder = subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ModelError, match=rf"another pull is running \(pid {holder.pid}\)"), store.locked(card):
            pass
        holder.kill()
    assert (home / "tiny.gguf.lock").read_text() == str(holder.pid)
    with store.locked(card):
        assert (home / "tiny.gguf.lock").read_text() == str(os.getpid())
    assert list(home.iterdir()) == []
