"""Where the whole says the opposite of its parts (Simpson's paradox): a warning, never a finding.

Each column of few values is tried as strata. Two kinds of direction are compared overall and within the strata: that of
a column's mean (or share) between two groups, and that of the correlation of two columns of numbers. All sums come from
a few matrix products over a sample, so the cost is bounded. Strata of two columns at once are not tried.

Source: E. H. Simpson, "The Interpretation of Interaction in Contingency Tables", JRSS B 13 (1951).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from .text import harmless, label

if TYPE_CHECKING:
    import duckdb

ROWS = 20_000
"""About so many rows of a larger table are looked at, the same ones each time."""

GROUPS, OUTCOMES = 12, 28
"""Columns of few values, and columns with a mean, that are looked at: the first ones of a wide table."""

MOST_VALUES = 8
CELL = 20
"""Rows of a group within a stratum below which its mean says nothing."""

COVERED = 0.8
"""Share of the rows that must lie in strata with so many rows of both groups."""

MOST = 3
"""Warnings of a table."""

# Of the overall direction, and of that within all strata together: how sure, in standard errors, and how large, in
# standard deviations (or as a correlation).
_OVERALL, _LARGE = 1.5, 0.1
_WITHIN, _LARGE_WITHIN = 1.9, 0.03
# The same where not all strata turn round, or hardly so; then, how sure no stratum may be of the overall direction, and
# the share of the rows in those that turn.
_SURE, _LARGER, _HARDLY, _KEEPING, _TURNING = 3.0, 0.2, 1.5, 2.0, 0.6


@dataclass(frozen=True, slots=True)
class Field:
    """A column to look at: place, name in DuckDB, true name, type (`profile.friendly`), number of distinct values."""

    place: int
    field: str
    name: str
    type: str
    distinct: int

    @property
    def parts(self) -> bool:
        """Whether its values are groups."""
        return self.type in ("text", "boolean", "integer") and 2 <= self.distinct <= MOST_VALUES

    @property
    def measures(self) -> bool:
        """Whether it holds amounts."""
        return self.type in ("integer", "number") and self.distinct > MOST_VALUES

    @property
    def outcome(self) -> bool:
        """Whether it has a mean, or a share of one of two values."""
        return self.measures or (self.type != "date" and self.distinct == 2)


@dataclass(frozen=True, slots=True)
class _Found:
    """A warning: between which columns, and how sure the less sure of the two directions is, in standard errors."""

    text: str
    between: frozenset[str]
    sure: float


@dataclass(frozen=True, slots=True)
class _Sample:
    """The rows looked at. `codes` is the value of each group column by its place in `values`, -1 where missing.

    `flags` has a column of 0 and 1 for each of all these values. `y` are the outcomes in standard deviations from their
    mean, 0 where not `there`.
    """

    groups: Sequence[Field]
    outcomes: Sequence[Field]
    codes: Sequence[Any]
    values: Sequence[Sequence[str]]
    flags: Any
    y: Any
    there: Any


@dataclass(frozen=True, slots=True)
class _Sums:
    """Of some rows: number, sum, sum of squares for each value and outcome; `r` and its rows for each two outcomes."""

    n: Any
    total: Any
    squares: Any
    r: Any
    pairs: Any


def notes(con: duckdb.DuckDBPyConnection, table: str, rows: int, fields: Sequence[Field]) -> Iterator[str]:
    """At most `MOST` warnings on the DuckDB table `table` of so many rows, the surest first."""
    groups = [f for f in fields if f.parts][:GROUPS]
    outcomes = [f for f in fields if f.outcome][:OUTCOMES]
    if rows < 4 * CELL or not groups or len({f.field for f in (*groups, *outcomes)}) < 3:
        return
    import pandas  # noqa: F401  # what is to have one thread must be there
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    # Where others are at work too, the threads of a small product wait for each other ten times as long (measured).
    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no rows, no mean: that is looked at
        try:
            sample = _sample(con, table, rows, groups, outcomes)
        except (ValueError, TypeError, OverflowError):  # a value that pandas cannot hold; a warning is no need
            return
        whole = _sums(sample, slice(None))
        found = [one for k in range(len(groups)) for one in _within(sample, whole, k)]
    told: set[frozenset[str]] = set()
    for one in sorted(found, key=lambda one: -one.sure):
        if len(told) < MOST and one.between not in told:
            told.add(one.between)
            yield one.text


def _sample(
    con: duckdb.DuckDBPyConnection, table: str, rows: int, groups: Sequence[Field], outcomes: Sequence[Field]
) -> _Sample:
    import numpy as np
    import pandas as pd

    every = max(rows // ROWS, 1)
    source = f'"{table}"'
    if every > 1:
        source = f"(SELECT *, row_number() OVER () AS r FROM {source}) WHERE hash(r) % {every} = 0"
    picked = [f"{f.field}::{'DOUBLE' if f.measures else 'VARCHAR'}" for f in (*groups, *outcomes)]
    named = ", ".join(f"{text} AS x{k}" for k, text in enumerate(picked))
    drawn = con.execute(f"SELECT {named} FROM {source}").df()
    columns = [drawn[name] for name in drawn.columns]
    coded = [pd.factorize(column, sort=True) for column in columns[: len(groups)]]
    flags = [codes[:, None] == np.arange(len(values)) for codes, values in coded]
    amounts = []
    for column, outcome in zip(columns[len(groups) :], outcomes, strict=True):
        codes = None if outcome.measures else pd.factorize(column, sort=True)[0]
        amounts.append(column.to_numpy(float) if codes is None else np.where(codes < 0, np.nan, codes).astype(float))
    y = np.array(amounts).T
    y[~np.isfinite(y)] = np.nan
    y = (y - np.nanmean(y, axis=0)) / np.nanstd(y, axis=0)
    there = np.isfinite(y)
    return _Sample(
        groups,
        outcomes,
        [codes for codes, _ in coded],
        [[_value(f, value) for value in values] for f, (_, values) in zip(groups, coded, strict=True)],
        np.hstack(flags).astype("float32"),
        np.where(there, y, 0).astype("float32"),
        there.astype("float32"),
    )


def _value(field: Field, text: str) -> str:
    return text.capitalize() if field.type == "boolean" else harmless(text)


def _sums(sample: _Sample, rows: Any) -> _Sums:
    import numpy as np

    flags, y, there = sample.flags[rows].T, sample.y[rows], sample.there[rows]
    squared = y * y
    n, total, squares = (np.asarray(flags @ part, dtype=float) for part in (there, y, squared))
    products = there.T @ there, y.T @ there, squared.T @ there, y.T @ y
    pairs, x, xx, xy = (np.asarray(part, dtype=float) for part in products)
    # x[i, j] sums outcome i over the rows that have i and j.
    covariance = xy - x * x.T / pairs
    spread = xx - x * x / pairs
    return _Sums(n, total, squares, covariance / np.sqrt(spread * spread.T), pairs)


def _within(sample: _Sample, whole: _Sums, k: int) -> Iterator[_Found]:
    """What turns round within the values of group column `k`."""
    import numpy as np

    ends = [0, *accumulate(map(len, sample.values))]
    spans = [slice(*both) for both in pairwise(ends)]
    order = np.argsort(sample.codes[k], kind="stable")
    borders = np.searchsorted(sample.codes[k][order], range(len(sample.values[k]) + 1))
    strata = [_sums(sample, order[slice(*both)]) for both in pairwise(borders)]
    usable = np.array([outcome != sample.groups[k] for outcome in sample.outcomes], dtype=bool)
    for a, span in enumerate(spans):
        if a != k and len(sample.values[a]) > 1:
            yield from _means(sample, whole, strata, k, a, span, usable)
    yield from _correlations(sample, whole, strata, k, usable)


def _means(
    sample: _Sample, whole: _Sums, strata: Sequence[_Sums], k: int, a: int, span: slice, usable: Any
) -> Iterator[_Found]:
    """Outcomes whose highest and lowest group of column `a` change places within column `k`."""
    import numpy as np

    n = whole.n[span]
    mean = np.where(n >= np.maximum(CELL, 0.05 * n.sum(axis=0)), whole.total[span] / n, np.nan)
    some = usable & (np.isfinite(mean).sum(axis=0) > 1)
    some &= np.array([_is_outcome_of(outcome, sample.groups[a]) for outcome in sample.outcomes], dtype=bool)
    js = np.flatnonzero(some)
    if not len(js):
        return
    tops, lows = np.nanargmax(mean[:, js], axis=0), np.nanargmin(mean[:, js], axis=0)

    def difference(sums: _Sums) -> tuple[Any, Any, Any, Any]:
        """Of the means, its inverse variance, the rows of both groups, and of the smaller one."""
        sides = []
        for values in (tops, lows):
            at = values + span.start, js
            size, centre = sums.n[at], sums.total[at] / sums.n[at]
            # Where all are alike a variance would be 0 and the difference beyond doubt.
            sides.append((size, centre, np.maximum(sums.squares[at] / size - centre**2, 0.05) / size))
        (size, top, one), (other, low, two) = sides
        return top - low, 1 / (one + two), size + other, np.minimum(size, other)

    every, most, sure = _turned(difference(whole), [difference(part) for part in strata])
    strata_name, group = label(sample.groups[k].name), sample.groups[a]
    for i in np.flatnonzero(every | most):
        outcome = sample.outcomes[js[i]]
        top, low = (sample.values[a][value] for value in (tops[i], lows[i]))
        within = f"lower within each {strata_name}" if every[i] else f"equal or lower within most {strata_name}"
        overall = f"{_called(outcome, sample)} is higher for {label(group.name)} = {top} than for {low} overall"
        text = f"{overall}, but {within}: compare within {strata_name}"
        yield _Found(text, frozenset((outcome.name, group.name)), float(sure[i]))


def _is_outcome_of(one: Field, other: Field) -> bool:
    """Whether a column is what may come of another: of two with two values the one that is no text, or the later."""
    both_ways = one.outcome and not one.measures and other.outcome and not other.measures
    return one != other and (not both_ways or (one.type != "text", one.place) > (other.type != "text", other.place))


def _called(outcome: Field, sample: _Sample) -> str:
    """What a mean of an outcome is."""
    if outcome.measures:
        return f"the mean of {label(outcome.name)}"
    group = next((values for f, values in zip(sample.groups, sample.values, strict=True) if f == outcome), ("", "1"))
    return f"the share of {label(outcome.name)} = {group[-1]}"


def _correlations(sample: _Sample, whole: _Sums, strata: Sequence[_Sums], k: int, usable: Any) -> Iterator[_Found]:
    """Pairs of number columns that go together the other way round within column `k`."""
    import numpy as np

    amounts = usable & np.array([outcome.measures for outcome in sample.outcomes], dtype=bool)
    one, two = np.triu_indices(len(amounts), 1)
    both = amounts[one] & amounts[two]
    at = one[both], two[both]

    def slope(sums: _Sums) -> tuple[Any, Any, Any, Any]:
        """Fisher's z, its inverse variance, and the rows, twice."""
        rows = sums.pairs[at]
        return np.arctanh(np.clip(sums.r[at], -0.9999, 0.9999)), np.maximum(rows - 3, 0), rows, rows

    every, most, sure = _turned(slope(whole), [slope(part) for part in strata])
    strata_name = label(sample.groups[k].name)
    for i in np.flatnonzero(every | most):
        x, y = sample.outcomes[at[0][i]].name, sample.outcomes[at[1][i]].name
        overall, other = ("smaller", "larger") if whole.r[at][i] < 0 else ("larger", "smaller")
        within = f"with {other} within each" if every[i] else "not within most"
        text = f"larger {label(x)} goes with {overall} {label(y)} overall, but {within} {strata_name}"
        yield _Found(f"{text}: compare within {strata_name}", frozenset((x, y)), float(sure[i]))


