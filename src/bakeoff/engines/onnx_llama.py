"""Builds an ONNX graph for a Llama-style model from its sizes (`llama_spec`) and the names of its weights.

The graph turns tokens into logits and reads and writes a ragged KV cache in place: attention is onnxruntime's
`com.microsoft.GroupQueryAttention` with `past` and `present` bound to the same memory, rotary positions included. Weights
are external initializers; the caller hands the mapped tensors over, so the graph itself is a few kilobytes. Half-width
weights enter through a `Cast` that onnxruntime folds when it loads, so that all arithmetic is float32.
"""

from __future__ import annotations

from collections.abc import Mapping

from onnx import NodeProto, TensorProto, ValueInfoProto, helper

from bakeoff.engines.llama_spec import EMBEDDING, FINAL_NORM, LlamaSpec, bias_of
from bakeoff.engines.safetensors_file import StoredTensor

MICROSOFT = "com.microsoft"
# What every onnxruntime from 1.20 on reads; none of the operators used changed after it.
OPSET = 17
IR_VERSION = 8
STACKED_PARAMETERS = 16 * 2**20
"""Projections to queries, keys and values that are stacked at the most, of all layers together. onnxruntime holds them once
more, and those to queries twice, until it has loaded: of a large model that would be gigabytes, for the 3 % that a step of a
small one gains."""
ONNX_TYPES = {"F32": TensorProto.FLOAT, "F16": TensorProto.FLOAT16, "BF16": TensorProto.BFLOAT16}


def cache_names(layers: int) -> list[str]:
    """Return the suffixes of the cache inputs `past_*` and outputs `present_*`, in the order of the cache's planes."""
    return [f"{part}_{layer}" for layer in range(layers) for part in ("key", "value")]


def build_graph(spec: LlamaSpec, weights: Mapping[str, StoredTensor]) -> bytes:
    """Return the serialized ONNX model.

    Inputs: `tokens` (B, S) int64; `shape` [B, S, -1] int64; `last` (R,) int64, the flat positions in (B x S) whose logits
    are wanted; `lengths_minus_1` (B,) int32, each row's length after this step less one; `longest` () int32, the greatest
    of those lengths; `cos`, `sin` (positions, head_dim / 2); `past_*` (B, kv_heads, capacity, head_dim).
    Outputs: `logits` (R, vocab), and `present_*` like `past_*`.
    """
    return _GraphWriter(spec, weights).model()


