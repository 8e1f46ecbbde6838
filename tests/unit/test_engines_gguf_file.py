"""GGUF files as we write them: what our own reader finds in them, and numbers that survive the way they should."""

import numpy as np
import pytest

from bakeoff.catalog.gguf import read_gguf
from bakeoff.engines.gguf_file import BF16, F16, F32, Q8_0, Tensor, to_bf16, to_q8_0, write_gguf

KEYS = {
    "general.architecture": "llama",
    "general.alignment": 32,
    "llama.rope.freq_base": 5e5,
    "flag": True,
    "text": "Zürich 🎉",
    "tokens": ["a", "ü", ""],
    "types": [1, -1, 3],
    "none": [],
}


def tensor(name, values, storage, pieces=1):
    return Tensor(name, values.shape, storage, lambda: np.array_split(values, pieces))


def test_our_reader_reads_what_was_written(tmp_path):
    rng = np.random.default_rng(0)
    odd = rng.standard_normal((3, 7)).astype(np.float32)
    wide = rng.standard_normal((6, 64)).astype(np.float32)
    tensors = [
        tensor("odd", odd, F32),
        tensor("half", odd, F16),
        tensor("short", odd, BF16),
        tensor("wide", wide, Q8_0, 3),
        tensor("line", odd[0], F32),
    ]
    file = tmp_path / "m.gguf"
    write_gguf(file, KEYS, tensors)
    found = read_gguf(file)
    assert [(each.name, each.type, each.shape, each.data_bytes) for each in found.tensors] == [
        ("odd", "F32", (7, 3), 84),
        ("half", "F16", (7, 3), 42),
        ("short", "BF16", (7, 3), 42),
        ("wide", "Q8_0", (64, 6), 12 * 34),
        ("line", "F32", (7,), 28),
    ]
    assert found.metadata["flag"] is True
    assert found.metadata["text"] == "Zürich 🎉"
    assert found.metadata["types"] == (1, -1, 3)
    assert found.metadata["llama.rope.freq_base"] == 5e5
    raw = file.read_bytes()
    begin = raw.index(odd.tobytes())
    assert begin % 32 == 0
    assert raw[begin + 96 : begin + 96 + 42] == odd.astype(np.float16).tobytes()
    assert len(raw) % 32 == 0
    assert to_q8_0(wide).tobytes() in raw


def test_a_file_that_is_there_is_left_alone(tmp_path):
    file = tmp_path / "m.gguf"
    file.write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        write_gguf(file, KEYS, [])
    assert file.read_bytes() == b"mine"


def test_bf16_is_the_nearest_and_even_in_the_middle():
    values = np.array([1.0, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, -2.5, 3e38, np.inf, np.nan], dtype=np.float32)
    found = (to_bf16(values).astype(np.uint32) << 16).view(np.float32)
    expected = [1.0, 1.0, 1 + 2**-6, 1 + 2**-7, -2.5, found[5], np.inf]
    assert found[:7].tolist() == expected
    assert abs(found[5] / 3e38 - 1) < 2**-8
    assert np.isnan(found[7])


def test_q8_0_is_within_half_a_step_and_exact_at_the_largest():
    rng = np.random.default_rng(1)
    values = (rng.standard_normal((50, 96)) * np.exp(rng.standard_normal((50, 1)))).astype(np.float32)
    values[7] = 0
    raw = to_q8_0(values).reshape(-1, 34)
    scale = raw[:, :2].copy().view(np.float16).astype(np.float32)
    whole = raw[:, 2:].copy().view(np.int8)
    blocks = values.reshape(-1, 32)
    # Half a step, and what the scale lost in float16.
    assert (np.abs(whole * scale - blocks) <= scale * 0.501 + np.abs(blocks) * 2**-10).all()
    assert (np.abs(whole).max(axis=1) == np.where(np.abs(blocks).max(axis=1) > 0, 127, 0)).all()
