"""The code that runs in a kernel before the first cell, as text: one hidden part and two that everybody may read.

`CAPTURE` makes the live kernel fit for a reader of text. `parameters` and `setup` are also the first two cells of every
notebook we write, so they run in any Jupyter and mention nothing of ours. Nothing here talks to a kernel.
"""

from __future__ import annotations

import keyword
from collections.abc import Sequence
from pathlib import Path

from .reserved import RESERVED
from .types import DataSource, Table

DATAFRAME_ROWS = 2_000_000
"""Tables with more rows are views only; a DataFrame of 20 columns would take some 300 MB and more."""

_START = "install(shell)\nwatch(shell)"
_SOURCES = tuple(Path(__file__).with_name(name).read_text("utf-8") for name in ("capture.py", "watching.py"))
CAPTURE = (
    f"(lambda space: [exec(compile(text, '<capture>', 'exec'), space) for text in {(*_SOURCES, _START)!r}] and None)("
    "{'__name__': 'capture', 'shell': get_ipython()})"
)
"""The hidden cell: `capture.py` and `watching.py`, in a namespace of their own."""

_IMPORTS = """\
import os
import random
import shutil
{sqlite3}import tempfile

import duckdb
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

# The same random numbers in every run.
random.seed(0)
np.random.seed(0)

# Tables print up to 20 rows and columns; numbers six digits, or two decimals where they are large.
pd.set_option("display.max_rows", 20, "display.min_rows", 10, "display.max_columns", 20)
pd.set_option("display.width", 140, "display.max_colwidth", 40)
pd.set_option("display.float_format", lambda x: f"{{x:.6g}}" if abs(x) < 1e5 else f"{{round(x, 2):.15g}}")
np.set_printoptions(legacy="1.25", linewidth=140, suppress=True, threshold=200)
"""

_SCRATCH = """
# Work in a scratch folder in which the data files lie under their own names, so that nothing is written into DATA_DIR.
# Files up to 100 MB are copied, larger ones linked.
DATA_DIR = DATA_DIR.expanduser().resolve()
os.chdir(os.environ.get("DEEPANALYZE_SCRATCH") or tempfile.mkdtemp())
for file in {files}:
    if not os.path.lexists(file):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        place = shutil.copyfile if (DATA_DIR / file).stat().st_size <= 100_000_000 else os.symlink
        place(DATA_DIR / file, file)
"""

_AS_PANDAS = '''

def as_pandas(relation):
    """A DataFrame with the types pandas itself would choose: whole numbers with gaps as float64, times in ns."""
    df = relation.df()
    for column, dtype in df.dtypes.items():
        if pd.api.types.is_extension_array_dtype(dtype) and dtype.kind in "iu":
            df[column] = df[column].astype("float64")
        elif pd.api.types.is_extension_array_dtype(dtype) and dtype.kind == "b":
            df[column] = df[column].astype("object")
        elif dtype.kind == "M" and df[column].dropna().dt.year.between(1678, 2261).all():
            df[column] = df[column].dt.as_unit("ns")
    return df

'''

_CONNECTION = """
# DuckDB without extensions to fetch and with settings that no query changes.{bounds}
con = duckdb.connect()
con.execute(f\"\"\"
    SET TimeZone = 'UTC';{limits}
    SET autoinstall_known_extensions = false;
    SET autoload_known_extensions = false;
    SET extension_directory = '{{os.devnull}}';
    SET allow_persistent_secrets = false;
    SET lock_configuration = true;
\"\"\")
duckdb.set_default_connection(con)
"""
"""Not `enable_external_access = false`, which would confine files to `allowed_directories`: DuckDB (1.5.6, in
`python_replacement_scan.cpp`) then finds no DataFrame by its name and reads no open file, half of what people do. Which
files can be reached at all is for the sandbox to say; this layer keeps queries from code that is fetched, and makes one
that needs too much memory fail with an error instead of ending the kernel. DuckDB 1.2 to 2.0 know every setting here
(not so `allowed_configs`, which would leave `SET threads` open)."""

_LAST = """
# Seaborn draws its bands of confidence by chance: by the same chance in every run.
sns.algorithms.bootstrap = sns._statistics.bootstrap = (
    lambda *values, bootstrap=sns.algorithms.bootstrap, seed=None, **options: bootstrap(
        *values, seed=0 if seed is None else seed, **options
    )
)

# Charts of one size, in colours that the colour-blind can tell apart.
sns.set_theme(style="whitegrid", palette="colorblind", rc={"figure.figsize": (7, 4), "legend.frameon": False})
plt.rcParams.update({"axes.titlelocation": "left", "axes.titleweight": "bold", "axes.edgecolor": "#b0b4bb"})
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "grid.color": "#e4e6ea"})
"""


def parameters(data_dir: Path) -> str:
    """The cell that says where the data lies: the only one a reader has to change on another machine."""
    return f"from pathlib import Path\n\nDATA_DIR = Path({str(data_dir)!r})\n"


def setup(
    sources: Sequence[DataSource], data_dir: Path | None, *, memory: int | None = None, spill: int | None = None
) -> str:
    """The cell that imports the usual libraries and loads every table as a DuckDB view and as a DataFrame of its name.

    It expects `DATA_DIR` from the cell of `parameters`; without a `data_dir` there is none, and no table may need it.
    DuckDB takes at most `memory` bytes, and at most `spill` bytes below `.tmp` in the working folder for what does not
    fit; `None` leaves its own choice (80 % of the memory, 90 % of the disk).
    """
    tables = [table for source in sources for table in source.tables]
    uses_sqlite = any("sqlite3" in table.load for table in tables)
    parts = [_IMPORTS.format(sqlite3="import sqlite3\n" if uses_sqlite else "")]
    if data_dir is not None:
        parts.append(_SCRATCH.format(files=[source.name for source in sources]))
    if any(table.engine == "duckdb" and _has_frame(table) for table in tables):
        parts.append(_AS_PANDAS)
    parts.append(_connection(memory, spill))
    if tables:
        parts.append("\n# Each table is a view for con.sql() and a DataFrame, both under its name.\n")
    if any(table.rows > DATAFRAME_ROWS for table in tables):
        parts.append(f"# Above {DATAFRAME_ROWS:,} rows it is a view only.\n")
    parts += [_load(table) for table in tables]
    return "".join([*parts, _LAST])


def _connection(memory: int | None, spill: int | None) -> str:
    """The lines that make `con`, and let `duckdb.sql()` use it too. Limits are in whole MiB, rounded down."""
    limits, bounds = "", ""
    if memory is not None:
        limits += f"\n    SET memory_limit = '{max(memory >> 20, 1)}MiB';"
        bounds = "\n# A query that needs more memory than this goes on on disk, in .tmp, or fails."
    if spill is not None:
        limits += f"\n    SET max_temp_directory_size = '{max(spill >> 20, 1)}MiB';"
    return _CONNECTION.format(bounds=bounds, limits=limits)


def _load(table: Table) -> str:
    """The lines for one table. What `create_view` returns is the relation of the view itself."""
    name = repr(table.name)
    if table.engine == "duckdb":
        view = f"{table.load}.create_view({name})"
        return f"{table.name} = as_pandas({view})\n" if _has_frame(table) else f"{view}\n"
    if not _has_frame(table):
        return f"con.register({name}, {table.load})\n"
    return f"{table.name} = {table.load}\ncon.register({name}, {table.name})\n"


def _has_frame(table: Table) -> bool:
    usable = table.name.isidentifier() and not keyword.iskeyword(table.name) and table.name.lower() not in RESERVED
    return usable and table.rows <= DATAFRAME_ROWS