class _GraphWriter:
    """Collects nodes; each method appends some and returns the name of its result."""

    def __init__(self, spec: LlamaSpec, weights: Mapping[str, StoredTensor]) -> None:
        self.spec = spec
        self.weights = weights
        self.nodes: list[NodeProto] = []
        self.widened: set[str] = set()

    def add(self, operator: str, inputs: list[str], output: str, domain: str = "", **attributes: object) -> str:
        outputs = [output]
        self.nodes.append(helper.make_node(operator, inputs, outputs, name=output, domain=domain, **attributes))
        return output

    def weight(self, name: str) -> str:
        """The float32 value of a stored weight."""
        if self.weights[name].dtype == "F32":
            return name
        wide = f"{name}.f32"
        if name not in self.widened:
            self.widened.add(name)
            self.add("Cast", [name], wide, to=TensorProto.FLOAT)
        return wide

    def linear(self, hidden: str, weight: str, output: str) -> str:
        inputs = [hidden, self.weight(weight)]
        if bias_of(weight) in self.weights:
            inputs.append(self.weight(bias_of(weight)))
        return self.add("Gemm", inputs, output, transB=1)

    def add_and_norm(self, branch: str, residual: str, norm: str, output: str) -> tuple[str, str]:
        """Add a branch to the residual stream; return (normed sum, sum)."""
        names = [output, "", "", f"{output}.sum"]
        inputs = [branch, residual, self.weight(norm)]
        epsilon = self.spec.norm_epsilon
        kind = "SkipSimplifiedLayerNormalization"
        self.nodes.append(helper.make_node(kind, inputs, names, name=output, domain=MICROSOFT, epsilon=epsilon))
        return output, names[3]

    def attention_inputs(self, normed: str, layer: int) -> list[str]:
        """Project to queries, scaled, and to keys and values; return what attention takes for the three."""
        prefix = f"model.layers.{layer}.self_attn"
        norms = sum(f"{prefix}.{part}_norm.weight" in self.weights for part in "qk")
        biases = sum(f"{prefix}.{part}_proj.bias" in self.weights for part in "qkv")
        if norms or biases in {1, 2} or self.spec.attention_parameters > STACKED_PARAMETERS:
            query, key, value = (self.heads(normed, layer, part) for part in "qkv")
            return [self.add("Mul", [query, "query_scale"], f"q_{layer}.scaled"), key, value]
        # One product instead of three. onnxruntime stacks the matrices once, when it loads, and scales the queries' there.
        stacked = [self.stack(layer, kind) for kind in (["weight", "bias"] if biases else ["weight"])]
        projected = self.add("Gemm", [normed, *stacked], f"qkv_{layer}", transB=1)
        return [self.add("Reshape", [projected, "shape"], f"qkv_{layer}.heads"), "", ""]

    def stack(self, layer: int, kind: str) -> str:
        """The projections to queries, keys and values as one; `kind` is weight or bias."""
        query, key, value = (self.weight(f"model.layers.{layer}.self_attn.{part}_proj.{kind}") for part in "qkv")
        scaled = self.add("Mul", [query, "query_scale"], f"q_{layer}.{kind}.scaled")
        return self.add("Concat", [scaled, key, value], f"qkv_{layer}.{kind}", axis=0)

    def heads(self, normed: str, layer: int, part: str) -> str:
        """Project to queries, keys or values, shape (B, S, heads x head_dim), and norm those that are."""
        prefix = f"model.layers.{layer}.self_attn.{part}"
        projected = self.linear(normed, f"{prefix}_proj.weight", f"{part}_{layer}")
        if f"{prefix}_norm.weight" in self.weights:
            rows = self.add("Reshape", [projected, "head_rows"], f"{part}_{layer}.rows")
            norm = [rows, self.weight(f"{prefix}_norm.weight")]
            projected = self.add(
                "SimplifiedLayerNormalization", norm, f"{part}_{layer}.normed", axis=-1, epsilon=self.spec.norm_epsilon
            )
        return self.add("Reshape", [projected, "shape"], f"{part}_{layer}.heads")

    def attention(self, normed: str, layer: int) -> str:
        spec = self.spec
        inputs = self.attention_inputs(normed, layer)
        inputs += [f"past_key_{layer}", f"past_value_{layer}", "lengths_minus_1", "longest", "cos", "sin"]
        outputs = [f"attention_{layer}", f"present_key_{layer}", f"present_value_{layer}"]
        self.nodes.append(
            helper.make_node(
                "GroupQueryAttention",
                inputs,
                outputs,
                name=outputs[0],
                domain=MICROSOFT,
                num_heads=spec.heads,
                kv_num_heads=spec.kv_heads,
                do_rotary=1,
                # Queries come scaled: only a product that scales nothing is taken by onnxruntime's kernels for a single row.
                scale=1.0,
            )
        )
        flat = self.add("Reshape", [outputs[0], "query_rows"], f"attention_{layer}.rows")
        return self.linear(flat, f"model.layers.{layer}.self_attn.o_proj.weight", f"attention_{layer}.out")

    def feed_forward(self, normed: str, layer: int) -> str:
        prefix = f"model.layers.{layer}.mlp"
        gate = self.linear(normed, f"{prefix}.gate_proj.weight", f"gate_{layer}")
        up = self.linear(normed, f"{prefix}.up_proj.weight", f"up_{layer}")
        sigmoid = self.add("Sigmoid", [gate], f"gate_{layer}.sigmoid")
        activated = self.add("Mul", [gate, sigmoid], f"gate_{layer}.silu")
        product = self.add("Mul", [activated, up], f"product_{layer}")
        return self.linear(product, f"{prefix}.down_proj.weight", f"feed_forward_{layer}")

    def embed(self) -> str:
        # Rows are gathered before they are widened, so that no float32 copy of the whole table is made for it.
        gathered = self.add("Gather", [EMBEDDING, "tokens"], "embedded")
        if self.weights[EMBEDDING].dtype != "F32":
            gathered = self.add("Cast", [gathered], "embedded.f32", to=TensorProto.FLOAT)
        return self.add("Reshape", [gathered, "hidden_rows"], "embedded.rows")

    def model(self) -> bytes:
        spec = self.spec
        residual = self.embed()
        first = [residual, self.weight("model.layers.0.input_layernorm.weight")]
        normed = self.add("SimplifiedLayerNormalization", first, "norm_0", axis=-1, epsilon=spec.norm_epsilon)
        for layer in range(spec.layers):
            branch = self.attention(normed, layer)
            norm = f"model.layers.{layer}.post_attention_layernorm.weight"
            normed, residual = self.add_and_norm(branch, residual, norm, f"middle_{layer}")
            branch = self.feed_forward(normed, layer)
            norm = FINAL_NORM if layer == spec.layers - 1 else f"model.layers.{layer + 1}.input_layernorm.weight"
            normed, residual = self.add_and_norm(branch, residual, norm, f"norm_{layer + 1}")
        wanted = self.add("Gather", [normed, "last"], "wanted")
        self.linear(wanted, spec.head_weight, "logits")
        inputs, outputs = _signature(spec)
        initializers = [*_constants(spec), *(_external(name, tensor) for name, tensor in self.weights.items())]
        graph = helper.make_graph(self.nodes, "llama", inputs, outputs, initializers)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        serialized: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION).SerializeToString()
        return serialized


