"""How text that nobody vouches for (data, output, a model's prose) is made fit to be shown.

`clean` is for every medium; `inert`, `literal` and `fence` are for Markdown files and notebooks, whose readers are
programs we do not choose and which may render raw HTML and fetch remote pictures. HTML has its own way (`html`).
"""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # OSC, DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")


def clean(text: str) -> str:
    """`text` without escape sequences, control characters (but `\\n` and `\\t`) and marks that turn its direction.

    What is left can be encoded as UTF-8: half a surrogate pair becomes U+FFFD.
    """
    text = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub("", text))


def one_line(text: str, most: int = 200) -> str:
    """`clean` text on one line of at most `most` characters."""
    text = " ".join(clean(text).split())
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
_FENCED = re.compile(r"^\s{0,3}(```|~~~)")
_INDENTED = re.compile(r"^(?: {4}|\t)")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


def inert(markdown: str) -> str:
    """A model's Markdown with its raw HTML, links, pictures and formulas turned into text.

    What a reader takes for code is told apart by guess only, because readers differ; so both branches are safe in both
    places: an entity never opens a construct, nor does a space between `<` and the name after it.
    """
    lines, inside = [], False
    for line in clean(markdown).split("\n"):
        fenced = bool(_FENCED.match(line))
        if inside or fenced or _INDENTED.match(line):
            lines.append(_apart(line))
        else:
            lines.append(_inert_prose(line))
        inside ^= fenced
    return "\n".join(lines)


def _inert_prose(line: str) -> str:
    parts, end = [], 0
    for code in _CODE.finditer(line):
        parts += [_as_entities(line[end : code.start()]), _apart(code.group())]
        end = code.end()
    return "".join([*parts, _as_entities(line[end:])])


def _as_entities(text: str) -> str:
    text = _TAG.sub("&lt;", text).replace("](", "]&#40;").replace("][", "]&#91;").replace("]:", "]&#58;")
    return re.sub(r"(?<!\\)\$", r"\\$", text)


def _apart(code: str) -> str:
    return _TAG.sub("< ", code).replace("](", "] (").replace("][", "] [").replace("]:", "] :")


def literal(text: str, most: int = 200) -> str:
    """`text` on one line as Markdown that shows exactly it: for names and values inside prose and tables."""
    return re.sub(r"([\\`*_\[\]<>|~$&#])", r"\\\1", one_line(text, most))


def fence(text: str, language: str = "") -> str:
    """`text` as a fenced block that nothing inside it can end."""
    text = clean(text).rstrip("\n")
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{language}\n{text}\n{ticks}"
