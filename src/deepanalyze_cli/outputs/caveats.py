"""What the cells of a run say against its own report: rows that merges lost, means of very few rows, many tests.

For the report's "Limits". Reads what the cells printed and what their code calls; runs nothing, and finds nothing out
about the data: every sentence is about how the numbers were made.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from ..evidence.tables import Grid, grids
from ..types import Run, Turn
from . import story, words
from .text import clean, one_line

FEW_ROWS = 10
"""Rows of a group below which its mean is called uncertain."""
MANY_TESTS = 5
"""Significance tests from which their number is told."""
MOST_MERGES = 5


def statistical_caveats(run: Run) -> Iterator[str]:
    """What to add under "Limits", a sentence each."""
    yield from _merges(run)
    yield from _small_groups(run)
    yield from _tests(run)


# --- merges -----------------------------------------------------------------------------------------------------------

_MERGE = re.compile(r"^\[(merge: .*)\]$", re.MULTILINE)
"""How `capture.describe_merge` words it, on stderr."""


def _merges(run: Run) -> Iterator[str]:
    numbers = story.numbered(run)
    told: dict[str, int] = {}
    for turn in story.standing(run):
        for line in _MERGE.findall(_said(turn, "stderr")):
            told.setdefault(one_line(line, 400), numbers.get(turn.index, 0))
    for line, number in list(told.items())[:MOST_MERGES]:
        yield f"Cell {number}, {line}."
    if len(told) > MOST_MERGES:
        yield f"{words.count(len(told) - MOST_MERGES, 'more merge')} lost or multiplied rows."


def _said(turn: Turn, kind: str) -> str:
    outputs = turn.observation.outputs if turn.observation else ()
    return "\n".join(clean(output.data.get("text/plain", "")) for output in outputs if output.kind == kind)


# --- means of few rows ------------------------------------------------------------------------------------------------

_MEAN = re.compile(r"\b(?:mean|means|average|averages|avg|median|medians)\b", re.IGNORECASE)
_SIZE = re.compile(r"(?:count|counts|n|size|sizes|rows|obs|n_\w+|num_\w+|\w+_count)", re.IGNORECASE)
_SIZES = re.compile(r"\b(?:counts?|sizes?|rows|n)\b[^:]*:\s*$", re.IGNORECASE)
_IN_WORDS = re.compile(r"\bn\s*=\s*(\d[\d,]*)(?![\d.])", re.IGNORECASE)


def _small_groups(run: Run) -> Iterator[str]:
    numbers = story.numbered(run)
    tables: set[str] = set()
    sentences: set[str] = set()
    cells: dict[int, None] = {}
    for turn in story.standing(run):
        lines = story.printed(turn)[:MOST_PRINTED].split("\n")
        small = set(_small_rows(lines))
        told = {line for line in lines if _MEAN.search(line) and any(0 < n < FEW_ROWS for n in _sizes_in(line))}
        tables, sentences = tables | small, sentences | told
        if small or told:
            cells[numbers.get(turn.index, 0)] = None
    # What sentences tell of groups stands in a table before, as a rule.
    found = len(tables) or sum(sum(0 < n < FEW_ROWS for n in _sizes_in(line)) for line in sentences)
    if found:
        were, their = ("has", "its mean is") if found == 1 else ("have", "their means are")
        where = f"cell{'s' if len(cells) > 1 else ''} {', '.join(map(str, cells))}"
        yield f"{words.count(found, 'group')} {were} fewer than {FEW_ROWS} rows, so {their} uncertain ({where})."


def _sizes_in(line: str) -> list[int]:
    return [int(text.replace(",", "")) for text in _IN_WORDS.findall(line)]


def _small_rows(lines: list[str]) -> Iterator[str]:
    """The groups of few rows in printed tables: with means and counts in one, or with those of counts in one after."""
    means: Grid | None = None
    for grid in grids(lines):
        title = next((line for line in reversed(lines[: grid.first]) if line.strip()), "")
        names = [column[-1] if column else "" for column in grid.columns]
        sizes = [k for k, name in enumerate(names) if _SIZE.fullmatch(name)]
        if sizes and any(_MEAN.search(name.replace("_", " ")) for name in names):
            wanted = sizes[:1]
        elif means and _SIZES.search(title) and grid.columns == means.columns:
            wanted = list(range(len(names)))
        else:
            means = grid if _MEAN.search(title) else means
            continue
        for cell in grid.cells:
            if cell.column in wanted and 0 < _number(cell.text) < FEW_ROWS:
                across = () if sizes else grid.columns[cell.column]
                # The other way round it is the same group.
                yield " / ".join(sorted((*grid.rows[cell.row], *across)))


def _number(text: str) -> float:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return 0.0


# --- tests ------------------------------------------------------------------------------------------------------------

_NAMES = """
    ttest_ind ttest_rel ttest_1samp ttest_ind_from_stats mannwhitneyu wilcoxon ranksums chi2_contingency chisquare
    fisher_exact barnard_exact boschloo_exact f_oneway alexandergovern kruskal friedmanchisquare pearsonr spearmanr
    kendalltau pointbiserialr linregress ks_2samp kstest anderson_ksamp cramervonmises_2samp brunnermunzel mood
    binomtest permutation_test proportions_ztest ztest mcnemar cochrans_q anova_lm
