"""A finding that code tells: sentences printed with their numbers and names taken from variables.

What is typed into the sentences themselves must not be data: a number or a group name there would stand even when the
data says otherwise. Checked on the cell's syntax tree, before it runs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from ..types import DataSource

_NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?")
_FIELD = re.compile(r"\{[^{}]*\}|%[-+ #0-9.]*[a-z]")


def typed_facts(code: str, names: Iterable[str]) -> tuple[str, ...]:
    """Numbers, and group names out of `names`, that stand as plain text in what `code` prints.

    A name or number that the same `print` also looks up (`{stats.loc[2007, "mean"]}`) may be typed: were it not in the
    data, the look-up would fail. A syntax error finds nothing: it is told elsewhere.
    """
    try:
        prints = list(_prints(ast.parse(code)))
    except SyntaxError:
        return ()
    known = sorted({name for name in names if re.search(r"[^\W\d_]{2}", name)})
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


def computed(code: str) -> bool:
    """Whether anything `code` prints comes from an expression; true for code that cannot be read."""
    try:
        expressions = [p for pieces in _printed(ast.parse(code)) for p in pieces if isinstance(p, ast.expr)]
        return any(isinstance(node, ast.Name) for expression in expressions for node in ast.walk(expression))
    except SyntaxError:
        return True


def _prints(tree: ast.AST) -> Iterable[tuple[str, frozenset[str]]]:
    """For each `print`: the text typed into it, and the constants that its expressions look up."""
    for pieces in _printed(tree):
        typed = [piece for piece in pieces if isinstance(piece, str)]
        expressions = [piece for piece in pieces if isinstance(piece, ast.expr)]
        constants = [node.value for e in expressions for node in ast.walk(e) if isinstance(node, ast.Constant)]
        yield " ".join(typed), frozenset(map(str, constants))


def _printed(tree: ast.AST) -> Iterable[list[str | ast.expr]]:
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "print":
            yield [piece for argument in call.args for piece in _pieces(argument)]


def _pieces(node: ast.expr) -> Iterable[str | ast.expr]:
    """Typed text (`str`) and expressions of a string as code writes it: f-strings, `+`, `%` and `.format`.

    A constant in braces is typed all the same. What was put into a variable before is an expression.
    """
    match node:
        case ast.Constant(value=value):
            yield str(value)
        case ast.FormattedValue(value=value):
            yield from _pieces(value) if isinstance(value, ast.Constant) else (value,)
        case ast.JoinedStr(values=parts) | ast.Tuple(elts=parts):
            for part in parts:
                yield from _pieces(part)
        case ast.BinOp(left=left, op=ast.Add(), right=right) if _is_text(left) or _is_text(right):
            yield from (*_pieces(left), *_pieces(right))
        case ast.BinOp(left=text, op=ast.Mod(), right=value) if _is_text(text):
            yield from (*_without_fields(text), *_pieces(value))
        case ast.Call(func=ast.Attribute(value=text, attr="format"), args=args, keywords=named) if _is_text(text):
            yield from _without_fields(text)
            for value in (*args, *(keyword.value for keyword in named)):
                yield from _pieces(value)
        case _:
            yield node


def _without_fields(text: ast.expr) -> Iterable[str | ast.expr]:
    """The pieces of a text without its fields, in which numbers are widths: `{0:.1f}`, `%5.2f`."""
    for piece in _pieces(text):
        yield _FIELD.sub(" ", piece) if isinstance(piece, str) else piece


def _is_text(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return _is_text(node.left) or _is_text(node.right)
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
