"""`llama_cpp.Llama` as it is opened here, in a trial and for good: nothing in the file is run.

The library compiles every chat template of a file while it loads it, and Jinja works out constants when it compiles:
`{{ 'x' * 10 ** 10 }}` is enough. `chat` is where a template is used, and knows what it may take.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

_TEMPLATE = "tokenizer.chat_template"


def open_llama(path: Path, **options: Any) -> Any:
    """A `Llama` that does not know of its templates; they are in its `templates`, by name, the usual one under "".

    Raises:
        ValueError, RuntimeError, OSError: llama.cpp cannot load it.
    """
    import llama_cpp

    class Untold(llama_cpp.Llama):
        templates: dict[str, str]

        @property
        def metadata(self) -> dict[str, str]:
            return self._told

        @metadata.setter
        def metadata(self, found: dict[str, str]) -> None:
            self._told = {name: text for name, text in found.items() if not name.startswith(_TEMPLATE)}
            named = {name: text for name, text in found.items() if name.startswith(_TEMPLATE)}
            self.templates = {name[len(_TEMPLATE) :].lstrip("."): text for name, text in named.items()}

    return Untold(str(path), verbose=False, **options)
