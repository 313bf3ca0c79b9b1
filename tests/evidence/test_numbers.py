"""Numerals as people write them: value, unit, precision, and which of them claim anything."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepanalyze_cli.evidence.numbers import claims, numerals, significant

WRITTEN: dict[str, list[tuple[float, str, float]]] = {
    "1,234 rows": [(1234, "", 1)],
    "1 234 rows": [(1234, "", 1)],
    "1\u202f234,5 kg": [(1234.5, "kg", 0.1)],
    "1'234.50 CHF": [(1234.5, "CHF", 0.01)],
    "1.234,5 €": [(1234.5, "€", 0.1)],
    "3,701, 3,733 and 5,076 g": [(3701, "", 1), (3733, "", 1), (5076, "g", 1)],
    "3,5 % of it": [(3.5, "%", 0.1)],
    "38.2 %, 38.2% and 38.2 percent": [(38.2, "%", 0.1)] * 3,
    "by 5 percentage points (2.5 pp)": [(5, "pp", 1), (2.5, "pp", 0.1)],
    "$1.2 million": [(1.2e6, "$", 1e5)],
    "€3.4bn, $615k, 4.9k": [(3.4e9, "€", 1e8), (615e3, "$", 1e3), (4900, "", 100)],
    "$0.62m": [(0.62e6, "$", 1e4)],
    "7.2 billion USD": [(7.2e9, "$", 1e8)],
    "two million people": [(2e6, "", 1e6)],
    "−3.5 and -4": [(-3.5, "", 0.1), (-4, "", 1)],
    "between 3-5 mm": [(3, "", 1), (5, "mm", 1)],
    "172–231": [(172, "", 1), (231, "", 1)],
    "5,076 ± 501 g": [(5076, "", 1), (501, "g", 1)],
    "4.9e-16": [(4.9e-16, "", 1e-17)],
    "4.9 × 10⁻¹⁶": [(4.9e-16, "", 1e-17)],
    "4.9 x 10^-5": [(4.9e-5, "", 1e-6)],
    "1.5 times, 3x and 2-fold": [(1.5, "times", 0.1), (3, "times", 1), (2, "times", 1)],
    "twice, three times": [(2, "times", 1), (3, "times", 1)],
    "half of it, two thirds": [(0.5, "", 0.05), (2 / 3, "", 0.05)],
    "two of three": [(2, "", 1), (3, "", 1)],
    "the third largest, ranked 2nd": [(3, "", 1), (2, "", 1)],
    "in 2007, 2,007 rows": [(2007, "", 1), (2007, "", 1)],
    "on 2013-07-18 at 15:30": [(2013, "", 1), (15.5, "h", 1 / 60)],
    "21 December 2021 and June 2022": [(2021, "", 1), (2022, "", 1)],
}

NO_CLAIMS = (
    "1. First\n2. Second",
    "## 3. Results",
    "See Section 7, Figure 2, Table 1 and cell 12.",
    "B6, 9E, Q3, COVID-19, x_1, body_mass_2 and bill_length_mm2",
    "pandas 2.2.1 and v1.3.0-rc1 at 127.0.0.1",
    "```python\nx = 42\n```",
    "`df.head(5)` and [a link](figures/figure-1.png)",
    "https://example.org/2024/7 and data/x2.csv",
    "a 95 % confidence interval, the 75th percentile, a 12-month mean",
    "cluster 3, month 9, the top 10 and the first 5",
    "commit 3fa9c1d2e4b5",
)


@pytest.mark.parametrize("text", WRITTEN)
def test_value_unit_and_precision(text):
    found = [(n.value, n.unit, n.step) for n in claims(text)]
    assert len(found) == len(WRITTEN[text])
    for (value, unit, step), (wanted, wanted_unit, wanted_step) in zip(found, WRITTEN[text], strict=True):
        assert (value, step) == (pytest.approx(wanted), pytest.approx(wanted_step))
        assert unit == wanted_unit


@pytest.mark.parametrize("text", NO_CLAIMS)
def test_what_claims_nothing(text):
    assert claims(text) == ()


@pytest.mark.parametrize(
    ("text", "hedge"),
    [("about 5,000", "about"), ("~5,000", "about"), ("more than 5,000", "over"), ("p < 0.05", "under"), ("5,000", "")],
)
def test_words_that_hedge(text, hedge):
    assert [n.hedge for n in claims(text)] == [hedge]


@pytest.mark.parametrize(("value", "step", "digits"), [(5000, 1, 1), (5076, 1, 4), (0.05, 0.01, 1), (3.50, 0.01, 3)])
def test_significant_digits(value, step, digits):
    assert significant(value, step) == digits


@given(st.text(max_size=300))
def test_any_text_is_read(text):
    for n in numerals(text):
        assert text[n.start : n.end] == n.text and n.text


@given(st.text(alphabet="0123456789.,-− e%$€kM×10^⁻²()\n|`#:/'", max_size=120))
def test_any_heap_of_digits_is_read(text):
    found = numerals(text)
    assert all(a.end <= b.start for a, b in pairwise(found))
    assert not any(math.isnan(n.value) for n in found)


@given(st.floats(-1e9, 1e9, allow_nan=False), st.integers(0, 4))
def test_what_is_written_is_read_again(value, decimals):
    for text in (f"{value:,.{decimals}f}", f"{value:.{decimals}f}"):
        (number,) = claims(f"It is {text} in all.")[:1]
        assert number.value == pytest.approx(float(f"{value:.{decimals}f}"), abs=1e-9)
        assert number.step == pytest.approx(10.0**-decimals)
