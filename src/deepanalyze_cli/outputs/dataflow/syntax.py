"""Small questions to a syntax tree: what goes where, where a chain starts, what is chosen by brackets."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from . import calls


def pairs(target: ast.expr, value: ast.expr, *, loop: bool) -> Iterator[tuple[ast.expr, ast.expr]]:
    """What goes where in an assignment or a loop, piece by piece as far as that is to be seen."""
    if isinstance(target, (ast.Tuple, ast.List)) and not any(isinstance(e, ast.Starred) for e in target.elts):
        parts: Sequence[ast.expr] = ()
        if not loop and isinstance(value, (ast.Tuple, ast.List)):
            parts = value.elts
        elif loop and isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
            counted = [ast.Constant(0), *value.args[:1]] if value.func.id == "enumerate" else []
            parts = value.args if value.func.id == "zip" else counted
        if len(parts) == len(target.elts):
            for left, given in zip(target.elts, parts, strict=True):
                yield from pairs(left, given, loop=loop)
            return
    yield target, value


def arguments(arguments: ast.arguments) -> set[str]:
    given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return {a.arg for a in given if a}


def roots(node: ast.AST) -> set[str]:
    """The name that a chain of attributes, items and calls starts from."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call, ast.Starred)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def dotted(node: ast.AST) -> tuple[str, ...]:
    """`np.random.seed` as its parts; empty for what is more than names and dots."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return (node.id, *reversed(parts)) if isinstance(node, ast.Name) else ()


def method(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else ""


def selects(chosen: ast.expr) -> bool:
    """Whether what stands in brackets chooses rows by a condition or columns by a list, which makes a copy."""
    if isinstance(chosen, ast.Tuple):
        return any(selects(part) for part in chosen.elts)
    if isinstance(chosen, ast.BinOp):
        return isinstance(chosen.op, (ast.BitAnd, ast.BitOr)) and (selects(chosen.left) or selects(chosen.right))
    if isinstance(chosen, ast.UnaryOp):
        return isinstance(chosen.op, ast.Invert)
    return isinstance(chosen, (ast.Compare, ast.List, ast.ListComp))


def is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def draws(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in calls.DRAWING
