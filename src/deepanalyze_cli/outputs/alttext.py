"""The text that stands in for a chart, as somebody says it who reads it to others.

The kernel describes what it plotted tersely, for a model (`capture.describe`); here the same facts become words.
"""

from __future__ import annotations

import re

_DETAILS = " (chart: "
_AXIS = re.compile(r"(^|; |\| )([xy])(?: '(.*?)')?(?=:| (?=\S+\.\.))")
_RANGE = re.compile(r" (\S+?)\.\.(\S+?)(?=[;)]|$| [|(])")
_GRID = re.compile(r"\bgrid of (\d+)x(\d+)")
_MORE = re.compile(r", … \((\d+)\)")
_COUNT = re.compile(r"\b(\d{4,}) (?=points?\b|bars?\b|lines?\b|boxes\b)")
_AXES = {"x": "horizontal", "y": "vertical"}


def spoken(alt: str) -> str:
    """`Mass (chart: y 'Mass (g)' 0..5075; 2 bars)` as `Mass. Chart: vertical axis Mass (g), 0 to 5075; 2 bars.`"""
    name, found, details = alt.partition(_DETAILS)
    if not found:
        return alt
    said = _AXIS.sub(lambda axis: f"{axis[1]}{_AXES[axis[2]]} axis{' ' * bool(axis[3])}{axis[3] or ''}", details[:-1])
    said = _RANGE.sub(lambda span: f", {_number(span[1])} to {_number(span[2])}", said)
    said = _GRID.sub(r"grid of \1 rows and \2 columns", said).replace(" | ", "; next panel: ")
    said = _MORE.sub(r" and others, \1 in all", said)
    said = _COUNT.sub(lambda count: f"{int(count[1]):,} ", said)
    return f"{name}{'' if name.endswith(('.', '?', '!')) else '.'} Chart: {said}."


def _number(text: str) -> str:
    """`5.414e+04` as `54,140`."""
    try:
        return f"{float(text):,.0f}" if "e+" in text and float(text) < 1e15 else text
    except ValueError:
        return text
