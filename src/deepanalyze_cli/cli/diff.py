"""`deepanalyze diff`: what is different between two runs: data, numbers, findings, code."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ExitCode, InputError
from .runs import run_folder

if TYPE_CHECKING:
    from ..evidence.drift import Drift
    from ..evidence.findings import Comparison, Moved
    from ..types import Run


@dataclass(frozen=True, slots=True)
class _Code:
    """Cells of the two analyses, and how many of them are not the same but for renamed columns."""

    before: int
    after: int
    changed: int


def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="The folder of the earlier run.", show_default=False)],
    b: Annotated[Path, typer.Argument(metavar="B", help="The folder of the later run.", show_default=False)],
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 3 if anything differs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Compare two runs: drift of schema and rows, numbers old -> new, findings added, dropped or reversed, the code.

    Exit codes: 0 compared (with --exit-code: nothing differs), 3 something differs, 2 wrong usage, 5 a run is damaged.
    """
    from ..evidence.drift import drift, renames
    from ..evidence.findings import compared
    from ..evidence.telling import group_names
    from ..outputs.sentences import sentences

    before, after = _read(a), _read(b)
    data = drift(before.task.sources, after.task.sources)
    words = _words(before, after, renames(data))
    groups = group_names((*before.task.sources, *after.task.sources))
    said = compared(list(sentences(before)), list(sentences(after)), words, groups)
    code = _code(before, after, words)
    same = not (data or said.numbers or said.findings or code.changed)
    if as_json:
        told = {"ok": True, "same": same, "data": [asdict(d) for d in data], "code": asdict(code), **asdict(said)}
        print(json.dumps(told, ensure_ascii=False))
    else:
        _print(data, said, code, renamed=bool(words))
    raise typer.Exit(int(ExitCode.VERIFICATION if exit_code and not same else ExitCode.OK))


def _read(path: Path) -> Run:
    """The recorded run, if its lock is what the recording says: a comparison with other data would mislead."""
    from ..evidence.lock import differences, lock_of, read_lock
    from ..outputs.trace import read_run

    folder = run_folder(path)
    run, lock = read_run(folder), read_lock(folder)
    if lock is not None:
        expected = lock_of(run, memory=lock.memory, spill=lock.spill, written=lock.written)
        if other := next(differences(expected, lock), None):
            raise InputError(f"{folder.name}: its lock and its trace differ ({other[0]})", "see `deepanalyze verify`")
    return run


def _words(before: Run, after: Run, renamed: Mapping[str, str]) -> dict[str, str]:
    """Word of the second run -> the same of the first: names of columns, raw and as a report writes them."""
    from ..outputs.story import readable

    raw = dict(renamed)
    return raw | {readable(after, new): readable(before, old) for new, old in raw.items()}


def _code(before: Run, after: Run, words: Mapping[str, str]) -> _Code:
    from ..outputs.slice import program

    old = [_plain(turn.code or "", {}) for turn in program(before)]
    new = [_plain(turn.code or "", words) for turn in program(after)]
    changed = sum(one != other for one, other in zip(old, new, strict=False)) + abs(len(old) - len(new))
    return _Code(len(old), len(new), changed)


def _plain(code: str, words: Mapping[str, str]) -> str:
    """Code without comments and layout, renamed columns under their old names."""
    for new, old in sorted(words.items(), key=lambda pair: -len(pair[0])):
        code = re.sub(rf"(?<!\w){re.escape(new)}(?!\w)", lambda _, old=old: old, code)
    try:
        return ast.unparse(ast.parse(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return code.strip()


# --- telling ----------------------------------------------------------------------------------------------------------


def _print(data: tuple[Drift, ...], said: Comparison, code: _Code, *, renamed: bool) -> None:
    from ..outputs.text import one_line

    lines = [("data", f"{d.where}: {_DRIFT.get(d.kind, '{0} -> {1}').format(d.before, d.after)}") for d in data]
    lines += [("number", f'{n.place}, "{n.label}": {n.before} -> {n.after}{_change(n)}') for n in said.numbers]
    lines += [(f.kind, " -> ".join(filter(None, (f.before, f.after)))) for f in said.findings]
    if code.changed:
        lines.append(("code", f"{code.changed} of {max(code.before, code.after)} cells changed"))
    for kind, line in lines:
        print(f"{kind:<8} {one_line(line, 600)}")
    if not lines:
        print("nothing differs")
    elif not code.changed:
        print(f"the code is the same{', but for the renamed columns' if renamed else ''}")


_DRIFT = {
    "renamed": "renamed to {1}",
    "rows": "{0} -> {1} rows",
    "type": "type {0} -> {1}",
    "missing": "{0} -> {1} missing",
    "column": "column of type {0}: {1}",
}


def _change(number: Moved) -> str:
    if number.change == 0:
        return ""
    share = f", {number.percent:+,.1f} %" if number.percent is not None else ""
    unit = " points" if number.before.endswith("%") else ""
    return f" ({number.change:+,.6g}{unit}{share})"
