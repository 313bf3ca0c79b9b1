"""Small files that become very large ones when they are read, each a real one, read in a real box of 600 MB.

What the box cannot stop in time is stopped by its limits; each costs one note, and the file beside it is read.
"""

from __future__ import annotations

import gzip
import re
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from deepanalyze_cli.errors import InputError
from deepanalyze_cli.sandbox import Box
from deepanalyze_cli.workspace import open_workspace
from deepanalyze_cli.workspace.packed import RATIO, check_workbook
from deepanalyze_cli.workspace.read import Unreadable

MEGABYTE = 1_000_000
SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
OPEN = "urn:oasis:names:tc:opendocument:xmlns"
ENTITIES = (
    '<!DOCTYPE z [<!ENTITY l0 "lol">' + "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10)) + "]>"
)


def relationships(sort: str, target: str) -> str:
    return (
        f'<Relationships xmlns="{PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{OFFICE}/{sort}" Target="{target}"/></Relationships>'
    )


def cell(place: str, text: str) -> str:
    row = place.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return f'<row r="{row}"><c r="{place}" t="inlineStr"><is><t>{text}</t></is></c></row>'


def workbook(path: Path, *cells: str, head: str = "") -> Path:
    """The least that is a workbook."""
    kinds = f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="xml" ContentType="application/xml"/></Types>'
    sheet = f'<sheet name="S" sheetId="1" r:id="rId1" xmlns:r="{OFFICE}"/>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", kinds)
        archive.writestr("_rels/.rels", relationships("officeDocument", "xl/workbook.xml"))
        archive.writestr("xl/_rels/workbook.xml.rels", relationships("worksheet", "worksheets/sheet1.xml"))
        archive.writestr("xl/workbook.xml", f'<workbook xmlns="{SHEETS}"><sheets>{sheet}</sheets></workbook>')
        rows = "".join(cells)
        archive.writestr(
            "xl/worksheets/sheet1.xml", f'{head}<worksheet xmlns="{SHEETS}"><sheetData>{rows}</sheetData></worksheet>'
        )
    return path


def opendocument(path: Path, text: str, head: str = "", repeated: int = 1) -> Path:
    names = " ".join(f'xmlns:{n}="{OPEN}:{n}:1.0"' for n in ("office", "table", "text"))
    kind = f'office:value-type="string" table:number-columns-repeated="{repeated}"'
    cells = [f"<table:table-cell {kind}><text:p>{one}</text:p></table:table-cell>" for one in ("a", text)]
    rows = f"<table:table-row>{cells[0]}</table:table-row>"
    rows += f'<table:table-row table:number-rows-repeated="{repeated}">{cells[1]}</table:table-row>'
    sheet = f'<office:spreadsheet><table:table table:name="S">{rows}</table:table></office:spreadsheet>'
    body = f"<office:body>{sheet}</office:body>"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr(
            "content.xml",
            f'{head}<office:document-content {names} office:version="1.2">{body}</office:document-content>',
        )
    return path


