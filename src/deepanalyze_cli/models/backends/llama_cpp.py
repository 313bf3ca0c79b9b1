"""Quantized weights through llama.cpp, on token ids.

One session for a model's whole life: the ids that lie in the KV cache are remembered, a new prompt is evaluated only
from where it differs, and replies go back into the conversation as the very ids that were sampled. So each token of a
growing conversation is evaluated once.
"""

from __future__ import annotations

import codecs
import ctypes
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ...errors import ContextTooSmall, ModelError
from ...seams import OnText, ignore
from ...types import Completion, Message, ModelCard, Sampling, Tokens
from ..chat import CHATML, Segment, native_segments, segments
from ..llama import open_llama

BATCH = 256
"""Prompt tokens evaluated at a time; between two batches the clock is looked at."""


class LlamaCppModel:
    """A GGUF file, loaded."""

    def __init__(self, card: ModelCard, path: Path, *, context: int | None = None):
        import llama_cpp

        self.card = card
        self._lib = llama_cpp
        self._llama = _load(llama_cpp, path, context or card.context)
        self.context: int = self._llama.n_ctx()
        self._vocab = llama_cpp.llama_model_get_vocab(self._llama.model)
        self._template = self._llama.templates.get("") or CHATML
        self._buffer = ctypes.create_string_buffer(512)
        self._bos = self._piece(self._llama.token_bos()).decode("utf-8", "replace")
        self._eos = self._piece(self._llama.token_eos()).decode("utf-8", "replace")
        self._cuttable = not (
            llama_cpp.llama_model_is_recurrent(self._llama.model) or llama_cpp.llama_model_is_hybrid(self._llama.model)
        )
        self._held: list[int] = []
        self._readable: set[str] = set()
        self._sampled: dict[str, tuple[int, ...]] = {}
        self._segment_ids: dict[Segment, tuple[int, ...]] = {}

    def count(self, text: str) -> int:
        """Tokens that `text` takes as plain text."""
        return len(self._encode(Segment(text, False)))

    def generate(self, messages: Sequence[Message], sampling: Sampling, *, on_text: OnText = ignore) -> Completion:
        """Sample one reply, continuing a last assistant message.

        Raises:
            ContextTooSmall: the prompt leaves no room for a reply.
            ModelError: the grammar cannot be read, or llama.cpp failed.
        """
        started = time.monotonic()
        self._check(sampling.grammar)
        deadline = started + sampling.seconds if sampling.seconds is not None else float("inf")
        prompt = self._prompt(messages)
        room = self.context - len(prompt) - 1
        if room < 16:
            raise ContextTooSmall(
                f"the conversation takes {len(prompt)} tokens and the context window has {self.context}",
                "use a larger --context, or ask about fewer tables",
            )
        reused, read = self._evaluate(prompt, deadline)
        ready = time.monotonic()
        most = min(room, sampling.max_tokens)
        ids, text, finish = self._sample(sampling, most, deadline, on_text) if read else ([], "", "time")
        prefix = messages[-1].content if messages[-1].role == "assistant" else ""
        self._sampled[prefix + text] = (*self._encode(Segment(prefix, False)), *self._without_end(ids))
        return Completion(
            text=text,
            finish=finish,
            prefix=prefix,
            prompt_tokens=len(prompt),
            reused_tokens=reused,
            completion_tokens=len(ids),
            tokens=Tokens(tuple(ids)),
            prompt_seconds=ready - started,
            seconds=time.monotonic() - started,
        )

    def close(self) -> None:
        """Free weights and cache."""
        self._llama.close()

    # --- prompt ---------------------------------------------------------------------------------------------------

    def _prompt(self, messages: Sequence[Message]) -> list[int]:
        if self.card.dialect == "native":
            parts = native_segments(messages)
        else:
            # Of a file that was brought by hand nobody published the digest, even if its card has one.
            vouched = bool(self.card.sha256 and self.card.sources)
            parts = segments(messages, self._template, bos=self._bos, eos=self._eos, trusted=vouched)
        return [token for part in parts for token in self._encode(part)]

    def _encode(self, segment: Segment) -> tuple[int, ...]:
        if (sampled := self._sampled.get(segment.text)) is not None:
            return sampled
        if segment not in self._segment_ids:
            data = segment.text.encode("utf-8", "replace")
            self._segment_ids[segment] = tuple(self._llama.tokenize(data, add_bos=False, special=segment.markup))
        return self._segment_ids[segment]

    def _evaluate(self, prompt: list[int], deadline: float) -> tuple[int, bool]:
        """Bring `prompt` into the KV cache: how many of its tokens were there already, and whether all are now."""
        # The last token is always evaluated: sampling needs its logits, and llama.cpp aborts the process without them.
        common = min(_common_prefix(self._held, prompt), len(prompt) - 1)
        if common < len(self._held) and not self._cuttable:
            common = 0
            self._llama.reset()
        self._llama.n_tokens = common
        self._held = prompt[:common]
        for at in range(common, len(prompt), BATCH):
            if time.monotonic() > deadline:
                return common, False
            self._eval(prompt[at : at + BATCH])
        return common, True

    def _eval(self, ids: list[int]) -> None:
        try:
            self._llama.eval(ids)
        except RuntimeError as error:
            raise ModelError(f"llama.cpp could not evaluate the prompt: {error}", "use a smaller --context") from error
        self._held.extend(ids)

    # --- reply ----------------------------------------------------------------------------------------------------

    def _check(self, grammar: str) -> None:
        """Refuse a grammar that llama.cpp cannot read: sampling with it would end the process."""
        if not grammar or grammar in self._readable:
            return
        from llama_cpp._utils import suppress_stdout_stderr

        with suppress_stdout_stderr(disable=False):  # the parser prints its complaint
            made = self._lib.llama_sampler_init_grammar(self._vocab, grammar.encode(), b"root")
        if not made:
            raise ModelError(
                f"llama.cpp cannot read the grammar {grammar!r}", "this is a fault of deepanalyze: report it"
            )
        self._lib.llama_sampler_free(made)
        self._readable.add(grammar)

    def _sample(self, sampling: Sampling, most: int, deadline: float, on_text: OnText) -> tuple[list[int], str, Any]:
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        ids: list[int] = []
        text = ""
        tail = max((len(stop) for stop in sampling.stop), default=1) + 64
        for token in self._tokens(sampling):
            if time.monotonic() > deadline:
                return ids, text, "time"
            ids.append(token)
            if self._lib.llama_vocab_is_eog(self._vocab, token):
                return ids, text, "stop"
            if piece := decode(self._piece(token)):
                text += piece
                on_text(piece)
                if any(stop in text[-tail:] for stop in sampling.stop):
                    return ids, text, "stop"
            if len(ids) >= most:
                break
        return ids, text, "length"

    def _tokens(self, sampling: Sampling) -> Iterator[int]:
        """Sampled tokens without end; each is evaluated when the next one is asked for."""
        self._llama.set_seed(sampling.seed & 0xFFFFFFFF)
        grammar = self._lib.LlamaGrammar.from_string(sampling.grammar, verbose=False) if sampling.grammar else None
        sampler = self._llama._init_sampler(
            temp=sampling.temperature, top_p=sampling.top_p, min_p=0.05, top_k=40, grammar=grammar
        )
        try:
            while True:
                token = sampler.sample(self._llama._ctx, -1)
                yield token
                self._eval([token])
        finally:
            sampler.close()

    def _without_end(self, ids: Sequence[int]) -> Sequence[int]:
        return ids[:-1] if ids and self._lib.llama_vocab_is_eog(self._vocab, ids[-1]) else ids

    def _piece(self, token: int) -> bytes:
        """The bytes of one token; a character may be spread over several tokens."""
        size = self._lib.llama_token_to_piece(self._vocab, token, self._buffer, len(self._buffer), 0, True)
        return self._buffer.raw[: max(size, 0)] if token >= 0 else b""


