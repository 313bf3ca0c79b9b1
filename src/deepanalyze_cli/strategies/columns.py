"""What a column can stand for in a question: a number that is measured, a category that makes groups, a time.

Decided from the profile alone. Forms of questions (`prompts/kinds.toml`) name these roles in capitals.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..types import Column, DataSource, Table

ROLES = ("NUMBER", "CATEGORY", "TIME")
PLACEHOLDER = re.compile(r"\b(?:(?:OTHER_)?(?:NUMBER|CATEGORY)|TIME|TABLE)\b")
MOST_CATEGORIES = 40
"""A text column with more values than this makes no groups."""
MOST_CODES = 8
"""A number column with so few values is a code for groups."""

_UNITS = {
    **{u: u for u in ("mm", "cm", "km", "mg", "kg", "ml", "min", "kwh", "mph", "hours", "minutes", "seconds", "days")},
    **{"usd": "USD", "eur": "EUR", "gbp": "GBP", "pct": "%", "percent": "%"},
}
_CALENDAR = re.compile(r"(?:^|[_\W])(?:year|quarter|month|week|day|hour|minute|date)(?:$|[_\W])")

Roles = dict[str, list[str]]


def column_roles(table: Table) -> Roles:
    """Role -> names of the columns of a table that can play it. Codes make groups only where nothing else does."""
    roles: Roles = {role: [c.name for c in table.columns if _role(c, table) == role] for role in ROLES}
    codes = [c.name for c in table.columns if c.name in roles["NUMBER"] and c.distinct <= MOST_CODES]
    if not roles["CATEGORY"] and len(codes) < len(roles["NUMBER"]):
        roles |= {"CATEGORY": codes, "NUMBER": [name for name in roles["NUMBER"] if name not in codes]}
    return roles


def askable(sources: Sequence[DataSource]) -> tuple[Table, ...]:
    """The tables that there is something to ask about: with a number, or with two categories; else all."""
    tables = tuple(table for source in sources for table in source.tables)
    rich = tuple(t for t in tables if (roles := column_roles(t))["NUMBER"] or len(roles["CATEGORY"]) > 1)
    return rich or tables


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


def unit_of(question: str, table: Table) -> str:
    """The unit of the first number column a question names, where its name says so beyond doubt; else nothing.

    `bill_length_mm`, `height (cm)`, `body_mass_g`; a lone letter counts only behind a word for weight.
    """
    named = [c.name for c in table.columns if c.type in ("integer", "number") and _names(question, c.name)]
    if not named:
        return ""
    if bracketed := re.search(r"[(\[]([^\W\d_%]{1,5}|%)[)\]]\s*$", named[0]):
        return bracketed[1]
    last = re.split(r"[_\s]", named[0].lower())[-1]
    return "g" if re.search(r"(?:mass|weight)_g$", named[0].lower()) else _UNITS.get(last, "")


def left_out(question: str, code: str, table: Table) -> tuple[str, ...]:
    """The columns that a question names and the code does not: it would answer something else."""
    return tuple(c.name for c in table.columns if _names(question, c.name) and c.name not in code)


def fresh(roles: Roles, asked: Sequence[str], wanted: str) -> Roles:
    """The columns to choose from now: those not asked about yet, and of these first the ones that `wanted` names.

    `wanted` is the user's question. `OTHER_CATEGORY` is the second of two categories, so the first may stay as it was.
    """
    before = " ".join(asked)
    unused = {role: [name for name in names if not _names(before, name)] for role, names in roles.items()}
    return {
        "NUMBER": _at_least(2, _named_first(unused["NUMBER"], wanted), unused["NUMBER"], roles["NUMBER"]),
        "CATEGORY": _at_least(1, _named_first(roles["CATEGORY"], wanted), roles["CATEGORY"]),
        "OTHER_CATEGORY": _at_least(1, _named_first(unused["CATEGORY"], wanted), unused["CATEGORY"], roles["CATEGORY"]),
        "TIME": roles["TIME"],
    }


def _named_first(names: Sequence[str], wanted: str) -> list[str]:
    """The names of which a part stands in `wanted`, as a word or its beginning: `dep_delay` in "longest delays"."""
    words = re.findall(r"[^\W\d_]{3,}", wanted.lower())
    return [name for name in names if any(w.startswith(p) for p in _parts(name) for w in words)]


def _parts(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [part.lower() for part in re.findall(r"[^\W\d_]{3,}", spaced) if part.lower() not in ("the", "and", "per")]


def _at_least(least: int, *choices: Sequence[str]) -> list[str]:
    """The first choices, topped up from the next ones until there are enough."""
    found: list[str] = []
    for names in choices:
        if len(found) < least:
            found += [name for name in names if name not in found]
    return found


def one_of(names: Sequence[str]) -> str:
    """A GBNF grammar of a choice among names."""
    return f"root ::= {' | '.join(map(_literal, names))}"


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
    if column.distinct < 2:
        return ""
    if column.type in ("date", "timestamp") or (number and _CALENDAR.search(name)):
        return "TIME"
    if column.name in table.keys or re.search(r"(?:^|_)id$", name):
        return ""
    if number:
        return "NUMBER"
    few = column.distinct <= MOST_CATEGORIES and column.distinct * 4 <= max(table.rows, 8)
    return "CATEGORY" if few and column.type in ("text", "boolean") else ""
