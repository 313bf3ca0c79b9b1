"""What a piece of code takes from before it, gives names to and changes in place, read off its syntax tree.

Names are Python's; `table t` is one of a database, `file x.csv` one that was written, `state ...` what code depends on
without naming it. Where the code does not say, the answer is the one that keeps more: a call that is not known changes
what it is given, a branch may not be taken. Not followed is what only running would tell (`exec`): that is `opaque`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from . import calls, syntax
from .flow import ANY, FOLDERS, SETTINGS, Effects, Known
from .reader import Reader


def effects(code: str, known: Known | None = None) -> Effects:
    """The effects of a cell. Code that is no Python is taken to use all there is and to leave settings behind."""
    tree = parse(code)
    if tree is None:
        return Effects(frozenset((ANY,)), frozenset(), frozenset((SETTINGS,)))
    reader = Reader(known or survey([code]))
    try:
        reader.visit(tree)
    except RecursionError:  # a sum of a thousand terms is a thousand levels deep: then all names, in no order
        names = frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
        return Effects(names, frozenset(), names, names)
    return _with_magics(reader.effects(), code)


def parse(code: str) -> ast.Module | None:
    """The syntax tree of a cell, IPython's magics and shell lines taken for `pass`; `None` if it is no Python."""
    timed = _TIMED.sub(r"\1", code)
    for attempt in (code, _MAGIC.sub(r"\1pass", _MAGIC_VALUE.sub("= None", timed))):
        try:
            return ast.parse(attempt)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None


def survey(codes: Iterable[str]) -> Known:
    """What a run's cells say about names, wherever they say it."""
    trees = [tree for code in codes if (tree := parse(code))]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    modules = dict(calls.MODULES)
    for node in nodes:
        if isinstance(node, ast.Import):
            modules |= {(a.asname or a.name).partition(".")[0]: a.name.partition(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules |= {a.asname or a.name: (node.module or "").partition(".")[0] for a in node.names}
    rebound = {n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    modules = {name: module for name, module in modules.items() if name not in rebound}
    defined = [n for n in nodes if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    classes = [n for n in nodes if isinstance(n, ast.ClassDef)]
    methods = frozenset(m.name for c in classes for m in ast.walk(c) if isinstance(m, ast.FunctionDef))
    functions = {f.name for f in defined} | {c.name for c in classes}
    lazy = frozenset(f.name for f in defined if any(isinstance(n, _LATER) for s in f.body for n in ast.walk(s)))
    lazy |= {c.name for c in classes}
    known = Known(modules, frozenset(functions), methods=methods, drawn=frozenset(_drawn(nodes)), lazy=lazy)
    while found := {f.name for f in defined if f.name not in known.changing and _changes_more(f, known)}:
        known = replace(known, changing=known.changing | found)
    return known


def _changes_more(function: ast.FunctionDef | ast.AsyncFunctionDef, known: Known) -> bool:
    """Whether a call of the function may change what it is given, or what is outside of it."""
    inner = Reader(known)
    try:
        inner.function(function.args, function.body)
    except RecursionError:
        return True
    return bool(inner.reaches_out(syntax.arguments(function.args)))


def _drawn(nodes: Sequence[ast.AST]) -> set[str]:
    """Names of charts and their axes."""
    found: set[str] = set()
    for _ in range(3):  # axes, a loop over them, a loop over those
        for node in nodes:
            if isinstance(node, (ast.Assign, ast.For)):
                value = node.value if isinstance(node, ast.Assign) else node.iter
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                pairs = (
                    pair for target in targets for pair in syntax.pairs(target, value, loop=isinstance(node, ast.For))
                )
                for target, given in pairs:
                    if syntax.draws(given) or syntax.roots(given) & found:
                        found.update(n.id for n in ast.walk(target) if isinstance(n, ast.Name))
    return found


# --- magics -----------------------------------------------------------------------------------------------------------


def _with_magics(found: Effects, code: str) -> Effects:
    """The effects with those of lines that only IPython understands."""
    try:
        ast.parse(code)
        return found
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    lines = [line for line in _MAGIC.findall(_TIMED.sub(r"\1", code)) if not _HARMLESS.match(line[1])]
    if not lines and not _MAGIC_VALUE.search(code):
        return found
    more = frozenset((SETTINGS, FOLDERS))
    opaque = found.opaque or any("%run" in line[1] or "%load " in line[1] for line in lines)
    return replace(found, loads=found.loads | {ANY}, changes=found.changes | more, opaque=opaque)


_TIMED = re.compile(r"^([ \t]*)%%?time\b[ \t]*", re.MULTILINE)
_MAGIC = re.compile(r"^([ \t]*)((?:[%!?]|[\w.]+\?+[ \t]*$).*)$", re.MULTILINE)
_MAGIC_VALUE = re.compile(r"=[ \t]*[%!](?!=).*$", re.MULTILINE)
_HARMLESS = re.compile(r"\?|[\w.]+\?|%(?:pwd|who|whos|who_ls|psearch|pinfo2?|pdoc|lsmagic|matplotlib\s+inline)\b")

_LATER = (ast.Lambda, ast.GeneratorExp, ast.Yield, ast.YieldFrom, ast.FunctionDef)
"""What makes a function's result run code of it after the call."""