def packed(path: Path, head: bytes, piece: bytes, megabytes: int) -> Path:
    with gzip.open(path, "wb", 1) as file:
        file.write(head)
        for _ in range(megabytes):
            file.write(piece * (MEGABYTE // len(piece)))
    return path


def lying(path: Path) -> Path:
    """A workbook whose directory says that the sheet is small."""
    workbook(path, cell("A1", "a"), cell("A2", "x" * 150 * MEGABYTE))
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("xl/worksheets/sheet1.xml").file_size.to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(size, (5000).to_bytes(4, "little")))
    return path


def large_values(path: Path) -> Path:
    duckdb.sql(f"SELECT repeat('x', {100 * MEGABYTE}) AS a FROM range(8)").write_parquet(str(path))
    return path


NO_MEMORY = r"does not fit into the memory that is allowed|used [\d,]+ MB of memory, the limit is"
BOMBS: dict[str, tuple[Callable[[Path], Path], str, str]] = {
    "bo-1, a large cell": (
        lambda p: workbook(p, cell("A1", "a"), cell("A2", "x" * 150 * MEGABYTE)),
        "b.xlsx",
        r"is a zip bomb: 0\.\d MB that unpack to 150 MB",
    ),
    "bo-1, and the directory lies": (lying, "b.xlsx", rf"{NO_MEMORY}|cannot be read: I/O error"),
    "bo-2, the last cell of a sheet": (
        lambda p: workbook(p, cell("A1", "a"), cell("XFD1048576", "x")),
        "b.xlsx",
        NO_MEMORY,
    ),
    "bo-2, one not as far": (lambda p: workbook(p, cell("A1", "a"), cell("ZZ60000", "x")), "b.xlsx", NO_MEMORY),
    "bo-3, one line, packed": (
        lambda p: packed(p, b"a,b\n1,", b"x" * 1000, 501),
        "b.csv.gz",
        "too large|took longer than 3 s",
    ),
    "bo-3, many lines, packed": (
        lambda p: packed(p, b"a,b\n", b"1,2\n", 100),
        "b.csv.gz",
        "took longer than 3 s to read",
    ),
    "bo-3, a JSON document, packed": (
        lambda p: packed(p, b'{"a": [', b"1,", 501),
        "b.json.gz",
        "too large|took longer than 3 s",
    ),
    "bo-3, large values in Parquet": (large_values, "b.parquet", NO_MEMORY),
    "bo-3, entities in a workbook": (
        lambda p: workbook(p, cell("A1", "a"), cell("A2", "&l9;"), head=ENTITIES),
        "b.xlsx",
        "cannot be read: .*unrecognized entity",
    ),
    "bo-3, entities in OpenDocument": (
        lambda p: opendocument(p, "&l9;", ENTITIES),
        "b.ods",
        "workbook that can be opened",
    ),
    "repeated cells in OpenDocument": (
        lambda p: opendocument(p, "x", repeated=9_000),
        "b.ods",
        rf"{NO_MEMORY}|took longer than 3 s",
    ),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_costs_one_note(bomb: str, box: Box, tmp_path: Path) -> None:
    make, name, reason = BOMBS[bomb]
    make(tmp_path / name)
    (tmp_path / "good.csv").write_text("a\n1\n2\n")
    assert (tmp_path / name).stat().st_size < 5 * MEGABYTE
    began = time.monotonic()
    workspace = open_workspace([tmp_path], box=box, file_seconds=3.0)
    assert [t.name for t in workspace.tables] == ["good"]
    (note,) = workspace.notes
    assert note.startswith(f"{name} is left out: it ")
    print(f"{time.monotonic() - began:.1f} s", note)
    assert re.search(reason, note), note
    assert time.monotonic() - began < 30


def test_what_is_large_but_harmless_is_read(box: Box, tmp_path: Path) -> None:
    """bo-3: 50 million rows in 120 KB of Parquet; DuckDB never unpacks them all."""
    path = tmp_path / "rows.parquet"
    duckdb.sql("SELECT 1 AS a, 'x' AS b FROM range(50_000_000)").write_parquet(str(path), compression="zstd")
    assert path.stat().st_size < MEGABYTE
    (table,) = open_workspace([path], box=replace(box, memory=1 << 30)).tables
    assert table.rows == 50_000_000


def test_the_only_file(box: Box, tmp_path: Path) -> None:
    path = workbook(tmp_path / "b.xlsx", cell("A1", "a"), cell("XFD1048576", "x"))
    with pytest.raises(InputError, match=f"b.xlsx ({NO_MEMORY})") as caught:
        open_workspace([path], box=box)
    assert caught.value.fix


def test_zs_1_members_that_climb_out(box: Box, tmp_path: Path) -> None:
    path = workbook(tmp_path / "data.xlsx", cell("A1", "a"), cell("A2", "x"))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../climbed.txt", "x")
        archive.writestr("/tmp/climbed.txt", "x")
        link = zipfile.ZipInfo("xl/link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert open_workspace([path], box=box).tables[0].rows == 1
    assert not list(tmp_path.parent.glob("climbed*")) and not Path("/tmp/climbed.txt").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["data.xlsx"]


def test_an_honest_workbook_of_equal_rows_is_no_bomb(tmp_path: Path) -> None:
    row = '<row r="{0}"><c r="A{0}"><v>{0}</v></c><c r="B{0}" t="inlineStr"><is><t>the same</t></is></c></row>'
    path = workbook(tmp_path / "a.xlsx", *(row.format(i) for i in range(1, 300_000)))
    with zipfile.ZipFile(path) as archive:
        assert sum(m.file_size for m in archive.infolist()) < RATIO / 3 * path.stat().st_size
    check_workbook(path)


def test_a_directory_with_very_many_members(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as archive:
        for i in range(20_001):
            archive.writestr(f"{i}", b"")
    with pytest.raises(Unreadable, match="zip bomb"):
        check_workbook(tmp_path / "a.xlsx")
