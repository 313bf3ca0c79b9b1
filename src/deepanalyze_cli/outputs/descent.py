"""How a printed value came about, as far as the code says: file -> filter -> group -> value.

The statements that a print needs are found backwards over names, as `slice` does for cells; what they do is read off
their syntax trees, in the order it is evaluated. Row counts are those the data card recorded, of whole tables. Nothing
is run, so a value that was changed through another name, or computed by a function of the cell's own, is passed over.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ..types import Column, Run, Table, Turn
from . import story
from .slice import done, effects, failed_line, parse, program
from .story import status


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way. `says` is for a reader, `rows` how many rows it leaves where that is known."""

    kind: Literal["file", "filter", "join", "group", "value"]
    says: str
    rows: int | None = None
    detail: str = ""


VALUES = frozenset(
    ("mean", "median", "sum", "count", "size", "std", "var", "min", "max", "nunique", "quantile", "corr", "agg")
) | frozenset(
    ("aggregate", "idxmax", "idxmin", "rank", "describe", "mode", "cumsum", "pct_change", "diff", "round", "len", "abs")
)
_CUTS = frozenset(("query", "dropna", "drop_duplicates", "head", "tail", "nlargest", "nsmallest", "sample"))
_GROUPS = frozenset(("groupby", "value_counts", "pivot_table", "resample", "crosstab", "cut", "qcut"))
_TESTS = frozenset(("isin", "isna", "isnull", "notna", "notnull", "between", "contains", "startswith", "endswith"))
_CLAUSES = re.compile(
    r"\b(WHERE|HAVING|GROUP\s+BY|ORDER\s+BY|LIMIT|SELECT|FROM|(?:LEFT\s+|RIGHT\s+|INNER\s+|FULL\s+|OUTER\s+|CROSS\s+)*JOIN"
    r"|UNION|WINDOW)\b",
    re.IGNORECASE,
)
_QUERY = re.compile(r"\bselect\b", re.IGNORECASE)


def descent(run: Run, turn: Turn, line: str, printed: str) -> tuple[Step, ...]:
    """The way from the files to the number `printed` in a `line` that the cell of `turn` printed."""
    reader = _Reader({table.name: (source.name, table) for source in run.task.sources for table in source.tables})
    try:
        for node in _needed(run, turn, line, printed):
            reader.visit(node)
    except RecursionError:  # code that is nested a thousand levels deep tells a reader nothing either
        return ()
    return tuple(dict.fromkeys(reader.steps))


def _needed(run: Run, turn: Turn, line: str, printed: str) -> list[ast.AST]:
    """The expression that gave the number and the statements before it whose names it needs, in order."""
    before = [cell for cell in program(run) if cell.index < turn.index]
    statements = [statement for cell in before for statement in _statements(cell)]
    own = _statements(turn)
    last, shown = _given(own, turn, line, printed)
    statements += own[: max(last, 0)]
    kept: list[ast.AST] = [*reversed(shown)]
    wanted = {name for node in shown for name in effects(ast.unparse(node)).loads}
    for statement in reversed(statements):
        here = effects(ast.unparse(statement))
        if wanted & (here.stores | here.changes):
            kept.append(statement)
            wanted = (wanted - here.stores) | here.loads
    return kept[::-1]


def _statements(turn: Turn) -> list[ast.stmt]:
    code = turn.code or ""
    tree = parse(code if status(turn) == "ok" else done(code, failed_line(turn)))
    return list(_flat(tree.body)) if tree else []


