"""A finding that code tells: sentences printed with their numbers and names taken from variables.

What is typed into the sentences themselves must not be data: a number or a group name there would stand even when the
data says otherwise. Checked on the cell's syntax tree, before it runs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from ..types import DataSource


_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")


def typed_facts(code: str, names: Iterable[str]) -> tuple[str, ...]:
    """Numbers, and group names out of `names`, that stand as plain text in what `code` prints.

    A name or number that the same `print` also looks up (`{stats.loc[2007, "mean"]}`) may be typed: were it not in the
    data, the look-up would fail. A syntax error finds nothing: it is told elsewhere.
    """
    try:
        prints = list(_prints(ast.parse(code)))
    except SyntaxError:
        return ()
    known = {name for name in names if re.search(r"[^\W\d_]{2}", name)}
    found = []
    for text, looked_up in prints:
        numbers = _NUMBER.findall(text)
        words = [name for name in known if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)]
        found += [fact for fact in (*numbers, *words) if fact not in looked_up]
    return tuple(dict.fromkeys(found))


def group_names(sources: Iterable[DataSource]) -> frozenset[str]:
    """The values of the columns that make groups, as the profile lists them: `Adelie (152)` -> `Adelie`."""
    return frozenset(
        re.sub(r" \([\d,]+\)$", "", example)
        for source in sources
        for table in source.tables
        for column in table.columns
        if column.type in ("text", "boolean")
        for example in column.examples
    )


def _prints(tree: ast.AST) -> Iterable[tuple[str, frozenset[str]]]:
    """For each `print`: the text typed into it, and the constants that its expressions look up."""
    for call in ast.walk(tree):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "print"):
            continue
        pieces = [p for a in call.args for p in (a.values if isinstance(a, ast.JoinedStr) else [a])]
        typed = [p.value for p in pieces if isinstance(p, ast.Constant) and isinstance(p.value, str)]
        expressions = [p.value for p in pieces if isinstance(p, ast.FormattedValue)]
        constants = [n.value for e in expressions for n in ast.walk(e) if isinstance(n, ast.Constant)]
        yield " ".join(typed), frozenset(map(str, constants))


def computed(code: str) -> bool:
    """Whether anything `code` prints comes from an expression; true for code that cannot be read."""
    try:
        return any(isinstance(node, ast.FormattedValue) for node in ast.walk(ast.parse(code)))
    except SyntaxError:
        return True
