"""The report on paper. What typst shows is read back by poppler's `pdftotext` where there is one."""

import json
import shutil
import subprocess
import sys
import zlib
from base64 import b64decode, b64encode
from dataclasses import replace
from pathlib import Path

import pytest
from example_run import FREE, GUIDED, HOSTILE, LINKS, png, turn

from deepanalyze_cli.errors import UsageError
from deepanalyze_cli.outputs import pdf
from deepanalyze_cli.outputs.language import right_to_left
from deepanalyze_cli.outputs.paper import MOST_DEPTH, SHEET, document, harmless
from deepanalyze_cli.outputs.pdf import to_pdf
from deepanalyze_cli.outputs.publication import publish
from deepanalyze_cli.outputs.report import to_report
from deepanalyze_cli.types import Claim, Evidence, Figure, Ledger, Report, Run, Section

TEMPLATE = (Path(pdf.__file__).parent / "templates" / "report.typ").read_text()
ATTACKS = (
    '#panic("ran")',
    '$ #panic("ran") $',
    ']#panic("ran")[',
    '"); #panic("ran"); ("',
    '``` ``` #panic("ran")',
    '#import "@preview/example:0.1.0"',
    '#read("/etc/passwd")',
    "@nothing <cell-1>",
    "= Heading */ /* // \\u{41} #[",
    '\\\\"}\\n#panic("ran")',
)
typst = pytest.importorskip("typst")


def made(run: Run) -> bytes:
    published = publish(run)
    return to_pdf(published.report, run, published.ledger)


def read(content: bytes) -> str:
    program = shutil.which("pdftotext")
    if program is None:
        pytest.skip("poppler is not here")
    done = subprocess.run([program, "-", "-"], input=content, capture_output=True, check=True)
    return " ".join(done.stdout.decode().split())


def with_text(text: str) -> Report:
    """A report in which all that can be worded is `text`."""
    figure = Figure(png(80), 2, text)
    sections = (Section(text, text, (figure,), (2,)), Section("", text))
    report = to_report(replace(GUIDED, task=replace(GUIDED.task, question=text)))
    return replace(report, title=text, question=text, answer=text, sections=sections, notices=(text,), caveats=(text,))


@pytest.mark.parametrize("run", [GUIDED, FREE, replace(GUIDED, turns=(), stop=None, answer="")])
def test_a_pdf_is_tagged_and_the_same_each_time(run: Run):
    first = made(run)
    assert first.startswith(b"%PDF-") and first.rstrip().endswith(b"%%EOF")
    assert b"pdfuaid" in first, "PDF/UA: tags, a title, a language, and a text for each chart"
    assert b"D:20261123184102" in first or b"2026-11-23T18:41:02" in first
    assert made(run) == first


@pytest.mark.parametrize("attack", ATTACKS)
def test_text_is_never_source(attack: str):
    if "@preview" not in attack:  # as source each of them ends typst with an error
        with pytest.raises(typst.TypstError):
            typst.compile(attack.encode())
    report = with_text(attack)
    code = turn(2, "code", ("code", attack), section=1, outputs=GUIDED.turns[2].observation.outputs)
    content = to_pdf(report, replace(GUIDED, turns=(*GUIDED.turns[:2], code, *GUIDED.turns[3:])))
    assert content.startswith(b"%PDF-")


def test_the_template_evaluates_reads_and_fetches_nothing():
    code = "\n".join(line.split("//")[0] for line in TEMPLATE.splitlines())
    assert not [word for word in ("eval(", "read(", "plugin(", "import ", "include ", "csv(", "toml(") if word in code]
    assert code.count("json(") == 1


def test_what_is_said_can_be_read_and_searched():
    said = read(made(GUIDED))
    assert "Gentoo is the heaviest. It weighs 5,075 g." in said
    assert "[red]no[/red] red right" in said and LINKS in said
    assert "How this was found: cell 2, cell 3, cell 4" in said
    assert "heaviest = max(means, key=means.get)" in said
    word = "measured_concentration_of_suspended_matter_after_filtration" * 4
    assert word in read(to_pdf(with_text(f"The name {word} is long."), GUIDED)).replace(" ", "")


def test_missing_characters_are_told():
    """No font has Linear A and such, so these stand for any script that a machine lacks."""
    report = with_text("The sign \U000133ff \U0001fbfa is not there.")
    assert "in no font of the machine" in read(to_pdf(report, GUIDED))
    assert "in no font" not in read(made(GUIDED))


def test_control_characters_do_not_reach_typst():
    report = replace(with_text("plain"), notices=("a\x00b\x1b[31mc\u202ed\ud800",), caveats=(HOSTILE,))
    assert to_pdf(report, GUIDED).startswith(b"%PDF-")
    assert "\x1b" not in json.dumps(harmless(document(report, GUIDED, Ledger())))


