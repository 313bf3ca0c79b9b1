"""The promises that are fuzzed for hours by `run.py`, for seconds here; and that the oracle sees what it is for."""

from __future__ import annotations

import pytest
from choices import Choices
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle import active
from targets import TARGETS, seeds, timed

INPUTS = {"replies": 400, "feedbacks": 300, "traces": 300, "models": 300, "prose": 200, "pages": 12, "messages": 300}


@pytest.mark.parametrize("name", TARGETS)
def test_a_promise_holds(name):
    @settings(max_examples=INPUTS[name], deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.binary(min_size=1, max_size=400))
    def holds(data: bytes) -> None:
        timed(TARGETS[name], data)

    for seed in seeds(name):
        timed(TARGETS[name], seed)
    holds()


@pytest.mark.parametrize(
    "html",
    [
        "<script>x</script>",
        "<p onclick=x>",
        "<img src=x>",
        "<a href='javascript:x'>",
        "<a href='#cell-1'>",
        "<td style='background:url(x)'>",
        "<svg/onload=x>",
        "<!-- -->",
        "<?x?>",
        "<!DOCTYPE x>",
        "<p style=''>",
        "<iframe srcdoc=x>",
        "<math><mi xlink:href=x>",
        "<meta http-equiv=refresh>",
        "<base href=x>",
        "<P\nONCLICK=x>",
    ],
)
def test_the_oracle_sees_what_runs_or_fetches(html):
    assert active(f"<p>before</p>{html}")


def test_the_oracle_lets_text_pass():
    harmless = '<p dir="auto"><em>a</em> &lt;script&gt;</p><table><td style="text-align:left">1</td></table>'
    assert active(harmless) == []
    assert active('<a id="cell-1"></a><a href="#cell-1">x</a><img src="figures/figure-1.png" alt="a">', own=True) == []
    assert active('<a href="http://e">', own=True) and active('<img src="http://e" alt="">', own=True)


def test_choices_end_where_the_bytes_end():
    choices = Choices(b"\x05")
    assert (choices.number(10), choices.number(10), choices.text(), choices.over) == (5, 0, "", True)
    assert choices.json() is None and choices.spliced([b"seed"]) == b"seed"
