"""Packages for one run (`--with NAME`): fetched by pip into a folder of their own, beside what is installed.

What is installed is never changed, replaced or hidden: it is a constraint for pip, and a package that brings a module
of a name that is taken is refused. Wheels only, so that nothing of a package runs here; it runs in the kernel, in the
box, which reads the folder (`Added.folder`, for `PYTHONPATH`) and cannot write it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .errors import UsageError

SECONDS = 900.0
"""For all of pip's work."""
_LONGEST = 300
"""Characters of a complaint of pip's that are shown."""
# -P: a `pip.py` in the working folder is not pip.
_PIP = (sys.executable, "-P", "-m", "pip", "install", "--only-binary=:all:", "--disable-pip-version-check")
_QUIET = ("--retries=2", "--no-input", "--no-color", "--progress-bar=off", "--no-user", "--no-warn-script-location")


@dataclass(frozen=True, slots=True)
class Added:
    """What was added for a run: the folder to put on `PYTHONPATH`, and each package with its version."""

    folder: Path
    packages: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A wheel that pip has chosen."""

    name: str
    version: str
    hashes: tuple[str, ...]

    @property
    def line(self) -> str:
        return " ".join([f"{self.name}=={self.version}", *(f"--hash={digest}" for digest in self.hashes)])


def add(wanted: Sequence[str], folder: Path, *, offline: bool = False) -> Added:
    """Fetch packages and what they need into `folder`, which must not exist yet; it is not made if nothing is missing.

    `wanted` are requirements as pip takes them, without URLs and paths: `prophet`, `polars>=1`, `lifelines[extra]`.
    With `offline` only folders of wheels are looked at that pip is configured to know (`PIP_FIND_LINKS`).

    Raises:
        UsageError: something that is no requirement, cannot be had, needs other versions than those installed, has no
            wheel, or would hide an installed module.
    """
    requirements = [check(text) for text in wanted]
    with TemporaryDirectory(prefix="deepanalyze-with-") as name:
        passing = Path(name)
        chosen = _choose(requirements, passing, offline)
        if not chosen:
            return Added(folder)
        try:
            _fetch(chosen, folder, passing, offline)
            _check_names(chosen, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return Added(folder, tuple((one.name, one.version) for one in chosen))


def check(text: str) -> str:
    """A requirement in its usual form.

    Raises:
        UsageError: it is none, or names a place instead of a package.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    fix = "give the name of a package, like `--with prophet` or `--with 'polars>=1'`"
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        raise UsageError(f"--with {text!a} is not the name of a package", fix) from None
    if requirement.name.lower().endswith((".whl", ".zip", ".gz", ".bz2", ".xz", ".tar", ".tgz")):
        raise UsageError(f"--with {text!a} is the name of a file, and only packages of an index are taken", fix)
    if requirement.url:
        raise UsageError(f"--with {text!a} is an address, and only packages of an index are taken", fix)
    return str(requirement)


def _choose(requirements: Sequence[str], passing: Path, offline: bool) -> list[_Chosen]:
    """What pip would install so that everything is there, given what is installed."""
    if not requirements:
        return []
    installed, report = passing / "installed.txt", passing / "report.json"
    installed.write_text("\n".join(_installed()), encoding="utf-8")
    options = ["--dry-run", f"--report={report}", f"--constraint={installed}"]
    _pip([*options, *requirements], requirements, offline)
    found: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["install"]
    return sorted((_chosen(entry) for entry in found), key=lambda one: one.name)


def _chosen(entry: dict[str, Any]) -> _Chosen:
    """From an entry of pip's installation report, version 1 (pip.pypa.io/en/stable/reference/installation-report)."""
    hashes = entry["download_info"].get("archive_info", {}).get("hashes", {})
    digests = tuple(f"{kind}:{digest}" for kind, digest in sorted(hashes.items()))
    return _Chosen(entry["metadata"]["name"], entry["metadata"]["version"], digests)


