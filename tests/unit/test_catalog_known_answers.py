"""What is known of twenty published models' memory, from logs and from sums done by others, against what is predicted here.

The sizes are the catalogue's, each with its source there; `integration/test_catalogue_parameters.py` counts its parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.catalog.architecture import read_architecture
from bakeoff.catalog.fit import Load, Need, Prediction, predict
from bakeoff.catalog.fit_subject import Subject, subject_of_facts
from bakeoff.catalog.kv_cache import CacheShape, kv_bytes
from bakeoff.catalog.registry import find_entry, load_catalogue
from bakeoff.cost.prices import find_price
from bakeoff.machine.accelerators import Accelerator
from bakeoff.machine.budget import accelerator_budget
from bakeoff.machine.detect import Machine

MIB, GIB = 1 << 20, 1 << 30
RUNTIME_GIB = 0.3
"""What the table below counts for the process, whichever engine runs the model."""


def subject(name: str, quantisation: str | None = None, **changed: object) -> Subject:
    entry = find_entry(name)
    return subject_of_facts(entry.name, {**entry.facts, **changed}, quantisation)


def ask(asked: Subject, tokens: int | None = 4096, budget: int | None = None, engine: str = "llamacpp") -> Prediction:
    return predict(asked, Load(engine, "cpu", tokens), budget)


def need(asked: Subject, tokens: int | None = 4096) -> Need:
    found = ask(asked, tokens).need
    assert found is not None
    return found


@pytest.mark.parametrize("name", list(load_catalogue()))
def test_a_cache_of_full_attention_is_the_sum_over_layers(name: str) -> None:
    """vLLM keeps every token in every layer, so it shows the plain sum, which the catalogue has from elsewhere."""
    facts = load_catalogue()[name].facts
    architecture = read_architecture(facts)
    assert architecture.known
    assert not architecture.guessed
    per_token = kv_bytes(architecture, CacheShape("vllm", 1, 1, "f16"))
    crossed = 2 if facts["model_type"] == "t5" else 1  # a decoder's cross attention keeps the brief besides
    assert per_token == crossed * int(str(facts["kv_bytes_per_token_all_layers_full_16bit"]))


@dataclass(frozen=True)
class Row:
    """GiB at 4,096 tokens with weights of 16 bits, in q8_0 and in a mixture near 4.9 bits (None: not told)."""

    model: str
    f16: float
    q8: float
    q4: float


TABLE = [
    Row("TinyLlama-1.1B-Chat-v1.0", 2.50, 1.54, 1.08),
    Row("bloom-560m", 2.20, 1.71, 1.47),
    Row("opt-2.7b", 6.59, 4.27, 3.16),
    Row("DialoGPT-medium", 1.43, 1.12, 0.98),
    Row("gpt-neo-1.3B", 3.60, 2.45, 1.90),
    Row("flan-t5-large", 2.57, 1.89, 1.56),
    Row("Mistral-7B-v0.1", 14.36, 8.03, 5.00),
    Row("Llama-3.1-8B-Instruct", 16.01, 9.00, 5.63),
    Row("Qwen3-8B", 16.42, 9.27, 5.83),
    Row("gemma-3-4b-it", 8.28, 4.89, 3.27),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.model)
@pytest.mark.parametrize(("format_", "column"), [("f16", "f16"), ("q8_0", "q8"), ("q4_k_m", "q4")])
def test_the_table_of_predictions(row: Row, format_: str, column: str) -> None:
    """Some of these models hold fewer tokens; the table compares formulas and does not mind."""
    expected = getattr(row, column)
    found = need(subject(row.model, format_, max_position_embeddings=131072))
    parts = (found.weights_bytes + found.kv_bytes + found.graph_bytes) / GIB
    # A mixture's bits are 4.86 here and 4.9 there.
    assert parts + RUNTIME_GIB == pytest.approx(expected, abs=0.015 + (0.008 * expected if column == "q4" else 0))
    assert found.low / GIB < expected < (found.high / GIB) + RUNTIME_GIB


@pytest.mark.parametrize(("format_", "expected"), [("bf16", 39.76), ("mxfp4", 13.61)])
def test_a_mixture_whose_experts_are_published_in_four_bits(format_: str, expected: float) -> None:
    found = need(subject("gpt-oss-20b", format_))
    parts = (found.weights_bytes + found.kv_bytes + found.graph_bytes) / GIB
    assert parts + RUNTIME_GIB == pytest.approx(expected, abs=0.015)
    if format_ == "mxfp4":
        assert found.high <= 16e9  # "runs within 16GB of memory": openai/gpt-oss, README.md


@pytest.mark.parametrize(
    ("model", "tokens", "engine", "mebibytes"),
    [
        ("Llama-3.1-8B-Instruct", 4096, "llamacpp", 512),
        ("Mistral-7B-v0.1", 4096, "llamacpp", 512),
        ("Qwen3-4B", 4096, "llamacpp", 576),  # a head has 128 numbers, not 2560 / 32
        ("gpt-oss-20b", 4096, "llamacpp", 96 + 18),  # llama.cpp#17609, load log
        ("gpt-oss-20b", 4096, "vllm", 192),  # hf-mem#60
        ("gemma-3-4b-it", 131072, "llamacpp", 2560 + 174),  # ollama#17037, load log; 17,408 where windows are not known
        ("bloom-560m", 1024, "vllm", 96),  # torch, measured
        ("TinyLlama-1.1B-Chat-v1.0", 1024, "vllm", 22),  # torch, measured
    ],
)
def test_caches_that_logs_told(model: str, tokens: int, engine: str, mebibytes: int) -> None:
    architecture = read_architecture(find_entry(model).facts)
    assert kv_bytes(architecture, CacheShape(engine, 1, tokens, "f16")) == mebibytes * MIB
    assert kv_bytes(architecture, CacheShape(engine, 1, tokens, "q8_0")) * 64 == mebibytes * MIB * 34


def test_a_long_context_against_what_ollama_really_took() -> None:
    """gemma-3-4b in Q4_K_M with 131,072 tokens: 2,367 MiB of model, 2,734 of cache, 203 of scratch (ollama#17037)."""
    found = need(subject("gemma-3-4b-it", "q4_k_m"), 131072)
    assert found.low < 5305 * MIB < found.high
    assert found.estimate == pytest.approx(5305 * MIB, rel=0.06)
    assert found.weights_bytes + found.kv_bytes == pytest.approx(4.98 * GIB, rel=0.03)


def test_all_experts_are_in_memory() -> None:
    found = need(subject("Qwen3-30B-A3B", "q4_k_m"))
    assert found.weights_bytes / GIB == pytest.approx(17.28, abs=0.02)  # llama.cpp#14235, load log


MAC = Machine(
    system="Darwin",
    release="",
    architecture="arm64",
    chip="Apple M3",
    cores=8,
    allowed_cores=8,
    ram_bytes=16 * GIB,
    available_bytes=15 * GIB,
    memory_limit_bytes=None,
    python="3.13",
    load_average=None,
)


def test_metals_working_set_is_the_budget_whatever_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Mac of 16 GB whose Metal recommends 11.84 GiB (llmfit#754): 12.0 GiB do not fit, with 14 GiB free."""
    monkeypatch.delenv("BAKEOFF_MEMORY_BUDGET", raising=False)
    metal = Accelerator(
        kind="metal",
        name="M3 GPU",
        memory_bytes=None,
        free_bytes=None,
        power_w=None,
        source="test",
        unified=True,
        budget_bytes=int(11.84 * GIB),
        budget_source="reported by Metal",
    )
    budget = accelerator_budget(MAC, (metal,))
    assert budget is not None
    assert budget.value == int(11.84 * GIB)
    wanted = 12 * GIB
    few, many = (
        predict(subject("Llama-3.1-8B-Instruct", param_count=count), Load("mlx", "accelerator", 4096), budget.value)
        for count in (5_000_000_000, 5_400_000_000)
    )
    assert many.need is not None
    assert many.need.estimate >= budget.value
    assert many.need.estimate < 14 * GIB
    assert many.need.estimate == pytest.approx(wanted, rel=0.02)
    assert many.verdict == "no"
    assert few.verdict != "no"


@pytest.mark.parametrize(
    ("model", "dollars"),
    [("gpt-3.5-turbo", 0.000425), ("gpt-4o-mini", 0.000165), ("gpt-4.1-nano", 0.000110), ("claude-haiku-4-5", 0.00135)],
)
def test_prices_of_a_hundred_tokens_in_and_250_out(model: str, dollars: float) -> None:
    price = find_price(model)
    assert (100 * price.input_per_million + 250 * price.output_per_million) / 1e6 == pytest.approx(dollars)
    assert price.catalogue.startswith("genai-prices ")


@settings(deadline=None, max_examples=150)
@given(
    name=st.sampled_from(list(load_catalogue())),
    engine=st.sampled_from(["llamacpp", "transformers", "mlx", "vllm", "onnx"]),
    where=st.sampled_from(["cpu", "accelerator"]),
    rows=st.sampled_from([1, 2, 7, 64]),
    format_=st.sampled_from([None, "q8_0", "q4_k_m"]),
    gibibytes=st.floats(0.3, 80),
)
def test_the_longest_context_is_the_last_that_fits(
    name: str, engine: str, where: str, rows: int, format_: str | None, gibibytes: float
) -> None:
    asked, budget = subject(name, format_), int(gibibytes * GIB)

    def at(tokens: int) -> Prediction:
        return predict(asked, Load(engine, where, tokens, rows), budget)  # type: ignore[arg-type]

    longest, most = at(1).max_context, asked.architecture.max_context
    assert most is not None
    if longest is None:
        assert at(1).verdict != "fits"
        return
    assert at(longest).verdict == "fits"
    assert at(longest).max_context == longest
    if longest < most:
        beyond = at(longest + 1)
        assert beyond.need is not None
        assert beyond.need.high > budget
        assert beyond.verdict in {"tight", "no"}
