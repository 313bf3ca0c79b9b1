"""GGUF headers that lie, each refused in one line before llama.cpp sees the file; files that do not lie pass.

The lies are told in the header of the real SmolLM2 file; behind it the file is a hole of the right length.
"""

from __future__ import annotations

import ctypes
import struct
from dataclasses import dataclass
from pathlib import Path

import pytest
import tiny

from deepanalyze_cli.errors import ExitCode, ModelError
from deepanalyze_cli.models import gguf


@dataclass(frozen=True)
class Real:
    """The header of a real file and how long that file is."""

    header: bytes
    size: int


@pytest.fixture(scope="module")
def real(smollm2: Path) -> Real:
    return Real(*tiny.header_of(smollm2))


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        gguf.check(path)
    assert caught.value.exit_code == ExitCode.MODEL and caught.value.fix
    assert "\n" not in str(caught.value) and str(caught.value).isprintable()
    return caught.value.message


def put(letters: str, *numbers: int, skip: int = 0):
    return lambda data, at: struct.pack_into(f"<{letters}", data, at + skip, *numbers)


def test_real_files_pass(smollm2, real, tmp_path):
    gguf.check(smollm2)
    gguf.check(tiny.write_sparse(tmp_path / "hole.gguf", real.header, real.size))


def test_a_small_file_passes(tmp_path):
    (tmp_path / "tiny.gguf").write_bytes(tiny.file())
    gguf.check(tmp_path / "tiny.gguf")
    (tmp_path / "two.gguf").write_bytes(tiny.file(version=2))
    gguf.check(tmp_path / "two.gguf")


TOKENS, SCORES = b"tokenizer.ggml.tokens", b"tokenizer.ggml.token_type"
EMBEDDING = b"token_embd.weight"

