from __future__ import annotations

import gzip
import hashlib
import os
import re
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from deepanalyze_cli.errors import InputError
from deepanalyze_cli.types import Table
from deepanalyze_cli.workspace import Workspace, open_unboxed

Write = Callable[[str, str | bytes], Path]
Load = Callable[[Workspace, Table], pd.DataFrame]

LINES = "".join(f'{i},x{i},"t {i}"\n' for i in range(50))

PLAIN = LINES.replace('"', "")


def only(workspace: Workspace) -> Table:
    (table,) = workspace.tables
    return table


SOUND: dict[str, tuple[str, str | bytes, dict[str, list[object]]]] = {
    "missing values": ("a.csv", "a,b\n1,NA\nnan,x\n#N/A,null\n", {"a": [1, None, None], "b": [None, "x", None]}),
    "semicolons": ("a.csv", "a;b\n1;x\n2;y\n", {"a": [1, 2], "b": ["x", "y"]}),
    "decimal comma": ("a.csv", "a;b\n1,5;x\n2,25;y\n", {"a": [1.5, 2.25], "b": ["x", "y"]}),
    "decimal point in spite of it": ("a.csv", "a;b\n1.5;x,y\n2.5;y\n", {"a": [1.5, 2.5], "b": ["x,y", "y"]}),
    "tabs": ("a.tsv", "a\tb\n1\tx y\n", {"a": [1], "b": ["x y"]}),
    "text with tabs": ("a.txt", "a\tb\n1\tx\n2\ty\n", {"a": [1, 2], "b": ["x", "y"]}),
    "gzip": ("a.csv.gz", gzip.compress(b"a,b\n1,x\n"), {"a": [1], "b": ["x"]}),
    "byte order mark": ("a.csv", "\ufeffa,b\n1,é\n", {"a": [1], "b": ["é"]}),
    "utf-16": ("a.csv", "a,b\n1,é\n2,ü\n".encode("utf-16"), {"a": [1, 2], "b": ["é", "ü"]}),
    "utf-16-be": ("a.csv", "\ufeffa,b\n1,é\n".encode("utf-16-be"), {"a": [1], "b": ["é"]}),
    "utf-16 without a mark": ("a.tsv", "a\tb\n1\té\n2\tü\n".encode("utf-16-le"), {"a": [1, 2], "b": ["é", "ü"]}),
    "windows western": ("a.csv", "a,b\n1,Thérèse\n2,5 °C\n".encode("cp1252"), {"a": [1, 2], "b": ["Thérèse", "5 °C"]}),
    "windows central european": (
        "a.csv",
        "a,b\n1,Łódź żółw\n2,Gdańsk\n".encode("cp1250"),
        {"b": ["Łódź żółw", "Gdańsk"]},
    ),
    "japanese": ("a.csv", "名前,都市\n田中,東京\n鈴木,大阪\n".encode("cp932"), {"名前": ["田中", "鈴木"]}),
    "late foreign letter": ("a.csv", b"a,b\n" + b"1,x\n" * 300_000 + b"2,\xe9\n", {"b": ["x"] * 300_000 + ["é"]}),
    "one value": ("a.csv", "a\n1\n", {"a": [1]}),
    "text only": ("a.csv", "name,city\nAnn,Rome\nBob,Oslo\n", {"name": ["Ann", "Bob"], "city": ["Rome", "Oslo"]}),
    "line breaks in values": ("a.csv", 'a,b\n1,"x\ny"\n2,z\n', {"a": [1, 2], "b": ["x\ny", "z"]}),
    "mixed line ends": ("a.csv", "a,b\r\n1,2\n3,4\r\n", {"a": [1, 3], "b": [2, 4]}),
    "inner quotes": ("a.csv", 'a,b\n1,5" pipe\n2,"6"" pipe"\n', {"b": ['5" pipe', '6" pipe']}),
    "repeated and empty names": ("a.csv", "a,a,\n1,2,3\n", {"a": [1], "a_1": [2], "column2": [3]}),
    "row names without a header": ("a.csv", "a,b\nx,1,2\ny,3,4\n", {"index": ["x", "y"], "a": [1, 3], "b": [2, 4]}),
    "type seen late": ("a.csv", "a\n" + "1\n" * 30_000 + "x\n", {"a": ["1"] * 30_000 + ["x"]}),
    "json records": ("a.json", '[{"a": 1, "b": "x"}, {"a": 2}]', {"a": [1, 2], "b": ["x", None]}),
    "json of mixed types": ("a.json", '[{"a": 1}, {"a": "x"}]', {"a": ["1", "x"]}),
    "json lines": ("a.jsonl", '{"a": 1}\n{"a": 2, "b": "x"}\n', {"a": [1, 2], "b": [None, "x"]}),
    "json lines named json": ("a.json", '{"a": {"b": 1}}\n{"a": {"b": 2}}\n', {"a": [{"b": 1}, {"b": 2}]}),
    "json with a mark": ("a.json", '\ufeff[{"a": 1}]', {"a": [1]}),
    "records within json": (
        "a.json",
        '{"n": 2, "data": {"rows": [{"a": 1, "b": {"c": 2}}, {"a": 3}]}}',
        {"b.c": [2, None]},
    ),
    "columns of json": ("a.json", '{"a": [1, 2], "b": ["x", "y"]}', {"a": [1, 2], "b": ["x", "y"]}),
    "rows of json": ("a.json", '{"r": {"a": 1, "b": 2}, "s": {"a": 3, "b": 4}}', {"key": ["r", "s"], "a": [1, 3]}),
    "one json object": ("a.json", '{"a": 1, "b": {"c": "x"}}', {"a": [1], "b.c": ["x"]}),
    "packed json lines": ("a.jsonl.gz", gzip.compress(b'{"a": 1}\n{"a": 2}\n'), {"a": [1, 2]}),
}