def _fetch(chosen: Sequence[_Chosen], folder: Path, passing: Path, offline: bool) -> None:
    """Exactly the wheels that were chosen: in a second run, for with `--target` pip forgets what is installed."""
    lines = passing / "chosen.txt"
    lines.write_text("\n".join(one.line for one in chosen), encoding="utf-8")
    _pip([f"--target={folder}", "--no-deps", f"--requirement={lines}"], [one.name for one in chosen], offline)


def _installed() -> list[str]:
    """Every installed package as `name==version`."""
    from importlib.metadata import distributions

    from packaging.version import InvalidVersion, Version

    lines = set()
    for found in distributions():
        try:
            lines.add(f"{found.metadata['Name']}=={Version(found.version)}")
        except (InvalidVersion, TypeError):  # half removed: pip does not see it either
            continue
    return sorted(lines)


def _check_names(chosen: Sequence[_Chosen], folder: Path) -> None:
    """Refuse what would be imported instead of something that is there: `PYTHONPATH` comes before everything else."""
    from importlib.machinery import PathFinder

    here = [place for place in sys.path if place and Path(place) != Path.cwd()]
    for path in sorted(folder.iterdir()):
        module = path.name.partition(".")[0]
        if path.name in ("bin", "__pycache__") or path.suffix in (".dist-info", ".data", ".libs"):
            continue
        there = PathFinder.find_spec(module, here)
        taken = module in sys.stdlib_module_names or module in ("sitecustomize", "usercustomize") or bool(there)
        shared = path.is_dir() and not (path / "__init__.py").exists() and there is not None and there.origin is None
        if taken and not shared:
            listed = ", ".join(one.name for one in chosen)
            fix = "that would be used in its place: leave the package out"
            raise UsageError(f"--with brings a module {module!a}, which is here already ({listed})", fix)


def _pip(arguments: Sequence[str], wanted: Sequence[str], offline: bool) -> None:
    command = [*_PIP, *_QUIET, *(["--no-index"] if offline else []), *arguments]
    # What a user set for all installations must not decide where this one goes.
    kept = {k: v for k, v in os.environ.items() if k not in ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER")}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env={**kept, "PYTHONIOENCODING": "utf-8"},
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UsageError(f"--with {_listed(wanted)}: pip took longer than {SECONDS:,.0f} s", "try again") from None
    if done.returncode:
        raise _refused(done.stdout, done.stderr, wanted, offline)


def _refused(out: str, err: str, wanted: Sequence[str], offline: bool) -> UsageError:
    """Why pip failed, in one line."""
    said = f"--with {_listed(wanted)}"
    if "conflicting dependencies" in err:
        cause = out.partition("The conflict is caused by:")[2].partition("\n\n")[0]
        fix = "what is installed is not changed for a run: ask for a version that goes with it"
        return UsageError(f"{said} does not go with what is installed here: {_line(cause.splitlines())}", fix)
    errors = [line.removeprefix("ERROR: ") for line in err.splitlines() if line.startswith("ERROR: ")]
    why = _line((errors or err.splitlines() or ["it failed without a word"])[-1:])
    if "No module named pip" in why:
        return UsageError(f"{said} needs pip, which this Python lacks", f"run `{sys.executable} -m ensurepip`")
    if offline:
        return UsageError(f"{said} cannot be had offline ({why})", "leave out --offline, or set PIP_FIND_LINKS")
    if "No matching distribution" in why and _unreachable(err):
        return UsageError(f"{said} cannot be had: the package index does not answer", "check the network")
    return UsageError(f"{said} cannot be had: {why}", "check its name; a package without wheels cannot be used")


def _unreachable(err: str) -> bool:
    return any("broken by" in line or "connection" in line.lower() for line in err.splitlines() if "WARNING" in line)


def _listed(wanted: Sequence[str]) -> str:
    return ", ".join(wanted)[:_LONGEST]


def _line(lines: Sequence[str]) -> str:
    """Lines as one, harmless on a terminal."""
    text = "; ".join(" ".join(line.split()) for line in lines if line.strip())
    return "".join(c if c.isprintable() else " " for c in text)[:_LONGEST]
