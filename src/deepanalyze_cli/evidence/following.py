"""Follows values through the syntax tree of a run's cells, in order: from data, from literals, or unknown."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from .notation import listed

Origin = Literal["data", "literals", "unknown"]
_READERS = re.compile(r"(?:read_|scan_)\w+|load|loadtxt|genfromtxt|open|imread|load_workbook|reader|DictReader")
_MODULES = frozenset(
    listed("np pd plt sns os re json math random shutil tempfile duckdb scipy sklearn statsmodels st stats sm smf")
)
_PRELOADED = frozenset(listed("np pd plt sns os random shutil tempfile duckdb sqlite3 Path"))
"""What the setup cell imports; other modules are imported by the cells."""
_RANDOM = re.compile(r"\brandom\b|default_rng|RandomState|\bmake_(?:classification|regression|blobs)\b")
_DRAWN_FROM = frozenset(("choice", "choices", "sample", "shuffle", "permutation"))
STARTING = frozenset(("con", "DATA_DIR"))
_QUERY = re.compile(r"\b(?:select|from|with|summarize|describe|pivot|show)\b", re.IGNORECASE)
_PRINTERS = frozenset(("print", "display", "pprint"))
FIGURE = re.compile(
    r"(?<![\w.:])\d+(?:[.,]\d+)*(?: ?(?:%|kWh|km|kg|cm|mm|g|m|h|min|days|hours|years|EUR|USD|°C)(?!\w))?"
)


@dataclass(frozen=True, slots=True)
class Print:
    """One `print`: where its values come from, how its lines begin, and the numbers typed for it."""

    origin: Origin
    start: str = ""
    numbers: frozenset[str] = frozenset()

    def shows(self, line: str) -> bool:
        """Whether a line looks as if this `print` had made it."""
        bare = line.strip()
        if not FIGURE.search(bare):
            return False
        if len(self.start.strip()) > 2:
            return bare.startswith(self.start.strip())
        return bool(self.numbers) and set(re.findall(r"\d+(?:\.\d+)?", bare)) <= self.numbers


def joined(origins: Iterator[Origin]) -> Origin:
    found = set(origins)
    return "data" if "data" in found else "unknown" if "unknown" in found else "literals"


def parsed(code: str) -> ast.Module | None:
    lines = ["pass" if line.lstrip().startswith(("%", "!")) else line for line in code.split("\n")]
    for attempt in (code, "\n".join(lines)):
        try:
            return ast.parse(attempt)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None


def root_of(node: ast.AST) -> str:
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


@dataclass(slots=True)
class Follower:
    """The names of the kernel with where their values come from, as the cells go by."""

    names: dict[str, Origin]
    files: set[str]
    tables: set[str]
    functions: dict[str, ast.FunctionDef | ast.Lambda] = field(default_factory=dict)
    columns: dict[tuple[str, str], Origin] = field(default_factory=dict)
    """(frame, column) -> origin, for columns that were typed into a frame of data."""
    drawing: set[str] = field(default_factory=set)
    """Names of random generators."""
    prints: list[Print] = field(default_factory=list)
    depth: int = 0

    def cell(self, tree: ast.Module) -> None:
        """Go through a cell; its last expression is printed as well."""
        for statement in tree.body:
            self.statement(statement)
        if tree.body and isinstance(tree.body[-1], ast.Expr) and not self.prints_here(tree.body[-1].value):
            value = tree.body[-1].value
            if not (isinstance(value, ast.Constant) and isinstance(value.value, str)) and not _draws(value):
                found = self.of(value)
                self.prints.append(Print(found, "", _typed_numbers(value)))

    def statement(self, node: ast.stmt) -> None:
        """What one statement does to the names."""
        match node:
            case ast.Assign(targets=targets, value=value):
                self.printing(value)
                for target in targets:
                    self.store(target, value)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self.store(target, value)
            case ast.AugAssign(target=ast.Name(id=name), value=value):
                self.names[name] = joined(iter((self.names.get(name, "unknown"), self.of(value))))
            case ast.For(target=target, iter=source, body=body, orelse=rest):
                self.bind(target, self.of(source))
                for inner in (*body, *rest):
                    self.statement(inner)
            case ast.FunctionDef(name=name):
                self.functions[name] = node
                self.names[name] = "literals"
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                for alias in aliases:
                    self.names[(alias.asname or alias.name).split(".")[0]] = "literals"
            case ast.Expr(value=value):
                self.printing(value)
                self.changing(value)
            case ast.With(items=items, body=body):
                for item in items:
                    if item.optional_vars:
                        self.store(item.optional_vars, item.context_expr)
                for inner in body:
                    self.statement(inner)
            case _:
                for field_name in ("body", "orelse", "handlers", "finalbody"):
                    for inner in getattr(node, field_name, ()):
                        self.statement(inner)

    def store(self, target: ast.expr, value: ast.expr) -> None:
        """Give a target the origin of a value; a typed column of a frame of data is remembered as typed."""
        found = self.of(value)
        match target:
            case ast.Name(id=name):
                self.names[name] = found
                self.columns = {key: o for key, o in self.columns.items() if key[0] != name}
                self.drawing.discard(name)
                if _RANDOM.search(ast.unparse(value)) and "rng" in ast.unparse(value).lower() + name.lower():
                    self.drawing.add(name)
                if isinstance(value, ast.Lambda):
                    self.functions[name] = value
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                same = isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(parts)
                for k, part in enumerate(parts):
                    if same:
                        self.store(part, value.elts[k])  # type: ignore[union-attr]
                    else:
                        self.bind(part, found)
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str() as column)):
                if self.names.get(name) == "data" and found == "literals":
                    self.columns[name, column] = "literals"
                else:
                    self.columns.pop((name, column), None)
                    self.names[name] = joined(iter((self.names.get(name, "literals"), found)))
            case _:
                if root := root_of(target):
                    self.names[root] = joined(iter((self.names.get(root, "literals"), found)))

    def bind(self, target: ast.expr, found: Origin) -> None:
        """Give all names of a target one origin."""
        for node in ast.walk(target):
            if isinstance(node, ast.Name):
                self.names[node.id] = found

    def printing(self, value: ast.expr) -> None:
        """Note what a call prints, also one of a function of the run that prints."""
        for call in (n for n in ast.walk(value) if isinstance(n, ast.Call)):
            name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
            if name in _PRINTERS:
                pieces = [a for a in call.args if not _is_text(a)]
                found = joined(self.of(a) for a in pieces) if pieces else "literals"
                self.prints.append(Print(found, start_of(call), _typed_numbers(call)))
            elif name == "show" and isinstance(call.func, ast.Attribute) and self.of(call.func.value) == "data":
                self.prints.append(Print("data"))
            elif name in self.functions and any(self.prints_here(n) for n in ast.walk(self.functions[name])):
                found = self.of(call)
                self.prints.append(Print(found))

    @staticmethod
    def prints_here(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _PRINTERS

    def changing(self, value: ast.expr) -> None:
        """`names.append(x)`, `model.fit(X, y)`: the object takes on the origin of what it is given."""
        if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Attribute):
            return
        root = root_of(value.func)
        if root and root not in _MODULES and root not in self.tables and root != "con":
            given = [self.of(a) for a in (*value.args, *(k.value for k in value.keywords))]
            self.names[root] = joined(iter((self.names.get(root, "unknown"), *given)))

    # --- expressions --------------------------------------------------------------------------------------------------

    def of(self, node: ast.expr | None) -> Origin:
        """Where the value of an expression comes from. A condition decides nothing."""
        match node:
            case None | ast.Constant():
                return "literals"
            case ast.Name(id=name):
                return self.names.get(name, "literals" if name in _PRELOADED or name in _BUILTINS else "unknown")
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str() as column)) if (
                name,
                column,
            ) in self.columns:
                return self.columns[name, column]
            case ast.Attribute(value=ast.Name(id=name), attr=column) if (name, column) in self.columns:
                return self.columns[name, column]
            case ast.IfExp(body=body, orelse=rest):
                return joined(iter((self.of(body), self.of(rest))))
            case ast.Call():
                return self.called(node)
            case ast.ListComp(elt=element, generators=loops) | ast.SetComp(elt=element, generators=loops):
                return self.looped((element,), loops)
            case ast.GeneratorExp(elt=element, generators=loops):
                return self.looped((element,), loops)
            case ast.DictComp(key=key, value=value, generators=loops):
                return self.looped((key, value), loops)
            case ast.Lambda(body=body, args=arguments):
                return self._within({a.arg: "literals" for a in arguments.args}, body)
        return joined(self.of(child) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr))

    def looped(self, elements: tuple[ast.expr, ...], loops: list[ast.comprehension]) -> Origin:
        """A comprehension: its elements, with the loop's names bound."""
        kept = dict(self.names)
        for loop in loops:
            self.bind(loop.target, self.of(loop.iter))
        found = joined(self.of(element) for element in elements)
        self.names = kept
        return found

    def _within(self, bound: dict[str, Origin], body: ast.expr) -> Origin:
        kept = dict(self.names)
        self.names |= bound
        found = self.of(body)
        self.names = kept
        return found

    def called(self, call: ast.Call) -> Origin:
        """A call: a reader of files, a query, a draw of random numbers, or something made of its arguments."""
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        given = [*call.args, *(k.value for k in call.keywords)]
        root = root_of(call.func)
        if self._draws_at_random(call, root):
            return joined(self.of(a) for a in given) if name in _DRAWN_FROM and given else "literals"
        texts = [a for a in given if isinstance(a, (ast.Constant, ast.JoinedStr))]
        if _READERS.fullmatch(name) and root in ("", *_MODULES, "open", "json", "csv", "pl", "np", "con"):
            return self._read(given)
        if root in ("con", "duckdb") and name in ("sql", "query", "execute", "table", "view") and texts:
            return self._queried(ast.unparse(texts[0]))
        if name in self.functions and isinstance(call.func, ast.Name) and self.depth < 8:
            return self._applied(self.functions[name], given)
        parts = [*given, call.func.value] if isinstance(call.func, ast.Attribute) else given
        found = [self.of(part) for part in parts]
        if isinstance(call.func, ast.Name) and name not in _BUILTINS:
            found.append(self.names.get(name, "unknown"))
        return joined(iter(found or ["literals"]))

    def _draws_at_random(self, call: ast.Call, root: str) -> bool:
        if root in self.drawing or root == "random":
            return True
        return root in ("np", "numpy", "sklearn", "datasets") and bool(_RANDOM.search(ast.unparse(call.func)))

    def _read(self, given: list[ast.expr]) -> Origin:
        """What a reader reads: a file of the workspace, one that the model wrote, or a text that it typed."""
        if not given:
            return "unknown"
        text = ast.unparse(given[0])
        if "DATA_DIR" in text:
            return "data"
        if isinstance(given[0], ast.Constant) and isinstance(given[0].value, str):
            base = re.split(r"[/\\]", given[0].value)[-1]
            return "data" if base in self.files else "unknown"
        if "StringIO" in text or "BytesIO" in text:
            return joined(self.of(a) for a in given[0].args) if isinstance(given[0], ast.Call) else "literals"
        found = self.of(given[0])
        return "unknown" if found == "literals" else found

    def _queried(self, query: str) -> Origin:
        """A query is of the data if it names a table, a file or a frame of data."""
        words = set(re.findall(r"\w+", query))
        if words & self.tables or any(name in query for name in self.files):
            return "data"
        named = [self.names[word] for word in sorted(words) if word in self.names and word not in _MODULES]
        if named:
            return joined(iter(named))
        return "unknown" if re.search(r"\bfrom\s+(?!\(?\s*values\b)", query, re.IGNORECASE) else "literals"

    def _applied(self, function: ast.FunctionDef | ast.Lambda, given: list[ast.expr]) -> Origin:
        """A function of the run: what it returns, with its parameters bound to what they are given."""
        self.depth += 1
        kept = dict(self.names)
        found: Origin = "literals"
        try:
            arguments = [a.arg for a in function.args.args]
            values = [self.of(a) for a in given]
            everything = joined(iter(values or ["literals"]))
            self.names |= {name: values[k] if k < len(values) else everything for k, name in enumerate(arguments)}
            if isinstance(function, ast.Lambda):
                found = self.of(function.body)
            else:
                prints, self.prints = self.prints, []
                for statement in function.body:
                    self.statement(statement)
                returned = [n.value for n in ast.walk(function) if isinstance(n, ast.Return) and n.value]
                printed, self.prints = self.prints, prints
                found = joined(iter([*(self.of(v) for v in returned), *(p.origin for p in printed)] or ["literals"]))
        finally:
            self.names = kept
            self.depth -= 1
        return found


_BUILTINS = frozenset(
    listed("""len sum min max round abs sorted list dict set tuple str int float bool range zip enumerate map filter any
    all print type isinstance reversed format repr True False None divmod pow next iter getattr""")
)


def _draws(value: ast.expr) -> bool:
    """Whether an expression only draws or shows a chart."""
    return root_of(value) in ("plt", "sns", "ax", "fig")


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and not re.search(r"\d", node.value)


def start_of(call: ast.Call) -> str:
    """The text with which a `print` begins its line."""
    first = call.args[0] if call.args else None
    if isinstance(first, ast.JoinedStr) and first.values and isinstance(first.values[0], ast.Constant):
        return str(first.values[0].value).split("\n")[0]
    return str(first.value).split("\n")[0] if isinstance(first, ast.Constant) else ""


def _typed_numbers(node: ast.expr) -> frozenset[str]:
    constants = (n.value for n in ast.walk(node) if isinstance(n, ast.Constant))
    return frozenset(found for value in constants for found in re.findall(r"\d+(?:\.\d+)?", str(value)))
