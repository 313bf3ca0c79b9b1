"""The free way: the published prompt, the fences of a general model, and the last turn."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from deepanalyze_cli.agent import solve
from deepanalyze_cli.kernel import ScriptedKernel
from deepanalyze_cli.models.backends.scripted import CARD, ScriptedModel
from deepanalyze_cli.strategies.free import Free, published_prompt
from deepanalyze_cli.types import DataSource, Limits, Message, Observation, Output, Task

SOURCES = (
    DataSource("a.csv", "/data/a.csv", "csv", 1536, ""),
    DataSource('sub/größe "b".csv', "/data/b", "csv", 10_000_000, ""),
)


def test_the_published_prompt():
    told = published_prompt(Task("Why?", SOURCES))
    instruction, _, data = told.partition("\n\n# Data\n")
    assert instruction == "# Instruction\nWhy?"
    blocks = [block.split("\n", 1) for block in data.split("\n\n")]
    assert [(name, json.loads(facts)) for name, facts in blocks] == [
        ("File 1:", {"name": "a.csv", "size": "1.5KB"}),
        ("File 2:", {"name": 'sub/größe "b".csv', "size": "9765.6KB"}),
    ]
    assert "größe" in data and published_prompt(Task("Why?")) == "# Instruction\nWhy?"


@pytest.mark.parametrize("dialect", ["tags", "fences"])
@pytest.mark.parametrize("kind", ["report", "answer"])
def test_a_general_model_is_told_the_form_and_the_data(dialect, kind):
    system, user = Free().prompt(Task("Why $5?", kind=kind), "The {card} costs $1.", replace(CARD, dialect=dialect))
    assert (system.role, user.role) == ("system", "user")
    assert ("<Code>" in system.content) == (dialect == "tags") and "```python" in system.content
    assert "Why $5?" in user.content and "The {card} costs $1." in user.content
    assert ("##" in user.content) == (kind == "report")


def test_a_run_in_fences():
    replies = ["Look first.\n```python\nprint(x)\n```", "```sql\nselect 1\n```", "It rains."]
    model = ScriptedModel(replies, card=replace(CARD, dialect="fences"))
    kernel = ScriptedKernel([Observation("ok", (Output("stdout", {"text/plain": "1\n"}),))])
    run = solve(Task("Why?"), model, kernel, limits=Limits(seconds=1e6))
    assert (run.stop, run.answer, kernel.codes) == ("answer", "It rains.", ["print(x)"])
    assert model.asked[2][2:] == (
        Message("assistant", replies[0]),
        Message("user", "Output:\n1"),
        Message("assistant", replies[1]),
        Message("user", "Your reply had no complete ```python block."),
    )


@pytest.mark.parametrize("dialect", ["native", "tags", "fences"])
def test_no_stop_string_cuts_a_reply_before_its_code(dialect):
    """A block without a language begins with a bare fence, which must not end the reply."""
    card = replace(CARD, dialect=dialect)
    model = ScriptedModel([], card=card)
    run = solve(Task("Why?"), model, ScriptedKernel([]), limits=Limits(turns=1, seconds=1e6))
    stops = Free().step(run, last=False).stop
    assert stops and not any(stop in "Look first.\n```\nprint(1)\n" for stop in stops)
