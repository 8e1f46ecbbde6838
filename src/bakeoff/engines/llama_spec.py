"""A Llama-style model as its config.json and its weights describe it: sizes, the tensors it needs, rotary angles.

Architectures: Llama, Mistral, Qwen2 and Qwen3 as transformers defines them (`modeling_llama.py`, `modeling_qwen3.py`),
dense, without sliding windows. Rotary scaling: none, linear, llama3 (`modeling_rope_utils.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bakeoff.catalog.headers import read_config
from bakeoff.core.errors import InvalidFile, Problem, UnsupportedModel
from bakeoff.engines.safetensors_file import StoredTensor, count_layers

if TYPE_CHECKING:
    from numpy.typing import NDArray

ARCHITECTURES = ("LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM")
ROPE_TYPES = ("default", "linear", "llama3")
ELSEWHERE = "try the engine for this kind of model, such as transformers+path/to/folder"
EMBEDDING = "model.embed_tokens.weight"
HEAD = "lm_head.weight"
FINAL_NORM = "model.norm.weight"


@dataclass(frozen=True, slots=True)
class Rope:
    """Rotary positions: base frequency `theta`, and how frequencies are scaled for a longer context."""

    theta: float
    kind: str
    factor: float
    low_frequency_factor: float
    high_frequency_factor: float
    original_context: int


@dataclass(frozen=True, slots=True)
class LlamaSpec:
    """The sizes that a Llama-style config.json fixes."""

    architecture: str
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    norm_epsilon: float
    context_length: int
    tied: bool
    rope: Rope

    @property
    def head_weight(self) -> str:
        """The name of the matrix that turns hidden states into logits."""
        return EMBEDDING if self.tied else HEAD

    @property
    def attention_parameters(self) -> int:
        """How many numbers project to queries, keys and values, in all layers."""
        return self.layers * self.hidden_size * (self.heads + 2 * self.kv_heads) * self.head_dim


def read_spec(folder: Path) -> LlamaSpec:
    """Read the folder's config.json.

    Raises:
        InvalidFile: the file is missing, no JSON, or a field is missing or no number.
        UnsupportedModel: the architecture, activation, attention or rotary scaling is not one this engine computes.
    """
    config = read_config(folder)
    named = config.get("architectures") or ["none named"]
    architecture = str(named[0])
    if architecture not in ARCHITECTURES:
        raise UnsupportedModel(
            f"{folder}: architecture {architecture}; the onnx engine runs {', '.join(ARCHITECTURES)}", ELSEWHERE
        )
    try:
        spec = _spec(architecture, config)
    except (KeyError, TypeError, ValueError, ZeroDivisionError, AttributeError) as error:
        problem = Problem(
            str(folder / "config.json"), None, str(error), "missing or no number", "a Hugging Face config.json"
        )
        raise InvalidFile((problem,)) from error
    _refuse_variants(folder, config, spec)
    return spec


def _spec(architecture: str, config: Mapping[str, Any]) -> LlamaSpec:
    hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    return LlamaSpec(
        architecture=architecture,
        vocab_size=int(config["vocab_size"]),
        hidden_size=hidden,
        intermediate_size=int(config["intermediate_size"]),
        layers=int(config["num_hidden_layers"]),
        heads=heads,
        kv_heads=int(config.get("num_key_value_heads") or heads),
        head_dim=int(config.get("head_dim") or hidden // heads),
        norm_epsilon=float(config["rms_norm_eps"]),
        context_length=int(config["max_position_embeddings"]),
        tied=bool(config.get("tie_word_embeddings", False)),
        rope=_rope(config),
    )


def _rope(config: Mapping[str, Any]) -> Rope:
    # transformers 5 writes `rope_parameters`; before it was `rope_theta` beside an optional `rope_scaling`.
    scaling: Mapping[str, Any] = config.get("rope_parameters") or config.get("rope_scaling") or {}
    theta = scaling.get("rope_theta", config.get("rope_theta", 10000.0))
    return Rope(
        theta=float(theta),
        kind=str(scaling.get("rope_type", scaling.get("type", "default"))),
        factor=float(scaling.get("factor") or 1.0),
        low_frequency_factor=float(scaling.get("low_freq_factor") or 1.0),
        high_frequency_factor=float(scaling.get("high_freq_factor") or 4.0),
        original_context=int(scaling.get("original_max_position_embeddings") or config["max_position_embeddings"]),
    )


def _refuse_variants(folder: Path, config: Mapping[str, Any], spec: LlamaSpec) -> None:
    """Refuse what would run and be wrong."""
    rope_parameters: Mapping[str, Any] = config.get("rope_parameters") or {}
    window = config.get("sliding_window") if config.get("use_sliding_window", True) else None
    partial = config.get("partial_rotary_factor", rope_parameters.get("partial_rotary_factor", 1.0))
    refusals = {
        f"activation {config.get('hidden_act')}": config.get("hidden_act", "silu") != "silu",
        f"rotary scaling {spec.rope.kind}": spec.rope.kind not in ROPE_TYPES,
        f"a sliding window of {window} positions": window is not None and window < spec.context_length,
        f"partial rotary positions ({partial})": partial not in {None, 1},
        f"quantised weights ({config.get('quantization_config')})": bool(config.get("quantization_config")),
        f"{spec.heads} heads over {spec.kv_heads} key/value heads": spec.heads % spec.kv_heads != 0,
        # The attention kernel, with its rotary positions, refuses others.
        f"head size {spec.head_dim}, no multiple of 16": spec.head_dim % 16 != 0,
    }
    found = [what for what, refused in refusals.items() if refused]
    if found:
        raise UnsupportedModel(f"{folder}: {'; '.join(found)}: not computed by the onnx engine", ELSEWHERE)


def expected_shapes(spec: LlamaSpec) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight that the graph needs; biases are optional and not among them."""
    hidden, inner = spec.hidden_size, spec.intermediate_size
    query, key = spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim
    shapes: dict[str, tuple[int, ...]] = {EMBEDDING: (spec.vocab_size, hidden), FINAL_NORM: (hidden,)}
    if not spec.tied:
        shapes[HEAD] = (spec.vocab_size, hidden)
    for layer in range(spec.layers):
        block: dict[str, tuple[int, ...]] = {
            "input_layernorm": (hidden,),
            "self_attn.q_proj": (query, hidden),
            "self_attn.k_proj": (key, hidden),
            "self_attn.v_proj": (key, hidden),
            "self_attn.o_proj": (hidden, query),
            "post_attention_layernorm": (hidden,),
            "mlp.gate_proj": (inner, hidden),
            "mlp.up_proj": (inner, hidden),
            "mlp.down_proj": (hidden, inner),
        }
        if spec.architecture == "Qwen3ForCausalLM":
            block |= {"self_attn.q_norm": (spec.head_dim,), "self_attn.k_norm": (spec.head_dim,)}
        shapes |= {f"model.layers.{layer}.{part}.weight": shape for part, shape in block.items()}
    return shapes


