"""One frozen `Settings`, put together from: defaults < user file < project file < environment < flags.

A project file that lies in the data, or in a run's folder where cells write, is data: it is not read. That there be no
sandbox can only be said by a flag.

Each value remembers where it came from. Files are TOML: `config.toml` in the user's configuration folder, and
`deepanalyze.toml` (or `[tool.deepanalyze]` of `pyproject.toml`) found upwards from the working folder.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from .errors import UsageError


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run can be told. Times are seconds; files and the environment may also say `90s`, `10m` or `2h`."""

    model: str = "qwen2.5-coder-1.5b"
    out: Path = Path("runs")
    max_steps: int = 40
    max_time: float = 1800.0
    cell_timeout: float = 60.0
    seed: int = 0
    offline: bool = False
    context: int = 0
    """Tokens of context; 0 means what the model's card says."""
    sandbox: str = "auto"
    memory: int = 0
    """Bytes the model's code may use; 0 means half of the machine's, at most 8 GB."""
    disk: int = 2_000_000_000
    """Bytes the model's code may write."""
    strategy: str = ""
    """`guided` or `free`; empty means what the model's card says."""
    strict: bool = False
    """Whether sentences whose numbers no output supports are left out of the report."""


Origins = Mapping[str, str]

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
_SIZES = {"": 1, "b": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30}
_SANDBOXES = ("auto", "full", "bwrap", "landlock", "none")


def seconds(text: str | float) -> float:
    """`90`, `90s`, `10m` or `2h` in seconds.

    Raises:
        ValueError: it is none of these, or not above zero.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", str(text))
    if not match or float(match[1]) <= 0:
        raise ValueError(f"{text!r} is not a time like 90, 90s, 10m or 2h")
    return float(match[1]) * _UNITS[match[2]]


def size(text: str | int) -> int:
    """`2000000`, `500MB`, `4 GB` or `4GiB` in bytes.

    Raises:
        ValueError: it is none of these, or below 1 MB.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?\s*", str(text).lower())
    if not match or match[2] not in _SIZES or (count := int(float(match[1]) * _SIZES[match[2]])) < 10**6:
        raise ValueError(f"{text!r} is not a size like 500MB or 4GB")
    return count


def load(
    flags: Mapping[str, object],
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    data: Sequence[Path] = (),
) -> tuple[Settings, Origins]:
    """The settings and where each came from. `flags` that are `None` were not given; `data` is what is analysed.

    Raises:
        UsageError: a file is not TOML, or a value is unknown or of the wrong kind.
    """
    values: dict[str, Any] = {}
    origins = {f.name: "default" for f in fields(Settings)}
    given_by = os.environ if environment is None else environment
    for origin, given in _layers(flags, given_by, folder or Path.cwd(), [_folder(path.expanduser()) for path in data]):
        for key, value in given.items():
            if (name := key.replace("-", "_")) not in origins:
                raise UsageError(f"{origin} sets {key!r}, which is no setting", f"settings are: {', '.join(origins)}")
            values[name] = _convert(name, value, origin)
            origins[name] = origin
    return Settings(**values), origins


Layer = tuple[str, Mapping[str, object]]
"""Where values come from, and the values."""


def unread(data: Sequence[Path], folder: Path | None = None) -> Path | None:
    """The nearest project file that is not read because it lies in the data, if there is one."""
    places = [_folder(path.expanduser()) for path in data]
    here = (folder or Path.cwd()).resolve()
    found = (parent / name for parent in (here, *here.parents) for name in ("deepanalyze.toml", "pyproject.toml"))
    nearest = next((path for path in found if path.is_file()), None)
    return nearest if nearest and any(nearest.is_relative_to(place) for place in places) else None


def _folder(path: Path) -> Path:
    """The folder a file is in, or the folder itself."""
    return path.parent.resolve() if path.is_file() else path.resolve()


def _layers(
    flags: Mapping[str, object], environment: Mapping[str, str], folder: Path, data: Sequence[Path]
) -> list[Layer]:
    names = {f"DEEPANALYZE_{f.name.upper()}": f.name for f in fields(Settings)}
    return [
        *_files(folder, data),
        *((variable, {name: environment[variable]}) for variable, name in names.items() if environment.get(variable)),
        *((f"--{name.replace('_', '-')}", {name: value}) for name, value in flags.items() if value is not None),
    ]


def _files(folder: Path, data: Sequence[Path]) -> list[Layer]:
    """The user's file and the nearest project file, as far as there are any. Most `pyproject.toml` are not about us."""
    import platformdirs

    user = Path(platformdirs.user_config_dir("deepanalyze"), "config.toml")
    found = [(str(user), _table(user))] if user.is_file() else []
    for parent in (folder.resolve(), *folder.resolve().parents):
        for path in (parent / "deepanalyze.toml", parent / "pyproject.toml"):
            if any(path.is_relative_to(place) for place in data) or _in_a_run(parent):
                continue
            if path.is_file() and ((table := _table(path)) or path.name == "deepanalyze.toml"):
                return [*found, (str(path), table)]
    return found


def _in_a_run(folder: Path) -> bool:
    return any((place / "trace.jsonl").is_file() for place in (folder, *folder.parents))


def _table(path: Path) -> Mapping[str, object]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}", "mend or remove it") from error
    if path.name != "pyproject.toml":
        return content
    tool = content.get("tool")
    table = tool.get("deepanalyze", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise UsageError(f"{path}: tool.deepanalyze is not a table", "write [tool.deepanalyze] above its settings")
    return table


def _convert(name: str, value: object, origin: str) -> object:
    # A RuntimeError is a `~user` that there is not.
    try:
        return _sandbox(value, origin) if name == "sandbox" else _CONVERTERS[name](value)
    except (ValueError, TypeError, RuntimeError) as error:
        said = origin if origin.startswith("--") else f"{origin}: {name.replace('_', '-')}"
        raise UsageError(f"{said} cannot be {value!r}", str(error)) from error


def _at_least(least: int) -> Callable[[object], int]:
    def convert(value: object) -> int:
        if isinstance(value, bool) or int(str(value)) < least:
            raise ValueError(f"it must be a whole number from {least} up")
        return int(str(value))

    return convert


def _sandbox(value: object, origin: str) -> str:
    if value not in _SANDBOXES:
        raise ValueError(f"it must be one of {', '.join(_SANDBOXES)}")
    if value == "none" and not origin.startswith("--"):
        raise ValueError("to run the model's code without a sandbox, type `--sandbox none`")
    return str(value)


def _strategy(value: object) -> str:
    if value not in ("guided", "free"):
        raise ValueError("it must be guided or free")
    return str(value)


def _flag(value: object) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if str(value).lower() not in words:
        raise ValueError("it must be true or false")
    return words[str(value).lower()]


_CONVERTERS: Mapping[str, Callable[[Any], object]] = {
    "model": str,
    "out": lambda value: Path(value).expanduser(),
    "max_steps": _at_least(1),
    "max_time": seconds,
    "cell_timeout": seconds,
    "seed": _at_least(0),
    "offline": _flag,
    "context": _at_least(0),
    "memory": size,
    "disk": size,
    "strategy": _strategy,
    "strict": _flag,
}
