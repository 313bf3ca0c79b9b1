"""Imports point downwards, and what is heavy is loaded only by what needs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = frozenset(
    ("duckdb", "jinja2", "jupyter_client", "llama_cpp", "matplotlib", "nbformat", "numpy", "pandas", "pyarrow", "torch")
) | {"transformers"}
"""Not pydantic and markdown_it: typer and rich load them themselves, for options and for `--help`."""
COMMAND = "import sys; sys.argv[0] = 'deepanalyze'; from deepanalyze_cli.cli import main; main()"


def test_the_contracts_of_the_layers_are_kept():
    lint = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", lint], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", 0 broken." in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["analyze", "--help"], ["models", "--help"], ["models", "list"], ["models", "list", "--json"]],
    ids=" ".join,
)
def test_a_light_command_loads_nothing_heavy(arguments, tmp_path):
    """`-X importtime` tells every module on stderr, one a line behind the last `|`."""
    command = [sys.executable, "-X", "importtime", "-c", COMMAND, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "deepanalyze_cli" in loaded
    assert not loaded & HEAVY


def test_importing_the_loop_loads_nothing_heavy():
    parts = "agent, kernel, prelude, workspace, settings; from deepanalyze_cli.strategies import free, guided"
    code = f"import sys; from deepanalyze_cli import {parts}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {*done.stdout.split()} & (HEAVY | {"huggingface_hub", "markdown_it", "pydantic", "rich", "typer"})
