"""What the tests of the workspace share: writing files and loading tables the way the kernel does."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from deepanalyze_cli.errors import KernelError
from deepanalyze_cli.sandbox import Box, choose
from deepanalyze_cli.types import Table
from deepanalyze_cli.workspace import Workspace


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Write a file below the test's folder."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def load() -> Callable[[Workspace, Table], pd.DataFrame]:
    """A table as the kernel's setup cell loads it: from its expression alone, with a connection of its own."""

    def load(workspace: Workspace, table: Table) -> pd.DataFrame:
        with duckdb.connect() as con:
            con.execute("SET TimeZone = 'UTC'")
            names = {"con": con, "pd": pd, "sqlite3": sqlite3, "DATA_DIR": workspace.data_dir}
            value = eval(table.load, names)
            assert isinstance(value, pd.DataFrame) == (table.engine == "pandas")
            return value if isinstance(value, pd.DataFrame) else value.df()

    return load


@pytest.fixture(scope="session")
def box() -> Box:
    """The strongest box of this machine, with less memory than a bomb takes."""
    try:
        return Box(choose("auto"), memory=600 << 20)
    except KernelError as error:
        pytest.skip(f"no box here: {error}")
