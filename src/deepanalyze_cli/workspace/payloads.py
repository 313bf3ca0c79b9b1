"""Text in data that is meant for a program rather than for a reader: for a language model, a spreadsheet, a browser.

Patterns only. They find what is made to be found by such a program and must leave ordinary data alone: AT&T, -5,
+49 30 1234, @handle, <=50K. Nobody is protected by them (`text.inert` and the box do that): they are for telling. Each
pattern means the same to RE2 (DuckDB) and to `re`.

The tokens are those of the chat templates of DeepSeek, Qwen and others with ChatML, Llama 2 and 3, Gemma, Mistral,
Phi and Alpaca; the tags those of `grammar`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Sort:
    """One kind of payload: how to say of one value and of several what they do, and the pattern."""

    one: str
    several: str
    pattern: str


def _any(*patterns: str) -> str:
    return "|".join(f"(?:{pattern})" for pattern in patterns)


_TOKENS = _any(
    r"</?(?:Analyze|Understand|Code|Execute|Answer)>",
    r"<\|[A-Za-z0-9_]+\|>",
    r"<[｜|][^<>｜]+[｜|]>",
    r"\[/?INST\]",
    r"<</?SYS>>",
    r"</?(?:start_of_turn|end_of_turn|bos|eos|tool_call|tool_response|function_calls|think)>",
    r"^\s*</s>|</s>\s*(?:<s>|\[INST|$)",
    r"(?m:^)\s*#{2,4} ?(?:Instruction\b|(?:Response|System|Human|Assistant)s? ?:)",
)

# Between the words of a name stand other characters than between those of a sentence.
_GAP = r"[\s_.,:*'\"-]+"
_BEFORE = "(?:previous|prior|above|preceding|earlier|former|foregoing|initial|original|existing|your|system)"
_RULES = "(?:instruction|prompt|direction|rule|message|command|guideline|directive|task)s?"
_MACHINE = "(?:ai|llm|chatgpt|gpt|chatbot|language model|ai model|ai assistant|ai agent)"
_ENGLISH = (
    rf"(?:ignore|disregard|forget|override|bypass){_GAP}(?:(?:all|any|every|the|of|these|those|my|and){_GAP}){{0,4}}"
    rf"{_BEFORE}{_GAP}(?:[a-z]+{_GAP}){{0,2}}{_RULES}\b",
    rf"you are (?:now|no longer) (?:[a-z]+ ){{0,3}}(?:{_MACHINE}|assistant|model|agent|dan|jailbroken|unrestricted|"
    r"admin|administrator|root|(?:developer|debug|god|admin) mode)\b",
    rf"(?:system|developer){_GAP}prompt\b",
    r"(?:do not|don'?t|never) (?:tell|inform|mention|reveal|show|say|report)(?: (?:this|that|it|anything|about))*"
    r"(?: to)? the (?:user|human|analyst|operator)\b",
    r"(?:instruction|message|note|command)s? (?:for|to) "
    rf"(?:(?:the |any |all |an )?{_MACHINE}|the (?:assistant|model):)",
    rf"\b(?:attention|hey|hello|dear|hi)[ ,:!]+(?:the |all )?{_MACHINE}s?\b",
    r"\byour (?:new|real|true|actual) (?:task|instructions?|goal|objective|role|purpose) (?:is|are)\b",
    r"\b(?:reveal|print|output|repeat|leak|show) (?:me )?(?:your|the) (?:system |hidden |initial |secret )+"
    r"(?:prompt|instructions?|message)\b",
    r"\b(?:new|updated) instructions? ?:",
)
_OTHERS = (
    r"ignorier\S*\s+(?:\S+\s+){0,3}(?:vorherig|bisherig|obig|früher|vorangegangen)\S*\s+(?:anweisung|instruktion|befehl|regel)",
    r"(?:ignore[zr]?|oublie[zr]?)\s+(?:toutes\s+)?(?:les|tes|vos|ces)\s+(?:instructions|consignes)\s+"
    r"(?:précédentes|antérieures|ci-dessus)",
    r"(?:ignor|olvid)\S*\s+(?:todas\s+)?(?:las|tus|sus)\s+(?:instrucciones|órdenes)\s+(?:anteriores|previas)",
    r"ignor\S*\s+(?:todas\s+)?(?:as|suas)\s+instruções\s+(?:anteriores|prévias)",
    r"ignora\S*\s+(?:tutte\s+)?le\s+istruzioni\s+precedenti",
    r"negeer\s+(?:alle\s+)?(?:eerdere|vorige|voorgaande)\s+(?:instructies|opdrachten)",
    r"(?:игнорируй|забудь)\S*\s+(?:все\s+)?(?:предыдущие|прежние)\s+(?:инструкции|указания|команды)",
    r"(?:忽略|无视|忘记|忽視|無視)(?:所有|之前|以上|上面|前面|先前|此前|一切|的|掉)*(?:指令|指示|提示|命令)",
    r"(?:以前|これまで|上記|前)の(?:すべての|全ての)?(?:指示|命令|プロンプト)を?(?:無視|忘れ)",
    r"(?:이전|위|앞)의?\s*(?:모든\s*)?(?:지시|명령|지침)(?:사항)?(?:을|를)?\s*(?:무시|잊)",
)
_ORDERS = f"(?i:{_any(*_ENGLISH, *_OTHERS)})"

# What cannot be seen, within a word or in rows. A joiner by itself is Persian, Hindi or a family of emoji; tags after
# a black flag are the flags of England, Scotland and Wales.
_UNSEEN = "\u200b-\u200f\u2060-\u2064\ufeff\u00ad\u180e"
_HIDDEN = _any(
    "[\u202d\u202e]",
    "(?:^|[^\U0001f3f4\U000e0020-\U000e007f])[\U000e0000-\U000e007f]",
    "[A-Za-z0-9][\u200b-\u200d\u2060-\u2064\ufeff]+[A-Za-z0-9]",
    f"[{_UNSEEN}]{{4,}}",
)

_CALLS = "HYPERLINK|WEBSERVICE|IMPORT[A-Z]+|FILTERXML|INDIRECT|DDE|DDEAUTO|CALL|EXEC|REGISTER|SUM|IF|CONCAT(?:ENATE)?"
_FORMULAS = _any(
    # =SUM(, =Sheet1!A1, =A1, =1+1, ="x"
    r"^\s*=\s*[-+@(]*(?:[A-Za-z][A-Za-z0-9_.]*\s*[(!]|\$?[A-Za-z]{1,3}\$?[0-9]{1,7}(?:$|[^A-Za-z0-9_])|"
    r'[0-9.]+\s*[-+*/^&]\s*[0-9A-Za-z(]|"[^"]*"\s*(?:&|$))',
    rf"^\s*[-+@](?i:{_CALLS})\s*\(",
    # Dynamic data exchange starts programs: =cmd|'/C calc'!A0
    r"^\s*[-+=@][^|\n]*\|\s*'?[^!\n]+!",
)

_MARKUP = (
    "(?i:"
    + _any(
        r"</?(?:script|iframe|object|embed|svg|style|form|base|meta|link|img)(?:[\s/][^<>]*)?/?>?(?:$|[\s<>/])",
        r"<[a-z][^<>]*\son[a-z]{3,}\s*=",
        r"<[a-z][^<>]*\s(?:href|src|action|srcdoc)\s*=\s*[\"']?\s*(?:javascript|data|vbscript):",
    )
    + ")"
)

_ESCAPES = "\x1b[\\[\\]PX^_()c]|\u009b[0-9;?]*[A-Za-z]|[\u0090\u009d][0-9]"

SORTS = (
    Sort(
        "looks like instructions to a language model",
        "look like instructions to a language model",
        _any(_TOKENS, _ORDERS),
    ),
    Sort("has invisible characters in it", "have invisible characters in them", _HIDDEN),
    Sort("begins like a spreadsheet formula", "begin like a spreadsheet formula", _FORMULAS),
    Sort("holds HTML that a browser would act on", "hold HTML that a browser would act on", _MARKUP),
    Sort("holds terminal escape codes", "hold terminal escape codes", _ESCAPES),
)

LOOKED_AT = 2000
"""Characters of a text that are looked at outside DuckDB, whose RE2 takes linear time; `re` may take quadratic."""

ANY = _any(*(sort.pattern for sort in SORTS))
"""All of them as one pattern."""


def is_payload(text: str) -> bool:
    """Whether there is anything of that in a value."""
    return bool(_compiled(ANY).search(text[:LOOKED_AT]))


def is_order(text: str) -> bool:
    """Whether there is an instruction in words, in a value or in a name that has other characters for spaces."""
    return bool(_compiled(_ORDERS).search(_spaced(text[:LOOKED_AT])))


def sorts_of(text: str) -> tuple[Sort, ...]:
    """All that is to be said of a name."""
    text = text[:LOOKED_AT]
    return tuple(s for s in SORTS if any(_compiled(s.pattern).search(t) for t in (text, _spaced(text))))


def _spaced(name: str) -> str:
    """A name with spaces where names have other characters instead."""
    return re.sub(r"[_.+-]+", " ", name)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