def _constants(spec: LlamaSpec) -> list[TensorProto]:
    widths = {"hidden_rows": spec.hidden_size, "query_rows": spec.heads * spec.head_dim, "head_rows": spec.head_dim}
    shapes = [helper.make_tensor(name, TensorProto.INT64, [2], [-1, width]) for name, width in widths.items()]
    return [*shapes, helper.make_tensor("query_scale", TensorProto.FLOAT, [], [spec.head_dim**-0.5])]


def _external(name: str, tensor: StoredTensor) -> TensorProto:
    """Declare a weight whose bytes the caller hands over; the location is never opened."""
    declared = TensorProto(
        name=name, data_type=ONNX_TYPES[tensor.dtype], dims=tensor.data.shape, data_location=TensorProto.EXTERNAL
    )
    for key, value in (("location", "mapped"), ("length", str(tensor.data.nbytes))):
        entry = declared.external_data.add()
        entry.key, entry.value = key, value
    return declared


def _signature(spec: LlamaSpec) -> tuple[list[ValueInfoProto], list[ValueInfoProto]]:
    def value(name: str, kind: int, shape: list[str | int]) -> ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, shape)

    cache: list[str | int] = ["B", spec.kv_heads, "capacity", spec.head_dim]
    names = cache_names(spec.layers)
    inputs = [
        value("tokens", TensorProto.INT64, ["B", "S"]),
        value("shape", TensorProto.INT64, [3]),
        value("last", TensorProto.INT64, ["R"]),
        value("lengths_minus_1", TensorProto.INT32, ["B"]),
        value("longest", TensorProto.INT32, []),
        value("cos", TensorProto.FLOAT, ["positions", spec.head_dim // 2]),
        value("sin", TensorProto.FLOAT, ["positions", spec.head_dim // 2]),
        *(value(f"past_{name}", TensorProto.FLOAT, cache) for name in names),
    ]
    outputs = [
        value("logits", TensorProto.FLOAT, ["R", spec.vocab_size]),
        *(value(f"present_{name}", TensorProto.FLOAT, cache) for name in names),
    ]
    return inputs, outputs
