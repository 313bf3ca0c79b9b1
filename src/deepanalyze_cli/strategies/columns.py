"""What a column can stand for in a question: a number that is measured, a category that makes groups, a time.

Decided from the profile alone. Forms of questions (`prompts/kinds.toml`) name these roles in capitals.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..types import Column, DataSource, Table

ROLES = ("NUMBER", "CATEGORY", "TIME")
PLACEHOLDER = re.compile(r"\b(?:(?:OTHER_)?(?:NUMBER|CATEGORY)|TIME|TABLE|UNIT)\b")
MOST_CATEGORIES = 40
"""A text column with more values than this makes no groups."""
MOST_CODES = 8
"""A number column with so few values is a code for groups."""

Roles = dict[str, list[str]]


def column_roles(sources: Sequence[DataSource]) -> Roles:
    """Role -> names of the columns that can play it; with several tables, as `table.column`."""
    tables = [table for source in sources for table in source.tables]
    roles: Roles = {role: [] for role in ROLES}
    for table in tables:
        for column in table.columns:
            if role := _role(column, table):
                roles[role].append(column.name if len(tables) == 1 else f"{table.name}.{column.name}")
    return roles


def playable(form: str, roles: Roles) -> bool:
    """Whether there are columns for every part of a form."""
    return all(len(roles[role]) >= needed for role, needed in _cast(form).items())


def miscast(question: str, form: str, roles: Roles) -> str:
    """What is wrong with a question that was to have this form; empty if it names a column for every part."""
    if left := PLACEHOLDER.search(question):
        return f"{left.group()} was not replaced by a column."
    for role, needed in _cast(form).items():
        named = [name for name in roles[role] if _names(question, name)]
        if len(named) < needed:
            return f"It must name {needed} of these columns as {role}: {', '.join(roles[role][:12])}."
    return ""


def fresh(roles: Roles, questions: Sequence[str]) -> Roles:
    """The roles with what was asked about before left out, as long as enough is left.

    Numbers: two must be left. `OTHER_CATEGORY` (the second of two) is chosen among the categories not named so far.
    """
    asked = " ".join(questions)
    numbers, others = ([name for name in roles[role] if not _names(asked, name)] for role in ("NUMBER", "CATEGORY"))
    return {
        **roles,
        "NUMBER": numbers if len(numbers) > 1 else roles["NUMBER"],
        "OTHER_CATEGORY": others or roles["CATEGORY"],
    }


def form_grammar(form: str, roles: Roles) -> str:
    """A GBNF grammar of the questions a form allows: the model chooses columns, the words around them are given.

    Source: llama.cpp, grammars/README.md.
    """
    parts, rules, at = [], [], 0
    for match in PLACEHOLDER.finditer(form):
        word = match.group()
        names = roles.get(word) or roles[next(role for role in ROLES if word.endswith(role))]
        rule = word.lower().replace("_", "-")
        parts += [_literal(form[at : match.start()]), rule]
        rules.append(f"{rule} ::= {' | '.join(map(_literal, names))}")
        at = match.end()
    return "\n".join(["root ::= " + " ".join([*parts, _literal(form[at:])]), *dict.fromkeys(rules)])


def _names(text: str, column: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(column)}(?!\w)", text) is not None


def _literal(text: str) -> str:
    escaped = "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08X}" for c in text)
    return f'"{escaped}"'


def _cast(form: str) -> dict[str, int]:
    """Role -> how many different columns a form needs for it."""
    words = set(PLACEHOLDER.findall(form))
    return {role: sum(word.endswith(role) for word in words) for role in ROLES if any(w.endswith(role) for w in words)}


def _role(column: Column, table: Table) -> str:
    name, number = column.name.lower(), column.type in ("integer", "number")
    if column.type in ("date", "timestamp") or (number and re.search(r"year|month|date", name)):
        return "TIME"
    if column.distinct < 2 or column.name in table.keys or re.search(r"(?:^|_)id$", name):
        return ""
    few = column.distinct <= (MOST_CODES if number else MOST_CATEGORIES) and column.distinct * 4 <= max(table.rows, 8)
    return "CATEGORY" if few else "NUMBER" if number else ""
