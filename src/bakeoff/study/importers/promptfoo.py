"""Results of promptfoo: `promptfoo eval -o results.json`, or `.jsonl` with a line a result.

Format: version 3 of its results (promptfoo 0.121). Each column of its matrix competes: a provider, and where there are several
prompts, a provider with a prompt. `--repeat` gives repeats numbers of tests of their own: here tests with equal variables and
description are replicates of one. Metrics: `score`, `pass`, and the named ones of its assertions. A result with
`failureReason` 2 is an error, which promptfoo itself counts as 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bakeoff.study.importers.results import Answer, Results, digest_of

_ERROR = 2


def is_promptfoo(document: Any) -> bool:
    """Whether a JSON document is a file of results."""
    return _listed(document) is not None


def is_promptfoo_result(record: Any) -> bool:
    """Whether a JSON value is one result."""
    return isinstance(record, dict) and {"promptIdx", "testIdx", "provider"} <= record.keys()


def _listed(document: Any) -> Sequence[Any] | None:
    found = document.get("results") if isinstance(document, dict) else None
    found = found.get("results") if isinstance(found, dict) else found
    return found if isinstance(found, list) and found and all(map(is_promptfoo_result, found)) else None


def read_results(path: Path, document: Any) -> Results:
    """Return what a file of results holds; `document` is a JSON document or the list of results of a `.jsonl`."""
    listed: Sequence[Mapping[str, Any]] = document if isinstance(document, list) else _listed(document) or ()
    prompts = dict.fromkeys(str(result.get("promptId") or result["promptIdx"]) for result in listed)
    number = {name: place for place, name in enumerate(prompts, 1)}
    tests: dict[str, int] = {}
    called: dict[str, str] = {}
    written: Counter[tuple[str, str]] = Counter()
    answers = []
    for result in sorted(listed, key=lambda found: (found["testIdx"], found["promptIdx"])):
        case = result.get("testCase") or {}
        variables = result.get("vars") or case.get("vars") or {}
        asked = digest_of({"vars": variables, "description": case.get("description")}) or ""
        test = tests.setdefault(asked, result["testIdx"])
        model = _provider(result["provider"])
        if len(prompts) > 1:
            model += f" · prompt {number[str(result.get('promptId') or result['promptIdx'])]}"
        brief = str(case.get("description") or f"test {test}")
        if called.setdefault(brief, asked) != asked:
            brief = f"{brief} ({asked[:6]})"
        written[model, brief] += 1
        answers.append(_answer(result, model, brief, asked, written[model, brief]))
    metrics = tuple(dict.fromkeys(["score", "pass", *(name for answer in answers for name in answer.scores)]))
    notes = (f"{len(prompts)} prompts: each competes with each provider",) if len(prompts) > 1 else ()
    return Results(path.name, "promptfoo", answers, metrics if answers else (), notes)


def _provider(provider: Any) -> str:
    if isinstance(provider, dict):
        return str(provider.get("label") or provider.get("id"))
    return str(provider)


def _answer(result: Mapping[str, Any], model: str, brief: str, asked: str, replicate: int) -> Answer:
    failed = result.get("failureReason") == _ERROR
    named = result.get("namedScores") or {}
    return Answer(
        model=model,
        brief=brief,
        task="",
        replicate=replicate,
        asked=asked,
        scores={} if failed else {"score": result.get("score"), "pass": result.get("success"), **named},
        error=str(result.get("error") or "no answer")[:200] if failed else None,
        place=f"test {result['testIdx']}, {model}",
    )
