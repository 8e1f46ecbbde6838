"""From a Llama-style model folder to the weights and sizes of a GGUF file.

What is converted is what the default engine computes (`onnx_llama.read_spec`): Llama, Mistral, Qwen2 and Qwen3, dense.
llama.cpp computes "llama" with rotary positions over neighbouring pairs, transformers over halves: rows of the query and
key weights change places (llama.cpp, convert_hf_to_gguf.py, `LlamaModel.permute`). Qwen is computed over halves there too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bakeoff.core.errors import InvalidFile, Problem, UnsupportedModel
from bakeoff.engines.gguf_file import BF16, F16, F32, Q8_0, Storage, Tensor, Value
from bakeoff.engines.llama_spec import EMBEDDING, FINAL_NORM, HEAD, LlamaSpec, Rope, read_spec, select_weights
from bakeoff.engines.safetensors_file import StoredTensor, map_tensors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

STORAGES = {"f32": F32, "f16": F16, "bf16": BF16, "q8_0": Q8_0}
_FILE_TYPES = {"f32": 0, "f16": 1, "q8_0": 7, "bf16": 32}
_ARCHITECTURES = {
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "llama",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
}
_PARTS = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_LARGEST_F16 = 65504.0
_PIECE = 1 << 22
"""Numbers that are widened and stored at once, about: 16 MiB in float32."""


def read_llama(folder: Path) -> LlamaSpec:
    """Read the folder's config.json.

    Raises:
        InvalidFile: it is missing or broken.
        UnsupportedModel: an architecture that is not converted.
    """
    try:
        return read_spec(folder)
    except UnsupportedModel as error:
        raise UnsupportedModel(
            f"cannot be made a GGUF file: {error.message}; what the onnx engine runs is what is converted",
            "llama.cpp's own convert_hf_to_gguf.py knows more architectures",
        ) from None


def size_keys(spec: LlamaSpec, kind: str) -> dict[str, Value]:
    """Return the keys of the architecture and its sizes; `kind` is a name in `STORAGES`."""
    arch = _ARCHITECTURES[spec.architecture]
    sizes: dict[str, Value] = {
        "vocab_size": spec.vocab_size,
        "context_length": spec.context_length,
        "embedding_length": spec.hidden_size,
        "block_count": spec.layers,
        "feed_forward_length": spec.intermediate_size,
        "attention.head_count": spec.heads,
        "attention.head_count_kv": spec.kv_heads,
        "attention.key_length": spec.head_dim,
        "attention.value_length": spec.head_dim,
        "attention.layer_norm_rms_epsilon": float(spec.norm_epsilon),
        "rope.dimension_count": spec.head_dim,
        "rope.freq_base": float(spec.rope.theta),
    }
    if spec.rope.kind == "linear":
        sizes |= {"rope.scaling.type": "linear", "rope.scaling.factor": float(spec.rope.factor)}
    return {
        "general.architecture": arch,
        "general.file_type": _FILE_TYPES[kind],
        "general.quantization_version": 2,
        **{f"{arch}.{name}": value for name, value in sizes.items()},
    }


def read_tensors(folder: Path, spec: LlamaSpec, kind: str) -> list[Tensor]:
    """Return the tensors to be written; matrices are stored as `kind`, a name in `STORAGES`, vectors as float32.

    Raises:
        InvalidFile: weights are missing, or of another shape.
    """
    found = select_weights(folder, spec, map_tensors(folder))
    tensors = [_tensor(name, stored, spec, STORAGES[kind]) for name, stored in found.items()]
    if spec.rope.kind == "llama3":
        factors = _llama3_factors(spec.rope, spec.head_dim)
        tensors.append(Tensor("rope_freqs.weight", factors.shape, F32, lambda: [factors]))
    return tensors


def stored_type(folder: Path) -> str:
    """Return the widest type of the folder's weights: f32, bf16 or f16."""
    stored = {tensor.dtype for tensor in map_tensors(folder).values()}
    return next((kind.lower() for kind in ("F32", "BF16") if kind in stored), "f16")


def _tensor(name: str, stored: StoredTensor, spec: LlamaSpec, storage: Storage) -> Tensor:
    shape = tuple(int(length) for length in stored.data.shape)
    if len(shape) == 1:
        storage = F32
    elif shape[-1] % storage.block:
        storage = F16  # as llama.cpp does with rows that blocks do not fill
    heads = _heads_to_pair(name, spec)

    unit = shape[0] // heads if heads else 1
    rows = max(1, _PIECE * shape[0] // math.prod(shape) // unit) * unit

    def read() -> Iterator[Floats]:
        for first in range(0, shape[0], rows):
            values = _widen(stored.data[first : first + rows], stored.dtype)
            if storage is F16 and float(np.abs(values).max()) > _LARGEST_F16:
                wrong = f"has a number beyond {_LARGEST_F16:g}, the largest that float16 holds"
                raise InvalidFile((Problem(str(stored.file), None, name, wrong, "--quantise bf16, f32 or q8_0"),))
            yield np.ascontiguousarray(_pair(values, unit) if heads else values)

    return Tensor(_rename(name), shape, storage, read)


def _rename(name: str) -> str:
    whole = {EMBEDDING: "token_embd.weight", FINAL_NORM: "output_norm.weight", HEAD: "output.weight"}
    if name in whole:
        return whole[name]
    _, _, layer, rest = name.split(".", 3)
    part, _, kind = rest.rpartition(".")
    return f"blk.{layer}.{_PARTS[part]}.{kind}"


def _heads_to_pair(name: str, spec: LlamaSpec) -> int:
    """Return the number of heads whose rows change places, 0 for weights that stay as they are."""
    if _ARCHITECTURES[spec.architecture] != "llama":
        return 0
    return spec.heads * (".q_proj." in name) + spec.kv_heads * (".k_proj." in name)


def _pair(values: Floats, head_dim: int) -> Floats:
    """Put the rows of each head's two halves in turn, so that a pair that turns together lies together."""
    halves = values.reshape(-1, 2, head_dim // 2, *values.shape[1:])
    return halves.swapaxes(1, 2).reshape(values.shape)


def _widen(data: NDArray[Any], dtype: str) -> Floats:
    if dtype == "BF16":
        widened: Floats = (data.astype(np.uint32) << 16).view(np.float32)
        return widened
    return data.astype(np.float32)


def _llama3_factors(rope: Rope, head_dim: int) -> Floats:
    """Return what llama.cpp divides each frequency by, shape (head_dim / 2,).

    transformers, modeling_rope_utils.py, `_compute_llama3_parameters`: long waves turn `factor` times slower, short ones as
    they were, and those between are blended.
    """
    frequency = rope.theta ** (-np.arange(0, head_dim, 2, dtype=np.float64) / head_dim)
    waves = 2 * math.pi / frequency
    low, high = rope.low_frequency_factor, rope.high_frequency_factor
    blend = (rope.original_context / waves - low) / (high - low)
    between = 1 / ((1 - blend) / rope.factor + blend)
    long = waves > rope.original_context / low
    short = waves < rope.original_context / high
    factors = np.where(long, rope.factor, np.where(short, 1.0, between))
    return factors.astype(np.float32)
