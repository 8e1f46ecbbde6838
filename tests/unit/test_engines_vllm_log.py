"""What is read from vLLM's log: lines of vLLM 0.32.0 (`vllm serve` on a CPU, a toy model), and of what may come."""

from pathlib import Path

import pytest

from bakeoff.engines.vllm_log import VllmLog

RECORDED = Path(__file__).parents[1] / "data" / "vllm" / "serve-0.32.0-cpu.log"
ENGINE = "Initializing a V1 LLM engine (v0.11.0) with config: model='m', dtype=torch.bfloat16, quantization={}, device_config={}, seed=0"


def read(*lines):
    log = VllmLog()
    for line in lines:
        log.read(line + "\n")
    return log


def test_a_recorded_start_names_device_arithmetic_and_version():
    log = read(*RECORDED.read_text().splitlines())
    assert (log.device, log.dtype, log.version, log.error) == ("cpu", "float16", "0.32.0", None)
    assert log.unknown() == ()


@pytest.mark.parametrize(
    ("quantisation", "device", "expected"),
    [
        ("None", "cuda", ("cuda", "bfloat16")),
        ("awq", "cuda", ("cuda", "bfloat16 (awq weights)")),
        ("'compressed-tensors'", "cuda", ("cuda", "bfloat16 (compressed-tensors weights)")),
        ("None", "torch.device('xpu:0')", ("xpu", "bfloat16")),
    ],
)
def test_quantised_weights_are_said_with_the_arithmetic(quantisation, device, expected):
    log = read(ENGINE.format(quantisation, device))
    assert (log.device, log.dtype) == expected


def test_what_the_log_does_not_name_is_unknown_and_why_is_said():
    log = read("INFO kv_cache_dtype=auto, device_config=cuda", "Starting vLLM server on http://127.0.0.1:1")
    assert (log.device, log.dtype) == (None, None)
    assert log.unknown() == ("device: vLLM's log did not name it", "dtype: vLLM's log did not name it")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        # Lines of vLLM 0.32.0, cut short.
        (
            "(Worker pid=7) ERROR 11-24 05:29:12 [multiproc_executor.py:1063] ValueError: Available memory on node 0",
            "ValueError: Available memory on node 0",
        ),
        ("RuntimeError: Worker failed with error 'x'", "RuntimeError: Worker failed with error 'x'"),
        (
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig",
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig",
        ),
        ("vllm: error: unrecognized arguments: --no-such-flag", "vllm: error: unrecognized arguments: --no-such-flag"),
        (
            "(APIServer pid=7) WARNING 11-24 05:28:00 [system_utils.py:255] This can cause fd limit errors like `OSError: [Errno 24] x`.",
            None,
        ),
        ("(Worker pid=7) ERROR 11-24 05:29:12 [multiproc_executor.py:1063]     raise ValueError(", None),
    ],
)
def test_an_error_is_told_from_a_warning_that_speaks_of_one(line, error):
    assert read(line).error == error


def test_the_first_error_is_the_cause_and_the_tail_is_short():
    log = read(
        *(f"line {number}" for number in range(20)),
        "(EngineCore pid=7) ERROR 11-24 04:55:09 [core.py:9] ValueError: No available memory for the cache blocks",
        "(APIServer pid=7) RuntimeError: Engine core initialization failed. See root cause above.",
    )
    assert log.error == "ValueError: No available memory for the cache blocks"
    words = log.last_words().splitlines()
    assert words[0] == ": ValueError: No available memory for the cache blocks"
    assert len(words) == 7
    assert read("(APIServer) RuntimeError: Engine core initialization failed.").error is None
