"""What a value is made of: the names it may share objects with, and those it looks up only when it is used."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from . import calls, queries, syntax
from .flow import Known


def shared(node: ast.AST, known: Known, consumed: AbstractSet[int] = frozenset()) -> set[str]:
    """The names whose objects, or parts of them, the value may be or hold."""
    match node:
        case ast.Name(id=name):
            return {name}
        case ast.Attribute(value=value) | ast.Starred(value=value) | ast.NamedExpr(value=value):
            return set() if (d := syntax.dotted(node)) and d[0] in known.modules else shared(value, known, consumed)
        case ast.Await(value=value) | ast.Yield(value=value):
            return shared(value, known, consumed)
        case ast.Subscript(value=value, slice=chosen):
            return set() if syntax.selects(chosen) else shared(value, known, consumed)
        case ast.IfExp(body=one, orelse=other):
            return shared(one, known, consumed) | shared(other, known, consumed)
        case ast.BoolOp(values=parts) | ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return {name for part in parts for name in shared(part, known, consumed)}
        case ast.Dict(values=parts):
            return {name for part in parts for name in shared(part, known, consumed)}
        case ast.ListComp(elt=part, generators=over) | ast.SetComp(elt=part, generators=over):
            return _made_in_loop(part, over, known, consumed)
        case ast.GeneratorExp(elt=part, generators=over) | ast.DictComp(value=part, generators=over):
            return _made_in_loop(part, over, known, consumed)
        case ast.Lambda():
            used = {n.id for n in ast.walk(node.body) if isinstance(n, ast.Name)} - syntax.arguments(node.args)
            defaults = (*node.args.defaults, *(d for d in node.args.kw_defaults if d))
            return used | {name for value in defaults for name in shared(value, known, consumed)}
        case ast.Call():
            return _returned(node, known, consumed)
    return set()


def _made_in_loop(
    part: ast.expr, over: Sequence[ast.comprehension], known: Known, consumed: AbstractSet[int]
) -> set[str]:
    found = shared(part, known, consumed)
    return found | {name for each in over for name in shared(each.iter, known, consumed)} if found else set()


def _returned(node: ast.Call, known: Known, consumed: AbstractSet[int]) -> set[str]:
    given = {n for v in (*node.args, *(k.value for k in node.keywords)) for n in shared(v, known, consumed)}
    if isinstance(node.func, ast.Name):
        name = node.func.id
        new = name in calls.NEW_BUILTINS or known.modules.get(name) in calls.NEW_MODULES
        own = {name} if name in known.changing else set()
        return set() if new and name not in calls.SHARING else given | own
    if isinstance(node.func, ast.Attribute):
        dotted, name = syntax.dotted(node.func), node.func.attr
        if dotted and dotted[0] in known.modules:
            new = known.modules[dotted[0]] in calls.NEW_MODULES and name not in calls.SHARING
            return set() if new else given
        if name in known.methods:
            return given | shared(node.func.value, known, consumed)
        if name in calls.FRESH or (name == "execute" and id(node) in consumed):
            return set()
        if name in calls.VIEWS or name.startswith("fetch"):
            return shared(node.func.value, known, consumed)
    return given | shared(node.func, known, consumed)


def lazy(node: ast.expr, known: Known) -> set[str]:
    """The names of a query that is not run before its result is looked at."""
    if isinstance(node, ast.Call) and syntax.method(node) in calls.FRESH - {"sql", "query"}:
        return set()
    made = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id in known.lazy}
    texts = (n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    inner = (n for n in ast.walk(node) if isinstance(n, (ast.Lambda, ast.GeneratorExp)))
    made |= {n.id for part in inner for n in ast.walk(part) if isinstance(n, ast.Name)}
    return made | {word for text in texts if queries.QUERY.search(text) for word in queries.sql_words(text)}
