"""Text from data, made safe to show: one line, cut, no control characters, nothing that a model takes for markup.

Whatever a file holds is written by others. These functions are the only way from a name or a value to a prompt; they
know nothing of tables and change no data.
"""

from __future__ import annotations

import re
import unicodedata

from . import payloads

VALUE_LENGTH = 40
"""Characters of a value that are shown."""

NAME_LENGTH = 100
"""Characters of a column name that are shown; a longer one cannot be copied from a card anyway."""

PAYLOAD_LENGTH = 12
"""Characters that are shown of what is meant for a program, and never more than half of an instruction."""

_PLAIN = re.compile(r"[^\W_](?:[\w .$%()/#&+*?=-]*[\w.$%)#+*?])?|[\w$#%]+")
# `<Answer>`, `</s>`, `<|im_end|>`, `<｜User｜>`, `<<SYS>>`, but neither `<=50K` nor `a < b`.
_TAG = re.compile(r"<(?=[^\W\d]|[<_/|｜!?▁])")
_INSTRUCTION = re.compile(r"\[(?=\s*/?\s*INST\s*\])", re.IGNORECASE)


def clean(text: str, length: int = VALUE_LENGTH) -> str:
    """`text` on one line and at most `length` characters long; line breaks and tabs show as `\\n` and `\\t`."""
    text = text[: 4 * length].replace("\r\n", "\n")
    text = text.translate({10: "\\n", 13: "\\n", 9: "\\t", 0x2028: "\\n", 0x2029: "\\n"})
    text = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn"))
    return text if len(text) <= length else text[: length - 1] + "…"


def label(name: str) -> str:
    """A column name as it can be copied into code: bare where that is clear, otherwise a Python string literal.

    A name that looks like markup is written with escapes, so that it stays exact and inert at once. One that gives a
    language model instructions is cut, as is one that is too long.
    """
    most = _least(name) if payloads.is_order(name) else NAME_LENGTH
    if len(name) <= most and _PLAIN.fullmatch(name) and "  " not in name:
        return name
    literal = repr(name[:most]).replace("<", "\\x3c").replace("`", "\\x60").replace("[", "\\x5b")
    return literal if len(name) <= most else literal + "…"


def shown(value: str) -> str:
    """A value as it is listed among others: quoted where its ends would not be seen."""
    text = harmless(value)
    clear = text and text == text.strip(" '\"") and not re.search(r"[,;]|  ", text)
    return text if clear else repr(text).replace("\\\\", "\\")


def harmless(text: str, length: int = VALUE_LENGTH) -> str:
    """`clean`, and next to nothing of what is meant for a program."""
    if payloads.is_order(text):
        return clean(text, _least(text))
    return clean(text, PAYLOAD_LENGTH if payloads.is_payload(text) else length)


def _least(order: str) -> int:
    return min(PAYLOAD_LENGTH, len(order) // 2)


def inert(text: str) -> str:
    """`text` without anything a chat template, an action grammar or Markdown would act on; the break can be seen."""
    text = _TAG.sub("‹", text.replace("`", "'"))
    return _INSTRUCTION.sub("(", text)


def number(value: float) -> str:
    """A number for reading: six significant digits, integers in full, no exponent below 10^15."""
    if value == int(value) if abs(value) < 1e15 else False:
        return str(int(value))
    if 1e6 <= abs(value) < 1e15:
        return f"{value:.0f}"
    return f"{value:.6g}"


def plural(count: int, noun: str) -> str:
    """`1 row`, `2,512 rows`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
