"""Settings: who wins, where each value came from, and what is said of a wrong one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from deepanalyze_cli.errors import ExitCode, UsageError
from deepanalyze_cli.settings import Settings, load, seconds, size, unread

ORIGINS = dict.fromkeys((f.name for f in fields(Settings)), "default")


@pytest.mark.parametrize(
    ("text", "value"), [("90", 90), ("90s", 90), ("10m", 600), ("2h", 7200), (" 1.5 h ", 5400), (45, 45), (0.5, 0.5)]
)
def test_times(text, value):
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "0", "0m", "-5", "5d", "m", "1h30m", "inf", "nan", "1e3", True, None])
def test_what_is_no_time(text):
    with pytest.raises(ValueError, match="is not a time like 90, 90s, 10m or 2h"):
        seconds(text)


def test_defaults(tmp_path):
    assert load({"model": None}, environment={}, folder=tmp_path) == (Settings(), ORIGINS)


def test_flag_above_environment_above_project_above_default(tmp_path):
    project = tmp_path / "deepanalyze.toml"
    project.write_text('seed = 1\nmax-steps = 11\nmax_time = "10m"\nout = "~/runs"\n')
    environment = {"DEEPANALYZE_SEED": "2", "DEEPANALYZE_MAX_STEPS": "22", "DEEPANALYZE_OFFLINE": "yes", "SEED": "9"}
    found, origins = load({"seed": 3, "offline": None}, environment=environment, folder=tmp_path)
    assert found == Settings(seed=3, max_steps=22, max_time=600.0, offline=True, out=Path.home() / "runs")
    assert origins == ORIGINS | {
        "seed": "--seed",
        "max_steps": "DEEPANALYZE_MAX_STEPS",
        "offline": "DEEPANALYZE_OFFLINE",
        "max_time": str(project),
        "out": str(project),
    }


def test_the_nearest_project_file_counts(tmp_path):
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "deepanalyze.toml").write_text("seed = 1\ncontext = 4096\n")
    (tmp_path / "a" / "pyproject.toml").write_text('[project]\nname = "other"\n')
    assert load({}, environment={}, folder=below)[0] == Settings(seed=1, context=4096)
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.deepanalyze]\nseed = 2\n")
    assert load({}, environment={}, folder=below)[0] == Settings(seed=2)
    (tmp_path / "a" / "b" / "deepanalyze.toml").write_text("")
    assert load({}, environment={}, folder=below)[0] == Settings()


def test_an_empty_variable_is_none(tmp_path):
    assert load({}, environment={"DEEPANALYZE_SEED": ""}, folder=tmp_path)[0] == Settings()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("seed = -1", "seed cannot be -1"),
        ("seed = true", "seed cannot be True"),
        ("seed = 1.5", "seed cannot be 1.5"),
        ("max_steps = 0", "max-steps cannot be 0"),
        ('max_time = "soon"', "max-time cannot be 'soon'"),
        ("cell_timeout = inf", "cell-timeout cannot be inf"),
        ('offline = "perhaps"', "offline cannot be 'perhaps'"),
        ("out = 5", "out cannot be 5"),
        ('out = "~nobody-of-that-name/runs"', "out cannot be '~nobody-of-that-name/runs'"),
        ("modell = 1", "sets 'modell', which is no setting"),
        ("seed = ", "cannot be read"),
        ("\xff", "cannot be read"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_place(tmp_path, text, told):
    project = tmp_path / "deepanalyze.toml"
    project.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError) as caught:
        load({}, environment={}, folder=tmp_path)
    assert str(project) in caught.value.message and told in caught.value.message and caught.value.fix
    assert caught.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize("text", ["tool = 3", "[tool]\ndeepanalyze = 3"])
def test_a_strange_pyproject(tmp_path, text):
    (tmp_path / "pyproject.toml").write_text(text)
    if text == "tool = 3":
        assert load({}, environment={}, folder=tmp_path)[0] == Settings()
    else:
        with pytest.raises(UsageError, match=r"tool\.deepanalyze is not a table"):
            load({}, environment={}, folder=tmp_path)


@pytest.mark.parametrize(
    ("flags", "environment", "told"),
    [
        ({}, {"DEEPANALYZE_MAX_TIME": "soon"}, "DEEPANALYZE_MAX_TIME: max-time cannot be 'soon'"),
        ({"max_steps": 0}, {}, "--max-steps cannot be 0"),
    ],
)
def test_what_is_wrong_elsewhere_is_told_with_its_place(tmp_path, flags, environment, told):
    with pytest.raises(UsageError, match=f"^{re.escape(told)}"):
        load(flags, environment=environment, folder=tmp_path)


SHOW = "from deepanalyze_cli.settings import load; s, o = load({}); print(s.seed, o['seed'], s.context, o['context'])"


@pytest.mark.skipif(sys.platform != "linux", reason="the folder of the user's file is set as Linux has it")
def test_the_user_file_lies_below_the_project_file(tmp_path):
    user, project = tmp_path / "config" / "deepanalyze" / "config.toml", tmp_path / "work" / "deepanalyze.toml"
    for path, text in ((user, "seed = 1\ncontext = 4096\n"), (project, "seed = 2\n")):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config")}
    done = subprocess.run(
        [sys.executable, "-c", SHOW], cwd=project.parent, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"2 {project} 4096 {user}"


def test_a_wrong_flag_ends_the_command_with_its_name(tmp_path):
    command = "from deepanalyze_cli.cli import main; main()"
    arguments = ["analyze", ".", "--max-time", "soon"]
    done = subprocess.run([sys.executable, "-c", command, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == ExitCode.USAGE
    assert done.stdout == "" and done.stderr.startswith("deepanalyze: --max-time cannot be 'soon'")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [("2000000", 2e6), ("500MB", 5e8), ("4 GB", 4e9), ("4g", 4e9), ("1.5GiB", 1.5 * 2**30), (10**9, 1e9)],
)
def test_sizes(text, value):
    assert size(text) == value


@pytest.mark.parametrize("text", ["", "4", "GB", "-1GB", "1 XB", "999kb", "4GB!", None])
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match="is not a size like 500MB or 4GB"):
        size(text)


def test_no_sandbox_has_to_be_typed(tmp_path):
    assert load({"sandbox": "none"}, environment={}, folder=tmp_path)[0].sandbox == "none"
    (tmp_path / "deepanalyze.toml").write_text('sandbox = "none"\n')
    for environment, folder in (({}, tmp_path), ({"DEEPANALYZE_SANDBOX": "none"}, tmp_path / "elsewhere")):
        with pytest.raises(UsageError, match=r"sandbox cannot be 'none' \(.*type `--sandbox none`"):
            load({}, environment=environment, folder=folder, data=[folder / "elsewhere"])
    with pytest.raises(UsageError, match="it must be one of auto, full, bwrap, landlock, none"):
        load({"sandbox": "docker"}, environment={}, folder=tmp_path / "elsewhere", data=[tmp_path])


def test_a_settings_file_that_a_cell_wrote_is_not_read(tmp_path):
    work = tmp_path / "run" / "work"
    work.mkdir(parents=True)
    (tmp_path / "deepanalyze.toml").write_text("seed = 1\n")
    (work / "deepanalyze.toml").write_text("seed = 2\n")
    assert load({}, environment={}, folder=work)[0].seed == 2
    (tmp_path / "run" / "trace.jsonl").touch()
    assert load({}, environment={}, folder=work)[0].seed == 1


def test_a_settings_file_inside_the_data_is_data(tmp_path):
    below = tmp_path / "data" / "sub"
    below.mkdir(parents=True)
    (tmp_path / "deepanalyze.toml").write_text("seed = 1\n")
    (tmp_path / "data" / "deepanalyze.toml").write_text('seed = 2\nmodel = "evil.gguf"\n')
    (below / "pyproject.toml").write_text("[tool.deepanalyze]\nseed = 3\n")
    assert load({}, environment={}, folder=below, data=[tmp_path / "data"])[0] == Settings(seed=1)
    assert load({}, environment={}, folder=below, data=[tmp_path / "other"])[0].seed == 3


def test_a_settings_file_beside_a_data_file_is_data(tmp_path):
    (tmp_path / "deepanalyze.toml").write_text("seed = 2\n")
    (tmp_path / "a.csv").write_text("a\n1\n")
    assert load({}, environment={}, folder=tmp_path, data=[tmp_path / "a.csv"])[0] == Settings()
    assert unread([tmp_path / "a.csv"], tmp_path) == tmp_path / "deepanalyze.toml"
    assert unread([tmp_path / "b" / "a.csv"], tmp_path) is None
