"""How `harness.py` lets each tool ask the stub: files written for it, its command line, and what else must hold.

All get the same prompts, 32 requests in flight, no cache, a check on every answer, a record of every answer kept, and
are otherwise as they come. Each is started in an empty folder of its own.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

CONCURRENCY = 32
MAX_TOKENS = 128
TIMED_ALONE = 11
"""Texts that bakeoff asks for one at a time before it fills the flight: a probe, and ten that latency is measured on."""

_INSPECT = """\
from inspect_ai import Task, task
from inspect_ai.dataset import json_dataset
from inspect_ai.scorer import includes
from inspect_ai.solver import generate


@task
def overhead():
    return Task(dataset=json_dataset("data.jsonl"), solver=[generate()], scorer=includes())
"""
_LM_EVAL = """\
task: overhead
dataset_path: json
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
output_type: generate_until
doc_to_text: "{{{{input}}}}"
doc_to_target: "{{{{target}}}}"
generation_kwargs:
  until: []
  max_gen_toks: {max_tokens}
  do_sample: true
  temperature: 0.7
metric_list:
  - metric: exact_match
"""


class Command(NamedTuple):
    """What to start in a folder, and what to add to the environment."""

    arguments: list[str]
    environment: Mapping[str, str] = {}


class Tool(NamedTuple):
    """`prepare(folder, samples, url, program)` writes what the tool reads; `check` says what is wrong with what it left.

    `program` is a Python interpreter that has the tool, or its own program.
    """

    name: str
    program: str
    prepare: Callable[[Path, int, str, str], Command]
    check: Callable[[Path, int], str | None] = lambda _folder, _samples: None


def prompt(number: int) -> str:
    """Return the prompt of one sample, about 60 characters."""
    return f"Write a LinkedIn post about the bakery opening, number {number}."


def bakeoff_suite(folder: Path, samples: int) -> None:
    """Write the prompts as a suite, as a person would: YAML."""
    head = f"version: 1\nname: overhead\nsampling: {{temperature: 0.7, max_tokens: {MAX_TOKENS}}}\nbriefs:\n"
    briefs = (
        f'  - id: item-{number}\n    content_type: linkedin_post\n    prompt: "{prompt(number)}"\n'
        for number in range(samples)
    )
    (folder / "suite.yaml").write_text(head + "".join(briefs))


def _bakeoff(folder: Path, samples: int, url: str, program: str) -> Command:
    bakeoff_suite(folder, samples)
    models = f"openai:stub@{url}"
    arguments = [program, "-m", "bakeoff", "run", "suite.yaml", "--models", models, "--concurrency", str(CONCURRENCY)]
    return Command(arguments, {"BAKEOFF_HOME": str(folder / "home")})


def _check_bakeoff(folder: Path, samples: int) -> str | None:
    connection = sqlite3.connect(folder / "home" / "bakeoff.db")
    try:
        (texts,) = connection.execute("select count(*) from generations where failed = 0").fetchone()
        (scores,) = connection.execute("select count(*) from scores").fetchone()
    finally:
        connection.close()
    return None if texts == scores == samples else f"{texts} texts and {scores} scores are stored"


def _write_data(folder: Path, samples: int) -> None:
    lines = (json.dumps({"input": prompt(number), "target": "bakery"}) for number in range(samples))
    (folder / "data.jsonl").write_text("\n".join(lines) + "\n")


def _inspect(folder: Path, samples: int, url: str, program: str) -> Command:
    _write_data(folder, samples)
    (folder / "overhead.py").write_text(_INSPECT)
    inspect = str(Path(program).parent / "inspect")
    arguments = [inspect, "eval", "overhead.py", "--model", "openai-api/stub/stub"]
    arguments += ["--max-connections", str(CONCURRENCY), "--temperature", "0.7", "--max-tokens", str(MAX_TOKENS)]
    return Command(arguments, {"STUB_API_KEY": "none", "STUB_BASE_URL": url})


def _lm_eval(folder: Path, samples: int, url: str, program: str) -> Command:
    _write_data(folder, samples)
    (folder / "tasks").mkdir()
    (folder / "tasks" / "overhead.yaml").write_text(_LM_EVAL.format(data=folder / "data.jsonl", max_tokens=MAX_TOKENS))
    model = f"model=stub,base_url={url}/chat/completions,num_concurrent={CONCURRENCY},max_retries=3"
    arguments = [str(Path(program).parent / "lm-eval"), "run", "--model", "local-chat-completions"]
    arguments += ["--model_args", model, "--tasks", "overhead", "--include_path", "tasks", "--apply_chat_template"]
    arguments += ["--log_samples", "--output_path", "results"]
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(folder / "hf")}
    return Command(arguments, {"OPENAI_API_KEY": "none", **offline})


def _promptfoo(folder: Path, samples: int, url: str, program: str) -> Command:
    provider = {"apiBaseUrl": url, "apiKey": "none", "max_tokens": MAX_TOKENS, "temperature": 0.7}
    written = {
        "description": "overhead",
        "prompts": ["{{input}}"],
        "providers": [{"id": "openai:chat:stub", "config": provider}],
        "defaultTest": {"assert": [{"type": "contains", "value": "bakery"}]},
        "tests": [{"vars": {"input": prompt(number)}} for number in range(samples)],
    }
    (folder / "promptfooconfig.json").write_text(json.dumps(written))
    arguments = [program, "eval", "-c", "promptfooconfig.json", "-j", str(CONCURRENCY), "--no-cache", "--no-table"]
    arguments += ["--no-progress-bar", "-o", "out.jsonl"]
    quiet = {"PROMPTFOO_DISABLE_TELEMETRY": "1", "PROMPTFOO_DISABLE_UPDATE": "1", "DO_NOT_TRACK": "1"}
    return Command(arguments, {"PROMPTFOO_CONFIG_DIR": str(folder / "promptfoo"), **quiet})


def _bare(folder: Path, samples: int, url: str, program: str) -> Command:
    (folder / "prompts.json").write_text(json.dumps([prompt(number) for number in range(samples)]))
    script = Path(__file__).with_name("harness_bare.py")
    return Command([program, str(script), url, "prompts.json", str(CONCURRENCY), str(MAX_TOKENS)])


def tools(bakeoff: str, inspect: str | None, lm_eval: str | None, promptfoo: str | None) -> list[Tool]:
    """Return the tools that there are: bakeoff first, the bare client last."""
    peers = (("Inspect", inspect, _inspect), ("lm-eval", lm_eval, _lm_eval), ("promptfoo", promptfoo, _promptfoo))
    found = [Tool(name, program, prepare) for name, program, prepare in peers if program is not None]
    return [Tool("bakeoff", bakeoff, _bakeoff, _check_bakeoff), *found, Tool("bare client", bakeoff, _bare)]


def environment(command: Command) -> dict[str, str]:
    """Return the environment of a tool: this one, without proxies and keys, and what the tool needs.

    Without PYTHONDONTWRITEBYTECODE too: a checkout would be compiled at every start, and what pip installed is not.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if "proxy" not in name.lower() and "API_KEY" not in name and name != "PYTHONDONTWRITEBYTECODE"
    }
    return {**kept, "PYTHONUNBUFFERED": "", "COLUMNS": "100", **command.environment}
