"""One file for each way to run weights, and the one line each needs here."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ...errors import ModelError
from ...seams import Model
from ...types import ModelCard
from .. import formats, trial

LIBRARIES = {
    "llama.cpp": (("llama_cpp",), "llama-cpp-python"),
}
"""Backend -> the modules it needs, and what to install to have them."""


def require(card: ModelCard) -> None:
    """Pass if the card's backend is installed: asked before weights are fetched, for these can take an hour.

    Raises:
        ModelError: it is not.
    """
    if card.backend == "transformers":
        raise ModelError(
            f"the model {card.name} needs the transformers backend, which is not written yet",
            "take deepanalyze-8b-q4, the same model for llama.cpp",
        )
    modules, package = LIBRARIES.get(card.backend, ((), ""))
    if missing := [name for name in modules if find_spec(name) is None]:
        raise ModelError(
            f"the model {card.name} needs {' and '.join(missing)}, not installed here", f"pip install {package}"
        )


def open_model(card: ModelCard, path: Path, *, context: int | None = None) -> Model:
    """Load the weights at `path` as the card says. A GGUF file without a digest to trust is tried in a box before.

    Raises:
        ModelError: the file is not sound or cannot be loaded, it can run code, or the backend is not installed.
    """
    require(card)
    if path.is_dir():
        formats.check_folder(path)
    match card.backend:
        case "llama.cpp":
            if not card.sha256:
                trial.load(path)
            from .llama_cpp import LlamaCppModel

            return LlamaCppModel(card, path, context=context)
        case "scripted":
            from .scripted import ScriptedModel

            return ScriptedModel.read(path)
    raise ModelError(f"no backend {card.backend!r}", "use llama.cpp or scripted")