def _load(llama_cpp: Any, path: Path, context: int) -> Any:
    import psutil

    _silence(llama_cpp)
    threads = psutil.cpu_count(logical=False) or 1
    try:
        return open_llama(
            path,
            n_ctx=context,
            n_batch=BATCH,
            n_ubatch=BATCH,
            n_threads=threads,
            n_threads_batch=threads,
            n_gpu_layers=-1,
            flash_attn=True,
        )
    except (ValueError, RuntimeError, OSError) as error:
        if "context" in str(error):
            raise ModelError(
                f"a context of {context:,} tokens does not fit into memory", "use a smaller --context"
            ) from error
        why = "it is damaged, or of a kind that the installed llama.cpp does not know"
        raise ModelError(
            f"llama.cpp cannot load {path.name}: {why}", "fetch it again, or use another .gguf file"
        ) from error


@cache
def _silence(llama_cpp: Any) -> Any:
    """Keep llama.cpp's log off the terminal; the callback is returned because it must stay alive."""
    silent = llama_cpp.llama_log_callback(_unheard)
    llama_cpp.llama_log_set(silent, ctypes.c_void_p(0))
    return silent


def _unheard(level: int, text: bytes, _: object) -> None:
    """What llama.cpp has to say is told by its return values."""


def _common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
