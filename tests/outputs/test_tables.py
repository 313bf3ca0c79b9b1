"""Tables that cells wrote, on their way to a reader: through a real box, and past boxes that fail or lie."""

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from example_run import GUIDED, turn

from deepanalyze_cli.errors import KernelError
from deepanalyze_cli.outputs.tables import Exported, caveats, export_tables
from deepanalyze_cli.sandbox import Box, choose
from deepanalyze_cli.sandbox.run import run_boxed
from deepanalyze_cli.types import Run


@dataclass(frozen=True)
class Said:
    """An end of a program in a box."""

    out: bytes = b""
    killed: str = ""
    ok: bool = True


def wrote(*files: str) -> Run:
    return replace(GUIDED, turns=(turn(0, "code", ("code", "x"), section=1, files=files),))


def answering(work: Path, *answers: Callable[[Path], object]) -> Callable[..., Said]:
    """A box whose program gives these answers, each after something was done in the folder it was asked to make."""

    def boxed(argv: Sequence[str], *, stdin: bytes) -> Said:
        into = work / json.loads(stdin)["into"]
        into.mkdir(parents=True)
        lines = [answer(into) for answer in answers]
        return Said("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines).encode())

    return boxed


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    return tmp_path / "tables"


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_through_a_real_box(work: Path, tables: Path, tmp_path: Path):
    secret = tmp_path / "secret.csv"
    secret.write_text("secret")
    (work / "sub").mkdir()
    for name in ("a.csv", "sub/b.TSV", "c.parquet"):
        (work / name).write_text(f"=x,{name}\n-1,2\n")
    (work / "link.csv").symlink_to(secret)
    (work / "link.parquet").symlink_to(secret)
    (work / "no.xlsx").write_text("no workbook")
    (work / "openpyxl.py").write_text("raise SystemExit('the work folder was imported from')")
    os.mkfifo(work / "pipe.csv")
    before = listed(work)
    boxed = partial(run_boxed, Box(choose("auto")), seconds=60, work=work)
    run = wrote(
        "a.csv", "sub/b.TSV", "c.parquet", "link.csv", "link.parquet", "no.xlsx", "pipe.csv", "gone.csv", "p.png"
    )
    done = export_tables(run, work, tables, boxed)
    link = "it is a link, or a link leads to it"
    assert done == (
        Exported("a.csv", "a.csv", 1),
        Exported("sub/b.TSV", "sub_b.tsv", 1),
        Exported("c.parquet", "c.parquet"),
        Exported("link.csv", why=link),
        Exported("link.parquet", why=link),
        Exported("no.xlsx", why="it cannot be read (BadZipFile)"),
        Exported("pipe.csv", why="it is no plain file"),
    )
    assert listed(tables) == ["README.txt", "a.csv", "c.parquet", "sub_b.tsv"]
    assert (tables / "a.csv").read_text() == "'=x,a.csv\n-1,2\n"
    assert (tables / "c.parquet").read_text() == "=x,c.parquet\n-1,2\n"
    assert listed(work) == before, "the box's copies are gone"
    assert (tables / "README.txt").read_text() == (
        "Cells that a spreadsheet would have taken for formulas were made text: in text files by a ' before them.\n"
        "  a.csv: 1 cell\n  sub_b.tsv: 1 cell\n\n"
        "Left out, and to be found in the folder work as the cells left it. Open it with care:\n"
        f"  link.csv: {link}\n  link.parquet: {link}\n"
        "  no.xlsx: it cannot be read (BadZipFile)\n  pipe.csv: it is no plain file\n"
    )
    assert list(caveats(done)) == [
        "In 2 files of tables/ 2 cells that a spreadsheet would have taken for a formula were made text "
        "(tables/README.txt).",
        "4 tables that cells wrote could not be brought to tables/ (tables/README.txt).",
    ]


def test_nothing_to_tell_is_not_told(work: Path, tables: Path):
    (work / "c.parquet").write_text("x")
    done = export_tables(wrote("c.parquet"), work, tables, None)
    assert (done, listed(tables), [*caveats(done)]) == ((Exported("c.parquet", "c.parquet"),), ["c.parquet"], [])


def test_without_a_box_nothing_that_is_parsed_gets_out(work: Path, tables: Path):
    for name in ("a.csv", "b.xlsx", "c.tsv", "d.parquet"):
        (work / name).write_text("x")
    why = "there was no sandbox to look into it"
    assert [t.why for t in export_tables(wrote("a.csv", "b.xlsx", "c.tsv"), work, tables, None)] == [why] * 3
    assert listed(tables) == ["README.txt"]

    def broken(argv: Sequence[str], *, stdin: bytes) -> Said:
        raise KernelError("no \x1b[31mbox")

    assert [t.why for t in export_tables(wrote("a.csv"), work, tables, broken)] == ["no sandbox could be made: no box"]


def test_the_table_that_brings_the_box_down_is_blamed_and_the_others_come(work: Path, tables: Path):
    names = [f"{letter}.csv" for letter in "abcdef"]
    for name in names:
        (work / name).write_text(name)

    def boxed(argv: Sequence[str], *, stdin: bytes) -> Said:
        """Serves what comes before `b.csv` or `d.csv`, as the real program does, and is then killed."""
        request = json.loads(stdin)
        served = [*request["tables"]]
        for evil in ("b.csv", "d.csv"):
            served = served[: served.index(evil)] if evil in served else served
        done = subprocess.run(
            argv, cwd=work, input=json.dumps(request | {"tables": served}).encode(), capture_output=True
        )
        whole = served == request["tables"]
        return Said(done.stdout, "" if whole else "it used 1,199 MB of memory", whole)

    done = export_tables(wrote(*names), work, tables, boxed)
    assert {t.name for t in done if t.why == "it used 1,199 MB of memory"} == {"b.csv", "d.csv"}
    assert [t.file for t in done if t.file] == ["a.csv", "c.csv", "e.csv", "f.csv"]


def test_a_box_that_only_dies_is_not_asked_for_ever(work: Path, tables: Path):
    asked = []

    def boxed(argv: Sequence[str], *, stdin: bytes) -> Said:
        asked.append(stdin)
        return Said(b"\x00{" * 1000, ok=False)

    for n in range(9):
        (work / f"{n}.csv").touch()
    done = export_tables(wrote(*(f"{n}.csv" for n in range(9))), work, tables, boxed)
    assert [t.why for t in done] == ["looking into it ended with an error"] * 4 + ["others before it failed"] * 5
    assert len(asked) == 4


LIES = [
    "[" * 100_000,
    "\ud800",
    "null",
    {"table": "0", "changed": 1},
    {"table": 7, "changed": 1},
    {"table": -1, "changed": 1},
    {"table": True, "changed": 1},
    {"table": 0, "changed": "1"},
    {"table": 0, "changed": 10**30},
    {"table": 0, "changed": -1},
    {"table": 0, "refused": ["x"]},
    {"table": 0, "refused": ""},
]


@pytest.mark.parametrize("lie", LIES, ids=range(len(LIES)))
def test_a_lying_box_is_not_believed(work: Path, tables: Path, lie: object):
    (work / "a.csv").touch()
    lie = lie.encode("utf-8", "replace").decode() if isinstance(lie, str) else lie
    done = export_tables(wrote("a.csv"), work, tables, answering(work, lambda _: lie))
    assert done == (Exported("a.csv", why="looking into it ended with an error"),)


def test_what_a_lying_box_left_is_read_with_care(work: Path, tables: Path, tmp_path: Path):
    secret = tmp_path / "secret.csv"
    secret.write_text("secret")
    for name in ("a.csv", "b.csv"):
        (work / name).touch()

    def link(into: Path) -> object:
        (into / "0.csv").symlink_to(secret)
        return {"table": 0, "changed": 0}

    def refuse(into: Path) -> object:
        return {"table": 1, "refused": "\x1b]0;evil\x07<b>no" + "x" * 999}

    done = export_tables(wrote("a.csv", "b.csv"), work, tables, answering(work, link, refuse))
    assert done[0].why == "it is a link, or a link leads to it"
    assert done[1].why.startswith("<b>nox") and len(done[1].why) == 200
    assert listed(tables) == ["README.txt"] and listed(work) == ["a.csv", "b.csv"]


@pytest.mark.parametrize(
    ("names", "files"),
    [
        (("-rf.parquet", "a\nb.parquet"), ["a_b.parquet", "rf.parquet"]),
        (("\x1b[31mred.parquet", "<script>x.parquet"), ["_31mred.parquet", "_script_x.parquet"]),
        (("a/b.parquet", "a_b.parquet", "A_B.parquet"), ["A_B-3.parquet", "a_b-2.parquet", "a_b.parquet"]),
        ((os.fsdecode(b"\xff.parquet"), "..a.parquet"), ["_.parquet", "a.parquet"]),
        (("café.parquet", "README.txt/x.parquet"), ["README.txt_x.parquet", "café.parquet"]),
        (("%s.parquet" % ("n" * 200), "\u202egnp.parquet"), ["_gnp.parquet", "%s.parquet" % ("n" * 80)]),
        (("../a.parquet", "/a.parquet", "x\0.parquet"), []),
    ],
)
def test_names_any_terminal_can_bear(work: Path, tables: Path, names: tuple[str, ...], files: list[str]):
    """ar-4. Those that lead elsewhere are not there at all."""
    for name in names:
        if not name.startswith(("../", "/")) and "\0" not in name:
            (work / name).parent.mkdir(exist_ok=True)
            (work / name).write_text("x")
    export_tables(wrote(*names), work, tables, None)
    assert listed(tables) == files


def test_too_many_and_too_much(work: Path, tables: Path):
    names = [f"{n}.parquet" for n in range(102)]
    for name in names:
        (work / name).touch()
    for name in names[:5]:
        os.truncate(work / name, 45_000_000)
    os.truncate(work / names[5], 50_000_001)
    done = export_tables(wrote(*names), work, tables, None)
    out = {t.name: t.why for t in done if t.why}
    everything = " (all tables together may be of 200,000,000)"
    assert out == {
        "4.parquet": f"it is of 45,000,000 bytes, more than 20,000,000{everything}",
        "5.parquet": f"it is of 50,000,001 bytes, more than 20,000,000{everything}",
        "100.parquet": "there are more than 100 tables",
        "101.parquet": "there are more than 100 tables",
    }
