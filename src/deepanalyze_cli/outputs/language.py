"""Which language a text is in, as far as its script alone says so: for fonts, line breaks and voices that read aloud.

Latin and Cyrillic letters say nothing, so most texts are in no language that this knows.
"""

from __future__ import annotations

import re
import unicodedata

_SCRIPTS = {
    "ja": re.compile(r"[\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f]"),
    "ko": re.compile(r"[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]"),
    "zh": re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"),
    "he": re.compile(r"[\u0590-\u05ff\ufb1d-\ufb4f]"),
    "ar": re.compile(r"[\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufefc]"),
    "th": re.compile(r"[\u0e00-\u0e7f]"),
    "el": re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]"),
}


def language(text: str) -> str:
    """The language as HTML writes it: `ja`; empty where the script of most letters does not tell.

    A fifth of kana among the letters is Japanese, Han alone Chinese, and the Arabic script Persian with letters that
    Arabic lacks.
    """
    letters = sum(character.isalpha() for character in text)
    found = {name: len(script.findall(text)) for name, script in _SCRIPTS.items()}
    if found["ja"] * 5 > letters:
        return "ja"
    name = max(found, key=lambda script: found[script])
    if not letters or found[name] * 2 <= letters:
        return ""
    if name == "zh" and found["ja"]:
        return "ja"
    return "fa" if name == "ar" and re.search("[پچژگ]", text) else name


def right_to_left(text: str) -> bool:
    """Whether the first letter of a text that has a direction runs to the left (UAX 9, P2)."""
    kinds = (unicodedata.bidirectional(character) for character in text)
    return next((kind in ("R", "AL") for kind in kinds if kind in ("L", "R", "AL")), False)
