"""A program that runs in the box: copies of tables in which nothing is left that a spreadsheet would carry out.

    python -P -m deepanalyze_cli.outputs.export < request

Works in the folder it is started in. The request is JSON: `into`, a folder to make, and `tables`, names below this
folder. The copy of table n is `into/n.csv` (or its suffix), and a line on stdout tells of it: `{"table": n, "changed":
cells}` or `{"table": n, "refused": why}`. What it reads is hostile and may bring it down, when the lines of the tables
before have been said already; `tables` is the side that asks, and it trusts none of the answers.
"""

from __future__ import annotations

import codecs
import io
import itertools
import json
import re
import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ..artefacts import Refused, open_artefact, read_artefact

if TYPE_CHECKING:
    from openpyxl.cell import WriteOnlyCell

MOST = 50_000_000
"""Bytes of one table."""
LINE = 1_000_000
"""Characters of one line of a text table."""
UNPACKED = 200_000_000
"""Bytes of all parts of a workbook."""
CELLS = 1_000_000
"""Cells and rows of a workbook, empty ones included."""


def main() -> None:
    """Serve one request."""
    warnings.simplefilter("ignore")
    request = json.load(sys.stdin)
    into = Path(request["into"])
    into.mkdir(parents=True)
    for number, name in enumerate(request["tables"]):
        suffix = PurePosixPath(name).suffix.lower()
        copy = copy_workbook if suffix == ".xlsx" else copy_text
        try:
            told: dict[str, Any] = {"changed": copy(name, into / f"{number}{suffix}")}
        except Refused as refused:
            told = {"refused": refused.message}
        except Exception as error:  # whatever a library makes of a hostile file
            told = {"refused": f"it cannot be read ({type(error).__name__})"}
        print(json.dumps({"table": number, **told}), flush=True)


# --- text -------------------------------------------------------------------------------------------------------------


def copy_text(name: str, target: Path) -> int:
    """A copy in the same dialect and encoding with `'` before what begins like a formula; the number of those.

    Raises:
        Refused: it is no text, or has too long a line.
    """
    changed = 0
    with open_artefact(Path(), name, MOST) as pieces, target.open("xb") as file:
        first = next(pieces, b"")
        encoding, errors = _encoding(first)
        decode = codecs.getincrementaldecoder(encoding)(errors)
        for number, block in enumerate(_blocks(itertools.chain([first], pieces), decode)):
            harmless, count = _apart(block, head=number == 0)
            file.write(harmless.encode(encoding, errors))
            changed += count
    return changed


def _encoding(first: bytes) -> tuple[str, str]:
    """UTF-16 where it says so; all else as UTF-8, and bytes that are none go through as they are."""
    if first.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le", "strict"
    return ("utf-16-be", "strict") if first.startswith(codecs.BOM_UTF16_BE) else ("utf-8", "surrogateescape")


def _blocks(pieces: Iterator[bytes], decode: codecs.IncrementalDecoder) -> Iterator[str]:
    """The text in blocks of whole lines."""
    rest = ""
    for piece in pieces:
        text = rest + decode.decode(piece)
        if "\0" in text:
            raise Refused("it is no text")
        end = max(text.rfind("\n"), text.rfind("\r")) + 1
        rest = text[end:]
        if len(rest) > LINE:
            raise Refused(f"it has a line of more than {LINE:,} characters")
        if end:
            yield text[:end]
    if rest := rest + decode.decode(b"", final=True):
        yield rest


def _apart(lines: str, *, head: bool) -> tuple[str, int]:
    """Lines with what begins like a formula set apart, and how often.

    Which separator and quotes a spreadsheet goes by depends on its user's country, so a cell may begin after any of
    them: rather a text with a `'` too many inside than a formula that was overlooked. The first line may also name a
    separator of its own or say that the file is of another kind (SYLK).
    """
    count = 0
    if head:
        lines, count = _HEAD.subn(r"\1'\2", lines)
    harmless, more = _FORMULA.subn(r"\g<0>'", f"\n{lines}")
    return harmless[1:], count + more


_HEAD = re.compile(r'\A(\ufeff?"?)(sep=|ID;P)', re.IGNORECASE)
_FORMULA = re.compile(
    r"""
    [,;\t|\r\n]                                     # Where a cell may begin,
    (?:[^\S\t\r\n]|\ufeff)*                         # behind blanks
    (?P<quote>"(?:[^\S\t\r\n]|")*)?                 # and quotes,
    (?= [=＝]                                       # it is a formula if it begins so,
      | (?<=[,;\t|\r\n"\ufeff])[-+@＋－＠]\S        # or so without blanks,
      | [-+@＋－＠][^;,]{0,255}[(!|]                # or if it also calls something;
    )
    (?! (?: [-+]?(?:[.,]?\d[\d.,]*(?:e[-+]?\d+)?%?|inf|nan)  # but a number is none,
          | [-+]+ )                                 # nor is a dash, where the cell ends with it
        \ * (?(quote) "\ *(?:[,;\t|\r\n]|\Z)
            | (?:[,;|\r\n]|\Z|\t(?![^\t\r\n;,]{0,255}[(!|])) )
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""The first characters are those of OWASP's "CSV Injection"; the wide ones count in Japanese and Chinese versions."""


# --- workbooks --------------------------------------------------------------------------------------------------------


def copy_workbook(name: str, target: Path) -> int:
    """A new workbook of the same values, with the text of formulas in their place; the number of those.

    Everything that is no value stays behind: links, macros, comments, queries, pictures, colours.

    Raises:
        Refused: it is too large.
    """
    import openpyxl

    content = read_artefact(Path(), name, MOST)
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        if sum(part.file_size for part in parts.infolist()) > UNPACKED:
            raise Refused(f"unpacked it is of more than {UNPACKED:,} bytes")
    read = openpyxl.load_workbook(io.BytesIO(content), read_only=True, keep_links=False)
    made, changed, left = openpyxl.Workbook(write_only=True), 0, CELLS
    for sheet in read.worksheets:
        sheet.reset_dimensions()
        copy = made.create_sheet(_title(sheet.title))
        for row in sheet.iter_rows():
            left -= 1 + len(row)
            if left < 0:
                raise Refused(f"it has more than {CELLS:,} cells")
            copy.append([_value(cell, copy) for cell in row])
            changed += sum(cell.data_type == "f" for cell in row)
    made.save(target)
    return changed


def _title(title: str) -> str:
    return re.sub(r"[\x00-\x1f\\*?:/\[\]']", "_", title)[:31] or "Sheet"


def _value(cell: Any, sheet: Any) -> WriteOnlyCell | None:
    """The cell of a new sheet for one that was read; text is never taken for a formula again."""
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    value = cell.value
    if value is None:
        return None
    if cell.data_type == "f":
        value = str(getattr(value, "text", value) or "=")
    copy = WriteOnlyCell(sheet)
    if isinstance(value, str):
        copy.value = ILLEGAL_CHARACTERS_RE.sub("", value)
        copy.data_type = "s"
    else:
        copy.value = value
        if cell.number_format != "General":
            copy.number_format = cell.number_format
    return copy


if __name__ == "__main__":
    main()
