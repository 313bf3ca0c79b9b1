"""One file for each way to run weights, and the one line each needs here."""

from __future__ import annotations

from pathlib import Path

from ...errors import ModelError
from ...seams import Model
from ...types import ModelCard


def open_model(card: ModelCard, path: Path, *, context: int | None = None) -> Model:
    """Load the weights at `path` as the card says.

    Raises:
        ModelError: the file cannot be loaded, or the backend is not installed.
    """
    match card.backend:
        case "llama.cpp":
            from .llama_cpp import LlamaCppModel

            return LlamaCppModel(card, path, context=context)
        case "scripted":
            from .scripted import ScriptedModel

            return ScriptedModel.read(path)
        case "transformers":
            from .transformers import TransformersModel

            return TransformersModel(card, path, context=context)
    raise ModelError(f"no backend {card.backend!r}", "use llama.cpp, transformers or scripted")
