"""A model that says what a file tells it to: the real loop, kernel and outputs without any weights.

The file holds JSON lines, one `{"text": "..."}` a reply, in the tag form. It never claims to analyse anything.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from ...errors import ModelError
from ...seams import OnText, ignore
from ...types import Completion, Message, ModelCard, Sampling

CARD = ModelCard(
    name="scripted",
    backend="scripted",
    dialect="tags",
    strategy="free",
    licence="none",
    summary="replies read from a file",
)


class ScriptedModel:
    """Gives `replies` in order, whatever it is asked; `asked` keeps the conversations for tests."""

    def __init__(self, replies: Sequence[str | Completion], *, card: ModelCard = CARD, context: int = 32_768):
        self.card = card
        self.context = context
        self.asked: list[tuple[Message, ...]] = []
        self._replies = list(replies)

    @classmethod
    def read(cls, path: Path) -> ScriptedModel:
        """Read a script.

        Raises:
            ModelError: the file is missing or a line is not `{"text": ...}`.
        """
        fix = 'a script holds one {"text": "<Code>...</Code>"} a line'
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"cannot read the script {path}: {error}", fix) from error
        replies = []
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                replies.append(str(json.loads(line)["text"]))
            except (ValueError, KeyError, TypeError) as error:
                raise ModelError(f"{path}, line {number} is not a reply", fix) from error
        return cls(replies)

    def count(self, text: str) -> int:
        """Characters by four: about what a real tokenizer finds in English."""
        return (len(text) + 3) // 4

    def generate(self, messages: Sequence[Message], sampling: Sampling, *, on_text: OnText = ignore) -> Completion:
        """The next reply of the script.

        Raises:
            ModelError: the script is at its end.
        """
        self.asked.append(tuple(messages))
        if len(self.asked) > len(self._replies):
            raise ModelError(
                f"the script has {len(self._replies)} replies and the run asks for one more",
                "end the script with an <Answer>...</Answer> reply",
            )
        reply = self._replies[len(self.asked) - 1]
        if isinstance(reply, str):
            prompt = sum(self.count(m.content) for m in messages)
            reply = Completion(reply, prompt_tokens=prompt, completion_tokens=self.count(reply))
        on_text(reply.text)
        return reply

    def close(self) -> None:
        """Nothing to free."""
