"""Which arithmetic a model should be run with on this CPU: found by a short measurement of its own linear layers.

Candidates are float32 with torch's own kernels, float32 with weights packed for oneDNN, and, where the checkpoint itself
is half precision and the CPU multiplies bfloat16 natively, the same two in bfloat16. Never float16: CPUs convert it
element by element (3 GFLOP/s against 60 in float32, Zen 5, 2026-11). Weights stored in float32 stay float32, since less
would change what the model writes; half-precision weights are computed in bfloat16 only where that is worth it.

oneDNN's packed product is reached by the two operators that torch's own compiler emits. They are private, so that their
absence is expected, and a model that uses them is checked against the plain one (`differs`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import nn

from bakeoff.core.errors import UsageError

PLAIN = "plain"
PACKED = "onednn-packed"
DTYPE_VARIABLE = "BAKEOFF_TORCH_DTYPE"
KERNELS_VARIABLE = "BAKEOFF_TORCH_KERNELS"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# The rows of a lone request, and of a worker's full batch.
ROWS = (1, 16)
# More than any cache holds, and still measured within the budget.
SAMPLE_BYTES = 256 * 2**20
BUDGET_S = 1.5
MAX_ROUNDS = 7
# Below this many parameters the interpreter, not the arithmetic, sets the pace.
WORTH_MEASURING = 1_000_000
# Half-precision weights are computed in bfloat16 only for a clear gain, packed weights are used for any beyond noise.
BFLOAT16_GAIN = 1.3
PACKED_GAIN = 1.05
# Two orders of summation differ by far less than this share of the largest logit; wrong arithmetic by far more.
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 5e-2, torch.float16: 5e-2}


@dataclass(frozen=True, slots=True)
class Choice:
    """How to compute, and why: `reason` is for people and holds what was measured."""

    dtype: torch.dtype
    kernels: str
    reason: str


class PackedLinear(nn.Module):  # type: ignore[misc] # torch is not typed here
    """A linear layer whose weight lies in oneDNN's own order. `weight` cannot be read, only multiplied with."""

    def __init__(self, linear: nn.Linear, rows: int) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), rows)  # noqa: SLF001 - guarded, see above
        self.register_buffer("weight", packed, persistent=False)
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach(), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x (..., in) times the weight, plus the bias: (..., out)."""
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")  # noqa: SLF001
        return product


def choose(model: nn.Module, stored: torch.dtype) -> Choice:
    """Measure and choose for a model on the CPU whose checkpoint holds `stored`; what the environment forces is obeyed.

    Takes about `BUDGET_S` seconds and as much memory again as `SAMPLE_BYTES`. The result depends on what else the
    machine does, and is to be recorded.

    Raises:
        UsageError: the environment forces what does not exist or cannot be done here.
    """
    dtypes, kernels = read_forced(DTYPE_VARIABLE, DTYPES), read_forced(KERNELS_VARIABLE, (PLAIN, PACKED))
    half = stored in {torch.bfloat16, torch.float16}
    allowed = [dtypes] if dtypes else ["float32", *(["bfloat16"] if half and native_bfloat16() else [])]
    ways = [(DTYPES[name], way) for name in allowed for way in ([kernels] if kernels else [PLAIN, PACKED])]
    if kernels == PACKED and not can_pack(DTYPES[allowed[0]]):
        raise UsageError(f"{KERNELS_VARIABLE}={PACKED}: this torch or this CPU has no packed kernels", "unset it")
    ways = [way for way in ways if way[1] == PLAIN or can_pack(way[0])]
    if len(ways) == 1:
        return Choice(*ways[0], "forced by the environment" if dtypes or kernels else "nothing else works here")
    linears = [module for module in model.modules() if type(module) is nn.Linear]
    if sum(linear.weight.numel() for linear in linears) < WORTH_MEASURING:
        return Choice(*ways[0], "not measured: the model is so small that it makes no difference")
    return pick(_measure(_sample(linears), ways))


def pack(model: nn.Module, rows: int = ROWS[-1]) -> None:
    """Replace every linear layer by its packed form; the dense weights are dropped as it goes."""
    with torch.inference_mode():
        for module in list(model.modules()):
            for name, child in list(module.named_children()):
                if type(child) is nn.Linear:
                    setattr(module, name, PackedLinear(child, rows))


def differs(logits: torch.Tensor, reference: torch.Tensor, dtype: torch.dtype) -> bool:
    """Tell whether logits are not the reference's, beyond what another order of summation in `dtype` explains."""
    limit = TOLERANCE[dtype]
    gap = (logits.float() - reference.float()).abs().max()
    return not bool(gap <= limit * reference.float().abs().max())


