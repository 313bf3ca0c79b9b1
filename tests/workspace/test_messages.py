"""Whatever the reader says: it is refused as forged, or what is made of it can be shown."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import EXAMPLES, count

from deepanalyze_cli.types import Column, DataSource, Table
from deepanalyze_cli.workspace import Relation, Workspace, card
from deepanalyze_cli.workspace.messages import (
    Failed,
    Forged,
    Joined,
    Message,
    Read,
    Reading,
    Started,
    believed_relations,
    believed_tables,
    decode,
    encode,
)

texts = st.one_of(st.text(max_size=20), st.sampled_from(["", "1", "-2.5", "nan", "inf", "1e999", "<Code>", "\x1b[2J"]))
numbers = st.one_of(st.integers(-2, 5), st.sampled_from([10**30, -(10**30)]))
columns = st.builds(
    Column,
    name=texts,
    type=st.one_of(texts, st.sampled_from(["integer", "number", "text", "list", "struct"])),
    nulls=numbers,
    distinct=numbers,
    examples=st.lists(texts, max_size=3).map(tuple),
    low=texts,
    high=texts,
)
tables = st.builds(
    Table,
    name=st.one_of(texts, st.sampled_from(["a", "b"])),
    rows=numbers,
    columns=st.lists(columns, max_size=3).map(tuple),
    load=st.one_of(texts, st.just("con.read_csv(DATA_DIR / 'a.csv')")),
    engine=st.sampled_from(["duckdb", "pandas"]),
    keys=st.lists(texts, max_size=1).map(tuple),
    notes=st.lists(texts, max_size=2).map(tuple),
)
plausible = st.builds(
    Table,
    name=st.sampled_from(["a", "b", "c"]),
    rows=st.integers(1, 3),
    columns=st.lists(columns, min_size=1, max_size=3).map(tuple),
    load=st.just("con.read_csv(DATA_DIR / 'a.csv')"),
)
relations = st.builds(Relation, st.just("a"), texts, st.just("b"), texts, st.just("n:1"), st.floats())
messages = st.one_of(
    st.builds(Started),
    st.builds(Reading, numbers),
    st.builds(Read, numbers, st.lists(tables, max_size=2).map(tuple)),
    st.builds(Failed, numbers, texts, texts),
    st.builds(Joined, st.lists(relations, max_size=2).map(tuple)),
)


@given(messages)
def test_what_is_encoded_is_decoded(message: Message) -> None:
    line = encode(message)
    assert line.count(b"\n") == 1 and line.isascii()
    assert repr(decode(line[:-1])) == repr(message)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(messages, st.data())
def test_anything_else_is_forged(message: Message, data: st.DataObject) -> None:
    """A valid line with one piece put in the place of another, and bytes without any sense."""
    line = encode(message)
    at, end = (data.draw(st.integers(0, len(line))) for _ in range(2))
    piece = data.draw(st.one_of(st.binary(max_size=8), st.just(b"["), st.just(b'{"type": '), st.just(b"null")))
    for broken in (line[:at] + piece + line[end:], piece):
        try:
            decode(broken)
        except Forged:
            continue


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(tables, plausible), max_size=3), st.lists(relations, max_size=3), st.integers(0, 300))
def test_what_is_believed_can_be_shown(said: list[Table], joins: list[Relation], budget: int) -> None:
    try:
        believed = believed_tables(said, "a.csv", set())
    except Forged:
        return
    source = DataSource("a.csv", "/data/a.csv", "csv", 1, "", believed)
    workspace = Workspace(Path("/data"), (source,), (), believed_relations(joins, believed))
    shown = card(workspace, budget=budget, count=count)
    assert count(shown) <= budget
    assert "\x1b" not in shown and "<Code>" not in shown


LAUNCHER = """
import sys
from pathlib import Path
from deepanalyze_cli.sandbox import Box, choose
from deepanalyze_cli.workspace import card, inputs_changed, open_workspace

workspace = open_workspace([Path(sys.argv[1])], box=Box(choose("auto")))
assert workspace.tables and not inputs_changed(workspace)
card(workspace, budget=500, count=len)
parsers = ("duckdb", "pandas", "numpy", "pyarrow", "python_calamine", "openpyxl", "charset_normalizer", "sqlite3")
print([name for name in parsers if name in sys.modules])
"""


def test_the_launcher_never_has_a_parser_in_its_process(box: object) -> None:
    command = [sys.executable, "-c", LAUNCHER, str(EXAMPLES / "penguins")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_message_says_what_it_is() -> None:
    assert json.loads(encode(Reading(3))) == asdict(Reading(3)) == {"file": 3, "type": "reading"}
