"""Packages for one run: wheels from a folder, and one from the real index, beside an installed stack that stays."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deepanalyze_cli.errors import ExitCode, UsageError
from deepanalyze_cli.packages import add, check
from deepanalyze_cli.sandbox import Box, choose
from deepanalyze_cli.sandbox.run import run_boxed


def wheel(folder: Path, package: str, files: dict[str, str], *, requires: tuple[str, ...] = ()) -> None:
    """A wheel of these files in `folder`."""
    name, version = package.split("==")
    stem = f"{name}-{version}"
    needs = "".join(f"Requires-Dist: {need}\n" for need in requires)
    about = {
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
        for path, text in (files | about).items():
            archive.writestr(path, text)
        listed = [*files, *about, f"{stem}.dist-info/RECORD"]
        archive.writestr(f"{stem}.dist-info/RECORD", "".join(f"{path},,\n" for path in listed))


@pytest.fixture(autouse=True)
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, the only place where pip looks; and a configuration of nobody's."""
    for name in os.environ:
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    wheel(folder, "quokka==1.2", {"quokka/__init__.py": "SMILE = 7\n"}, requires=("wallaby>=2", "numpy"))
    wheel(folder, "wallaby==2.0", {"wallaby.py": "HOPS = 3\n"})
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run" / "packages"


def refusal(*wanted: str, folder: Path, offline: bool = False) -> UsageError:
    with pytest.raises(UsageError) as caught:
        add(wanted, folder, offline=offline)
    assert not folder.exists()
    assert caught.value.exit_code == ExitCode.USAGE and caught.value.fix
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 900
    return caught.value


@pytest.mark.parametrize("offline", [False, True])
def test_a_package_and_what_it_needs_but_nothing_that_is_installed(folder, offline):
    added = add(["quokka"], folder, offline=offline)
    assert (added.folder, added.packages) == (folder, (("quokka", "1.2"), ("wallaby", "2.0")))
    names = {path.name for path in folder.iterdir()} - {"__pycache__"}
    assert names == {"quokka", "wallaby.py", "quokka-1.2.dist-info", "wallaby-2.0.dist-info"}


def test_in_the_box_it_can_be_imported_and_not_be_changed(folder):
    add(["quokka"], folder)
    code = "import quokka, wallaby, numpy, pathlib; print(quokka.SMILE + wallaby.HOPS, numpy.__file__)\n"
    code += "pathlib.Path(quokka.__file__).write_text('')"
    box = Box(choose("auto"), read=(folder,))
    done = run_boxed(box, [sys.executable, "-P", "-c", code], seconds=60, environment={"PYTHONPATH": str(folder)})
    number, numpy = done.out.decode().split()
    assert number == "10" and not numpy.startswith(str(folder))
    assert done.code == 1 and "Error: [Errno" in done.err
    assert (folder / "quokka" / "__init__.py").read_text() == "SMILE = 7\n"


@pytest.mark.parametrize("wanted", [[], ["numpy"], ["pandas>=1", "numpy"]])
def test_what_is_installed_is_not_fetched(folder, wanted):
    assert add(wanted, folder).packages == ()
    assert not folder.exists()


@pytest.mark.parametrize("wanted", [["numpy<1"], ["greedy"], ["quokka", "greedy"]])
def test_what_is_installed_is_not_changed(folder, wheels, wanted):
    wheel(wheels, "numpy==0.9", {"numpy/__init__.py": "raise SystemExit\n"})
    wheel(wheels, "greedy==1.0", {"greedy.py": ""}, requires=("numpy<1",))
    error = refusal(*wanted, folder=folder)
    assert "does not go with what is installed here" in error.message and "numpy" in error.message


@pytest.mark.parametrize(
    ("file", "module"),
    [
        ("pandas.py", "pandas"),
        ("pandas/__init__.py", "pandas"),
        ("pandas/extra.py", "pandas"),
        ("random.py", "random"),
        ("sitecustomize.py", "sitecustomize"),
        ("_duckdb.abi3.so", "_duckdb"),
    ],
)
def test_a_module_of_a_name_that_is_taken(folder, wheels, file, module):
    wheel(wheels, "innocent==1.0", {file: "", "innocent.py": ""})
    assert f"brings a module {module!r}, which is here already (innocent)" in refusal("innocent", folder=folder).message


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "-r requirements.txt", "--index-url=http://127.0.0.1", "./wheel.whl", "/tmp/x", "../x"),
        *("quokka --hash=1", "quokka\n--pre", "git+https://e/x", "http://e/x.whl", "a b", "\x1b[31mred"),
        *("quokka @ http://e/x.whl", "quokka @ file:///x.whl"),
    ],
)
def test_what_is_no_name_is_refused_before_pip_sees_it(folder, text):
    message = refusal(text, folder=folder).message
    assert message.isprintable() and ("is not the name" in message or "is an address" in message)


def test_requirements_in_their_usual_form():
    assert check(" Quokka [ extra ] >= 1 , < 2 ") == "Quokka[extra]<2,>=1"


def test_what_is_not_there(folder):
    assert "No matching distribution" in refusal("bilby", folder=folder).message
    assert "--with bilby cannot be had offline" in refusal("bilby", folder=folder, offline=True).message


def test_an_index_that_does_not_answer(folder, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    assert "the package index does not answer" in refusal("bilby", folder=folder).message


def test_a_package_without_a_wheel(folder, wheels):
    (wheels / "bilby-1.0.tar.gz").write_bytes(b"never opened")
    assert "No matching distribution" in refusal("bilby", folder=folder).message


def test_a_damaged_wheel_leaves_nothing(folder, wheels):
    [file] = wheels.glob("wallaby*")
    file.write_bytes(file.read_bytes()[:-30])
    refusal("quokka", folder=folder)


def test_what_a_user_set_for_other_installations_does_not_count(folder, tmp_path, monkeypatch):
    for name in ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    monkeypatch.setenv("PIP_USER", "1")
    add(["quokka"], folder)
    assert (folder / "wallaby.py").exists() and not (tmp_path / "elsewhere").exists()


def test_a_pip_in_the_working_folder_is_not_pip(folder, tmp_path, monkeypatch):
    (tmp_path / "pip.py").write_text("raise SystemExit('not me')")
    monkeypatch.chdir(tmp_path)
    assert add(["quokka"], folder).packages


def test_a_real_package_from_the_real_index(folder, monkeypatch):
    """`six` would be installed already; this one is 26 kB and needs nothing."""
    monkeypatch.undo()
    try:
        added = add(["cowsay==6.1"], folder)
    except UsageError as error:
        if "cannot be had" not in error.message:
            raise
        pytest.skip(f"the package index cannot be reached: {error.message}")
    assert added.packages == (("cowsay", "6.1"),)
    code = "import cowsay; cowsay.cow('moo')"
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert "| moo |" in done.stdout


@pytest.mark.parametrize("text", ["evil.tar.gz", "evil-1.0-py3-none-any.whl", "Evil.ZIP", "evil.tgz"])
def test_a_file_is_no_package(text):
    with pytest.raises(UsageError, match=r"is (the name of a file|not the name of a package)"):
        check(text)
