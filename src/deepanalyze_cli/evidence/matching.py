"""Whether a printed number is the one that a sentence states: same value as far as written, same quantity by its words.

A value alone proves nothing: `3` stands everywhere. So a fact must not contradict any group, statistic, measure or unit
that the sentence names for this number, and the fewer digits a number has, the more of them must agree.
"""

from __future__ import annotations

from collections.abc import Sequence

from .facts import Fact, Facts
from .glossary import AFFIRMED
from .notation import UNITS
from .numbers import Numeral
from .stated import Stated
from .words import (
    STRONG,
    alike,
    content,
    stems,
)


def rounding(stated: Stated, fact: Fact) -> str:
    """The rule by which the printed value gives the stated one; empty if it does not."""
    for factor, rule in _scaled(stated, fact):
        if said := fits(stated.numeral, fact.value * factor, stated.less):
            return ", ".join(filter(None, (rule, said)))
    return ""


def fits(numeral: Numeral, value: float, less: bool = False) -> str:
    """How a value in the unit of the numeral is what is written: `exact`, `rounded to 1 decimal`, ...; empty if not."""
    if value != value or abs(value) == float("inf"):
        return ""
    if less and value < 0 <= numeral.value:
        value = -value
    stated, slack = numeral.value, 1e-9 * max(abs(value), abs(numeral.value), numeral.step * 1e-3)
    if abs(value - stated) <= slack:
        return "exact"
    if stated == 0 and numeral.step >= 1:
        return ""
    if abs(value - stated) <= numeral.step / 2 + slack + 1e-9 * numeral.step:
        return _named(numeral.step)
    if not numeral.hedge:
        return ""
    if numeral.kind == "fraction":
        return "about" if abs(value - stated) <= 0.05 else ""
    coarse = numeral.step * 10 ** _zeros(numeral)
    if numeral.hedge == "about" and abs(value - stated) <= max(coarse / 2, 0.0):
        return f"about, to {coarse:,.10g}"
    if numeral.hedge == "over" and stated < value < stated + max(coarse, 0.1 * abs(stated)):
        return "more than stated"
    if numeral.hedge == "under" and stated - max(coarse, 0.1 * abs(stated)) < value < stated:
        return "less than stated"
    return ""


def _zeros(numeral: Numeral) -> int:
    if numeral.step < 1 or not numeral.value:
        return 0
    digits = f"{round(abs(numeral.value) / numeral.step):d}"
    return min(len(digits) - len(digits.rstrip("0")), len(digits) - 1)


def _named(step: float) -> str:
    if step >= 1:
        return "rounded to a whole number" if step == 1 else f"rounded to {step:,.10g}"
    decimals = max(len(f"{step:.10f}".rstrip("0").partition(".")[2]), 1)
    return f"rounded to {decimals} decimal{'s' * (decimals > 1)}"


def _scaled(stated: Stated, fact: Fact) -> list[tuple[float, str]]:
    """The factors, with those by which the label of a fact says that it is to be multiplied."""
    factors = scales(stated, fact)
    if fact.scale != 1:
        factors += [(factor * fact.scale, rule) for factor, rule in factors]
    return factors


def scales(stated: Stated, fact: Fact) -> list[tuple[float, str]]:
    """Factors from the fact's unit to the stated one, with the rule each adds; none where they are of two kinds."""
    unit, printed = stated.unit, fact.unit
    if unit == "%":
        if printed == "%":
            return [(1.0, "")]
        if printed or fact.statistics & {"count", "corr"} - fact.statistics & {"share"}:
            return []
        if fact.sheet is not None and _shares_elsewhere(fact):
            return []
        fraction = abs(fact.value) <= 1 and (fact.sheet is None or _column_of_fractions(fact))
        return [(100.0, "as percent")] if fraction else [(1.0, "")] if _percent_code(fact) else []
    if unit in ("pp", "times"):
        wanted = {"change"} if unit == "pp" else {"ratio"}
        return [(1.0, "")] if fact.statistics & wanted and printed in ("%", "pp", "") else []
    if (printed == "%" or _is_share(fact)) and unit == "" and _percent_is_due(stated):
        return []
    if unit in UNITS and printed in UNITS and not fact.statistics & UNITLESS:
        (kind, factor), (other, part) = UNITS[unit], UNITS[printed]
        if kind != other:
            return []
        return [(1.0, "")] if factor == part else [(part / factor, f"{printed} as {unit}")]
    if unit in COUNTABLE and "count" in fact.statistics:
        return [(1.0, "")]
    if unit and (fact.statistics & UNITLESS or (printed and unit != printed)):
        return []
    return [(1.0, "")]


COUNTABLE = frozenset(("days", "hours", "minutes", "seconds", "miles"))
"""Units that are counted as things are."""
UNITLESS = frozenset(("count", "missing", "share", "corr", "pvalue", "r2"))
"""Statistics that are not in the unit of what they are of."""


def _shares_elsewhere(fact: Fact) -> bool:
    """Whether of the columns of a table another one is labelled as a share, or in percent, and this is not."""
    assert fact.sheet is not None
    row = fact.sheet.by_row.get(fact.row, [])
    labelled = [f for f in row if "share" in f.statistics or f.unit == "%"]
    return bool(labelled) and fact not in labelled


