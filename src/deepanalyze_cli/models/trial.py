"""A first load of a GGUF file that nobody vouches for, in a process that may crash.

`load` is for the launcher; `python -m deepanalyze_cli.models.trial PATH` is what it starts, in a box where one can be
had. A file that llama.cpp reads out of bounds without crashing passes: this tells damage, not intent, but whatever the
file did was done in the box.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from . import gguf
from .llama import open_llama

SECONDS, BYTES_A_SECOND = 60.0, 20_000_000
"""For starting, and for reading the file from a slow disk."""
_ROOM = 2 << 30
"""Bytes of memory besides the weights, which may be there twice: llama.cpp rearranges some types."""
_CONTEXT = 64
_REFUSED = 3
"""Exit code of a trial that llama.cpp ended in good order."""


def load(path: Path) -> None:
    """Pass if the file's header is in order and llama.cpp can load it and make a token. Takes as long as loading it.

    Raises:
        ModelError: it is not, or it cannot: in one line.
    """
    from ..sandbox import Box, choose
    from ..sandbox.run import run_boxed

    gguf.check(path)
    tier = choose("auto")
    path = path.resolve()
    size = path.stat().st_size
    box = Box(tier, read=(path,), memory=2 * size + _ROOM)
    done = run_boxed(box, [sys.executable, "-P", "-m", __name__, str(path)], seconds=SECONDS + size / BYTES_A_SECOND)
    if not done.ok:
        raise gguf.unsound(path, _reason(done.code, done.killed))


def _reason(code: int, killed: str) -> str:
    if killed:
        return f"loading it was stopped: {killed}"
    if code == _REFUSED:
        return "llama.cpp does not load it: it is damaged, or of a kind that the installed one does not know"
    if code < 0:
        return f"llama.cpp ended by {_signal(-code)}"
    if 128 < code < 128 + signal.NSIG:  # as a supervising process tells it
        return f"llama.cpp ended by {_signal(code - 128)}"
    return f"llama.cpp ended with exit code {code}"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _try(path: Path) -> int:
    """Load it and evaluate one token, since the graph of the model is only built for that."""
    try:
        llama = open_llama(path, n_ctx=_CONTEXT, n_batch=_CONTEXT, n_threads=1, n_gpu_layers=0, flash_attn=True)
        llama.eval([max(llama.token_bos(), 0)])
    except (RuntimeError, ValueError, OSError):
        return _REFUSED
    return 0


if __name__ == "__main__":
    import os

    # Not sys.exit: what is torn down after a good load is not under trial.
    os._exit(_try(Path(sys.argv[1])))