def _flat(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements with the bodies of loops and branches in line: the target of a loop is one of its values."""
    for statement in body:
        if isinstance(statement, ast.For):
            yield ast.copy_location(ast.Assign([statement.target], statement.iter), statement)
        inner = [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
        if isinstance(statement, ast.For | ast.While | ast.If | ast.With | ast.Try):
            yield from _flat([one for part in inner for one in part])
        else:
            yield statement


@dataclass(frozen=True, slots=True)
class _Print:
    """One print, or the value a cell ends with: text that was typed (`None` for an expression), and the expressions."""

    place: int
    typed: tuple[str | None, ...]
    expressions: tuple[ast.expr, ...]

    @property
    def text(self) -> str:
        return "".join(filter(None, self.typed))

    def gave(self, line: str) -> list[str] | None:
        """What stands in `line` for each expression; `None` if the print is of another line. Takes linear time."""
        shown: list[str] = []
        at, open_ones = 0, 0
        for text in (*self.typed, ""):
            if text is None:
                open_ones += 1
                continue
            found = line.find(text, at) if text else len(line)
            if found < 0 or (not open_ones and line[at:found].strip()):
                return None
            shown += [line[at:found]] * open_ones
            at, open_ones = found + len(text), 0
        return shown


def _prints(own: Sequence[ast.stmt]) -> Iterator[_Print]:
    for place, statement in enumerate(own):
        value = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(value, ast.Call) and getattr(value.func, "id", "") == "print":
            pieces = [v for a in value.args for v in (a.values if isinstance(a, ast.JoinedStr) else [a])]
        elif value is not None and place == len(own) - 1:
            pieces = [value]
        else:
            continue
        typed = (" ".join(str(p.value).split()) if isinstance(p, ast.Constant) else None for p in pieces)
        inner = (p.value if isinstance(p, ast.FormattedValue) else p for p in pieces if not isinstance(p, ast.Constant))
        yield _Print(place, tuple(t for t in typed if t != ""), tuple(inner))


def _given(own: Sequence[ast.stmt], turn: Turn, line: str, printed: str) -> tuple[int, list[ast.expr]]:
    """The place of the print that gave `line`, and those of its expressions that gave the number.

    A print that types nothing may give any line: it is told by the lines before and after it that were typed.
    """
    lines, line = [" ".join(one.split()) for one in story.printed(turn).split("\n")], " ".join(line.split())
    prints, digits = list(_prints(own)), printed.rstrip("% ")
    if exact := max(
        (p for p in prints if p.text and p.gave(line) is not None), key=lambda p: len(p.text), default=None
    ):
        held = [e for e, shown in zip(exact.expressions, exact.gave(line) or (), strict=True) if digits in shown]
        return exact.place, held or list(exact.expressions)
    at = lines.index(line) if line in lines else 0
    before = [p.place for p in prints if p.text and any(p.gave(one) is not None for one in lines[:at])]
    after = [p.place for p in prints if p.text and any(p.gave(one) is not None for one in lines[at + 1 :])]
    low, high = max(before, default=-1), min((i for i in after if i not in before), default=len(own))
    maybe = [p for p in prints if not p.text and low <= p.place <= high] or prints
    return max((p.place for p in maybe), default=len(own) - 1), [e for p in maybe for e in p.expressions]


class _Reader(ast.NodeVisitor):
    """Notes the steps in the order they are evaluated: a method after what it is called on."""

    def __init__(self, tables: dict[str, tuple[str, Table]]):
        self.steps: list[Step] = []
        self._tables = tables
        self._known: list[Table] = []

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in self._tables and isinstance(node.ctx, ast.Load):
            self._file(node.id)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and _QUERY.search(node.value):
            self._query(node.value)
        elif isinstance(node.value, str):
            for name, (file, _) in self._tables.items():
                if node.value.endswith(file):
                    self._file(name)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.visit(node.value)
        chosen = node.slice.elts[0] if isinstance(node.slice, ast.Tuple) and node.slice.elts else node.slice
        if any(map(_is_test, ast.walk(chosen))):
            self._filter(ast.unparse(chosen), chosen)
        elif isinstance(node.slice, ast.expr) and not isinstance(node.slice, ast.Slice):
            self._value(f"[{ast.unparse(node.slice)}]")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.visit(node.value)
        if node.attr in self._columns() or node.attr == "shape":
            self._value(f".{node.attr}")

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if isinstance(node.func, ast.Attribute):
            self.visit(node.func.value)
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            self.visit(argument)
        given = ", ".join(map(ast.unparse, (*node.args, *node.keywords)))
        if name == "merge" or (name == "join" and node.keywords):
            self.steps.append(Step("join", f"{name}({given})"))
        elif name in _GROUPS:
            self._group(f"{name}({given})", node)
        elif name in _CUTS:
            self._filter(f"{name}({given})", node)
        elif name in VALUES:
            self._value(f"{name}({given})")

    def visit_Compare(self, node: ast.Compare) -> None:
        self.generic_visit(node)
        if self._columns() & {*_names(node)}:
            self._filter(ast.unparse(node), node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self.visit(node.left)
        self.visit(node.right)
        if isinstance(node.op, ast.Div | ast.Sub) and not isinstance(node.left, ast.Constant):
            self._value(ast.unparse(node))

    def _columns(self) -> frozenset[str]:
        return frozenset(column.name for table in self._known for column in table.columns)

    def _file(self, name: str) -> None:
        file, table = self._tables[name]
        if table not in self._known:
            self._known.append(table)
            said = file if file.rpartition("/")[2].partition(".")[0] == name else f"{file}, {name}"
            self.steps.append(Step("file", said, table.rows))

    def _filter(self, says: str, node: ast.AST) -> None:
        self.steps.append(Step("filter", says, _rows_left(node, self._known)))

    def _group(self, says: str, node: ast.Call) -> None:
        named = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant)}
        columns = [c for table in self._known for c in table.columns if c.name in named]
        if not named and isinstance(node.func, ast.Attribute):  # value_counts of a column
            around = {n.value for n in ast.walk(node.func) if isinstance(n, ast.Constant)}
            columns = [c for table in self._known for c in table.columns if c.name in around]
        self.steps.append(Step("group", says, None, "; ".join(filter(None, map(_sizes, columns)))))

    def _value(self, says: str) -> None:
        self.steps.append(Step("value", says))

    def _query(self, sql: str) -> None:
        """The clauses of a query in the order a database takes them."""
        parts = _CLAUSES.split(sql)
        named = zip(parts[1::2], parts[2::2], strict=True)
        clauses = [(" ".join(name.upper().split()), " ".join(text.split())) for name, text in named]
        for kind, text in clauses:
            table = re.match(r'"?(\w+)"?', text)
            if (kind == "FROM" or kind.endswith("JOIN")) and table and table[1] in self._tables:
                self._file(table[1])
            if kind.endswith("JOIN"):
                self.steps.append(Step("join", f"{kind} {text}"))
        for wanted, step in (("WHERE", "filter"), ("GROUP BY", "group"), ("HAVING", "filter"), ("SELECT", "value")):
            self.steps += [Step(step, f"{kind} {text}") for kind, text in clauses if kind == wanted]


def _is_test(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in _TESTS
    return isinstance(node, ast.Compare)


def _rows_left(node: ast.AST, tables: Sequence[Table]) -> int | None:
    """Rows of the whole table that pass a test, where the data card says so: `species == 'Gentoo'`, `x.notna()`."""
    columns = {column.name: (column, table) for table in tables for column in table.columns}
    named = [n for n in _names(node) if n in columns]
    if len(set(named)) != 1:
        return None
    column, table = columns[named[0]]
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq):
        value = node.comparators[0]
        return _counts(column).get(str(value.value)) if isinstance(value, ast.Constant) else None
    called = node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
    return table.rows - column.nulls if called in ("notna", "notnull", "dropna") else None


def _names(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute):
            yield inner.attr
        elif isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            yield inner.value


def _counts(column: Column) -> dict[str, int]:
    """Value -> rows, for a column whose profile lists all its values with their counts."""
    found = (re.fullmatch(r"(.*) \(([\d,]+)\)", example) for example in column.examples)
    return {match[1]: int(match[2].replace(",", "")) for match in found if match}


def _sizes(column: Column) -> str:
    counts = _counts(column)
    listed = ", ".join(f"{name} {count:,}" for name, count in list(counts.items())[:8])
    more = ", ..." if len(counts) > 8 or len(counts) < column.distinct else ""
    return f"{column.name}: {listed}{more}" if listed else ""
