"""What the cells of a run say against its report."""

from __future__ import annotations

from dataclasses import replace

import pytest
from example_run import FREE, GUIDED, printed, turn

from deepanalyze_cli.outputs.caveats import number_of_tests, statistical_caveats
from deepanalyze_cli.types import Output, Run

LINE = "[merge: orders 1,000 x people 200 on id -> 988 rows; 12 rows of orders have no partner and were dropped]"


def run_of(*cells: tuple[str, str], status: str = "ok", stderr: str = "") -> Run:
    """A free run of cells, each its code and what it printed."""
    said = (Output("stderr", {"text/plain": stderr}),) if stderr else ()
    turns = [
        turn(i, "act", ("code", code), outputs=(printed(text), *said), status=status)  # type: ignore[arg-type]
        for i, (code, text) in enumerate(cells)
    ]
    return replace(FREE, turns=tuple(turns))


def test_there_is_nothing_to_say_of_most_runs() -> None:
    assert list(statistical_caveats(FREE)) == list(statistical_caveats(GUIDED)) == []


def test_merges_are_told_once_with_their_cell() -> None:
    run = run_of(("m = orders.merge(people)", "988\n"), ("m = orders.merge(people)", ""), stderr=f"{LINE}\nmore\n")
    assert list(statistical_caveats(run)) == [f"Cell 1, {LINE[1:-1]}."]


def test_what_merges_say_is_made_fit_to_be_shown_and_there_are_not_too_many() -> None:
    said = "".join(f"[merge: \x1b[31mt{i} {'x' * 999}]\n" for i in range(7))
    told = list(statistical_caveats(run_of(("1", ""), stderr=said)))
    assert len(told) == 6 and told[5] == "2 more merges lost or multiplied rows."
    assert "\x1b" not in "".join(told) and max(map(len, told)) < 450


COUNTS = """\
by group:
         count    mean    std
species
Adelie     152 3700.66 458.57
Gentoo       9 5076.02 504.12
Other        1    4000    NaN
"""
PAIR = """\
means:
sex     female   male
island
Biscoe  4319.4 5104.5
Dream   3446.3 3987.1
group sizes:
sex     female  male
island
Biscoe      80    83
Dream       61     4
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (COUNTS, "2 groups have fewer than 10 rows, so their means are uncertain (cell 1)."),
        (PAIR, "1 group has fewer than 10 rows, so its mean is uncertain (cell 1)."),
        (
            "The mean mass is 3,700.0 g (n = 4) against 5,000.0 g (n = 1,204).\n",
            "1 group has fewer than 10 rows, so its mean is uncertain (cell 1).",
        ),
        (COUNTS.replace(" 9 ", "90 ").replace("  1 ", "12 "), None),
        ("         count\nspecies\nAdelie       3\nGentoo       4\n", None),
        ("The mean lies at 5 (n = 0).\nn = 3 of them were left out.\n", None),
    ],
)
def test_means_of_few_rows(text: str, said: str | None) -> None:
    assert list(statistical_caveats(run_of(("1", text)))) == ([said] if said else [])


def test_a_sentence_about_the_groups_of_a_table_does_not_count_them_again() -> None:
    run = run_of(("1", COUNTS), ("2", "Other has the mean 4,000.0 g (n = 1).\n"))
    (said,) = statistical_caveats(run)
    assert said == "2 groups have fewer than 10 rows, so their means are uncertain (cells 1, 2)."


TEST = "a = df[df.g == '{0}'].y\nb = df[df.g == 'x'].y\nt, p = stats.ttest_ind(a, b)\nprint(p)"


def test_many_tests_are_counted_each_once() -> None:
    cells = [(TEST.format(letter), "0.03\n") for letter in "abcdef"]
    assert number_of_tests(run_of(*cells, cells[0])) == (6, True)
    (said,) = statistical_caveats(run_of(*cells))
    assert said == (
        "6 significance tests were run; by chance alone about 1 in 20 comes out below 0.05 "
        "(Bonferroni threshold 0.0083)."
    )
    assert list(statistical_caveats(run_of(*cells[:4]))) == []
    assert number_of_tests(run_of(*cells, status="error")) == (0, True)


LOOP = "from scipy.stats import pearsonr\nfor c in columns:\n    r, p = pearsonr(df[c], df.y)\n    print(c, r, p)"
SUMMARY = """\
==========================================
            coef    std err     t    P>|t|
------------------------------------------
Intercept  -5780.8    305.8  -18.9   0.000
flipper      49.68      1.5   32.7   0.000
year         -2.11      0.9   -2.3   0.020
==========================================
Omnibus:   5.585   Durbin-Watson:    2.176
"""


@pytest.mark.parametrize(
    ("code", "text", "count"),
    [
        (LOOP, "a: r = 0.10, p = 0.03 (p < 0.05)\nb: r = 0.20, p-value: 0.5\nc: r = 0.00, p=1.0\n", (3, False)),
        (LOOP, "a 0.1 0.03\n", (1, False)),
        (LOOP, "     r  p_value\na  0.1     0.03\nb  0.2     0.50\nc  0.2     0.51\nd  0.3     0.90\n", (4, False)),
        ("print(smf.ols('m ~ flipper + year', df).fit().summary())", SUMMARY, (2, True)),
        ("r = pearsonr(a, b)[0]\ns = stats.spearmanr(a, b).statistic\nk, _ = kendalltau(a, b)", "", (0, True)),
        ("print(stats.shapiro(a), df.corr(), stats.norm.cdf(2))", "", (0, True)),
        ("this is no Python (", "p = 0.3\n", (0, True)),
    ],
)
def test_what_counts_as_a_test(code: str, text: str, count: tuple[int, bool]) -> None:
    assert number_of_tests(run_of((code, text))) == count