def test_a_chart_that_is_damaged_inside_leaves_its_text():
    whole = b64decode(png(80))
    at = whole.index(b"IDAT")
    length = int.from_bytes(whole[at - 4 : at], "big")
    data = b"IDAT" + b"\xff" * length
    broken = whole[:at] + data + zlib.crc32(data).to_bytes(4, "big") + whole[at + 8 + length :]
    figure = Figure(b64encode(broken).decode(), 4, "Mass by species (chart: 3 bars)")
    report = to_report(GUIDED)
    report = replace(report, sections=(replace(report.sections[0], figures=(figure,)), *report.sections[1:]))
    assert "This chart could not be read. It shows: Mass by species. Chart: 3 bars." in read(to_pdf(report, GUIDED))


def test_without_the_extra_one_line_says_what_to_do():
    code = (
        "import sys; sys.modules['typst'] = None; sys.path.insert(0, 'tests/outputs')\n"
        "from example_run import GUIDED\n"
        "from deepanalyze_cli.outputs.pdf import to_pdf\n"
        "from deepanalyze_cli.outputs.report import to_report\n"
        "from deepanalyze_cli.errors import UsageError\n"
        "try:\n    to_pdf(to_report(GUIDED), GUIDED)\nexcept UsageError as error:\n    print(error)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == 'PDF needs an extra package (pip install "deepanalyze-cli[pdf]")'
    assert issubclass(UsageError, Exception)


# --- the data ---------------------------------------------------------------------------------------------------------


def parts(answer: str) -> list[dict]:
    report = replace(to_report(FREE), sections=(Section("", answer),))
    return document(report, FREE, Ledger())["sections"][0]["body"]


def test_markdown_becomes_parts():
    made = parts("# One\n\n*a* **b `c`**  \nd\n\n1. x\n2. y\n   - z\n\n> q\n\n```\ncode\n```\n\n---")
    assert [part["kind"] for part in made] == ["heading", "paragraph", "ordered_list", "blockquote", "code", "hr"]
    assert made[1]["text"] == [
        {"kind": "em", "text": ["a"]},
        " ",
        {"kind": "strong", "text": ["b ", {"kind": "code", "text": "c"}]},
        {"kind": "break"},
        "d",
    ]
    assert made[2]["items"][1][1]["items"][0][0]["text"] == ["z"]


def test_no_heading_skips_a_level():
    made = parts("### a\n\n# b\n\n> ###### c\n\n- # d\n\n## e")
    levels = [made[0]["level"], made[1]["level"], made[2]["body"][0]["level"], made[3]["items"][0][0]["level"]]
    assert [*levels, made[4]["level"]] == [1, 1, 2, 1, 2]


def test_emphasis_without_end_is_cut():
    text = json.dumps(parts("*a **b " * 200 + "c" + "** d*" * 200))
    assert text.count('"kind": "em"') <= MOST_DEPTH and '"c' not in text[:20]


def test_a_table_wider_than_a_sheet_is_several_with_the_first_column_in_each():
    names = [f"measured_concentration_{n}" for n in range(40)]
    tables = parts("\n".join([f"| {' | '.join(names)} |", "|" + "---|" * 40, f"| {' | '.join(map(str, range(40)))} |"]))
    assert len(tables) > 3 and all(sum(part["widths"]) <= SHEET for part in tables)
    heads = [["".join(cell["text"]) for cell in part["rows"][0]] for part in tables]
    assert all(head[0] == names[0] for head in heads)
    assert [name for head in heads for name in head[1:]] == names[1:]
    assert tables[0]["of"].startswith("Columns 2 to ") and tables[0]["right"] == [True] * len(heads[0])
    assert parts("| a | b |\n|---|---|\n| 1 | 2 |")[0]["of"] == ""


def test_numbers_are_parts_of_their_own_with_their_cell():
    text = to_report(GUIDED).sections[0].text
    at = text.index("5,075")
    claim = Claim(
        "5,075", 5075.0, "g", text, "section 1", at, "verified", (Evidence(2, 0, "5075.0", "5075.0"),), "exact"
    )
    lost = replace(claim, text="Gentoo", start=0, verdict="unsupported", evidence=())
    shown = document(to_report(GUIDED), GUIDED, Ledger((lost, claim)))
    found = [piece for piece in shown["sections"][0]["body"][0]["text"] if isinstance(piece, dict)]
    assert found == [
        {"kind": "number", "text": "Gentoo", "verdict": "unsupported", "cell": None},
        {"kind": "number", "text": "5,075", "verdict": "verified", "cell": 2},
    ]
    assert shown["counted"] == "2 numbers: 1 verified, 1 unsupported"
    assert to_pdf(to_report(GUIDED), GUIDED, Ledger((lost, claim))).startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("text", "found"), [("(12) مبيعات x", True), ("מחיר", True), ("x مبيعات", False), ("12", False)]
)
def test_the_first_letter_tells_the_direction(text: str, found: bool):
    assert right_to_left(text) is found
