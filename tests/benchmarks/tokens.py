"""Whether every token of a conversation is evaluated once, and how close we decode to llama.cpp itself.

    python tests/benchmarks/tokens.py --run RUN_FOLDER      what the turns of a run read, reused and wrote
    python tests/benchmarks/tokens.py MODEL                 tokens per second, ours against the bare loop

MODEL is a name of `deepanalyze models list` or a .gguf file. Decoding wants an idle machine; with a model of 1 GB on
two cores it takes some three minutes.
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from deepanalyze_cli.errors import DeepAnalyzeError
from deepanalyze_cli.models import registry, store
from deepanalyze_cli.models.backends.llama_cpp import LlamaCppModel
from deepanalyze_cli.outputs.trace import read_run
from deepanalyze_cli.types import Message, Run, Sampling, Turn

ROUNDS = 3
TOKENS = 128
AIM = 0.95
QUESTION = "Count from 1 to 500 in words, one number a line. Begin at once."


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", help="decode with this model")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of decoding (%(default)s)")
    parser.add_argument("--run", type=Path, help="the folder of a run")
    given = parser.parse_args()
    if not given.model and not given.run:
        parser.error("give a model, or --run and a folder")
    try:
        kept = accounts(read_run(given.run / "trace.jsonl")) if given.run else True
        fast = decoding(given.model, given.rounds) if given.model else True
    except DeepAnalyzeError as error:
        sys.exit(f"error: {error}")
    return not (kept and fast)


# --- what a run evaluated ---------------------------------------------------------------------------------------------


def accounts(run: Run) -> bool:
    """Print a row a turn; whether each turn that goes on from the one before reused all that this had evaluated.

    After a turn everything of its conversation is in the cache but the last sampled token. A turn that goes on reuses
    all of that; one that branches off leaves some of it behind.
    """
    print(f"{run.model.name}, {run.model.strategy}, {len(run.turns)} turns")
    print(f"{'turn':>4} {'step':<12}{'prompt':>8}{'reused':>8}{'read':>8}{'written':>8}{'again':>8}")
    again: list[int] = []
    for turn, before in zip(run.turns, (None, *run.turns), strict=False):
        done = turn.completion
        row = [done.prompt_tokens, done.reused_tokens, done.prompt_tokens - done.reused_tokens, done.completion_tokens]
        if before and goes_on(run, before, turn):
            row.append(in_cache(before) - done.reused_tokens)
            again.append(row[-1])
        step = f"{turn.step.purpose} {turn.step.section or ''}"
        print(f"{turn.index:>4} {step:<12}" + "".join(f"{count:>8,}" for count in row))
    prompts = sum(turn.completion.prompt_tokens for turn in run.turns)
    read = prompts - sum(turn.completion.reused_tokens for turn in run.turns)
    written = sum(turn.completion.completion_tokens for turn in run.turns)
    share = f"{read / max(prompts, 1):.0%}"
    print(f"prompts: {prompts:,} tokens, of which {read:,} were evaluated ({share}); {written:,} written")
    verdict = "each token was evaluated once" if not any(again) else f"{sum(again):,} tokens were evaluated again"
    print(f"in the {len(again)} turns that went on from the one before them {verdict}")
    return not any(again)


def goes_on(run: Run, before: Turn, turn: Turn) -> bool:
    """Whether a turn's prompt is the conversation of the turn before, with more at its end.

    In a guided run it is not where that turn was a second attempt: what it was told of the first is taken out again.
    """
    if run.model.strategy == "free":
        return before.dropped == turn.dropped and turn.step.purpose == before.step.purpose
    tried = [t for t in run.turns[: turn.index] if t.step.purpose == before.step.purpose]
    tried = [t for t in tried if t.step.section == before.step.section]
    fine = before.observation is not None and before.observation.status == "ok"
    return fine and tried == [before] and bool(turn.step.section) and before.step.section == turn.step.section


def in_cache(turn: Turn) -> int:
    return turn.completion.prompt_tokens + turn.completion.completion_tokens - 1


# --- decoding ---------------------------------------------------------------------------------------------------------


def decoding(name: str, rounds: int) -> bool:
    """Print tokens per second of both, in rounds of ours, bare, bare, ours; whether ours reach `AIM` of the bare."""
    card = registry.find(name)
    path = store.locate(card) or Path(name)
    model = LlamaCppModel(card, path, context=2048)
    bare = BareLoop(model)
    try:
        most, _ = ours(model, TOKENS)  # both read the prompt and warm up; some models stop a little early
        bare.rate(most)
        rates: dict[str, list[float]] = {"ours": [], "bare": []}
        for which in ("ours", "bare", "bare", "ours") * rounds:
            rates[which].append(ours(model, most)[1] if which == "ours" else bare.rate(most))
    finally:
        bare.close()
        model.close()
    print(f"{card.name}: {most} tokens a time, greedy, {rounds} rounds of ours, bare, bare, ours")
    for which, values in rates.items():
        print(f"{which:6}{statistics.median(values):8.2f} tok/s in the median ({min(values):.2f} to {max(values):.2f})")
    ratio = statistics.median(rates["ours"]) / statistics.median(rates["bare"])
    print(f"ratio {ratio:.3f} (aim: {AIM} and more)")
    return ratio >= AIM


def ours(model: LlamaCppModel, most: int) -> tuple[int, float]:
    """Tokens, and tokens per second after the prompt: the first is sampled from it, the others are decoded."""
    done = model.generate([Message("user", QUESTION)], Sampling(temperature=0.0, max_tokens=most))
    if done.completion_tokens < TOKENS // 2:
        raise SystemExit(f"the model stopped after {done.completion_tokens} tokens; choose another")
    return done.completion_tokens, (done.completion_tokens - 1) / (done.seconds - done.prompt_seconds)


class BareLoop:
    """What anybody would write with llama.cpp's own functions: decode a token, take the likeliest, and again."""

    def __init__(self, model: LlamaCppModel):
        import llama_cpp

        self._lib: Any = llama_cpp
        self._prompt = model._prompt([Message("user", QUESTION)])
        self._context = llama_cpp.llama_init_from_model(model._llama.model, model._llama.context_params)
        self._sampler = llama_cpp.llama_sampler_init_greedy()

    def rate(self, most: int) -> float:
        """Tokens per second for so many tokens, the prompt not counted."""
        self._lib.llama_memory_clear(self._lib.llama_get_memory(self._context), True)
        self._decode(self._prompt)
        token = (ctypes.c_int32 * 1)()
        started = time.monotonic()
        for _ in range(most - 1):
            token[0] = self._lib.llama_sampler_sample(self._sampler, self._context, -1)
            self._lib.llama_decode(self._context, self._lib.llama_batch_get_one(token, 1))
        self._lib.llama_sampler_sample(self._sampler, self._context, -1)
        return (most - 1) / (time.monotonic() - started)

    def close(self) -> None:
        self._lib.llama_sampler_free(self._sampler)
        self._lib.llama_free(self._context)

    def _decode(self, ids: list[int]) -> None:
        array = (ctypes.c_int32 * len(ids))(*ids)
        if self._lib.llama_decode(self._context, self._lib.llama_batch_get_one(array, len(ids))):
            raise SystemExit("llama.cpp could not decode the prompt")


if __name__ == "__main__":
    sys.exit(main())