"""
TESTS = frozenset(_NAMES.split())
"""Functions of SciPy and statsmodels that give a p-value about the data. Checks of assumptions (Shapiro, Levene) do not
count."""

_LOOPS = (ast.For, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.FunctionDef, ast.Lambda)
_P_VALUE = re.compile(r"(?<![\w.])p(?:[-_ ]?val(?:ue)?s?)?\s*([=:<])\s*\d", re.IGNORECASE)
_P_COLUMN = re.compile(r"p|p[-_ ]?val(?:ue)?s?|p[-_ ]?adj|pr\(>f\)", re.IGNORECASE)
_STATISTIC = ("statistic", "correlation", "slope", "intercept", "rvalue")
_COEFFICIENTS = ("P>|t|", "P>|z|")
_CONSTANT = re.compile(r"\s*(?:const|intercept)\b", re.IGNORECASE)
MOST_PRINTED = 200_000
"""Characters of a cell's output that are looked at."""


def _tests(run: Run) -> Iterator[str]:
    count, exact = number_of_tests(run)
    if count >= MANY_TESTS:
        number = f"{count} significance tests" if exact else f"At least {count} significance tests"
        yield (
            f"{number} were run; by chance alone about 1 in 20 comes out below 0.05 "
            f"(Bonferroni threshold {0.05 / count:.2g})."
        )


def number_of_tests(run: Run) -> tuple[int, bool]:
    """How many significance tests the run's cells made, and whether that is exact; a test made twice counts once.

    Tests in loops and functions count as many as there are p-values printed, and one at least.
    """
    made: dict[str, str] = {}
    single: set[tuple[str, ...]] = set()
    repeated, exact = 0, True
    for turn in run.turns:
        if turn.code is None or story.status(turn) != "ok":
            continue
        printed = story.printed(turn)[:MOST_PRINTED]
        repeated += _coefficients(printed)
        try:
            body = ast.parse(turn.code).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        looped, before = 0, len(single)
        for statement in body:
            inner = set(_calls_in_loops(statement))
            looped += len(inner)
            single |= {_key(call, made) for call in _calls(statement) if call not in inner}
            made |= dict.fromkeys(_stored(statement), ast.unparse(statement))
        if looped:
            repeated += max(looped, _p_values(printed) - (len(single) - before))
            exact = False
    return len(single) + repeated, exact


def _calls(tree: ast.AST) -> list[ast.Call]:
    """The tests in a piece of code whose p-value is not thrown away."""
    nodes = list(ast.walk(tree))
    without = {id(call) for node in nodes for call in _only_statistic(node)}
    tests = (node for node in nodes if isinstance(node, ast.Call) and _called(node) in TESTS)
    return [call for call in tests if id(call) not in without]


def _only_statistic(node: ast.AST) -> Iterator[ast.AST]:
    """`pearsonr(x, y)[0]`, `pearsonr(x, y).statistic` and `r, _ = pearsonr(x, y)`."""
    match node:
        case ast.Subscript(value=call, slice=ast.Constant(value=0)):
            yield call
        case ast.Attribute(value=call, attr=name) if name in _STATISTIC:
            yield call
        case ast.Assign(targets=[ast.Tuple(elts=[_, ast.Name(id="_")])], value=call):
            yield call


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _calls_in_loops(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, _LOOPS):
            yield from _calls(node)


def _stored(statement: ast.stmt) -> list[str]:
    return [n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def _key(call: ast.Call, made: dict[str, str]) -> tuple[str, ...]:
    """What a test is of: its call, and how the names in it were last made."""
    names = {node.id for node in ast.walk(call) if isinstance(node, ast.Name)}
    return ast.unparse(call), *(made.get(name, "") for name in sorted(names))


def _p_values(printed: str) -> int:
    """p-values in a text, in sentences and in tables."""
    lines = printed.split("\n")
    tabled = 0
    for grid in grids(lines):
        columns = {k for k, names in enumerate(grid.columns) if names and _P_COLUMN.fullmatch(names[-1])}
        tabled += sum(cell.column in columns for cell in grid.cells)
    # `p = 0.03 (p < 0.05)` is one.
    said = (_P_VALUE.findall(line) for line in lines)
    return tabled + sum(len(signs) - signs.count("<") or 1 for signs in said if signs)


def _coefficients(printed: str) -> int:
    """The variables in summaries of statsmodels, each with a p-value; the constant is none."""
    count, inside = 0, False
    for line in printed.split("\n"):
        if any(header in line for header in _COEFFICIENTS):
            inside = True
        elif line.startswith("=") or not line.strip():
            inside = False
        elif inside and not line.startswith("-"):
            count += not _CONSTANT.match(line)
    return count
