"""What runs, hidden, inside the kernel beside `capture`: pandas calls that lose rows or values say so on stderr.

A merge that dropped or multiplied rows and a conversion that made values missing raise no error, and their results look
like any other. The text of this file is sent to the kernel (`prelude.CAPTURE`), so it imports nothing of ours.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
import warnings
from collections.abc import Callable
from typing import Any

MERGED_ROWS = 5_000_000
"""Rows of both sides of a merge up to which partners are counted (0.03 to 0.6 of the merge's own time, measured with
pandas 2.3); beyond it only lengths are compared."""
MERGES = 20
"""Merges of a cell that are looked at, as a loop of small ones would take twice its time."""
MERGES_TOLD = 3
CONVERTED_ROWS = 2_000_000
"""Values up to which a conversion is looked at."""


def watch(shell: Any) -> None:
    """Look at what a shell's own cells call of pandas."""
    watch_merges(shell)
    watch_conversions(shell)


def watch_merges(shell: Any) -> None:
    """After a cell, tell on stderr which of its own merges lost or multiplied rows: a remark, not what it printed.

    Only what the cells' code itself calls of pandas is seen: no merge within a library, no join in SQL.
    """
    import pandas
    from pandas.core.reshape import merge as reshape

    told: list[str] = []
    seen = 0

    def note(given: dict[str, Any], result: Any, caller: Any) -> None:
        nonlocal seen
        seen += 1
        if seen <= MERGES and caller.f_globals is shell.user_global_ns:
            # It may fail on what no merge looks at, such as the text of a name; the merge itself went well.
            with contextlib.suppress(Exception), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                told.append(describe_merge(given, result, {**caller.f_globals, **caller.f_locals}))

    def watched(merge: Any) -> Any:
        signature = inspect.signature(merge)

        @functools.wraps(merge)
        def merge_watched(*arguments: Any, **named: Any) -> Any:
            __tracebackhide__ = True
            result = merge(*arguments, **named)
            note(signature.bind(*arguments, **named).arguments, result, sys._getframe(1))
            return result

        return merge_watched

    def tell(*_: object) -> None:
        nonlocal seen
        lines = [line for line in dict.fromkeys(told) if line]
        more = len(lines) - MERGES_TOLD
        told.clear()
        seen = 0
        with contextlib.suppress(Exception):
            sys.stderr.write("".join(f"{line}\n" for line in lines[:MERGES_TOLD]))
            sys.stderr.write(f"[merge: {more} more lost or multiplied rows]\n" if more > 0 else "")

    reshape.merge = pandas.merge = watched(pandas.merge)
    pandas.DataFrame.merge = watched(pandas.DataFrame.merge)
    pandas.DataFrame.join = watched(pandas.DataFrame.join)
    shell.events.register("post_run_cell", tell)


def describe_merge(given: dict[str, Any], result: Any, names: dict[str, Any]) -> str:
    """What a merge did to the rows, in one line; empty where it lost and multiplied none.

    `given` are the arguments of `merge` or `join` by name; `names` is where the tables may have theirs.
    """
    joins = "other" in given
    tables = given.get("self", given.get("left")), given["other" if joins else "right"]
    called = [named_as(table, names, side) for table, side in zip(tables, ("the left", "the right"), strict=True)]
    left, right = (table.to_frame() if table.ndim == 1 else table for table in tables)
    how = given.get("how", "left" if joins else "inner")
    if how not in ("inner", "left", "right", "outer"):
        return ""
    on = given.get("on")
    by_left, by_right = given.get("left_on", on), given.get("right_on", on)
    from_left, from_right = given.get("left_index", joins and on is None), given.get("right_index", joins)
    if by_left is None and by_right is None and not (from_left or from_right):
        by_left = by_right = list(left.columns.intersection(right.columns))
    sides = (left, called[0], by_left, from_left), (right, called[1], by_right, from_right)
    # In a right join it is the right table whose rows are kept.
    (base, one, by, indexed), (other, two, by_other, other_indexed) = sides[:: -1 if how == "right" else 1]
    outer = {"right": "left"}.get(how, how)
    by = None if indexed else by
    key = ", ".join(map(plain_name, listed_keys(by if by is not None else by_other))) or "the index"
    if len(base) + len(other) > MERGED_ROWS:
        parts = by_length(len(base), len(other), len(result), outer, one, two)
    else:
        counts = partners(key_columns(base, by, indexed), key_columns(other, by_other, other_indexed))
        parts = by_partners(*counts, len(result), outer, one, two, key)
    if not parts:
        return ""
    sizes = f"{called[0].removeprefix('the ')} {len(left):,} x {called[1].removeprefix('the ')} {len(right):,}"
    asked = "" if how == "inner" else f", how='{how}'"
    return f"[merge: {sizes} on {key}{asked} -> {len(result):,} rows; {'; '.join(parts)}]"


