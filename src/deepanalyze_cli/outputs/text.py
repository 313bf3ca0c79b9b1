"""How text that nobody vouches for (data, output, a model's prose) is made fit to be shown.

`clean` is for every medium; `inert`, `literal` and `fence` are for Markdown files and notebooks, whose readers are
programs we do not choose and which may render raw HTML and fetch remote pictures. HTML has its own way (`html`).
"""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    # OSC, DCS, SOS, PM, APC. The next beginning of one ends the search, or many would be searched to the end of all.
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90-\x9f]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]"
)
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f]"  # C0, DEL, C1
    r"|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"  # what turns the direction of text
    r"|[\u2028\u2029\ufff9-\ufffb\ufeff\u00ad\u180e\u200b\u2060-\u2065\u206a-\u206f]"  # not seen, or other line ends
    r"|[\U000e0000-\U000e0fff]"  # tags and further variation selectors: an alphabet that nobody sees
    r"|[\u200c\u200d\ufe00-\ufe0f]{2,}"  # one joins letters or emoji, several in a row are used as an alphabet
)
_SURROGATES = re.compile(r"[\ud800-\udfff]")


def clean(text: str) -> str:
    """`text` without escape sequences, control characters (but `\\n` and `\\t`) and marks that turn its direction.

    Characters that nobody sees go too, as far as no script needs them: with them a text says something else to a model
    or a search than to the person who reads it. What is left can be encoded as UTF-8: half a surrogate pair becomes
    U+FFFD.
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
_MACRO = re.compile(
    r"\\(?=(?:href|html|class|style|cssid|require|def|let|newcommand|newenvironment|unicode|includegraphics))",
    re.IGNORECASE,
)
"""Macros of MathJax, with which notebooks typeset formulas, that lead elsewhere or make others that do."""


def inert(markdown: str) -> str:
    """A model's Markdown with its raw HTML, links, pictures and formulas turned into text.

    What a reader takes for code is told apart by guess only, because readers differ; so both branches are safe in both
    places: an entity never opens a construct, nor does a space between `<` and the name after it.
    """
    lines, inside = [], False
    for line in _MACRO.sub(r"\\ ", clean(markdown)).split("\n"):
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
    return re.sub(r"(?<!\\)((?:\\\\)*)\$", r"\1\\$", text)


def _apart(code: str) -> str:
    return _TAG.sub("< ", code).replace("](", "] (").replace("][", "] [").replace("]:", "] :")


def literal(text: str, most: int = 200) -> str:
    """`text` on one line as Markdown that shows exactly it: for names and values inside prose and tables."""
    return re.sub(r"([\\`*_\[\]<>|~$&#])", r"\\\1", _MACRO.sub(r"\\ ", one_line(text, most)))


def fence(text: str, language: str = "") -> str:
    """`text` as a fenced block that nothing inside it can end."""
    text = clean(text).rstrip("\n")
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{language}\n{text}\n{ticks}"
