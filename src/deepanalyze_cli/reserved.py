"""The names that cells rely on, in lower case: no table is called by one of them, in whatever case.

One list for those who choose tables' names (`workspace.names`) and those who load tables under them (`prelude`).
"""

from __future__ import annotations

_THERE = "as_pandas con data_dir display duckdb get_ipython in np os out path pd plt random shutil sns sqlite3 tempfile"
"""What the setup cell defines and what IPython has there already."""
_USUAL = "df json re sys"
"""What a model's code is about to use."""

RESERVED = frozenset(f"{_THERE} {_USUAL}".split())
