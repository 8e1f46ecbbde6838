"""What a model folder says of itself, and every lie in it that can be found without loading a weight."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest

from bakeoff.catalog.headers import read_config, read_safetensors_header, read_weights
from bakeoff.core.errors import InvalidFile


def header(**tensors: tuple[str, list[object], list[object]]) -> dict[str, object]:
    return {
        name: {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        for name, (dtype, shape, offsets) in tensors.items()
    }


def write(path: Path, head: object, data: int = 0, length: int | None = None) -> Path:
    raw = head if isinstance(head, bytes) else json.dumps(head).encode()
    path.write_bytes(struct.pack("<Q", len(raw) if length is None else length) + raw + bytes(data))
    return path


def wrong(path: Path) -> str:
    with pytest.raises(InvalidFile) as caught:
        read_safetensors_header(path)
    (problem,) = caught.value.problems
    assert problem.file == str(path)
    assert problem.expected
    return problem.wrong


def test_weights_are_added_up_over_files(tmp_path: Path) -> None:
    write(tmp_path / "a.safetensors", {"__metadata__": {"format": "pt"}, **header(w=("F32", [2, 3], [0, 24]))}, 24)
    write(tmp_path / "b.safetensors", header(x=("BF16", [4], [8, 16]), y=("I8", [8], [0, 8])), 16)
    found = read_weights(tmp_path)
    assert found.parameters == 6 + 4 + 8
    assert found.data_bytes == 24 + 16
    assert found.by_dtype == {"F32": 24, "BF16": 8, "I8": 8}


def test_scalars_and_empty_tensors_are_fine(tmp_path: Path) -> None:
    head = header(s=("F32", [], [0, 4]), e=("F32", [0, 5], [4, 4]), t=("F32", [1], [4, 8]))
    write(tmp_path / "a.safetensors", head, 8)
    assert read_weights(tmp_path).parameters == 2


@pytest.mark.parametrize(
    ("tensors", "data", "said"),
    [
        (header(w=("F32", [2], [0, 8])), 4, "'w' wrongly"),
        (header(w=("F32", [2], [0, 8])), 12, "4 bytes that belong to no tensor"),
        (header(w=("F32", [2], [-8, 0])), 8, "'w' wrongly"),
        (header(w=("F32", [2], [8, 0])), 8, "'w' wrongly"),
        (header(w=("F32", [3], [0, 8])), 8, "'w' wrongly"),
        (header(w=("F8_E4M3", [3], [0, 8])), 8, "'w' wrongly"),
        (header(w=("F32", [-1, -2], [0, 8])), 8, "'w' wrongly"),
        (header(w=("F32", [True, 2], [0, 8])), 8, "'w' wrongly"),
        (header(w=("F32", [2.0], [0, 8])), 8, "'w' wrongly"),
        (header(w=("F32", [2], [0.0, 8.0])), 8, "'w' wrongly"),
        (header(w=("F32", [2], [0, 8, 16])), 8, "'w' wrongly"),
        (header(w=("F32", [10**30], [0, 8])), 8, "'w' wrongly"),
        (header(a=("F32", [2], [0, 8]), b=("F32", [2], [4, 12])), 12, "'b' overlaps"),
        (header(a=("F32", [2], [0, 8]), b=("F32", [2], [0, 8])), 8, "'b' overlaps"),
        (header(a=("F32", [2], [0, 8]), b=("F32", [2], [12, 20])), 20, "'b' leaves a hole"),
        (header(a=("F32", [2], [4, 12])), 12, "'a' leaves a hole"),
        ({"w": [1]}, 0, "'w' wrongly"),
        ({"w": None}, 0, "'w' wrongly"),
        ({"w": {"dtype": "F32", "shape": [1]}}, 4, "'w' wrongly"),
        ({"w": {"dtype": 5, "shape": [1], "data_offsets": [0, 4]}}, 4, "'w' wrongly"),
        ({"w": {"dtype": ["F32"], "shape": [1], "data_offsets": [0, 4]}}, 4, "'w' wrongly"),
        ({"w": {"dtype": "F32", "shape": "1", "data_offsets": [0, 4]}}, 4, "'w' wrongly"),
        ([], 0, "not an object"),
        (b"{nonsense", 0, "not JSON"),
        (b"\xff\xfe\x00", 0, "not JSON"),
        (b"[" * 200_000, 0, "not JSON"),
    ],
)
def test_a_header_that_does_not_agree(tmp_path: Path, tensors: object, data: int, said: str) -> None:
    assert said in wrong(write(tmp_path / "w.safetensors", tensors, data))


def test_files_that_are_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"")
    assert wrong(path) == "is 0 bytes long"
    path.write_bytes(b"1234567")
    assert wrong(path) == "is 7 bytes long"
    for length in (3, 2**40, 2**64 - 1):
        write(path, b"{}", length=length)
        assert "the file has 10" in wrong(path)


@pytest.mark.parametrize("cut", range(0, 90, 7))
def test_every_shorter_beginning_is_refused(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path / "w.safetensors", header(w=("F32", [4], [0, 16])), 16)
    read_safetensors_header(path)
    whole = path.read_bytes()
    header_ends = len(whole) - 16
    path.write_bytes(whole[:cut])
    said = f"is {cut} bytes long" if cut < 8 else f"the file has {cut}" if cut < header_ends else "describes tensor 'w'"
    assert said in wrong(path)


def test_a_folder_without_weights(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match=r"holds no \*\.safetensors file"):
        read_weights(tmp_path)
    (tmp_path / "w.safetensors").mkdir()
    with pytest.raises(InvalidFile, match="no regular file"):
        read_weights(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "w.safetensors"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(InvalidFile, match="no regular file"):
        (read_config if name == "config.json" else read_weights)(tmp_path)


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        (None, None, "cannot be read"),
        (b"", 1, "is not JSON"),
        (b'{"a": 1,\n  oops}', 2, "is not JSON"),
        (b"\xff", None, "is not JSON"),
        (b"[" * 200_000, None, "is not JSON"),
        (b"[]", None, "is not a JSON object"),
    ],
)
def test_a_config_that_is_none(tmp_path: Path, content: bytes | None, line: int | None, said: str) -> None:
    if content is not None:
        (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(InvalidFile, match=said) as caught:
        read_config(tmp_path)
    assert caught.value.problems[0].line == line


@pytest.mark.parametrize("value", ["12", 0, -1, 2.5, True, [1], {}, 1 << 50])
def test_sizes_in_a_config_are_sizes(tmp_path: Path, value: object) -> None:
    config = {"num_hidden_layers": value, "num_attention_heads": value, "head_dim": None, "other": "anything"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InvalidFile) as caught:
        read_config(tmp_path)
    assert [problem.field for problem in caught.value.problems] == ["num_hidden_layers", "num_attention_heads"]