def select_weights(folder: Path, spec: LlamaSpec, tensors: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """Return the tensors that the graph uses: all weights, and the biases of those that have one.

    Raises:
        InvalidFile: weights are missing or of another shape; the first ten are listed.
    """
    problems: list[Problem] = []
    held = count_layers(tensors)
    if held > spec.layers:  # leaving some out would make another model
        wrong = f"is {spec.layers}, and the weights have {held} layers"
        problems.append(Problem(str(folder / "config.json"), None, "num_hidden_layers", wrong, str(held)))
    selected: dict[str, StoredTensor] = {}
    for name, shape in expected_shapes(spec).items():
        tensor = tensors.get(name)
        if tensor is None:
            problems.append(Problem(str(folder), None, name, "no such tensor", f"shape {list(shape)}"))
            continue
        selected[name] = tensor
        if tensor.data.shape != shape:
            found = f"shape {list(tensor.data.shape)}"
            problems.append(Problem(str(tensor.file), None, name, found, f"shape {list(shape)}"))
        bias = tensors.get(bias_of(name))
        if bias is None:
            continue
        selected[bias_of(name)] = bias
        if bias.data.shape != shape[:1]:
            found = f"shape {list(bias.data.shape)}"
            problems.append(Problem(str(bias.file), None, bias_of(name), found, f"shape {list(shape[:1])}"))
    if problems:
        raise InvalidFile(tuple(problems[:10]), "the weights do not belong to this config.json")
    return selected


def bias_of(weight: str) -> str:
    """Return the name of the bias that goes with a weight."""
    return weight.removesuffix("weight") + "bias"


def rotary_tables(spec: LlamaSpec, length: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return cosines and sines of the rotary angles, each of shape (length, head_dim / 2)."""
    rope = spec.rope
    exponents = np.arange(0, spec.head_dim, 2, dtype=np.float32) / np.float32(spec.head_dim)
    frequencies = (1.0 / np.float32(rope.theta) ** exponents).astype(np.float32)
    if rope.kind == "linear":
        frequencies /= np.float32(rope.factor)
    elif rope.kind == "llama3":
        # Long waves are stretched by `factor`, short ones kept, those between blended (modeling_rope_utils.py,
        # _compute_llama3_parameters).
        wavelengths = 2 * math.pi / frequencies
        low, high = rope.low_frequency_factor, rope.high_frequency_factor
        kept = np.clip((rope.original_context / wavelengths - low) / (high - low), 0.0, 1.0)
        frequencies = ((1 - kept) * frequencies / rope.factor + kept * frequencies).astype(np.float32)
    angles = np.arange(length, dtype=np.float32)[:, None] * frequencies
    return np.cos(angles), np.sin(angles)
