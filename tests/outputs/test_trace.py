import json
import os
import resource
import typing
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import UnionType

import pytest
from example_run import FREE, GUIDED, LOGPROBS, events
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepanalyze_cli.errors import InputError, UsageError
from deepanalyze_cli.events import CodeStarted, RunFinished, TextDelta, TurnFinished
from deepanalyze_cli.outputs.trace import TraceWriter, dumps, read_run
from deepanalyze_cli.types import Completion, Run, Step, Turn


def values(kind: object) -> st.SearchStrategy:
    """Any value of a type of the vocabulary."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return st.builds(kind, **{f.name: values(hints[f.name]) for f in fields(kind) if f.name != "version"})
    if origin is typing.Literal:
        return st.sampled_from(inner)
    if origin is tuple:
        return st.lists(values(inner[0]), max_size=2).map(tuple)
    if origin is dict:
        return st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=2)
    if origin in (UnionType, typing.Union):
        return st.one_of(*map(values, inner))
    simple = {str: st.text(max_size=20), int: st.integers(-(2**53), 2**53), float: st.floats(allow_nan=False)}
    simple[bool] = st.booleans()
    return simple[kind] if kind in simple else st.none()


def in_order(run: Run) -> Run:
    """The run with its turns numbered, as any is that took place."""
    return replace(run, turns=tuple(replace(turn, index=number) for number, turn in enumerate(run.turns)))


def written(path: Path, run: Run) -> Path:
    writer = TraceWriter(path)
    for event in events(run):
        writer(event)
    writer.close()
    return path


@given(run=values(Run))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_any_run_comes_back_equal(tmp_path_factory: pytest.TempPathFactory, run: Run):
    run = in_order(run)
    run = run if run.stop else replace(run, answer="", seconds=0.0, error="", changed=())
    assert read_run(written(tmp_path_factory.mktemp("run") / "trace.jsonl", run)) == run


@pytest.mark.parametrize("run", [GUIDED, FREE], ids=["guided", "free"])
def test_example_runs_come_back_equal_from_their_folder(tmp_path: Path, run: Run):
    written(tmp_path / "trace.jsonl", run)
    assert read_run(tmp_path) == run


def test_only_recorded_events_are_written_one_a_line_at_once(tmp_path: Path):
    writer = TraceWriter(tmp_path / "trace.jsonl")
    first, *_ = events(GUIDED)
    for event in (first, TextDelta(0, "x"), CodeStarted(0, "y\nz"), TurnFinished(GUIDED.turns[2])):
        writer(event)
    lines = (tmp_path / "trace.jsonl").read_text().splitlines()
    writer.close()
    assert [json.loads(line)["type"] for line in lines] == ["run_started", "turn_finished"]


def test_infinite_log_probabilities_are_json_and_come_back(tmp_path: Path):
    run = replace(GUIDED, turns=(Turn(0, Step("act"), Completion("x", tokens=LOGPROBS)),))
    assert read_run(written(tmp_path / "t", run)) == run
    line = json.loads(dumps(TurnFinished(run.turns[0])), parse_constant=pytest.fail)
    assert line["turn"]["completion"]["tokens"]["logprobs"] == [-0.5, "-Infinity"]


def test_half_a_surrogate_pair_is_replaced_and_a_whole_one_joined(tmp_path: Path):
    turn = Turn(0, Step("act"), Completion("a\ud800b \ud83d\ude00", tokens=LOGPROBS))
    read = read_run(written(tmp_path / "t", replace(GUIDED, turns=(turn,)))).turns[0]
    assert read == replace(turn, completion=replace(turn.completion, text="a\ufffdb \U0001f600"))


@pytest.mark.parametrize("lost", [1, 20, 100])
def test_a_torn_last_line_is_left_out(tmp_path: Path, lost: int):
    path = written(tmp_path / "t", GUIDED)
    path.write_bytes(path.read_bytes()[:-lost])
    whole = lost == 1  # only the end of the line is missing
    assert read_run(path) == (GUIDED if whole else replace(GUIDED, stop=None, answer="", seconds=0.0))


def damage(lines: list[bytes], what: str) -> list[bytes]:
    first = json.loads(lines[0])
    first["run"]["version"] = 2
    return {
        "middle": [*lines[:2], lines[2][: len(lines[2]) // 2] + b"\n", *lines[3:]],
        "bytes": [*lines[:2], b"\xff\xfe{}\n", *lines[3:]],
        "last, but ended": [*lines[:-1], b'{"type": "run_fin\n'],
        "second start": [*lines[:3], lines[0], *lines[3:]],
        "newer": [json.dumps(first).encode() + b"\n", *lines[1:]],
        "other file": [b"species,island\n", b"Adelie,Dream\n"],
        "other json": [b"[1, 2]\n"],
        "nested": [b"[" * 100_000],
        "no start": lines[1:],
        "empty": [],
        "again": [*lines[:3], lines[2], *lines[3:]],
        "after the end": [*lines, lines[3]],
        "deep": [*lines[:2], b'{"type":"turn_finished","turn":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_002 + b"\n"],
        "number": [*lines[:2], b'{"type":"turn_finished","turn":' + b"9" * 5000 + b"}\n"],
        "list": [*lines[:2], b"[1]\n"],
        "types": [*lines[:2], lines[2].replace(b'"index":1', b'"index":"x"')],
        "nothing": [*lines[:2], b"null\n"],
        "NUL": [*lines[:2], b"\0" * 100 + b"\n"],
    }[what]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("middle", "line 3: not a recorded event"),
        ("bytes", "line 3: not a recorded event"),
        ("last, but ended", "line 15: not a recorded event"),
        ("second start", "line 4: a second run begins"),
        ("newer", "line 1: trace format 2, but this deepanalyze reads 1"),
        ("other file", "line 1: not a trace"),
        ("other json", "line 1: not a trace"),
        ("nested", "line 1: not a trace"),
        ("no start", "line 1: not a trace"),
        ("empty", "holds no run"),
        ("again", "line 4: turn 1 comes after turn 1"),
        ("after the end", "line 16: the run was over already"),
        ("deep", "line 3: not a recorded event"),
        ("number", "line 3: not a recorded event"),
        ("list", "line 3: not a recorded event"),
        ("types", "line 3: not a recorded event"),
        ("nothing", "line 3: not a recorded event"),
        ("NUL", "line 3: not a recorded event"),
    ],
)
def test_what_is_no_whole_trace_is_refused_by_line(tmp_path: Path, what: str, message: str):
    path = written(tmp_path / "t", GUIDED)
    path.write_bytes(b"".join(damage(path.read_bytes().splitlines(keepends=True), what)))
    with pytest.raises(InputError, match=message) as caught:
        read_run(path)
    assert caught.value.fix and "\n" not in caught.value.message


def test_a_line_without_end_is_refused(tmp_path: Path):
    path = written(tmp_path / "t", GUIDED)
    with path.open("r+b") as file:
        file.seek(0, 2)
        file.truncate(file.tell() + 70 * 1024 * 1024)
    with pytest.raises(InputError, match="line 16: longer than 67,108,864 bytes"):
        read_run(path)


def test_what_is_no_file_is_refused_at_once(tmp_path: Path):
    os.mkfifo(tmp_path / "trace.jsonl")
    for path in (tmp_path, Path("/dev/zero")):
        with pytest.raises(InputError, match="is no trace"):
            read_run(path)


def test_a_trace_without_end_is_refused_at_once(tmp_path: Path):
    path = written(tmp_path / "t", GUIDED)
    os.truncate(path, 1 << 40)
    with pytest.raises(InputError, match="is no trace"):
        read_run(path)


def test_no_such_file(tmp_path: Path):
    with pytest.raises(InputError, match="No such file"):
        read_run(tmp_path / "none.jsonl")


def test_an_existing_trace_is_never_written_over(tmp_path: Path):
    path = written(tmp_path / "t", GUIDED)
    with pytest.raises(UsageError, match="File exists"):
        TraceWriter(path)
    assert read_run(path) == GUIDED


def test_a_full_disk_names_the_folder_and_leaves_a_readable_trace(tmp_path: Path):
    """A limit on the size of files stands in for the full disk: the same error at the same call."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = TraceWriter(tmp_path / "t")
    first, second, *_ = events(GUIDED)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(dumps(first)) + 50, before[1]))
    try:
        writer(first)
        with pytest.raises(UsageError, match=f"--out folder cannot be written: {tmp_path}.*too large") as caught:
            writer(second)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        writer.close()
    assert caught.value.fix
    assert read_run(tmp_path / "t").turns == ()


def test_the_last_line_need_not_be_there(tmp_path: Path):
    writer = TraceWriter(tmp_path / "t")
    for event in events(GUIDED):
        if not isinstance(event, RunFinished):
            writer(event)
    assert read_run(tmp_path / "t").stop is None
    writer.close()