def _turned(whole: tuple[Any, ...], strata: Sequence[tuple[Any, ...]]) -> tuple[Any, Any, Any]:
    """Which directions turn round within every stratum, which within most, and how surely.

    Each direction comes with its inverse variance, the rows it is of, and the rows of its smaller group.
    """
    import numpy as np

    overall, weight, rows, _ = whole
    d, w, n, smaller = (np.array([part[i] for part in strata]) for i in range(4))
    counted = (smaller >= CELL) & np.isfinite(d) & np.isfinite(w)
    d, w, n = (np.where(counted, part, 0) for part in (d * np.sign(overall), w, n))
    pooled = (d * w).sum(axis=0) / w.sum(axis=0)
    sure, turned = np.abs(overall) * np.sqrt(weight), -pooled * np.sqrt(w.sum(axis=0))
    likely = (counted.sum(axis=0) > 1) & (n.sum(axis=0) >= COVERED * rows)
    likely &= (np.abs(overall) >= _LARGE) & (-pooled >= _LARGE_WITHIN)
    every = likely & (sure >= _OVERALL) & (turned >= _WITHIN) & ((d < 0) | ~counted).all(axis=0)
    most = likely & ~every & (sure >= _SURE) & (turned >= _HARDLY) & (np.abs(overall) >= _LARGER)
    most &= (d * np.sqrt(w)).max(axis=0) < _KEEPING
    most &= np.where(d < 0, n, 0).sum(axis=0) >= _TURNING * n.sum(axis=0)
    return every, most, np.minimum(sure, turned)
