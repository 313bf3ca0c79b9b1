"""Whether what a cell prints comes from the data, or only from what the model typed.

Follows values through the code of a run's cells, in order: a name is *data* if anything of it was read from a source of
the workspace, *literals* if all of it was typed or drawn at random, *unknown* if the code does not say. Reads syntax
trees; runs nothing, and does not follow what `exec` or an import of the model's own files would do.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from ..types import Run, Turn
from .following import FIGURE, STARTING, Follower, Origin, Print, joined, parsed, root_of, start_of


def origin(run: Run) -> dict[int, Origin]:
    """Turn -> where what its cell prints comes from, for every turn with code that ran.

    `data`: something printed descends from a source. `literals`: all of it was typed; such a cell is no evidence.
    """
    return {turn.index: joined(p.origin for p in prints) if prints else "unknown" for turn, prints in _followed(run)}


def lineage(run: Run) -> dict[int, str]:
    """Turn -> code of the earlier cells that made what its cell uses, up to the sources."""
    made: dict[str, str] = {}
    found = {}
    for turn in _ran(run):
        tree = parsed(turn.code or "")
        if tree is None:
            continue
        loaded = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        used = dict.fromkeys(made[name] for name in sorted(loaded) if name in made)
        found[turn.index] = "\n".join(used)[:20_000]
        for statement in tree.body:
            code = ast.unparse(statement)
            loads = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
            before = dict.fromkeys(made[name] for name in sorted(loads) if name in made)
            for name in _stored(statement):
                made[name] = "\n".join([*before, code])[-8_000:]
    return found


def statements(run: Run) -> dict[int, tuple[tuple[str, str], ...]]:
    """Turn -> for each `print` at the top of its cell: how the line begins, and the code behind its values.

    None for a cell that prints in loops or functions too: there lines and statements do not correspond.
    """
    made: dict[str, str] = {}
    found = {}
    for turn in _ran(run):
        tree = parsed(turn.code or "")
        if tree is None:
            continue
        top = []
        for statement in tree.body:
            behind = "\n".join(dict.fromkeys(made[name] for name in sorted(_used(statement)) if name in made))
            code = f"{behind}\n{ast.unparse(statement)}"[-8_000:]
            for name in (column,) if (column := _stored_column(statement)) else _stored(statement):
                made[name] = code
            if isinstance(statement, ast.Expr) and Follower.prints_here(statement.value):
                top.append((start_of(statement.value), code))  # type: ignore[arg-type]
        calls = sum(Follower.prints_here(node) for node in ast.walk(tree))
        if top and calls == len(top):
            found[turn.index] = tuple(top)
    return found


def untyped(run: Run) -> Callable[[int, str], str]:
    """What of a printed line, by turn, is evidence: the line without the numbers that were only typed.

    Nothing is left of a line that a `print` of literals made. Numbers in the text of an f-string become spaces.
    """
    marks = {turn.index: (prints, _texts(turn)) for turn, prints in _followed(run)}

    def left(turn: int, line: str) -> str:
        prints, texts = marks.get(turn, ((), ()))
        if prints and all(p.origin == "literals" for p in prints):
            return ""
        if any(p.origin == "literals" and p.shows(line) for p in prints):
            return ""
        for text in texts:
            if text in line:
                line = line.replace(text, FIGURE.sub(lambda found: " " * len(found[0]), text))
        return line

    return left


def _texts(turn: Turn) -> tuple[str, ...]:
    """The pieces of text with numbers in them that a cell's `print`s type."""
    tree = parsed(turn.code or "")
    calls = [node for node in ast.walk(tree) if Follower.prints_here(node)] if tree else []
    pieces = (
        n.value.strip()
        for call in calls
        for n in ast.walk(call)
        if isinstance(n, ast.Constant) and isinstance(n.value, str)
    )
    return tuple(
        dict.fromkeys(
            p for piece in pieces for p in piece.split("\n") if re.search(r"[^\W\d_]{2}", p) and FIGURE.search(p)
        )
    )


def _ran(run: Run) -> Iterator[Turn]:
    for turn in run.turns:
        seen = turn.observation
        if (
            turn.code is not None
            and seen is not None
            and (seen.status in ("ok", "error", "timeout", "died") or seen.seconds)
        ):
            yield turn


def _followed(run: Run) -> Iterator[tuple[Turn, list[Print]]]:
    tables = {table.name for source in run.task.sources for table in source.tables}
    files = {re.split(r"[/\\]", source.name)[-1] for source in run.task.sources}
    follow = Follower(dict.fromkeys((*tables, *STARTING), "data"), files, tables)
    for turn in _ran(run):
        tree = parsed(turn.code or "")
        if tree is None:
            yield turn, [Print("unknown")]
            continue
        follow.prints = []
        try:
            follow.cell(tree)
        except RecursionError:
            follow.prints = [Print("unknown")]
        yield turn, follow.prints


def _stored(statement: ast.AST) -> set[str]:
    names = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    for node in ast.walk(statement):
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        if (
            isinstance(node, (ast.Subscript, ast.Attribute))
            and isinstance(node.ctx, ast.Store)
            and (root := root_of(node))
        ):
            names.add(root)
    return names


def _stored_column(statement: ast.AST) -> str:
    """`frame.column` of an assignment to one column of a frame."""
    match statement:
        case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str() as column))]):
            return f"{name}.{column}"
    return ""


def _used(statement: ast.AST) -> set[str]:
    """The names that a statement loads, and with them the columns that it names."""
    nodes = list(ast.walk(statement))
    names = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    texts = {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    texts |= {n.attr for n in nodes if isinstance(n, ast.Attribute)}
    return names | {f"{name}.{text}" for name in names for text in texts}
