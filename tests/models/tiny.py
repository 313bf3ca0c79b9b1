"""GGUF files made by hand: a real llama of one layer and 70 kB, and the header of a real file with other words in it.

Written after ggml's docs/gguf.md and not with the reader under test.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
_LETTERS = {U32: "I", I32: "i", F32: "f", BOOL: "?", 0: "B", 1: "b", 10: "Q"}
WIDTH, HIDDEN, ALIGNMENT = 32, 32, 32
TOKENS = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁penguin"]

Value = tuple[int, object]
"""A type of the format and the value; of an array `(type of elements, elements)`."""


def string(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(data)) + data


def value(kind: int, content: object) -> bytes:
    """A value with its type before it."""
    return struct.pack("<I", kind) + _bare(kind, content)


def _bare(kind: int, content: object) -> bytes:
    if kind == STRING:
        return string(content)
    if kind == ARRAY:
        of, elements = content
        return struct.pack("<IQ", of, len(elements)) + b"".join(_bare(of, element) for element in elements)
    return struct.pack(f"<{_LETTERS[kind]}", content)


VALUES: Mapping[str, Value] = {
    "general.architecture": (STRING, "llama"),
    "llama.context_length": (U32, 128),
    "llama.embedding_length": (U32, WIDTH),
    "llama.block_count": (U32, 1),
    "llama.feed_forward_length": (U32, HIDDEN),
    "llama.attention.head_count": (U32, 4),
    "llama.rope.dimension_count": (U32, 8),
    "llama.attention.layer_norm_rms_epsilon": (F32, 1e-5),
    "tokenizer.ggml.model": (STRING, "llama"),
    "tokenizer.ggml.tokens": (ARRAY, (STRING, TOKENS)),
    "tokenizer.ggml.scores": (ARRAY, (F32, [0.0] * len(TOKENS))),
    "tokenizer.ggml.token_type": (ARRAY, (I32, [2, 3, 3, *[6] * 256, 1])),
    "tokenizer.ggml.bos_token_id": (U32, 1),
    "tokenizer.ggml.eos_token_id": (U32, 2),
}
_BLOCK = {"attn_norm": (WIDTH,), "ffn_norm": (WIDTH,), "ffn_down": (HIDDEN, WIDTH)}
_BLOCK |= dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), (WIDTH, WIDTH))
_BLOCK |= dict.fromkeys(("ffn_gate", "ffn_up"), (WIDTH, HIDDEN))
SHAPES = {"token_embd.weight": (WIDTH, len(TOKENS)), "output_norm.weight": (WIDTH,)}
SHAPES |= {f"blk.0.{name}.weight": shape for name, shape in _BLOCK.items()}


def tensor_infos(shapes: Mapping[str, Sequence[int]] = SHAPES) -> list[tuple[str, Sequence[int], int, int]]:
    """Name, shape, type (f32) and offset of each tensor, one behind the other."""
    found, offset = [], 0
    for name, shape in shapes.items():
        found.append((name, shape, 0, offset))
        size = 4 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        offset += -(-size // ALIGNMENT) * ALIGNMENT
    return found


def info(name: str | bytes, shape: Sequence[int], kind: int, offset: int) -> bytes:
    return string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


def file(
    values: Mapping[str, Value] = VALUES,
    tensors: Sequence[tuple[str, Sequence[int], int, int]] | None = None,
    *,
    version: int = 3,
    counts: tuple[int, int] | None = None,
    seed: int = 0,
) -> bytes:
    """A whole file; `counts` are the numbers of tensors and of values that it claims."""
    listed = tensor_infos() if tensors is None else tensors
    claimed = counts or (len(listed), len(values))
    head = struct.pack("<4sIQQ", b"GGUF", version, *claimed)
    head += b"".join(string(key) + value(*found) for key, found in values.items())
    head += b"".join(info(*tensor) for tensor in listed)
    head += bytes(-len(head) % ALIGNMENT)
    chance = random.Random(seed)
    return head + struct.pack("<16384f", *(chance.gauss(0, 0.1) for _ in range(16_384)))


def header_of(path: Path) -> tuple[bytes, int]:
    """All of a real file before its tensors' data, and how long the file is. Cut behind the last tensor's name."""
    with path.open("rb") as opened:
        begin = opened.read(8 << 20)
    last = begin.rindex(b".weight")
    end = last + len(b".weight") + 4 + 8 * struct.unpack_from("<I", begin, last + 7)[0] + 12
    return begin[: end + (-end % ALIGNMENT)], path.stat().st_size


def write_sparse(path: Path, header: bytes, size: int) -> Path:
    """A file of `size` bytes of which only the header takes room."""
    with path.open("wb") as opened:
        opened.write(header)
        opened.truncate(size)
    return path


def patched(header: bytes, before: bytes, change: Callable[[bytearray, int], None]) -> bytes:
    """The header with a change made at the first place behind the bytes `before`."""
    data = bytearray(header)
    change(data, data.index(before) + len(before))
    return bytes(data)
