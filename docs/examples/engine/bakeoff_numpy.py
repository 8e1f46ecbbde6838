"""An engine for bakeoff in numpy alone: Llama-style folders, on the CPU, one row after the other. Short, and slow."""

import json

import numpy as np

from bakeoff.core.errors import UnsupportedModel
from bakeoff.engines.base import ModelFacts
from bakeoff.engines.safetensors_file import map_tensors


def best_device():
    """What `bakeoff doctor` shows."""
    return "cpu"


def load(folder, device, threads):
    """The entry point. `device` is None unless the user asked for one; numpy takes no number of threads."""
    if device not in {None, "cpu"}:
        raise UnsupportedModel(f"the numpy engine runs on the cpu, not on {device}", "leave the device out")
    config = json.loads((folder / "config.json").read_text())
    rope = config.get("rope_parameters") or {"rope_theta": config.get("rope_theta", 10000.0)}
    if config["model_type"] != "llama" or rope.get("rope_type", "default") != "default":
        raise UnsupportedModel(f"{folder}: the numpy engine computes plain Llama models only")
    tensors = map_tensors(folder)
    if any(tensor.dtype == "BF16" for tensor in tensors.values()):
        raise UnsupportedModel(f"{folder}: numpy has no bfloat16")
    weights = {name: tensor.data.astype(np.float32) for name, tensor in tensors.items()}
    return NumpyLlama(config, rope["rope_theta"], weights)


class NumpyLlama:
    """A `bakeoff.engines.base.TokenModel`: a row is its own list of keys and values, one pair of arrays a layer."""

    def __init__(self, config, theta, weights):
        self.config, self.weights, self.cache = config, weights, []
        self.head = weights.get("lm_head.weight", weights["model.embed_tokens.weight"])
        self.size = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
        self.frequencies = theta ** (-np.arange(0, self.size, 2, dtype=np.float32) / self.size)

    @property
    def rows(self):
        return len(self.cache)

    def prefill(self, prompts):
        """Rows are appended once all of them have been computed: whoever fails leaves the others as they were."""
        new = [self.empty_row() for _ in prompts]
        logits = [self.compute(prompt, row) for prompt, row in zip(prompts, new, strict=True)]
        self.cache += new
        return np.stack(logits)

    def decode(self, tokens):
        return np.stack([self.compute([token], row) for token, row in zip(tokens, self.cache, strict=True)])

    def keep(self, rows):
        if any(not 0 <= row < self.rows for row in rows):
            raise IndexError(f"rows {list(rows)} of {self.rows}")
        self.cache = [self.cache[row] for row in rows]

    def facts(self):
        """Say what was found: the type of the arrays that are multiplied, not the type that somebody asked for."""
        return ModelFacts(
            engine="numpy",
            engine_version=np.__version__,
            device="cpu",
            dtype=str(self.head.dtype),
            context_length=self.config["max_position_embeddings"],
            vocab_size=len(self.head),
            parameters=sum(array.size for array in self.weights.values()),
            weight_bytes=sum(array.nbytes for array in self.weights.values()),
        )

    def memory_bytes(self):
        held = sum(array.nbytes for row in self.cache for pair in row for array in pair)
        return held + sum(array.nbytes for array in self.weights.values())

    def close(self):
        self.cache, self.weights, self.head = [], {}, None

    # From here on: the arithmetic of a Llama.

    def empty_row(self):
        shape = (self.config["num_key_value_heads"], 0, self.size)
        return [(np.empty(shape, np.float32),) * 2 for _ in range(self.config["num_hidden_layers"])]

    def compute(self, tokens, row):
        """Append tokens to a row; return the logits behind the last one, shape (vocab,)."""
        if not len(tokens) or min(tokens) < 0 or max(tokens) >= len(self.head):
            raise ValueError("no tokens, or one outside the vocabulary")
        x = self.weights["model.embed_tokens.weight"][list(tokens)]
        for layer in range(len(row)):
            w = {part: self.weights[f"model.layers.{layer}.{name}.weight"] for part, name in PARTS.items()}
            x = x + self.attend(self.norm(x, w["norm1"]), w, row, layer)
            y = self.norm(x, w["norm2"])
            gate = y @ w["gate"].T
            x = x + (gate / (1 + np.exp(-gate)) * (y @ w["up"].T)) @ w["down"].T
        return self.norm(x[-1], self.weights["model.norm.weight"]) @ self.head.T

    def attend(self, x, w, row, layer):
        before = row[layer][0].shape[1]
        positions = np.arange(before, before + len(x))
        q, k, v = (self.heads(x @ w[part].T) for part in "qkv")
        q, k = self.turn(q, positions), self.turn(k, positions)
        keys, values = (np.concatenate(pair, axis=1) for pair in zip(row[layer], (k, v), strict=True))
        row[layer] = (keys, values)
        share = len(q) // len(keys)  # queries that share a key
        scores = q @ keys.repeat(share, 0).transpose(0, 2, 1) / np.sqrt(self.size)
        scores = np.where(np.arange(keys.shape[1]) > positions[:, None], -np.inf, scores)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = scores / scores.sum(-1, keepdims=True) @ values.repeat(share, 0)
        return mixed.transpose(1, 0, 2).reshape(len(x), -1) @ w["o"].T

    def heads(self, x):
        return x.reshape(len(x), -1, self.size).transpose(1, 0, 2)

    def turn(self, x, positions):
        """Rotary positions: the two halves of each head are the two coordinates that are turned."""
        angle = (positions[:, None] * self.frequencies).astype(np.float32)
        a, b = np.split(x, 2, axis=-1)
        return np.concatenate([a * np.cos(angle) - b * np.sin(angle), b * np.cos(angle) + a * np.sin(angle)], axis=-1)

    def norm(self, x, weight):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.config["rms_norm_eps"]) * weight


PARTS = {part: f"self_attn.{part}_proj" for part in "qkvo"} | {
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
    "norm1": "input_layernorm",
    "norm2": "post_attention_layernorm",
}
