"""What a table's `load` expression may be: a call of one of a few readers on the table's own file, and nothing more.

The expression is made in the box, by code that has just parsed a stranger's file, but it ends up in a notebook that a
user opens without a box. So it is believed only when its syntax tree is one of those that `read`, `delimited` and
`nested` write. Nothing here evaluates anything.
"""

from __future__ import annotations

import ast
import glob
import re

_CSV = frozenset(("sep", "header", "na_values", "sample_size", "decimal", "encoding", "on_bad_lines", "low_memory"))
_JSON = frozenset(("lines", "encoding", "convert_dates", "typ", "dtype", "orient", "sample_size"))
_READERS = {
    "con.read_csv": _CSV,
    "con.read_json": _JSON,
    "con.read_parquet": frozenset[str](),
    "pd.read_csv": _CSV,
    "pd.read_json": _JSON,
    "pd.read_parquet": frozenset[str](),
    "pd.read_excel": frozenset(("sheet_name", "engine")),
}
"""Each reader of a file, and the options it may be given."""

_STEPS = {
    "reset_index": "{0}.reset_index()",
    "rename": "{0}.rename(columns=str)",
    "rename_axis": "{0}.rename_axis('key')",
    "to_dict": "{0}.to_dict()",
}
"""What may be done with a table that was read, written as `ast.unparse` would."""

_QUOTED = r'"(?:[^"]|"")*"'
_UNWRAP = re.compile(rf"\* REPLACE \({_QUOTED} ->> '\$' AS {_QUOTED}(?:, {_QUOTED} ->> '\$' AS {_QUOTED})*\)")
_SELECT = re.compile(rf"SELECT \* FROM {_QUOTED}")
_DATABASE = "sqlite3.connect(({path}).as_uri() + '{mode}', uri=True)"
_MODES = ("?mode=ro", "?mode=ro&immutable=1")


def is_load(text: str, name: str) -> bool:
    """Whether `text` is one line of code that loads a table from the file `name` (relative, with forward slashes)."""
    if not text.isprintable():
        return False
    try:
        tree = ast.parse(text, mode="eval").body
        return _is_table(tree, name)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _is_table(node: ast.expr, name: str) -> bool:
    if isinstance(node, ast.Subscript):
        return _is_text(node.slice) and _is_table(node.value, name)
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    called = ast.unparse(node.func)
    if called in _READERS:
        return _is_reading(node, called, name)
    if called == "pd.json_normalize":
        return len(node.args) == 1 and not node.keywords and _is_table(node.args[0], name)
    if called == "pd.read_sql_query":
        return _is_query(node, name)
    return _is_step(node, node.func) and _is_table(node.func.value, name)


def _is_reading(node: ast.Call, called: str, name: str) -> bool:
    # DuckDB takes paths as patterns.
    file = glob.escape(name) if called.startswith("con.") else name
    options = all(k.arg in _READERS[called] and _is_plain(k.value) for k in node.keywords)
    return options and len(node.args) == 1 and _same(node.args[0], f"DATA_DIR / {file!r}")


def _is_query(node: ast.Call, name: str) -> bool:
    if len(node.args) != 2 or node.keywords:
        return False
    query, connection = node.args
    databases = [_DATABASE.format(path=f"DATA_DIR / {name!r}", mode=mode) for mode in _MODES]
    return _is_text(query, _SELECT) and any(_same(connection, database) for database in databases)


def _is_step(node: ast.Call, func: ast.Attribute) -> bool:
    if func.attr == "project":
        return len(node.args) == 1 and not node.keywords and _is_text(node.args[0], _UNWRAP)
    pattern = _STEPS.get(func.attr)
    return bool(pattern) and _same(node, pattern.format(ast.unparse(func.value)))


def _same(node: ast.expr, code: str) -> bool:
    return ast.dump(node) == ast.dump(ast.parse(code, mode="eval").body)


def _is_plain(node: ast.expr) -> bool:
    """A constant, -1, or a list of constants."""
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    return isinstance(node, ast.Constant) or (
        isinstance(node, ast.List) and all(isinstance(item, ast.Constant) for item in node.elts)
    )


def _is_text(node: ast.expr, pattern: re.Pattern[str] | None = None) -> bool:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return False
    return pattern is None or bool(pattern.fullmatch(node.value))
