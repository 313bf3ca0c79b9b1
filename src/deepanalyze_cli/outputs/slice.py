"""Which cells a set of cells cannot do without: backwards over what each takes from those before it.

A program is a list of cells that ran in order. From the kept ones it goes back, collecting what they take before they
make it themselves, and takes in every other cell that may have made or changed one of those. Cells stay whole. What the
code of a cell does `effects` says; where that cannot be said, every cell that had an effect stays.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import replace

from ..types import Ledger, Run, Turn
from .dataflow.effects import effects, parse, survey
from .dataflow.flow import ANY, ANY_FILE, FOLDERS, SETTINGS, Effects, Known, spread
from .story import base_name, figures, ran, standing, status


def program(run: Run, ledger: Ledger | None = None) -> tuple[Turn, ...]:
    """The turns whose cells make the report when they are run in order: those it stands on and those they need.

    With the ledger of a free run it stands on the cells that printed what its numbers rest on and those whose charts or
    files it shows; where there are none, as without a ledger, on all that ran well.
    """
    cells = [turn for turn in run.turns if ran(turn)]
    kept = _roots(run, ledger) & {turn.index for turn in cells}
    kept |= carried(cells, kept)
    return tuple(turn for turn in cells if turn.index in kept)


def _roots(run: Run, ledger: Ledger | None) -> frozenset[int]:
    """The turns the report stands on by itself."""
    well = frozenset(turn.index for turn in standing(run))
    told = frozenset(evidence.turn for claim in (ledger.claims if ledger else ()) for evidence in claim.evidence)
    if ledger is None or run.model.strategy == "guided":
        return well | told
    answer = run.answer.lower()
    shown = (t for t in standing(run) if figures(t) or any(base_name(name) in answer for name in _written(t)))
    return (told | {turn.index for turn in shown}) or well


def carried(cells: Sequence[Turn], kept: frozenset[int]) -> frozenset[int]:
    """Indices of the turns among `cells` that are not in `kept` but that `kept` needs.

    Cells that failed count with what they had done by then. Cells that killed the kernel do not count, nor does
    anything before them but the files it wrote.
    """
    known = survey(turn.code or "" for turn in cells)
    done_by = [effects_of(turn, known) for turn in cells]
    everything = kept and any(here.opaque for here in done_by)
    wanted: set[str] = set()
    found = set()
    for place in reversed(range(len(cells))):
        turn, here = cells[place], done_by[place]
        if status(turn) == "died":  # nothing but files outlived it
            wanted = {name for name in wanted if name.startswith("file ")} | ({ANY_FILE} if ANY in wanted else set())
            everything = False
            continue
        past = done_by[: place + 1]
        if turn.index not in kept:
            endless = status(turn) == "timeout" and failed_line(turn) is None
            if not ran(turn) or endless or not (everything or _meets(wanted, _made(here, past))):
                continue
            found.add(turn.index)
        wanted = (wanted - here.stores) | _needed(here, past) | {SETTINGS, FOLDERS}
    return frozenset(found)


def _made(here: Effects, past: Sequence[Effects]) -> set[str]:
    """All that a cell may have made or changed, through whatever name; `past` ends with the cell."""
    touched = spread(here.touched | here.called, here.shares)
    touched |= spread(touched - (here.stores - here.loads), _shares(past))
    called = _needed(Effects(here.called), past) if here.called else set()
    return touched | called | here.stores | here.changes


def _needed(here: Effects, past: Sequence[Effects]) -> set[str]:
    """All that a cell takes from before it: what it names, and what that uses in turn when it is looked at."""
    later: dict[str, set[str]] = {}
    for each in past:
        for name, used in each.later:
            later.setdefault(name, set()).update(used)
    needed, new = set(here.loads), set(here.loads)
    shares = _shares(past) if later else ()
    while new:
        new = {used for name in spread(new, shares) for used in later.get(name, ())} - needed
        needed |= new
    return needed


def _shares(past: Sequence[Effects]) -> list[frozenset[str]]:
    return list(dict.fromkeys(group for each in past for group in each.shares))


def _meets(wanted: set[str], made: set[str]) -> bool:
    """Whether something wanted may be among what was made."""
    if not wanted or not made:
        return False
    if ANY in wanted or ANY in made or wanted & made:
        return True
    return ANY_FILE in wanted and any(name.startswith("file ") for name in made)


def effects_of(turn: Turn, known: Known | None = None) -> Effects:
    """What a cell did, as far as it came."""
    code = turn.code or ""
    if status(turn) in ("ok", "refused"):
        found = effects(code, known)
    elif parse(code) is None:  # it was no Python, so it did not begin
        found = Effects()
    else:
        found = _as_far_as_it_came(code, failed_line(turn), known)
    return replace(found, changes=found.changes | {f"file {base_name(name)}" for name in _written(turn)})


def _as_far_as_it_came(code: str, line: int | None, known: Known | None) -> Effects:
    """The effects of the statements that had ended, and what the one that failed may have done."""
    ended = effects(done(code, line), known)
    if line is None:
        return replace(ended, stores=frozenset(), changes=ended.changes | ended.stores)
    tree = parse(code)
    failed = next((n for n in tree.body if n.lineno <= line <= (n.end_lineno or 0)), None) if tree else None
    if failed is None:
        return ended
    part = effects(ast.unparse(failed), known)
    stores = frozenset() if isinstance(failed, (ast.Assign, ast.AnnAssign, ast.Import, ast.ImportFrom)) else part.stores
    return Effects(
        ended.loads | (part.loads - ended.stores),
        ended.stores,
        ended.changes | ((part.changes | stores) - ended.stores),
        ended.touched | part.touched,
        ended.called | part.called,
        (*ended.shares, *part.shares),
        (*ended.later, *part.later),
        ended.opaque or part.opaque,
    )


def _written(turn: Turn) -> tuple[str, ...]:
    return turn.observation.files if turn.observation else ()


def failed_line(turn: Turn) -> int | None:
    """The line of the cell at which it failed (from 1), as its traceback says: the outermost frame."""
    error = next((o for o in turn.observation.outputs if o.kind == "error"), None) if turn.observation else None
    found = _FRAME.search(error.data.get("text/plain", "")) if error else None
    return int(found.group(1)) if found else None


def done(code: str, line: int | None) -> str:
    """The top-level statements of `code` that had ended before `line`; all of it where the line is not known."""
    tree = parse(code)
    if tree is None or line is None:
        return code
    ended = [node.end_lineno or 0 for node in tree.body if (node.end_lineno or 0) < line]
    return "\n".join(code.split("\n")[: max(ended, default=0)])


_FRAME = re.compile(r"^(?:Cell In ?\[\d+\]|File <ipython[^\n>]*>)[^\n]*?, line (\d+)", re.MULTILINE)
