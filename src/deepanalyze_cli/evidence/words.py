"""What labels and sentences speak of: statistics, measures, and words made comparable.

`body_mass_g`, "body mass" and "Body masses" have the same stems; "average", "mean" and "avg" are the same statistic.
"""

from __future__ import annotations

import re
from functools import lru_cache

from .notation import CURRENCY, MONTHS, UNITS, either, listed

_WORD = re.compile(r"[^\W\d_][^\W_]*|\d+(?:\.\d+)?%?|[%$€£²]")
STOP = frozenset(
    listed("""a an the of in on at to for by with and or is are was were be been has have had that this these those it
    its as from than more less all each only about which who not no do does did they their there so into over under up
    out also but while whereas both any some such very most least other others""")
)
"""Words that say nothing of what a number is."""


_SUFFIX = re.compile(r"(?:ation|ly|ment|ing|ed|er|ion)$")


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """A word without its plural or possessive, in lower case."""
    low = word.casefold().replace("’", "'").removesuffix("'s")
    if low in ("average", "averaged", "averages", "averaging"):
        return "avg"
    if len(low) > 4 and low.endswith(("sses", "shes", "ches", "xes")):
        return low[:-2]
    if len(low) > 3 and low.endswith("s") and not low.endswith(("ss", "us", "is")):
        low = low[:-1]
    if len(low) > 6 and (found := _SUFFIX.search(low)) and found.start() >= 5:
        return low[: found.start()]
    return low[:-1] + "ie" if len(low) > 3 and low.endswith("y") else low


@lru_cache(maxsize=20_000)
def stems(text: str) -> tuple[str, ...]:
    """The words of a label or sentence as stems; `camelCase` is not parted."""
    return tuple(stem(word) for word in _WORD.findall(text.replace("²", "2")))


@lru_cache(maxsize=20_000)
def content(text: str) -> frozenset[str]:
    """The stems that say something."""
    return frozenset(
        s for s in stems(text) if s not in STOP and s != "onlie" and not s[0].isdigit() and s not in "%$€£"
    )


_IMPLIED = {
    "age": "old older oldest young younger youngest aged",
    "price cost fee": "pay pays expensive cheap cheaper cheapest pricey cost costs costing charged paid",
    "weight mass": "heavy heavier heaviest light lighter lightest weigh weighs weighed weighing",
    "height": "tall taller tallest",
    "depth": "deep deeper deepest",
    "speed": "fast faster fastest slow slower slowest",
    "temperature temp": "hot hotter hottest warm warmer warmest cold colder coldest",
    "length": "long longer longest short shorter shortest",
    "duration stay time": "lasted lasting lasts last",
}
_OF_WORD = {stem(word): stems(measures) for measures, said in _IMPLIED.items() for word in said.split()}


def implied(words: frozenset[str]) -> frozenset[str]:
    """The quantities that adjectives and verbs speak of: `the oldest` is said of an age."""
    return frozenset(measure for word in words for measure in _OF_WORD.get(word, ()))


def alike(one: str, other: str) -> bool:
    """Whether two stems may be the same word, one of them cut short: `arr` and `arrival`, `temp` and `temperature`."""
    short, long = sorted((one, other), key=len)
    return short == long or (len(short) >= 3 and long.startswith(short) and short not in STOP)


# --- statistics -------------------------------------------------------------------------------------------------------

_STATISTICS = (
    ("q25", r"25 ?%|25th percentile|lower quartile|first quartile|q1\b(?= quartile)"),
    ("q75", r"75 ?%|75th percentile|upper quartile|third quartile|a quarter of the \w+ \w+ more than"),
    ("median", r"median|50 ?%|50th percentile"),
    ("se", r"standard errors?|std ?err|sem"),
    ("var", r"variances?(?! in)|var"),
    ("mode", r"mode|modal"),
    ("iqr", r"iqr|interquartile range"),
    ("skew", r"skew(?:ness)?|kurtosis"),
    ("std", r"standard deviations?|std|stdev|s\.?d\.?"),
    ("pvalue", r"prob(?= \()|p-?values?|pvalues?|p(?= ?[=<>≤])|p(?=$)"),
    ("r2", r"r2|r²|r-?squared|of the variance|coefficient of determination"),
    ("corr", r"correlat\w*|corr|pearson|r(?= ?=)"),
    ("slope", r"slope|coef(?:ficients?)?|params"),
    ("macro", r"macro"),
    ("weighted", r"weighted"),
    (
        "missing",
        r"missing|isna|isnull|nulls?|no recorded|not recorded|without|unknown|nan|no \w+ \w*|gave no|did not state"
        r"|blank|empty",
    ),
    ("mean", r"means?|averag\w+|avg|on average"),
    ("sum", r"sums?|totall?(?:ed|s)?|in total|altogether|added up|in all|together"),
    ("min", r"min(?:imum)?|minima"),
    ("max", r"max(?:imum)?|maxima"),
    ("share", r"shares?|proportions?|percent(?:ages?)?|pct|fraction|normalize"),
    ("change", r"growth|gap|change|pct_change|difference|diff|increase|decrease"),
    (
        "count",
        r"counts?|n(?= ?[=:])|n(?=$)|(?:group|sample) sizes?|sizes?(?= ?:|$)|number of|nobs|support"
        r"|no\.? (?:of )?observations",
    ),
)
STATISTIC = re.compile(
    "|".join(rf"(?P<{name}>(?<![\w'’])(?:{words})(?!\w))" for name, words in _STATISTICS), re.IGNORECASE
)
"""The name of the group that matched is the statistic."""
STRONG = frozenset(
    (
        "se",
        "var",
        "mode",
        "iqr",
        "skew",
        "median",
        "std",
        "pvalue",
        "r2",
        "corr",
        "mean",
        "q25",
        "q75",
        "macro",
        "weighted",
        "missing",
    )
)
"""Statistics that are never meant when they are not said, and never left out where another is meant."""


