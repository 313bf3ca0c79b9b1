"""Which files may hold weights: GGUF and safetensors, which are data; never a pickle, which is a program.

Reads names, first bytes and two JSON files. What a GGUF file says of itself is for `gguf`.
"""

from __future__ import annotations

import json
from pathlib import Path

from ..errors import ModelError

GGUF_MAGIC = b"GGUF"
"""First bytes of every GGUF file (ggml, docs/gguf.md)."""
_PICKLES = frozenset((".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill", ".h5", ".keras", ".npy"))
"""Suffixes of weights that run code when they are loaded, or can."""
_CONFIGURATIONS = ("config.json", "tokenizer_config.json", "processor_config.json", "generation_config.json")
_LARGEST_CONFIGURATION = 16 << 20
_FIX = "use this model as .gguf (or .safetensors): those are data only"


def check_file(path: Path) -> None:
    """Pass if `path` is a GGUF file.

    Raises:
        ModelError: it is missing, unreadable, a folder, a pickle, or something else.
    """
    if not path.exists():
        raise ModelError(f"there is no file {str(path)!r}", "check the path")
    if path.is_dir():
        check_folder(path)
        raise ModelError(f"{str(path)!r} is not a file", "give the path of a .gguf file")
    if not path.is_file():
        raise ModelError(f"{str(path)!r} is not a file", "give the path of a .gguf file")
    try:
        with path.open("rb") as file:
            begin = file.read(4)
    except OSError as error:
        raise ModelError(f"{str(path)!r} cannot be read: {error.strerror}", "check its permissions") from None
    if begin == GGUF_MAGIC:
        return
    # Protocol 2 and later of pickle; torch puts its pickle into a zip file.
    if path.suffix.lower() in _PICKLES or begin[:1] == b"\x80" or begin == b"PK\x03\x04":
        raise ModelError(f"{str(path)!r} can run code when it is loaded, and is never loaded here", _FIX)
    raise ModelError(f"{str(path)!r} is not a GGUF file", "convert it with llama.cpp's convert_hf_to_gguf.py")


def check_folder(folder: Path) -> None:
    """Pass if nothing in the folder of a model can run code: no pickle, no Python, no configuration that names any.

    Raises:
        ModelError: names the first such file.
    """
    try:
        files = sorted(path for path in folder.rglob("*") if not path.is_dir())
    except OSError as error:
        raise ModelError(f"{str(folder)!r} cannot be read: {error.strerror}", "check its permissions") from None
    for path in files:
        if path.suffix.lower() in _PICKLES:
            raise ModelError(f"{str(path)!r} can run code when it is loaded, and is never loaded here", _FIX)
        if path.suffix.lower() == ".py" or (path.name in _CONFIGURATIONS and _names_code(path)):
            raise ModelError(f"{str(path)!r} brings code of its own, which is never run here", _FIX)


def _names_code(path: Path) -> bool:
    """Whether `auto_map` anywhere in a configuration names classes that `transformers` would import from the folder."""
    if not path.is_file() or path.stat().st_size > _LARGEST_CONFIGURATION:
        return True
    try:
        todo = [json.loads(path.read_bytes())]
    except (ValueError, RecursionError, OSError):
        return True  # who cannot read it does not know
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            if value.get("auto_map"):
                return True
            todo += value.values()
        elif isinstance(value, list):
            todo += value
    return False
