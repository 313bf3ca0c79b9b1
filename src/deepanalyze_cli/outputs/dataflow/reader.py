"""One walk over the code of a cell, in the order it runs, that notes what it does to names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence

from ..story import base_name
from . import calls, queries, syntax, values
from .flow import ANY, ANY_FILE, FOLDERS, RESULT, SETTINGS, Effects, Known, spread

_SEEDS = {("np", "random", "seed"): "state np.random", ("random", "seed"): "state random"}
_GENERATORS = tuple(_SEEDS.values())


class Reader(ast.NodeVisitor):
    """Walks code in the order it runs. A name is loaded from outside if nothing surely stored it before."""

    def __init__(self, known: Known, sure: Iterable[str] = ()):
        self.known = known
        self.sure = set(sure)
        self.loads: set[str] = set()
        self.stored: set[str] = set()
        self.changed: set[str] = set()
        self.touched: set[str] = set()
        self.called: set[str] = set()
        self.shares: list[frozenset[str]] = []
        self.later: dict[str, set[str]] = {}
        self.opaque = False
        self.texts: set[str] = set()
        self._consumed: set[int] = set()

    def effects(self) -> Effects:
        """What was found."""
        may = (self.stored | self.changed | self.touched) - self.sure
        return Effects(
            frozenset(self.loads),
            frozenset(self.sure),
            frozenset(may),
            frozenset(self.touched),
            frozenset(self.called),
            tuple(self.shares),
            tuple((name, frozenset(used)) for name, used in self.later.items()),
            self.opaque,
        )

    def load(self, *names: str) -> None:
        self.loads.update(name for name in names if name not in self.sure)

    def store(self, name: str) -> None:
        self.sure.add(name)
        self.stored.add(name)

    # statements

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self._bind(target, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value:
            self.visit(node.value)
            self._bind(node.target, node.value)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self._bind(node.target, node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        if isinstance(node.target, ast.Name):
            self.load(node.target.id)
            self.touched.add(node.target.id)  # a list grows in place
        self.visit(node.target)

    def _bind(self, target: ast.expr, value: ast.expr, *, loop: bool = False) -> None:
        """Give a value to what stands on the left, and note what the two may share."""
        for left, given in syntax.pairs(target, value, loop=loop):
            shared = self.shared(given)
            names = {n.id for n in ast.walk(left) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
            names |= syntax.roots(left)
            if shared or (len(names) > 1 and syntax.draws(given)):
                self.shares.append(frozenset(names | shared))
            for name in names if (used := self._lazy(given)) else ():
                self.later.setdefault(name, set()).update(used)
            if all(isinstance(n, _TEXTS) for n in ast.walk(given)):
                self.texts |= names
        self.visit(target)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.load(node.id)
            own = node.id in self.stored | self.sure
            self.opaque |= not own and (node.id in _OPAQUE or bool(_HISTORY.fullmatch(node.id)))
        elif isinstance(node.ctx, ast.Del):
            self.load(node.id)
            self.sure.discard(node.id)
            self.stored.add(node.id)
        else:
            self.store(node.id)

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        module = node.module if isinstance(node, ast.ImportFrom) else None
        for alias in node.names:
            path = (module or alias.name).split(".")
            self.load(f"file {path[0].lower()}.py")
            for n in range(2, len(path) + 1):
                self.store(f"module {'.'.join(path[:n])}")
            if alias.name == "*":
                self.changed.add(ANY)
            else:
                self.store((alias.asname or alias.name).partition(".")[0])

    visit_ImportFrom = visit_Import

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        self._branches([node.body, node.orelse], all_cases=True)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.visit(node.test)
        self._branches([[node.body], [node.orelse]], all_cases=True)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.visit(node.values[0])
        self._branches([node.values[1:], []], all_cases=True)

    def visit_While(self, node: ast.While) -> None:
        self.visit(node.test)
        self._branches([node.body, node.orelse], all_cases=False)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        before = set(self.sure)
        self._bind(node.target, node.iter, loop=True)
        self._branches([node.body], all_cases=False)
        self.sure = before  # there may have been nothing to go through
        self._branches([node.orelse], all_cases=False)

    visit_AsyncFor = visit_For

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        before = set(self.sure)
        for item in node.items:
            self.visit(item.context_expr)
            if item.optional_vars:
                self._bind(item.optional_vars, item.context_expr)
        self._all(node.body)
        if any("suppress" in ast.dump(item.context_expr) or "raises" in ast.dump(item) for item in node.items):
            self.sure = before

    visit_AsyncWith = visit_With

    def visit_Try(self, node: ast.Try | ast.TryStar) -> None:
        before = set(self.sure)
        self._all([*node.body, *node.orelse])
        ends = [self.sure]
        for handler in node.handlers:
            self.sure = set(before)
            self.visit(handler)
            ends.append(self.sure)
        self.sure = set.intersection(*ends)
        self._all(node.finalbody)

    visit_TryStar = visit_Try

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.type:
            self.visit(node.type)
        self.stored.update([node.name] if node.name else [])
        self.sure.update([node.name] if node.name else [])
        self._all(node.body)
        self.sure -= {node.name} if node.name else set()

    def visit_Match(self, node: ast.Match) -> None:
        self.visit(node.subject)
        self._branches([[case] for case in node.cases], all_cases=False)

    def visit_MatchAs(self, node: ast.MatchAs | ast.MatchStar) -> None:
        self.generic_visit(node)
        if node.name:
            self.store(node.name)

    visit_MatchStar = visit_MatchAs

    def _branches(self, bodies: Sequence[Sequence[ast.AST]], *, all_cases: bool) -> None:
        before, ends = self.sure, []
        for body in bodies:
            self.sure = set(before)
            self._all(body)
            ends.append(self.sure)
        self.sure = set.intersection(*ends) if all_cases else before

    def _all(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    # scopes

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        outside = [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)]
        self._all(outside)
        inner = Reader(self.known)
        inner.function(node.args, node.body)
        self._defined(node.name, inner)
        if held := {name for value in outside for name in self.shared(value)}:  # defaults are made once
            self.shares.append(frozenset({node.name} | held))
        if node.decorator_list:
            self.touched.update(n.id for d in node.decorator_list for n in ast.walk(d) if isinstance(n, ast.Name))

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._all([*node.decorator_list, *node.bases, *(k.value for k in node.keywords)])
        inner = Reader(self.known)
        inner._all(node.body)
        self._defined(node.name, inner)

    def _defined(self, name: str, inner: Reader) -> None:
        self.load(*inner.loads)
        self.opaque |= inner.opaque
        self.store(name)
        used = self.later.setdefault(name, set())
        used.update(inner.loads, inner.changed, *inner.later.values())

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._all([*node.args.defaults, *(d for d in node.args.kw_defaults if d)])
        inner = Reader(self.known)
        inner.function(node.args, [node.body])
        self._inside(inner, syntax.arguments(node.args))

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        inner = Reader(self.known, self.sure)
        for generator in node.generators:
            inner.visit(generator.iter)
            inner._bind(generator.target, generator.iter, loop=True)
            inner._all(generator.ifs)
        inner._all([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])
        self._inside(inner, inner.stored)

    visit_SetComp = visit_GeneratorExp = visit_DictComp = visit_ListComp

    def _inside(self, inner: Reader, own: set[str]) -> None:
        """Take over what an expression with names of its own does, as if it were done at once."""
        self.load(*inner.loads - own)
        self.changed |= inner.changed - own
        self.touched |= inner.reaches_out(own)
        self.called |= inner.called
        self.opaque |= inner.opaque

    def function(self, arguments: ast.arguments, body: Sequence[ast.AST]) -> None:
        """Read the body of a function as a scope of its own."""
        self.sure.update(syntax.arguments(arguments))
        for statement in body:
            for node in ast.walk(statement):
                if isinstance(node, (ast.Global, ast.Nonlocal)):
                    self.touched.update(node.names)
                    self.loads.update(node.names)
        self._all(body)
        for node in (n for statement in body for n in ast.walk(statement)):
            if isinstance(node, ast.Return) and node.value:
                given = self.shared(node.value)
                if outside := given - self.stored - syntax.arguments(arguments):
                    self.touched |= outside  # whoever gets it may change it

    def reaches_out(self, own: set[str]) -> set[str]:
        """The names of outside, and of arguments, whose objects this scope may change."""
        reach = spread(self.touched | self.called, self.shares)
        local = self.stored - (self.touched & self.loads)
        return (reach - local) | (reach & own) | {name for name in self.changed if not name.startswith("module ")}

    # expressions

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.value, ast.Call) and syntax.method(node.value) in ("execute", "cursor"):
            self._consumed.add(id(node.value))
        self.generic_visit(node)
        self._written(node)
        dotted = syntax.dotted(node)
        if dotted and dotted[0] in self.known.modules:
            self.load(*(f"module {'.'.join([self.known.modules[dotted[0]], *dotted[1:n]])}" for n in range(2, 4)))
        elif node.attr in calls.CHANGING and isinstance(node.ctx, ast.Load):
            self.touched |= self.shared(node.value)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.generic_visit(node)
        self._written(node)

    def _written(self, node: ast.Subscript | ast.Attribute) -> None:
        if isinstance(node.ctx, ast.Load):
            return
        names = syntax.roots(node)
        self.load(*names)
        self.touched |= names
        if names & self.known.modules.keys():
            self.changed.add(SETTINGS)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        told = {n.id for value in given for n in ast.walk(value) if isinstance(n, ast.Name)}
        for keyword in node.keywords:
            if keyword.arg in ("out", "ax", "axes", "cax"):
                self.touched |= self.shared(keyword.value)
        self._draws_random(node)
        self._files_and_tables(node)
        if isinstance(node.func, ast.Name):
            self._function_called(node.func.id, given)
        elif isinstance(node.func, ast.Attribute):
            self._method_called(node, node.func, given)
        else:
            self.touched |= told | self.shared(node.func)
        if changing := told & self.known.changing:  # handed on: whoever gets it calls it
            self.touched |= told | ({*syntax.roots(node.func)} - {*self.known.modules})
            self.called |= changing

    def _function_called(self, name: str, given: Sequence[ast.expr]) -> None:
        shared = {name for value in given for name in self.shared(value)}
        known = self.known.functions | self.known.modules.keys()
        if name in calls.CHANGING_FUNCTIONS:
            self.touched |= shared
        elif name in self.known.changing or name not in calls.BUILTINS | known:
            self.touched |= shared
            self.called.add(name)

    def _method_called(self, node: ast.Call, func: ast.Attribute, given: Sequence[ast.expr]) -> None:
        shared = {name for value in given for name in self.shared(value)}
        dotted = syntax.dotted(func)
        if dotted and dotted[0] in self.known.modules:
            if func.attr in calls.CHANGING_FUNCTIONS:
                self.touched |= shared
            quiet = dotted[0] == "warnings" and any(isinstance(v, ast.Constant) and v.value == "ignore" for v in given)
            deep = len(dotted) > 2 and func.attr in calls.CHANGING and dotted not in _SEEDS
            if (func.attr in calls.SETTING and not quiet) or deep:
                self.changed.add(SETTINGS)
            return
        if func.attr in ("sql", "query", "execute", "executemany"):
            self.changed.add(RESULT)
        elif isinstance(func.value, ast.Name) and (
            func.attr.startswith("fetch") or (func.value.id, func.attr) == ("con", "df")
        ):
            self.load(RESULT)
        on = self.shared(func.value)
        inplace = any(k.arg == "inplace" and not syntax.is_false(k.value) for k in node.keywords)
        unconsumed = func.attr == "execute" and id(node) not in self._consumed
        if func.attr in self.known.methods:
            self.touched |= on | shared
            self.called |= on | shared
        elif func.attr in calls.CHANGING or unconsumed:
            self.touched |= on
            if func.attr in calls.KEEPING and shared:
                self.shares.append(frozenset(on | shared))
        elif inplace or on & self.known.drawn:
            self.touched |= on
        elif func.attr not in calls.FRESH and func.attr not in calls.VIEWS:
            self.touched |= on | (shared - {*self.known.modules})

    def _draws_random(self, node: ast.Call) -> None:
        dotted = syntax.dotted(node.func)
        if dotted in _SEEDS:
            self.store(_SEEDS[dotted])
            return
        fixed = any(k.arg in ("random_state", "seed") and not syntax.is_none(k.value) for k in node.keywords)
        name = dotted[-1] if dotted else syntax.method(node)
        module = self.known.modules.get(dotted[0], "") if dotted else ""
        if module == "numpy" and name == "default_rng":
            return
        drawn = name in calls.RANDOM or "random" in dotted or module == "sklearn" or name.startswith("fit")
        if drawn and not fixed:
            self.load(*_GENERATORS)
            self.changed.update(_GENERATORS)

    def _files_and_tables(self, node: ast.Call) -> None:
        name = syntax.method(node) or (node.func.id if isinstance(node.func, ast.Name) else "")
        first = node.args[0] if node.args else None
        text = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
        if name in calls.FOLDERS and (syntax.dotted(node.func)[:1] in (("os",), ("shutil",)) or name != "remove"):
            self.changed.add(FOLDERS)
        if (name in calls.READERS or name.startswith("read_")) and (text is None or _GLOB.search(text)):
            constants = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
            if not any("." in constant and not _GLOB.search(constant) for constant in constants):
                self.load(ANY_FILE)
        if name in calls.TABLES and text is not None:
            self.changed.add(f"table {text.lower()}")
            used = {n for value in node.args[1:] for n in self.shared(value)} | self.shared(node.func)
            self.later.setdefault(f"table {text.lower()}", set()).update(used)
        elif name in calls.TABLES - {"append", "create"}:
            self.changed.add(ANY)
        if name in ("table", "view", "read_sql_table"):
            self.load(*([f"table {text.lower()}", text] if text else [ANY] if node.args else []))
        if name in ("sql", "query", "execute", "executemany", "read_sql", "read_sql_query"):
            self._queried(first)

    def _queried(self, query: ast.expr | None) -> None:
        if isinstance(query, ast.JoinedStr):
            self._filled_in(query)
        elif query is not None and not isinstance(query, ast.Constant) and not syntax.roots(query) & self.texts:
            self.load(ANY)  # what the query says is not to be seen here
            self.changed.add(ANY)
        start = query.values[0] if isinstance(query, ast.JoinedStr) and query.values else query
        if isinstance(start, ast.Constant) and queries.SET.search(str(start.value)):
            self.changed.add(SETTINGS)

    def _filled_in(self, query: ast.JoinedStr) -> None:
        """A query whose table is put in when it runs may be about any."""
        before = ""
        for part in query.values:
            if isinstance(part, ast.Constant):
                before += str(part.value)
                continue
            if queries.OPEN_NAME.search(before):
                self.load(ANY)
                self.changed.update([ANY] if queries.OPEN_CHANGE.search(before) else [])
            before += "x"

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        if (
            node.values
            and isinstance(node.values[0], ast.Constant)
            and queries.STATEMENT.match(str(node.values[0].value))
        ):
            self._filled_in(node)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        """SQL speaks of frames and tables by name; other short strings may be the name of a file."""
        if not isinstance(node.value, str):
            return
        text = node.value
        if queries.QUERY.search(text):
            self.load(*queries.sql_words(text))
            self.changed.update(f"table {name.lower()}" for name in queries.MADE.findall(text))
            for name in queries.LAZY.findall(text):
                self.later.setdefault(f"table {name.lower()}", set()).update(queries.sql_words(text))
        elif len(text) < 200:
            self.load(f"file {base_name(text)}")
        if "~" in text or "@" in text:  # a formula or a condition, which finds variables by their names
            self.load(*re.findall(r"(?<![\w.])[A-Za-z_]\w*", text))

    # what a value is made of

    def shared(self, node: ast.AST) -> set[str]:
        """The names whose objects, or parts of them, the value may be or hold."""
        return values.shared(node, self.known, self._consumed)

    def _lazy(self, node: ast.expr) -> set[str]:
        return values.lazy(node, self.known)


_TEXTS = (ast.Constant, ast.JoinedStr, ast.FormattedValue, ast.List, ast.Tuple, ast.Name, ast.expr_context)
_OPAQUE = frozenset(("exec", "eval", "globals", "locals", "vars", "compile", "__import__", "get_ipython", "importlib"))
_HISTORY = re.compile(r"_{1,3}|_\d+|_i{1,3}|_i\d+|In|Out|_ih|_oh|_dh")
_GLOB = re.compile(r"[*?\[]")