@lru_cache(maxsize=20_000)
def statistics(label: str) -> frozenset[str]:
    """The statistics that a label speaks of: `mean_delay` -> mean."""
    spaced = re.sub(r"_", " ", label).strip()
    return frozenset(found.lastgroup or "" for found in STATISTIC.finditer(spaced))


_HIGH = """highest largest biggest greatest longest heaviest strongest tallest oldest deepest hottest warmest busiest
    widest dearest latest peak peaked peaks record maximum"""
_LOW = """lowest smallest least shortest lightest weakest youngest fewest shallowest coldest slowest narrowest earliest
    cheapest minimum"""
EXTREME = re.compile(
    rf"\b(?:(?P<high>{either(_HIGH)}|most(?! of (?!all\b)))|(?P<low>{either(_LOW)})|(?P<some>fastest|best|worst))\b",
    re.IGNORECASE,
)
"""Superlatives; the name of the group that matched says which way, `some` where it depends."""

_CODE = (
    ("missing", r"\b(?:isna|isnull|notna)\("),
    ("mean", r"\bmean\b|\bavg\("),
    ("median", r"\bmedian\b|quantile\(0?\.5\)"),
    ("std", r"\bstd\b|\bstddev"),
    ("se", r"\bsem\(|\.bse\b|std_err"),
    ("var", r"\bvar\("),
    ("mode", r"\bmode\("),
    ("skew", r"\bskew\(|\bkurt"),
    ("sum", r"(?<!isna\(\)\.)(?<!isnull\(\)\.)\bsum\b"),
    ("min", r"\bmin\b|idxmin|nsmallest"),
    ("max", r"\bmax\b|idxmax|nlargest"),
    ("corr", r"\bcorr\w*\(|pearsonr|spearmanr"),
    ("count", r"\bcount\b|\bsize\b|value_counts|\blen\(|\bshape\b|nunique|crosstab"),
    ("share", r"normalize|\* ?100\b|mul\(100"),
    ("change", r"pct_change|\.diff\("),
    ("pvalue", r"pvalue|p_value|ttest|chi2|mannwhitney|anova|f_oneway"),
    ("r2", r"rsquared|r2_score|\.score\("),
    ("slope", r"\.params\b|coef_|polyfit|linregress"),
    ("all", r"\bdescribe\(|\bsummary\(|classification_report"),
)
_CODED = tuple((name, re.compile(pattern)) for name, pattern in _CODE)


def coded_statistics(code: str) -> frozenset[str]:
    """The statistics that a cell computes, by the methods it names."""
    return frozenset(name for name, pattern in _CODED if pattern.search(code))


# --- units in labels --------------------------------------------------------------------------------------------------

_LABEL_UNIT = re.compile(r"(?:[_ ]|\(|, ?)([a-zA-Z$€£°%]{1,9})\)?$")
_SCALES = {
    "k": 1e3,
    "thousand": 1e3,
    "thousands": 1e3,
    "mn": 1e6,
    "mio": 1e6,
    "million": 1e6,
    "millions": 1e6,
    "bn": 1e9,
}
_SCALED_MONEY = re.compile(r"([km])(usd|eur|gbp|chf)")


@lru_cache(maxsize=20_000)
def label_scale(label: str) -> float:
    """By what the values under a label are to be multiplied: `price_k` is in thousands, `budget_musd` in millions."""
    found = _LABEL_UNIT.search(label.strip())
    low = found[1].lower() if found else ""
    money = _SCALED_MONEY.fullmatch(low)
    return _SCALES.get(low, 1.0) if not money else 1e3 if money[1] == "k" else 1e6


_PERCENT = re.compile(r"%|\b(?:pct|percent|percentages?)\b", re.IGNORECASE)


@lru_cache(maxsize=20_000)
def described(label: str) -> frozenset[str]:
    """The stems of a label that are no statistics."""
    spaced = without_unit(label).replace("_", " ")
    return content(STATISTIC.sub(" ", spaced)) | frozenset(s for s in content(spaced) if s in ("per",))


@lru_cache(maxsize=20_000)
def label_unit(label: str) -> str:
    """The unit at the end of a label: `body_mass_g`, `Mass (g)`, `Cost $`; empty if there is none."""
    if _PERCENT.search(label.replace("_", " ")):
        return "" if re.fullmatch(r"\s*[\d.]+ ?%\s*", label) else "%"  # `25%` of `describe` is a statistic
    found = _LABEL_UNIT.search(label.strip())
    if not found:
        return "$" if "$" in label else ""
    low = found[1].lower()
    if money := _SCALED_MONEY.fullmatch(low):
        return CURRENCY[money[2]]
    if low in CURRENCY:
        return CURRENCY[low]
    if low not in UNITS or (len(low) > 3 and low not in _LONG):
        return ""
    return low if len(low) > 1 or label.strip().endswith((f"_{low}", f"({low})")) else ""


_LONG = frozenset(("days", "hours", "minutes", "seconds", "miles"))
"""Units that are words; in the singular they are names: `time_hour`."""


def without_unit(label: str) -> str:
    """A label without the unit at its end."""
    unit = label_unit(label)
    scaled = label_scale(label) != 1
    found = _LABEL_UNIT.search(label.strip()) if scaled or (unit and unit != "%") else None
    return label.strip()[: found.start()] if found else label


def month(label: str) -> str:
    """The name of a month by its number, for indices of months."""
    return MONTHS[int(label) - 1] if re.fullmatch(r"0?[1-9]|1[0-2]", label) else ""