def _is_share(fact: Fact) -> bool:
    coded = fact.code_statistics if fact.sheet is not None else frozenset()
    return "share" in fact.statistics | coded and abs(fact.value) > 1


def _percent_is_due(stated: Stated) -> bool:
    return not (stated.words & {"percent", "%", "rate", "share", "accuracy"}) and not stated.sentence.value_from


def _percent_code(fact: Fact) -> bool:
    return "share" in fact.code_statistics or "change" in fact.code_statistics


def _column_of_fractions(fact: Fact) -> bool:
    return fact.sheet is not None and fact.column in fact.sheet.fractions


def agrees(stated: Stated, fact: Fact, facts: Facts) -> bool:
    """Whether nothing that is said of the number speaks against the fact."""
    return (
        _same_groups(stated, fact, facts)
        and bool(scales(stated, fact))
        and same_statistic(stated, fact)
        and same_measure(stated, fact, facts)
    )


def _same_groups(stated: Stated, fact: Fact, facts: Facts) -> bool:
    alternatives: dict[tuple[str, ...], list[str]] = {}
    for family, labels in stated.groups.items():
        alternatives.setdefault(tuple(label.casefold() for label in labels), []).append(family)
    for families in alternatives.values():
        families = [f for f in families if not is_of_all(stated.groups[f], fact, f)]
        if not families:
            continue
        here = [family for family in families if family in fact.groups]
        if here and not any(fact.groups[family] in stated.groups[family] for family in here):
            return False
        if (
            not here
            and not stated.whole
            and not any(_speaks_of(fact, label, facts) for f in families for label in stated.groups[f])
        ):
            return False
    return True


def is_of_all(labels: Sequence[str], fact: Fact, family: str) -> bool:
    """Whether a fact is of those for whom a column says yes, by the column's name alone: a share that is overdue."""
    if family in fact.groups or labels[0].casefold() not in AFFIRMED:
        return False
    about = content(fact.about) | fact.words | fact.around
    return any(alike(word, other) for word in stems(family.replace("_", " "))[:1] for other in about)


def _speaks_of(fact: Fact, label: str, facts: Facts) -> bool:
    if label.casefold() in fact.about.casefold():
        return any(m.label == label for m in facts.glossary.groups(fact.about))
    return False


_TOLD = STRONG - {"mean", "macro", "weighted", "missing"} | {"min", "max"}
"""Statistics that a sentence must speak of; that a number is a mean, a sum or a count may go without saying."""


def same_statistic(stated: Stated, fact: Fact) -> bool:
    """Whether the statistic that a fact is labelled with is the one that is said."""
    wanted = stated.statistics & STRONG
    own = fact.statistics
    if "change" in own | fact.code_statistics and (
        (stated.less and fact.value > 0) or (stated.more and fact.value < 0)
    ):
        return False
    if stated.extreme and stated.extreme != "some" and own & {"min", "max"} and not wanted:
        return ("max" if stated.extreme == "high" else "min") in own
    if own & _TOLD and not own & stated.statistics:
        return bool(own & {"min", "max"}) and bool(stated.extreme) and not wanted
    if "missing" in own and not _missing(stated, fact) and not (fact.words and fact.words <= stated.words):
        return False
    if wanted:
        if own & (STRONG | {"count", "sum", "min", "max", "change"}):
            return wanted <= own
        known = fact.code_statistics
        optional = {"missing", "macro", "weighted", "q25", "q75"}
        return not known or "all" in known or bool(wanted & known) or not wanted & (STRONG - optional)
    if stated.statistics & {"count", "sum", "min", "max", "slope"} and own & STRONG:
        return bool(stated.statistics & own) or ("sum" in stated.statistics and "missing" in own)
    return True


def _missing(stated: Stated, fact: Fact) -> bool:
    return "missing" in fact.statistics and "missing" in stated.statistics


def same_measure(stated: Stated, fact: Fact, facts: Facts) -> bool:
    if not stated.measures:
        return True
    names = facts.glossary.names
    if fact.statistics & {"count"} and not fact.own:
        return True
    other = fact.own and not any(same_name(one, another, names) for one in stated.measures for another in fact.own)
    if other and (fact.own & facts.glossary.fields or not any(m in fact.coded for m in stated.measures)):
        return False
    columns = [m for m in stated.measures if m in facts.glossary.columns]
    if "corr" in stated.statistics:
        columns = [m for m in stated.all_measures if m in facts.glossary.columns]
        return not fact.coded or all(m in fact.coded for m in columns)
    return not (columns and fact.coded) or any(m in fact.coded for m in columns)


def same_name(one: str, other: str, names: dict[str, tuple[str, ...]]) -> bool:
    a, b = set(names.get(one, ())), set(names.get(other, ()))
    return one == other or bool(a and b and (a <= b or b <= a))


_SPECIFIC = frozenset(("missing", "pvalue", "r2", "corr", "median", "std", "q25", "q75", "slope"))
"""Statistics that sentences seldom name by chance."""