def by_partners(base: Any, other: Any, rows: int, how: str, one: str, two: str, key: str) -> list[str]:
    """What to tell, given how often each key occurs on either side; nothing where that does not explain the result."""
    met, alone, unused = int((base * other).sum()), int(base[other == 0].sum()), int(other[base == 0].sum())
    if rows != met + (alone if how != "inner" else 0) + (unused if how == "outer" else 0) or not len(base):
        return []
    if not met:
        return ["no key of one side is found on the other"] if base.any() and other.any() else []
    most, repeated = int(other[base > 0].max()), int(base[other > 0].max())
    crossed = bool(((base > 1) & (other > 1)).any())
    many = most > 1 and not crossed and repeated == 1
    parts = []
    if alone and how == "inner":
        parts.append(alone_rows(alone, one, "dropped"))
    if unused and how != "outer" and many:
        parts.append(alone_rows(unused, two, "dropped"))
    if crossed:
        parts.append(f"{key} occurs up to {repeated:,} times in {one} and {most:,} in {two}, so rows were multiplied")
    elif most > 1:
        parts.append(f"{key} occurs up to {most:,} times in {two}, so rows of {one} are repeated")
    if alone and how != "inner" and parts:
        parts.append(alone_rows(alone, one, "filled with missing values"))
    return parts


def by_length(base: int, other: int, rows: int, how: str, one: str, two: str) -> list[str]:
    """The same from the numbers of rows alone, for large tables."""
    if not rows and base and other:
        return ["no key of one side is found on the other"]
    if rows < base:
        return [f"at least {alone_rows(base - rows, one, 'dropped')}"]
    if rows > base and how == "left":
        return [f"keys occur more than once in {two}, so rows of {one} are repeated"]
    return ["keys occur more than once on both sides, so rows were multiplied"] if rows > base + other else []


def partners(base: list[Any], other: list[Any]) -> tuple[Any, Any]:
    """How often each key occurs on one side and on the other, as two arrays of one length."""
    import numpy
    import pandas

    codes = numpy.zeros(len(base[0]) + len(other[0]), dtype="int64")
    for one, two in zip(base, other, strict=True):
        both = pandas.concat([pandas.Series(one), pandas.Series(two)], ignore_index=True)
        found = pandas.factorize(both, use_na_sentinel=False)[0]
        codes = pandas.factorize(codes * (int(found.max(initial=0)) + 1) + found)[0] if len(base) > 1 else found
    most, parted = int(codes.max(initial=0)) + 1, len(base[0])
    return numpy.bincount(codes[:parted], minlength=most), numpy.bincount(codes[parted:], minlength=most)


def key_columns(frame: Any, by: Any, indexed: bool) -> list[Any]:
    """The columns of a table by which it is merged."""
    if indexed or by is None:
        return [frame.index.get_level_values(level) for level in range(frame.index.nlevels)]
    return [frame[key] if key in frame.columns else frame.index.get_level_values(key) for key in listed_keys(by)]


def listed_keys(by: Any) -> list[Any]:
    return [] if by is None else list(by) if isinstance(by, (list, tuple)) else [by]


def named_as(table: Any, names: dict[str, Any], otherwise: str) -> str:
    """The variable that holds a table."""
    found = (name for name, value in names.items() if value is table and not name.startswith("_"))
    return plain_name(next(found, otherwise))


def alone_rows(count: int, table: str, fate: str) -> str:
    rows, have, were = ("row", "has", "was") if count == 1 else ("rows", "have", "were")
    return f"{count:,} {rows} of {table} {have} no partner and {were} {fate}"


def plain_name(name: Any) -> str:
    """A name that others chose, on a line of its own and short."""
    text = " ".join("".join(c if c.isprintable() else " " for c in str(name)[:200]).split())
    return text if len(text) <= 60 else f"{text[:59]}…"


# --- conversions ------------------------------------------------------------------------------------------------------


def watch_conversions(shell: Any) -> None:
    """After a cell, tell which conversions of its own with `errors="coerce"` made values missing, with one of them."""
    import pandas

    told: list[str] = []

    def watched(convert: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(convert)
        def convert_watched(*arguments: Any, **named: Any) -> Any:
            __tracebackhide__ = True
            result = convert(*arguments, **named)
            if named.get("errors") == "coerce" and arguments and sys._getframe(1).f_globals is shell.user_global_ns:
                with contextlib.suppress(Exception):
                    told.append(describe_conversion(convert.__name__, arguments[0], result))
            return result

        return convert_watched

    def tell(*_: object) -> None:
        lines = [line for line in dict.fromkeys(told) if line]
        told.clear()
        with contextlib.suppress(Exception):
            sys.stderr.write("".join(f"{line}\n" for line in lines[:MERGES_TOLD]))

    pandas.to_numeric, pandas.to_datetime = watched(pandas.to_numeric), watched(pandas.to_datetime)
    shell.events.register("post_run_cell", tell)


def describe_conversion(name: str, given: Any, result: Any) -> str:
    """What a conversion lost, in one line; empty where it lost nothing."""
    import pandas

    before, after = pandas.Series(given), pandas.Series(result)
    if len(before) > CONVERTED_ROWS or len(before) != len(after):
        return ""
    lost = before.notna().to_numpy() & after.isna().to_numpy()
    if not lost.any():
        return ""
    example = plain_name(before[lost].iloc[0])
    return f"[{name}: {int(lost.sum()):,} of {int(before.notna().sum()):,} values became missing, such as {example!r}]"
