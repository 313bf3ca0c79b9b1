"""Which cells a set of cells cannot do without: backwards over names, by static analysis.

A program is a list of cells that ran in order. From the kept ones it goes back, collecting the names they load before
they store them, and takes in every other cell that may have stored one of those. Names are Python's, and also tables
made in SQL strings and files that were written, as those pass from cell to cell too.
It does not follow values: a name rebound by `exec`, or an object changed through another name, escapes it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..types import Run, Turn
from .story import base_name, numbered, ran, standing, status


@dataclass(frozen=True, slots=True)
class Effects:
    """What a piece of code takes from before it, surely gives names to, and changes in place."""

    loads: frozenset[str] = frozenset()
    stores: frozenset[str] = frozenset()
    changes: frozenset[str] = frozenset()


def program(run: Run) -> tuple[Turn, ...]:
    """The turns whose cells make the report when they are run in order: those it stands on and those they need."""
    cells = [turn for turn in run.turns if turn.index in numbered(run)]
    kept = frozenset(turn.index for turn in standing(run))
    kept |= carried(cells, kept)
    return tuple(turn for turn in cells if turn.index in kept)


def carried(cells: Sequence[Turn], kept: frozenset[int]) -> frozenset[int]:
    """Indices of the turns among `cells` that are not in `kept` but that `kept` needs.

    Cells that failed count with what they had done before the failing line. Cells that killed the kernel do not count,
    nor does anything before them but the files it wrote.
    """
    wanted: set[str] = set()
    found = set()
    for turn in reversed(cells):
        if status(turn) == "died":  # nothing but files outlived it
            wanted = {name for name in wanted if name.startswith("file ")}
            continue
        here = effects_of(turn)
        if turn.index not in kept:
            endless = status(turn) == "timeout" and failed_line(turn) is None
            if not ran(turn) or endless or not wanted & (here.stores | here.changes):
                continue
            found.add(turn.index)
        wanted = (wanted - here.stores) | here.loads
    return frozenset(found)


def effects_of(turn: Turn) -> Effects:
    """What a cell did, as far as it came."""
    code = turn.code or ""
    if status(turn) != "ok":
        code = done(code, failed_line(turn))
    files = frozenset(f"file {base_name(name)}" for name in (turn.observation.files if turn.observation else ()))
    found = effects(code)
    return Effects(found.loads, found.stores, found.changes | files)


def effects(code: str) -> Effects:
    """The effects of a cell; none for code that cannot be parsed."""
    tree = parse(code)
    if tree is None:
        return Effects()
    reader = _Reader()
    try:
        reader.visit(tree)
    except RecursionError:  # a sum of a thousand terms is a thousand levels deep: then all names, in no order
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        loaded = frozenset(name.id for name in names if isinstance(name.ctx, ast.Load))
        return Effects(loaded, frozenset(name.id for name in names) - loaded)
    return Effects(frozenset(reader.loads), frozenset(reader.stores), frozenset(reader.changes - reader.stores))


def failed_line(turn: Turn) -> int | None:
    """The line of the cell at which it failed (from 1), as its traceback says: the outermost frame."""
    error = next((o for o in turn.observation.outputs if o.kind == "error"), None) if turn.observation else None
    found = _FRAME.search(error.data.get("text/plain", "")) if error else None
    return int(found.group(1)) if found else None


def done(code: str, line: int | None) -> str:
    """The top-level statements of `code` that had ended before `line`; all of it where the line is not known."""
    tree = parse(code)
    if tree is None or line is None:
        return code
    ended = [node.end_lineno or 0 for node in tree.body if (node.end_lineno or 0) < line]
    return "\n".join(code.split("\n")[: max(ended, default=0)])


def parse(code: str) -> ast.Module | None:
    """The syntax tree of a cell, IPython's magics and shell lines taken for `pass`; `None` if it is no Python."""
    for attempt in (code, _MAGIC.sub(r"\1pass", _MAGIC_VALUE.sub("= None", code))):
        try:
            return ast.parse(attempt)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None


