"""What SQL in a string speaks of, makes and changes, as far as patterns tell."""

from __future__ import annotations

import re

from ..story import base_name

QUERY = re.compile(
    r"\b(?:select|from|join|into|update|create|describe|summarize|pivot|show|delete|alter|drop)\b", re.IGNORECASE
)
_NAMED = r"(?:if\s+(?:not\s+)?exists\s+)?(?:\w+\.)?[\"`]?(\w+)"
MADE = re.compile(
    rf"\b(?:create\s+(?:or\s+replace\s+)?(?:temp(?:orary)?\s+)?(?:table|view|macro|function|type|sequence|schema)"
    rf"|insert\s+(?:or\s+\w+\s+)?into|delete\s+from|truncate(?:\s+table)?|alter\s+(?:table|view)"
    rf"|drop\s+(?:table|view|macro|type)|update|merge\s+into)\s+{_NAMED}",
    re.IGNORECASE,
)
LAZY = re.compile(rf"\bcreate\s+(?:or\s+replace\s+)?(?:temp(?:orary)?\s+)?(?:view|macro)\s+{_NAMED}", re.IGNORECASE)
STATEMENT = re.compile(
    r"\s*(?:select|with|create|insert|update|delete|drop|alter|describe|summarize|pivot|copy|explain|merge|truncate)\b",
    re.IGNORECASE,
)
SET = re.compile(r"(?:^|;)\s*(?:set|reset|pragma|attach|detach|use|load|install|begin|commit|rollback)\b", re.I)
OPEN_NAME = re.compile(r"\b(?:from|join|table|view|into|update|describe|summarize|macro|copy)\s+[\"'`(\w.]*$", re.I)
OPEN_CHANGE = re.compile(r"\b(?:table|view|into|update|macro)\s+[\"'`\w.]*$", re.IGNORECASE)


def sql_words(text: str) -> set[str]:
    """What a query may speak of: tables, frames in variables, files."""
    words = set(re.findall(r"[A-Za-z_]\w*", text))
    files = {f"file {base_name(name)}" for name in re.findall(r"['\"]([^'\"\n]{1,200})['\"]", text)}
    return words | {f"table {word.lower()}" for word in words} | files
