"""The report as a PDF for paper and for screen readers (PDF/UA), set by typst.

Nothing that data or a model worded becomes source of typst: the report travels as JSON (`paper`), and the template
`report.typ` shows its strings as they are. Typst runs in a process of its own (this module as a program), in a folder
that holds only the charts, with a bound on time and memory, and without packages.
Equal reports give equal bytes on one machine; the fonts of the machine are used for scripts that typst's own lack.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DeepAnalyzeError, UsageError
from ..types import Ledger, Report, Run
from . import words
from .text import one_line

if TYPE_CHECKING:
    import typst

SECONDS = 120
"""Time that setting a report may take; one of ten charts takes one second."""
MEMORY = 6 << 30
"""Bytes of address space that setting a report may take."""
_NO_NUMBERS = Ledger()


def to_pdf(report: Report, run: Run, ledger: Ledger = _NO_NUMBERS) -> bytes:
    """The report on A4, with its code in an appendix.

    Raises:
        UsageError: typst is not installed.
        DeepAnalyzeError: typst ended with an error, or took too long.
    """
    if find_spec("typst") is None:
        raise UsageError("PDF needs an extra package", 'pip install "deepanalyze-cli[pdf]"')
    from .paper import document, harmless

    moment = words.moment(run.started)
    request = {
        "report": harmless(document(report, run, ledger)),
        "timestamp": int(moment.timestamp()) if moment and moment.year >= 1970 else 0,
    }
    with tempfile.TemporaryDirectory() as folder:
        drawn = (figure.png for section in report.sections for figure in section.figures)
        for number, encoded in enumerate(drawn, 1):
            (Path(folder) / f"figure-{number}.png").write_bytes(base64.b64decode(encoded))
        return _asked(json.dumps(request).encode(), folder)


def _asked(request: bytes, folder: str) -> bytes:
    program = [sys.executable, "-P", "-m", __name__]
    try:
        made = subprocess.run(program, input=request, cwd=folder, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise DeepAnalyzeError(f"the PDF was not done after {SECONDS} s", "use report.html") from None
    if made.returncode or not made.stdout.startswith(b"%PDF-"):
        said = one_line(made.stderr.decode(errors="replace").strip().rpartition("\n")[2], 300)
        raise DeepAnalyzeError(f"the PDF could not be made: {said or made.returncode}", "use report.html")
    return made.stdout


# --- in a process of its own ------------------------------------------------------------------------------------------


def typeset(report: dict[str, object], timestamp: int, root: Path) -> bytes:
    """Run typst on a report of `paper.document`, with the charts that lie in the folder `root`.

    A first try asks for PDF/UA-1. That refuses text that no font can show, and says so; then the PDF does, too.
    """
    import typst

    template = (files(__package__) / "templates" / "report.typ").read_bytes()
    compiler = typst.Compiler(root=root, package_path=root, package_cache_path=root)
    broken = [drawn.name for drawn in root.glob("figure-*.png") if not _drawable(compiler, drawn.name)]

    def attempt(tagged: bool, missing: bool) -> bytes:
        text = json.dumps({**report, "missing": report["missing"] if missing else "", "broken": broken})
        standards: list[typst.PDFStandard] = ["ua-1"] if tagged else []
        made = compiler.compile(
            template, format="pdf", sys_inputs={"report": text}, pdf_standards=standards, timestamp=timestamp
        )
        assert isinstance(made, bytes), "one file, as no output was named"
        return made

    try:
        return attempt(tagged=True, missing=False)
    except typst.TypstError as error:
        if not str(error).startswith("PDF/UA-1"):
            raise
        return attempt(tagged=False, missing="could not be displayed" in str(error))


def _drawable(compiler: typst.Compiler, name: str) -> bool:
    """Whether typst can read a chart. What lies inside a PNG is looked at here for the first time."""
    import typst

    try:
        compiler.compile(f'#image("{name}")'.encode(), format="pdf", timestamp=0)
    except typst.TypstError:
        return False
    return True


def main() -> None:
    """Read a request from standard input, write the PDF to standard output. The charts lie in the working folder."""
    _bound()
    request = json.loads(sys.stdin.buffer.read())
    sys.stdout.buffer.write(typeset(request["report"], request["timestamp"], Path.cwd()))


def _bound() -> None:
    """Limits that hold even if the process that started this one is gone."""
    if os.name == "posix":
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (2 * SECONDS, 2 * SECONDS))
        if sys.platform == "linux":
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


if __name__ == "__main__":
    main()
