"""The lock: what is written is read back, and whatever else stands in such a file is refused in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from deepanalyze_cli.errors import InputError
from deepanalyze_cli.evidence import lock as locks
from deepanalyze_cli.evidence.lock import NAME, WrittenTable, differences, dumps, lock_of, read_lock
from deepanalyze_cli.types import Column, DataSource, Limits, ModelCard, Run, Table, Task

SOURCE = DataSource(
    name="2024/ä b.csv",
    location="/data/2024/ä b.csv",
    kind="csv",
    bytes=12,
    sha256="ab" * 32,
    tables=(Table("t", 3, (Column("x", "integer"), Column("y 'z'", "text")), "con.read_csv('x')"),),
)
RUN = Run("1", Task("?", (SOURCE,)), (), ModelCard("m", "scripted"), Limits())
LOCK = lock_of(RUN, memory=5, spill=7, written=[WrittenTable("a.csv", "a.csv", 2, "")])


def test_what_is_written_is_read_back(tmp_path):
    (tmp_path / NAME).write_text(dumps(LOCK), encoding="utf-8")
    assert read_lock(tmp_path) == LOCK
    assert LOCK.data_dir == "/data"


def test_no_lock_is_none(tmp_path):
    assert read_lock(tmp_path) is None


def changed(**members: object) -> str:
    return json.dumps(json.loads(dumps(LOCK)) | members)


def in_source(**members: object) -> str:
    told = json.loads(dumps(LOCK))
    told["sources"][0] |= members
    return json.dumps(told)


def in_table(**members: object) -> str:
    told = json.loads(dumps(LOCK))
    told["sources"][0]["tables"][0] |= members
    return json.dumps(told)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "format None"),
        (changed(format=2), "format 2"),
        (changed(format="x" * 10_000), "format 'xxx"),
        (changed(sources=3), "sources is no list"),
        (changed(sources=[3]), "source 1 has no name"),
        (changed(memory=-1), "memory is no whole number"),
        (changed(memory=True), "memory is no whole number"),
        (in_source(name="../x.csv"), "leads out of the data folder"),
        (in_source(name="/etc/passwd"), "leads out of the data folder"),
        (in_source(sha256="AB" * 32), "is no SHA-256"),
        (in_source(bytes=1.5), "bytes is no whole number"),
        (in_table(columns=[["x"]]), "a column is not a name and a type"),
        (in_table(columns=[["x", "text"]]), "the fingerprint is not that of its columns"),
    ],
)
def test_what_is_no_lock_is_refused(tmp_path, text, why):
    (tmp_path / NAME).write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_lock(tmp_path)
    assert caught.value.message.startswith(f"{NAME}: ") and why in caught.value.message
    assert len(caught.value.message) < 300 and "\n" not in caught.value.message


def test_a_lock_that_leads_elsewhere_is_not_read(tmp_path):
    (tmp_path / "other").write_text(dumps(LOCK), encoding="utf-8")
    (tmp_path / NAME).symlink_to(tmp_path / "other")
    with pytest.raises(InputError, match="link"):
        read_lock(tmp_path)


def test_the_fingerprint_is_of_the_schema_and_not_of_the_rows():
    table = LOCK.sources[0].tables[0]
    assert replace(table, rows=4).fingerprint == table.fingerprint
    assert replace(table, columns=(("x", "number"), table.columns[1])).fingerprint != table.fingerprint
    assert replace(table, columns=table.columns[::-1]).fingerprint != table.fingerprint


@pytest.mark.parametrize(
    ("source", "where"),
    [
        (replace(SOURCE, bytes=13), ["2024/ä b.csv: bytes"]),
        (replace(SOURCE, sha256="cd" * 32), ["2024/ä b.csv: sha256"]),
        (replace(SOURCE, tables=(replace(SOURCE.tables[0], rows=4),)), ["2024/ä b.csv: rows"]),
        (replace(SOURCE, tables=()), ["2024/ä b.csv: tables"]),
        (SOURCE, []),
    ],
)
def test_differences_are_named(source, where):
    other = lock_of(replace(RUN, task=Task("?", (source,))), memory=5, spill=7, written=LOCK.written)
    assert [place for place, _, _ in differences(LOCK, other)] == where


def test_the_columns_that_came_and_went_are_named():
    table = LOCK.sources[0].tables[0]
    renamed = replace(table, columns=(("x", "integer"), ("w", "text")))
    assert list(locks.schema_differences([table], [renamed])) == [("columns", "y 'z' (text)", "w (text)")]


def test_a_lock_without_sources_has_no_folder():
    assert lock_of(replace(RUN, task=Task("?"))).data_dir == ""
    assert Path(LOCK.data_dir, LOCK.sources[0].name) == Path(SOURCE.location)
