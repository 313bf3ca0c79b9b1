"""What a table is called in Python and in SQL: one short, unique identifier that needs no quoting in either.

Only about names; nothing here opens a file.
"""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata

from ..reserved import RESERVED

_SQL = {
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "constraint",
    "create",
    "default",
    "deferrable",
    "desc",
    "describe",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "fetch",
    "for",
    "foreign",
    "from",
    "group",
    "having",
    "in",
    "initially",
    "intersect",
    "into",
    "lambda",
    "lateral",
    "leading",
    "limit",
    "not",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "pivot",
    "pivot_longer",
    "pivot_wider",
    "placing",
    "primary",
    "qualify",
    "references",
    "returning",
    "select",
    "show",
    "some",
    "summarize",
    "symmetric",
    "table",
    "then",
    "to",
    "trailing",
    "union",
    "unique",
    "unpivot",
    "using",
    "variadic",
    "when",
    "where",
    "window",
    "with",
}
"""DuckDB's reserved words: `duckdb_keywords()` of 1.5.6, category `reserved`, without the literals true and false."""

LONGEST = 80
"""Characters of a name: 60 of the file's, and what makes it unique."""

_TAKEN = RESERVED | _SQL | {w.lower() for w in (*dir(builtins), *keyword.kwlist, *keyword.softkwlist)}


def identifier(text: str) -> str:
    """`text` as a lower-case Python identifier that shadows nothing: `2024 Sales (EU)` -> `t_2024_sales_eu`.

    Accents are dropped from Latin letters; other scripts stay, as both languages allow them.
    """
    decomposed = unicodedata.normalize("NFKD", text)
    plain = "".join(c for c in decomposed if not ("\u0300" <= c <= "\u036f"))
    name = re.sub(r"\W+", "_", unicodedata.normalize("NFKC", plain).lower()).strip("_")[:60].rstrip("_")
    if not name.isidentifier():
        name = f"t_{name}" if f"t_{name}".isidentifier() and name else "table_1"
    return f"{name}_data" if name in _TAKEN else name


def is_name(text: str) -> bool:
    """Whether `text` can be a table's name as `unique` gives them."""
    usable = len(text) <= LONGEST and text.isidentifier() and unicodedata.normalize("NFKC", text) == text
    return usable and text == text.lower() and text not in _TAKEN


def unique(wishes: list[str], taken: set[str]) -> str:
    """The first of `wishes` that is still free as an identifier, or the last one with a number; it is then taken."""
    names = [identifier(w) for w in wishes]
    free = next((n for n in names if n not in taken), None)
    number = 2
    while free is None:
        numbered = f"{names[-1]}_{number}"
        free = None if numbered in taken else numbered
        number += 1
    taken.add(free)
    return free