LIES = {
    "another magic": (b"", put("4s", b"GGML"), "does not begin with GGUF"),
    "another version": (b"GGUF", put("I", 1), "version 1 of the format"),
    "another byte order": (b"GGUF", put("I", 0x03000000), "of another byte order"),
    "too many tensors": (b"GGUF", put("Q", 1 << 62, skip=4), "do not fit into 98,362,432 bytes"),
    "too many values": (b"GGUF", put("Q", (1 << 64) - 1, skip=12), "do not fit into 98,362,432 bytes"),
    "counts whose sum overflows": (b"GGUF", put("QQ", 1 << 63, 1 << 63, skip=4), "do not fit"),
    "one value more": (b"GGUF", lambda data, at: put("Q", data[at + 12] + 1, skip=12)(data, at), "not a sound"),
    "an endless key": (b"GGUF", put("Q", 1 << 40, skip=20), "a text of 1,099,511,627,776 bytes"),
    "an endless name": (b"general.architecture", put("Q", 1 << 60, skip=4), "a text of 1,152,"),
    "an unknown type": (b"general.architecture", put("I", 13), "a value of the type 13"),
    "an architecture that is a number": (b"general.architecture", put("I", 10), "not a sound"),
    "an array of arrays": (TOKENS, put("I", 9, skip=4), "a value of the type 9"),
    "endless tokens": (TOKENS, put("Q", 1 << 61, skip=8), "a list of 2,305,843,009,213,693,952 texts"),
    "endless numbers": (SCORES, put("Q", 1 << 61, skip=8), "inside its header"),
    "tokens that are numbers": (TOKENS, put("I", 0, skip=4), "not a sound"),
    "too few tokens": (TOKENS, put("Q", 20, skip=8), "not a sound"),
    "types of a quarter of the width": (SCORES, put("I", 0, skip=4), "not a sound"),
    "types for half of the tokens": (SCORES, put("Q", 24_576, skip=8), "not a sound"),
    "an end that is no token": (b"tokenizer.ggml.eos_token_id", put("I", 49_152, skip=4), "none of its 49,152 tokens"),
    "a wider tensor": (EMBEDDING, put("Q", 1152, skip=4), "overlap"),
    "elements that overflow": (EMBEDDING, put("QQ", 1 << 33, 1 << 33, skip=4), "elements"),
    "no element": (EMBEDDING, put("Q", 0, skip=4), "elements"),
    "half a block": (EMBEDDING, put("Q", 577, skip=4), "rows of 577"),
    "too many dimensions": (EMBEDDING, put("I", 5), "5 dimensions"),
    "a wider type": (EMBEDDING, put("I", 28, skip=20), "ends behind the file's"),
    "an offset behind the end": (EMBEDDING, put("Q", 98_000_000 // 32 * 32, skip=24), "ends behind the file's"),
    "an offset that overflows": (EMBEDDING, put("Q", (1 << 64) - 32, skip=24), "ends behind the file's"),
    "a crooked offset": (EMBEDDING, put("Q", 33, skip=24), "not a multiple of 32"),
}


@pytest.mark.parametrize(("before", "change", "reason"), LIES.values(), ids=LIES)
def test_a_lie_in_a_real_header(real, tmp_path, before, change, reason):
    header = tiny.patched(real.header, before, change)
    assert header != real.header
    assert reason in refusal(tiny.write_sparse(tmp_path / "lie.gguf", header, real.size))


@pytest.mark.parametrize("share", [0.0, 0.00001, 0.001, 0.5, 0.999999])
def test_a_real_file_that_ends_early(real, tmp_path, share):
    size = int(real.size * share)
    refusal(tiny.write_sparse(tmp_path / "short.gguf", real.header[:size], size))


N = len(tiny.TOKENS)
VOCABULARIES = {
    "scores as bytes (llama.cpp #26690)": {"tokenizer.ggml.scores": (tiny.ARRAY, (0, [0] * N))},
    "too few scores (llama.cpp #20735)": {"tokenizer.ggml.scores": (tiny.ARRAY, (tiny.F32, [0.0] * (N - 1)))},
    "types as bytes (llama.cpp #24888)": {"tokenizer.ggml.token_type": (tiny.ARRAY, (0, [1] * N))},
    "types that are no array": {"tokenizer.ggml.token_type": (tiny.U32, 1)},
    "suppressed bytes (llama.cpp #24888)": {"tokenizer.ggml.suppress_tokens": (tiny.ARRAY, (0, [1, 2]))},
    "a short charsmap (llama.cpp #25258)": {"tokenizer.ggml.precompiled_charsmap": (tiny.ARRAY, (0, [1, 2]))},
    "an id out of range (llama.cpp #25475)": {"tokenizer.ggml.unknown_token_id": (tiny.U32, N)},
    "an id below zero": {"tokenizer.ggml.unknown_token_id": (tiny.I32, -2)},
    "an id that is a text": {"tokenizer.ggml.unknown_token_id": (tiny.STRING, "1")},
    "a byte below zero (llama.cpp #25969)": {
        "tokenizer.ggml.tokens": (tiny.ARRAY, (tiny.STRING, [*tiny.TOKENS[:-1], "<0x-1>"]))
    },
    "no vocabulary": {"tokenizer.ggml.tokens": (tiny.U32, 1)},
    "a vocabulary that is too small (llama.cpp #14145)": {
        "tokenizer.ggml.tokens": (tiny.ARRAY, (tiny.STRING, tiny.TOKENS[:3])),
        "tokenizer.ggml.scores": (tiny.ARRAY, (tiny.F32, [0.0] * 3)),
        "tokenizer.ggml.token_type": (tiny.ARRAY, (tiny.I32, [1] * 3)),
    },
    "an alignment of nothing": {"general.alignment": (tiny.U32, 0)},
    "an alignment that is no power": {"general.alignment": (tiny.U32, 48)},
    "an alignment that is a text": {"general.alignment": (tiny.STRING, "32")},
    "an architecture that is a number": {"general.architecture": (tiny.U32, 1)},
}


@pytest.mark.parametrize("values", VOCABULARIES.values(), ids=VOCABULARIES)
def test_a_vocabulary_that_llama_cpp_would_read_out_of_bounds(tmp_path, values):
    (tmp_path / "x.gguf").write_bytes(tiny.file({**tiny.VALUES, **values}))
    refusal(tmp_path / "x.gguf")


def test_an_id_may_say_that_there_is_none(tmp_path):
    (tmp_path / "x.gguf").write_bytes(
        tiny.file({**tiny.VALUES, "tokenizer.ggml.padding_token_id": (tiny.U32, 0xFFFFFFFF)})
    )
    gguf.check(tmp_path / "x.gguf")


def test_names_that_are_there_twice(tmp_path):
    infos = tiny.tensor_infos()
    (tmp_path / "tensor.gguf").write_bytes(tiny.file(tensors=[*infos, infos[0]]))
    assert "'token_embd.weight' is there twice" in refusal(tmp_path / "tensor.gguf")
    data = tiny.file().replace(b"llama.block_count", b"llama.block_coun\x00", 1)
    (tmp_path / "value.gguf").write_bytes(data)
    gguf.check(tmp_path / "value.gguf")
    (tmp_path / "value.gguf").write_bytes(
        data.replace(b"llama.block_coun\x00", b"general.alignment").replace(b"llama.block_count", b"general.alignment")
    )
    refusal(tmp_path / "value.gguf")


def test_a_name_of_the_file_is_shown_without_control_characters(tmp_path):
    infos = [("\x1b]0;x\x07\n‮" + "é", (32, 1), 0, 1 << 40)]
    (tmp_path / "x.gguf").write_bytes(tiny.file(tensors=infos))
    assert "\\x1b" in refusal(tmp_path / "x.gguf")


def test_without_tensors(tmp_path):
    (tmp_path / "x.gguf").write_bytes(tiny.file(tensors=[]))
    assert "no tensors" in refusal(tmp_path / "x.gguf")


def test_a_type_that_is_newer_than_this_program_is_left_to_llama_cpp(tmp_path):
    infos = [
        (name, shape, 200 if name.startswith("blk") else kind, at) for name, shape, kind, at in tiny.tensor_infos()
    ]
    (tmp_path / "x.gguf").write_bytes(tiny.file(tensors=infos))
    gguf.check(tmp_path / "x.gguf")


def test_the_sizes_of_types_are_those_of_the_installed_library():
    import llama_cpp

    [library] = (Path(llama_cpp.__file__).parent / "lib").glob("libggml-base.so")
    ggml = ctypes.CDLL(str(library))
    ggml.ggml_blck_size.restype, ggml.ggml_type_size.restype = ctypes.c_int64, ctypes.c_size_t
    assert {kind: (ggml.ggml_blck_size(kind), ggml.ggml_type_size(kind)) for kind in gguf.QUANTS} == gguf.QUANTS