def can_pack(dtype: torch.dtype) -> bool:
    """Whether the packed product exists here and is right for a small case."""
    linear = nn.Linear(64, 48).to(dtype)
    x = torch.linspace(-1, 1, 128, dtype=dtype).reshape(2, 64)
    try:
        with torch.inference_mode():
            return not differs(PackedLinear(linear, 2)(x), linear(x), dtype)
    except (AttributeError, RuntimeError, NotImplementedError):  # no such operator, no oneDNN, no such dtype
        return False


def native_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware, as far as torch tells."""
    return any(
        bool(getattr(torch.cpu, name, bool)())
        for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported", "_is_arm_bf16_supported")
    )


def read_forced(variable: str, known: Collection[str], device: str = "the CPU") -> str | None:
    """Return which of `known` an environment variable asks for; None where it does not, or says "auto".

    Raises:
        UsageError: it asks for something else.
    """
    value = os.environ.get(variable, "auto")
    if value == "auto":
        return None
    if value not in known:
        raise UsageError(f"{variable}={value} is not known for {device}", f"write auto, {', '.join(known)}")
    return value


def _sample(linears: Sequence[nn.Linear]) -> list[nn.Linear]:
    """Return the first layers, up to `SAMPLE_BYTES` in float32; they repeat."""
    chosen: list[nn.Linear] = []
    room = SAMPLE_BYTES
    for linear in linears:
        room -= 4 * linear.weight.numel()
        if room < 0 and chosen:
            break
        chosen.append(linear)
    return chosen


def _measure(
    linears: Sequence[nn.Linear], ways: Sequence[tuple[torch.dtype, str]]
) -> dict[tuple[torch.dtype, str], list[float]]:
    """Return the least milliseconds of one pass through the layers, for each way and number of `ROWS`.

    Rounds are interleaved, so that a neighbour disturbs every way alike; the least is what the machine can do.
    """
    passes = {way: _prepare(linears, *way) for way in ways}
    least = {way: [float("inf")] * len(ROWS) for way in ways}
    deadline = perf_counter() + BUDGET_S
    with torch.inference_mode():
        for round_ in range(MAX_ROUNDS + 1):
            for way, run in passes.items():
                for index, rows in enumerate(ROWS):
                    began = perf_counter()
                    run(rows)
                    if round_:  # the first one warms up
                        least[way][index] = min(least[way][index], 1e3 * (perf_counter() - began))
            if round_ and perf_counter() > deadline:
                break
    return least


def _prepare(linears: Sequence[nn.Linear], dtype: torch.dtype, kernels: str) -> Callable[[int], None]:
    """Return a function that runs so many rows through copies of the layers made for one way."""
    layers: list[nn.Module] = []
    for linear in linears:
        # No copy where the weights are what they are to be already.
        cast = nn.Linear(linear.in_features, linear.out_features, bias=False, device="meta")
        cast.weight = nn.Parameter(linear.weight.detach().to(dtype), requires_grad=False)
        layers.append(PackedLinear(cast, ROWS[-1]) if kernels == PACKED else cast)
    inputs = {
        (rows, linear.in_features): torch.randn(rows, 1, linear.in_features, dtype=dtype)
        for rows in ROWS
        for linear in linears
    }

    def run(rows: int) -> None:
        for layer in layers:
            layer(inputs[rows, layer.in_features])

    return run


def pick(least: dict[tuple[torch.dtype, str], list[float]]) -> Choice:
    """Return the way that `least` speaks for, preferring the plain and the wide where the gain is small."""

    def gain(way: tuple[torch.dtype, str], over: tuple[torch.dtype, str]) -> float:
        """Geometric mean, over `ROWS`, of how many times as fast."""
        product = 1.0
        for mine, other in zip(least[way], least[over], strict=True):
            product *= other / mine
        return float(product ** (1 / len(ROWS)))

    best: dict[torch.dtype, tuple[torch.dtype, str]] = {}
    for way in least:
        known = best.setdefault(way[0], way)
        if way != known and gain(way, known) > PACKED_GAIN:
            best[way[0]] = way
    chosen = best.get(torch.float32) or next(iter(best.values()))
    half = best.get(torch.bfloat16)
    if half is not None and half != chosen and gain(half, chosen) > BFLOAT16_GAIN:
        chosen = half
    told = "; ".join(f"{_name(way)} {' / '.join(f'{ms:.1f}' for ms in times)}" for way, times in least.items())
    return Choice(*chosen, f"measured, ms for the linear layers at {' / '.join(map(str, ROWS))} rows: {told}")


def _name(way: tuple[torch.dtype, str]) -> str:
    return f"{str(way[0]).removeprefix('torch.')} {way[1]}"