@pytest.mark.parametrize("case", SOUND)
def test_sound_files(case: str, write: Write, load: Load) -> None:
    name, content, expected = SOUND[case]
    workspace = open_unboxed([write(name, content)])
    table = only(workspace)
    frame = load(workspace, table)
    assert list(frame.columns) == [c.name for c in table.columns]
    assert len(frame) == table.rows
    for column, values in expected.items():
        assert [None if pd.api.types.is_scalar(v) and pd.isna(v) else v for v in frame[column].tolist()] == values


@pytest.mark.parametrize(
    ("content", "rows", "note"),
    [
        ("a,b,c\n1,2,3\n4,5\n6,7,8,9\n1,2,3\n", 3, "line 4 of the file: 4 fields .* has 3; 1 row skipped"),
        ("a,b,c\n1,2,3\n4,5\n1,2,3\n", 3, r"1 line with fewer fields than the header \(first: line 3\)"),
        ("a,b,c\n" + LINES + '51,y,"broken\n' + LINES, 100, "line 52 of the file: a quote is not.*1 row skipped"),
        ("a,b,c\n" + LINES + '51,"y" z,"x"\n' + LINES, 101, "line 52 of the file: a quote .*read as well as it can be"),
        ("Sales of 2024, all\n\na,b,c\n1,2,3\n4,5,6\n", 2, "the first 2 lines of the file stand before the table"),
        ("2001,2002\n5,6\n7,8\n", 3, "no header line: the columns are called column0, column1"),
        ("a,b\nx,1,2\ny,3,4\n", 2, "the first column, which is called index"),
        ("a;b\n1,5;x\n2,5;y\n", 2, "1,5 is 1.5"),
        ("a,b\n1,é\n".encode("cp1252"), 1, "not UTF-8 and is read as cp1252"),
        ("a,damage\n1,None\n2,much\n", 2, "damage: 1 value spelled None read as missing"),
        ("a,b,c\n" + PLAIN + '1,y,"z\n' + PLAIN, 101, r"c: 1 value with a quote that is .*not closed.*first: row 51"),
        ("a,b,c\n" + PLAIN * 900 + '1,"y,z\n' + PLAIN, 45_051, r"b: 1 value with a quote .*first: row 45001"),
        ("a,b,c\n" + LINES * 900 + '1,y,"z\n' + LINES, 45_050, r"line 45002 of the file: a quote .*1 row skipped"),
        ('a,"b\n1,x\n2,y\n3,z\n', 3, """the name '"b' begins with a quote that is not closed"""),
    ],
)
def test_what_is_odd_is_noted(content: str | bytes, rows: int, note: str, write: Write) -> None:
    table = only(open_unboxed([write("a.csv", content)]))
    assert table.rows == rows
    assert any(re.search(note, n) for n in table.notes), table.notes