_FRAME = re.compile(r"^(?:Cell In ?\[\d+\]|File <ipython[^\n>]*>)[^\n]*?, line (\d+)", re.MULTILINE)
_MAGIC = re.compile(r"^([ \t]*)(?:[%!?]|[\w.]+\?+[ \t]*$).*$", re.MULTILINE)
_MAGIC_VALUE = re.compile(r"=[ \t]*[%!](?!=).*$", re.MULTILINE)
_CREATE = re.compile(
    r"\bcreate\s+(?:or\s+replace\s+)?(?:temp(?:orary)?\s+)?(?:table|view|macro)\s+(?:if\s+not\s+exists\s+)?[\"`]?(\w+)",
    re.IGNORECASE,
)
_QUERY = re.compile(r"\b(?:select|from|join|into|update|create)\b", re.IGNORECASE)
_CHANGING = frozenset(
    ("add", "append", "clear", "discard", "extend", "fit", "insert", "pop", "remove", "reverse", "setdefault", "sort")
) | {"update"}
"""Methods that change their object; those of a frame do with `inplace=True`."""


@dataclass
class _Reader(ast.NodeVisitor):
    """Walks code in the order it runs. A name is loaded from outside if nothing stored it before."""

    loads: set[str] = field(default_factory=set)
    stores: set[str] = field(default_factory=set)
    changes: set[str] = field(default_factory=set)

    def load(self, *names: str) -> None:
        self.loads.update(name for name in names if name not in self.stores)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.load(node.id)
        else:
            self.stores.add(node.id)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value:
            self.visit(node.value)
            self.visit(node.target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        if isinstance(node.target, ast.Name):
            self.load(node.target.id)
        self.visit(node.target)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self.visit(node.target)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.generic_visit(node)
        self._changed(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.generic_visit(node)
        self._changed(node)

    def _changed(self, node: ast.Subscript | ast.Attribute) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.changes.update(_root(node))

    def visit_Expr(self, node: ast.Expr) -> None:
        """`df.dropna(inplace=True)`, `names.append(x)` and `con.register("t", df)` change or name something."""
        self.generic_visit(node)
        call = node.value
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            return
        if call.func.attr in _CHANGING or any(k.arg == "inplace" for k in call.keywords):
            self.changes.update(_root(call.func))
        if call.func.attr == "register" and call.args and isinstance(call.args[0], ast.Constant):
            self.stores.add(str(call.args[0].value))

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self.stores.update([node.name] if node.name else [])
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        self.visit(node.iter)
        self.visit(node.target)
        for statement in [*node.body, *node.orelse]:
            self.visit(statement)

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.stores.update((alias.asname or alias.name).split(".")[0] for alias in node.names)

    visit_ImportFrom = visit_Import

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for outside in [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)]:
            self.visit(outside)
        self._inner(node.args, node.body)
        self.stores.add(node.name)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._inner(node.args, [node.body])

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for outside in [*node.decorator_list, *node.bases, *(k.value for k in node.keywords)]:
            self.visit(outside)
        self._inner(None, node.body)
        self.stores.add(node.name)

    def _inner(self, arguments: ast.arguments | None, body: Sequence[ast.AST]) -> None:
        """A scope of its own: it loads from ours what it does not store itself, and stores nothing here."""
        inner = _Reader()
        if arguments:
            given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
            inner.stores.update(a.arg for a in given if a)
        for node in body:
            inner.visit(node)
        self.load(*inner.loads)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        inner = _Reader()
        for generator in node.generators:
            inner.visit(generator.iter)
            inner.visit(generator.target)
            for condition in generator.ifs:
                inner.visit(condition)
        for part in [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]:
            inner.visit(part)
        self.load(*inner.loads)

    visit_ListComp = visit_SetComp = visit_GeneratorExp = visit_DictComp = _comprehension

    def visit_Constant(self, node: ast.Constant) -> None:
        """SQL speaks of frames and tables by name; other short strings may be the name of a file."""
        if not isinstance(node.value, str):
            return
        if _QUERY.search(node.value):
            self.stores.update(_CREATE.findall(node.value))
            self.load(*re.findall(r"[A-Za-z_]\w*", node.value))
        elif len(node.value) < 200:
            self.load(f"file {base_name(node.value)}")


def _root(node: ast.expr) -> list[str]:
    """The name that a chain of attributes, items and calls starts from."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return [node.id] if isinstance(node, ast.Name) else []