def support(stated: Stated, fact: Fact, facts: Facts) -> float:
    """How much of what is said of the number stands at the fact as well."""
    score = 0.0
    beside = _identified(stated, fact)
    for family, label in fact.groups.items():
        score += 2.0 if label in stated.groups.get(family, ()) else 0.0 if family in beside else -1.0
    same = fact.statistics & stated.statistics
    bounded = bool(stated.extreme) and bool(fact.statistics & {"min", "max"})
    score += 1.0 * bool(same or bounded) + 1.0 * bounded + 1.0 * bool(same & _SPECIFIC)
    score += 0.75 * (not fact.statistics and bool(fact.code_statistics & stated.statistics))
    own = any(same_name(one, other, facts.glossary.names) for one in stated.measures for other in fact.own)
    score += 1.5 * own
    score += 0.75 * (not own and any(m in fact.coded for m in stated.all_measures))
    score += 0.75 * bool(stated.unit and stated.unit == fact.unit)
    shared = _shared(fact.words, stated.words)
    score += 1.0 * (fact.sheet is None and bool(fact.words) and fact.words <= stated.words)
    near = _shared(shared, stated.near)
    score += (
        min(len(near), 4) * 0.75
        + min(len(shared - near - stated.elsewhere), 2) * 0.25
        + 0.5 * bool(near & stated.after)
    )
    score += min(len(fact.around & stated.words), 2) * 0.3
    score -= 0.4 * min(len(fact.words - shared), 3)
    score += 0.75 * (not fact.groups and not stated.groups) + 0.5 * (not fact.groups and stated.overall)
    score += 0.75 * (
        not stated.measures
        and stated.numeral.step == 1
        and stated.unit in ("", *COUNTABLE)
        and not stated.statistics - {"count"}
        and is_count(fact)
    )
    score += 1.5 * (counts_rows(stated, fact, facts))
    score += 1.0 * any(is_of_all(labels, fact, family) for family, labels in stated.groups.items())
    score += 1.5 * bool(stated.extreme and holds(stated, fact))
    return score


def is_count(fact: Fact) -> bool:
    if "count" in fact.statistics:
        return True
    return not fact.statistics and not fact.own and fact.step >= 1 and "count" in fact.code_statistics


def _shared(own: frozenset[str], said: frozenset[str]) -> frozenset[str]:
    """The words of a label that are said, those cut short as well: `adj` of `adjusted`."""
    return frozenset(w for w in own if w in said or (2 < len(w) < 5 and any(other.startswith(w) for other in said)))


def _identified(stated: Stated, fact: Fact) -> frozenset[str]:
    """Families that need no naming, for another label of the row tells it apart: the code beside a name."""
    if fact.sheet is None:
        return frozenset()
    beside = frozenset(family for family, _ in fact.sheet.row_groups[fact.row])
    named = any(family in stated.groups and fact.sheet.identifies(family) for family in beside)
    return beside if named else frozenset()


def counts_rows(stated: Stated, fact: Fact, facts: Facts) -> bool:
    """Whether a number of things is that of all rows of a table."""
    whole = fact.value in facts.glossary.rows and not fact.groups and "missing" not in fact.statistics
    columns = (stated.after or stated.near) & {"column", "variable", "feature", "field"}
    named = not fact.words or fact.words & (stated.near | {"row"})
    return bool(whole and named) and "count" in stated.statistics and not stated.groups and not columns


def holds(stated: Stated, fact: Fact) -> bool:
    """Whether a fact is the highest (or lowest) of its column, as a superlative says."""
    unnamed = [family for family in fact.groups if family not in stated.groups]
    if (
        fact.sheet is None
        or not fact.groups
        or (unnamed and len(fact.groups) > 1)
        or stated.extreme not in ("high", "low")
    ):
        return False
    values = [other.value for other in fact.sheet.by_column[fact.column]]
    return fact.value == (max(values) if stated.extreme == "high" else min(values))


def named(stated: Stated, fact: Fact) -> bool:
    """Whether the sentence says of which of the printed rows and columns it speaks."""
    if fact.sheet is None:
        return all(family in stated.groups for family in fact.groups)
    sheet = fact.sheet
    rows = _singled_out(stated, sheet.row_groups, sheet.rows_of, fact.row)
    return rows and _singled_out(stated, sheet.column_groups, sheet.columns_of, fact.column)


def _singled_out(
    stated: Stated,
    labels: Sequence[tuple[tuple[str, str], ...]],
    where: dict[tuple[str, str], list[int]],
    which: int,
) -> bool:
    """Whether of all rows (or columns) only those with the labels of one fit what the sentence names."""
    own = labels[which]
    if not own:
        return True
    said = [family for family, _ in own if family in stated.groups]
    if not said:
        return all(len(where[group]) == len(labels) for group in own)
    fitting = [{n for label in stated.groups[f] for n in where.get((f, label), ())} for f in said]
    own_label = dict(own)
    fitting += [set(where[f, own_label[f]]) for f in said if len(stated.groups[f]) > 1]
    return all(labels[n] == own for n in set.intersection(*fitting))