BROKEN: dict[str, tuple[str, str | bytes, str]] = {
    "no byte": ("a.csv", "", r"is empty \(0 bytes\)"),
    "blank lines": ("a.csv", "\n\n \n", "is empty"),
    "header only": ("a.csv", "a,b\n", "has no rows"),
    "header only in utf-16": ("a.csv", "a,b\n".encode("utf-16"), "has no rows"),
    "garbage": ("a.csv", bytes(range(256)) * 9, "is not text but binary"),
    "garbage without a zero": ("a.csv", bytes(range(1, 256)) * 9, "is not text but binary"),
    "a workbook": ("a.csv", b"PK\3\4\0\0" * 90, "is not text but binary"),
    "a quote never closed": ("a.csv", "a,b,c\n" + LINES + '1,y,"z\n1,2,3\n', "is broken at line 52: a quote"),
    "mostly too long": ("a.csv", "a,b\n" + "1,2,3,4\n" * 9, r"broken at line 2: 4 fields .* 2 \(9 such lines\)"),
    "prose": ("a.txt", "Dear all,\nplease find, as promised, the data\nKind regards\n", "not a delimited table"),
    "not packed": ("a.csv.gz", "a,b\n1,2\n", "is a damaged gzip file"),
    "cut off": ("a.csv.gz", gzip.compress(b"a,b\n" + b"1,2\n" * 99)[:-12], "is a damaged gzip file"),
    "json cut off": ("a.json", '[{"a": 1}, {"a":', "not valid JSON: record 3"),
    "json with a slip": ("a.json", '{"a": 1,\n "b":}', "not valid JSON: line 2, column 6"),
    "no json": ("a.json", "hello", "not valid JSON"),
    "no record": ("a.json", "[]", "has no rows"),
    "no key": ("a.json", "{}", "empty object"),
    "json lines with a slip": ("a.jsonl", '{"a": 1}\n{"a":\n{"a": 3}\n', "not valid JSON: line 3"),
    "no parquet": ("a.parquet", "hello, hello, hello", "is not a Parquet file"),
    "no workbook": ("a.xlsx", "hello", "not a workbook that can be opened"),
    "no database": ("a.db", "hello", "not a SQLite database"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files(case: str, write: Write) -> None:
    name, content, message = BROKEN[case]
    path = write(f"x/{name}", content)
    with pytest.raises(InputError, match=message) as error:
        open_unboxed([path])
    assert str(error.value).startswith(f"{name} ") and error.value.fix
    assert "\n" not in str(error.value)
    write("x/good.csv", "a\n1\n")
    workspace = open_unboxed([path.parent])
    assert [t.name for t in workspace.tables] == ["good"]
    assert re.match(f"{name} is left out: it .*{message}", workspace.notes[0])


def test_when_nothing_can_be_read(write: Write, tmp_path: Path) -> None:
    write("a.csv", "a\n")
    write("b.csv", "")
    with pytest.raises(InputError, match=r"none of 2 files can be read; a\.csv has no rows"):
        open_unboxed([tmp_path])


@pytest.mark.parametrize(
    "name",
    [
        'it\'s "quoted" {here} {{there}}.csv',
        "a[1].csv",
        "all*.csv",
        "what?.csv",
        "**",
        "back\\slash $HOME %s ; -- .csv",
        "名前 é \u202e\u200b.csv",
        "deep/er [2]/x.csv",
        "line\nbreak.csv",
    ],
)
@pytest.mark.parametrize("ending", ["", ".json", ".db"])
def test_hostile_names(name: str, ending: str, write: Write, load: Load, tmp_path: Path) -> None:
    """Next to files that a glob pattern would take for it."""
    for decoy in ("a1", "all1", "whats", "deep/er 2/x"):
        write(f"{decoy}.csv{ending}", "a\n666\n")
    name = f"{name.removesuffix('.csv')}.csv{ending}"
    if ending == ".db":
        path = write(name, "")
        db = sqlite3.connect(path)
        db.execute("CREATE TABLE t AS SELECT 42 AS a")
        db.commit()
        db.close()
    else:
        path = write(name, '[{"a": 42}]' if ending else "a\n42\n")
    workspace = open_unboxed([path])
    assert load(workspace, only(workspace))["a"].tolist() == [42]
    # Where the folder itself looks like a pattern, only pandas is sure to open the right file.
    assert only(workspace).engine == ("pandas" if ending == ".db" or "/" in name else "duckdb")
    assert "\n" not in only(workspace).load


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.csv")
    path.write_text("a\n1\n")
    with pytest.raises(InputError, match="has a name that is not valid UTF-8"):
        open_unboxed([path])


def test_a_folder_named_like_a_pattern(write: Write, load: Load) -> None:
    write("data 1/x.csv", "a\n666\n")
    workspace = open_unboxed([write("data [1]/x.csv", "a\n42\n")])
    assert load(workspace, only(workspace))["a"].tolist() == [42]


def test_workbook_with_two_sheets(tmp_path: Path, load: Load) -> None:
    path = tmp_path / "Q1 Report.xlsx"
    with pd.ExcelWriter(path, engine="openpyxl") as book:
        dates = pd.to_datetime(["2024-01-31", "2024-02-29"])
        pd.DataFrame({"when": dates, 2024: [1.5, None]}).to_excel(book, sheet_name="It's north", index=False)
        pd.DataFrame({"a": ["x", 5]}).to_excel(book, sheet_name="South", index=False)
        pd.DataFrame().to_excel(book, sheet_name="Empty", index=False)
    workspace = open_unboxed([path])
    north, south = workspace.tables
    assert (north.name, south.name) == ("q1_report_it_s_north", "q1_report_south")
    assert [(c.name, c.type) for c in north.columns] == [("when", "timestamp"), ("2024", "number")]
    assert north.columns[0].high == "2024-02-29"
    assert north.notes[0] == "sheet 'Empty' of Q1 Report.xlsx is left out: it has no rows"
    assert load(workspace, north)["2024"].tolist()[0] == 1.5
    assert load(workspace, south)["a"].tolist() == ["x", 5]


def test_other_workbooks(tmp_path: Path, load: Load) -> None:
    import statsmodels.datasets.macrodata as macrodata

    folder = Path(macrodata.__file__).parent / "src"
    old = next(p for p in folder.rglob("*.xls") if p.is_file())
    monthly = open_unboxed([old]).tables[1]
    assert (monthly.name, monthly.rows) == ("macrodata_monthly", 911)
    assert [c.high for c in monthly.columns[:2]] == ["2009-11-01", "218.675"]

    rows = [["a", "b"], ["1", "x"]]
    cells = "".join(
        "<table:table-row>"
        + "".join(f'<table:table-cell office:value-type="string"><text:p>{c}</text:p></table:table-cell>' for c in row)
        + "</table:table-row>"
        for row in rows
    )
    space = "urn:oasis:names:tc:opendocument:xmlns"
    content = (
        f'<office:document-content xmlns:office="{space}:office:1.0" xmlns:table="{space}:table:1.0" '
        f'xmlns:text="{space}:text:1.0" office:version="1.2"><office:body><office:spreadsheet>'
        f'<table:table table:name="S">{cells}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    with zipfile.ZipFile(tmp_path / "a.ods", "w") as file:
        file.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        file.writestr("META-INF/manifest.xml", '<?xml version="1.0"?><manifest/>')
        file.writestr("content.xml", f'<?xml version="1.0"?>{content}')
    workspace = open_unboxed([tmp_path / "a.ods"])
    assert load(workspace, only(workspace))["b"].tolist() == ["x"]


def test_database(tmp_path: Path, load: Load) -> None:
    path = tmp_path / "shop #1.sqlite"
    db = sqlite3.connect(path)
    db.executescript("""
        CREATE TABLE "or""der" (id INTEGER PRIMARY KEY AUTOINCREMENT, "unit price" REAL, day TEXT, picture BLOB);
        INSERT INTO "or""der" VALUES (1, 2.5, '2024-01-01', x'00ff'), (2, NULL, '2024-01-02', NULL);
        CREATE TABLE customers (id INTEGER, name TEXT);
        INSERT INTO customers VALUES (1, 'Ann');
        CREATE TABLE empty (id INTEGER);""")
    db.commit()
    db.close()
    (tmp_path / "customers.csv").write_text("a\n1\n")
    before = sorted(p.name for p in tmp_path.iterdir())
    workspace = open_unboxed([tmp_path])
    assert [t.name for t in workspace.tables] == ["customers", "shop_1_customers", "or_der"]
    order = workspace.tables[2]
    assert order.rows == 2
    assert [(c.name, c.type, c.nulls) for c in order.columns] == [
        ("id", "integer", 0),
        ("unit price", "number", 1),
        ("day", "text", 0),
        ("picture", "binary", 1),
    ]
    assert load(workspace, order)["unit price"].tolist()[0] == 2.5
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    assert any("table 'empty'" in note for table in workspace.tables for note in table.notes)


def test_database_with_a_write_ahead_log(tmp_path: Path, load: Load) -> None:
    path = tmp_path / "a.db"
    db = sqlite3.connect(path)
    db.executescript("PRAGMA journal_mode = wal; CREATE TABLE t (a); INSERT INTO t VALUES (1);")
    db.close()
    workspace = open_unboxed([path])
    # Nobody writes now, and a reader must not leave a file beside the data.
    assert "immutable=1" in only(workspace).load
    assert load(workspace, only(workspace))["a"].tolist() == [1]
    assert [p.name for p in tmp_path.iterdir()] == ["a.db"]

    db = sqlite3.connect(path)
    db.execute("INSERT INTO t VALUES (2)")
    db.commit()
    try:
        workspace = open_unboxed([path])
        assert load(workspace, only(workspace))["a"].tolist() == [1, 2]
    finally:
        db.close()


def test_parquet(tmp_path: Path, load: Load) -> None:
    query = (
        "SELECT unnest([1.5, 'NaN'::DOUBLE]) AS a, unnest([DATE '2024-01-01', NULL]) AS d, unnest([[1, 2], NULL]) AS l"
    )
    duckdb.sql(query).write_parquet(str(tmp_path / "p1.parquet"))
    (tmp_path / "p1.parquet").rename(tmp_path / "p[1].parquet")
    workspace = open_unboxed([tmp_path])
    table = only(workspace)
    assert [(c.type, c.nulls) for c in table.columns] == [("number", 1), ("date", 1), ("list", 1)]
    assert table.columns[0].high == "1.5"
    assert load(workspace, table)["a"].tolist()[0] == 1.5


def test_a_broken_file_takes_no_name(write: Write, tmp_path: Path) -> None:
    write("t.csv", "a\n")
    write("t.json", '[{"a": 1}]')
    assert only(open_unboxed([tmp_path])).name == "t"


def test_what_a_source_says(write: Write, tmp_path: Path) -> None:
    write("y/sales.csv", "a\n1\n")
    write("x/sales.csv", "a\n1\n")
    write("x/class.csv", "a\n1\n")
    write("notes.md", "# x")
    seen: list[str] = []
    workspace = open_unboxed([tmp_path], on_progress=seen.append)
    assert seen == [s.name for s in workspace.sources] == ["x/class.csv", "x/sales.csv", "y/sales.csv"]
    assert [t.name for t in workspace.tables] == ["class_data", "sales", "y_sales"]
    source = workspace.sources[0]
    assert (source.kind, source.bytes, source.location) == ("csv", 4, str(tmp_path / "x/class.csv"))
    assert source.sha256 == hashlib.sha256(b"a\n1\n").hexdigest()
    assert workspace.notes == ("not data, ignored: notes.md",)
    assert workspace == open_unboxed([tmp_path])
