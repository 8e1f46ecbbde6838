"""Whether another server can run the weights that were measured, and whether what it runs is what was measured. Pure.

Weights are translated or refused. A GGUF file or a folder quantised by MLX does not exist for vLLM: without another source
named for it there is no file, and with one the file says that its quality was not measured, and how to measure it.
"""

from __future__ import annotations

import re
import shlex
from typing import NamedTuple

from bakeoff.core.errors import UsageError
from bakeoff.core.plain import printable
from bakeoff.serve.handover.evidence import UNMEASURED
from bakeoff.serve.handover.handover import Handover
from bakeoff.serve.plan import ServedModel

_HUB = re.compile(r"hf:(?P<repo>[^@]+)(?:@(?P<revision>.+))?")


class Weights(NamedTuple):
    """Where a server finds a model: a folder, or a name on the Hugging Face hub with its revision.

    `note` says what of the evidence does not hold there, None where these weights were measured on that very server; which of
    the run's sampling goes along, its file tells. `is_other`: these weights were named instead of those that were measured.
    """

    source: str
    revision: str | None
    is_hub: bool
    note: str | None
    is_other: bool = False


def weights_for_vllm(model: ServedModel, hand: Handover) -> Weights:
    """Return the weights that vLLM loads, alone or in Ray Serve.

    Raises:
        UsageError: it cannot read them, and nothing else was named.
    """
    spec, moved = model.candidate.model, model.candidate.allow_fallback
    other = hand.weights.get(model.id)
    if other is not None:
        found = _source(other, None)
        return found._replace(
            is_other=True,
            note=f"{UNMEASURED}: the run measured {model.id} from {_form(model)}; this file has vLLM load {found.source}.\n"
            f"No score, speed or memory below holds for that. Measure it, beside what was measured, by:\n"
            f"  {measure_command(hand, f'vllm+{other}', spec.reference, allow_fallback=moved)}",
        )
    if spec.source == "endpoint":
        raise UsageError(
            f"{model.id} is a server of somebody's at {spec.location}: there are no weights of it to serve",
            "leave it out with --models; or name weights: --weights MODEL=hf:ORG/NAME",
        )
    if spec.source == "gguf" or spec.quantisation is not None or model.candidate.quantisation is not None:
        origin = hand.origins.get(model.id, "FOLDER")
        again = measure_command(hand, f"vllm+{origin}", spec.reference, allow_fallback=moved)
        raise UsageError(
            f"{model.id}: its quality was measured for {_form(model)}, and was not measured for any format that vLLM serves",
            f"measure what vLLM would run{_which(model, hand)}:  {again}\n"
            f"then export that run; or write the file unmeasured, marked as such: "
            f"--weights {shlex.quote(f'{model.id}={origin}')}; or leave it out with --models",
        )
    found = _source(spec.reference if spec.reference.startswith("hf:") else spec.location, spec.revision)
    if model.candidate.engine == "vllm":
        return found
    measured = f"{model.candidate.engine}" + (f" in {model.dtype}" if model.dtype else "")
    beside = f"{model.candidate.engine}+{spec.reference}"
    return found._replace(
        note=f"{model.id}: the same weights were measured on {measured}, not on vLLM, whose arithmetic and sampling are its own.\n"
        f"Score, speed and memory may differ. Measure it there by:\n"
        f"  {measure_command(hand, f'vllm+{spec.reference}', beside, allow_fallback=moved)}"
    )


def weights_for_ollama(model: ServedModel, made: str, hand: Handover) -> Weights:
    """Return what stands behind a Modelfile's FROM; `made` is what the model will be called there.

    Raises:
        UsageError: Ollama cannot read it.
    """
    spec = model.candidate.model
    other = hand.weights.get(model.id)
    again = measure_command(hand, f"ollama:{made}", spec.reference, allow_fallback=model.candidate.allow_fallback)
    if other is not None and other.startswith("hf:"):
        raise UsageError(
            f"--weights: Ollama does not load {other}", "name a GGUF file, a folder, or a model that Ollama has"
        )
    if other is not None:
        note = f"{UNMEASURED}: the run measured {model.id} from {_form(model)}; this file has Ollama load {other}."
        return Weights(
            other.removeprefix("ollama:"),
            None,
            is_hub=False,
            note=f"{note}\nMeasure it, once it is made, by:\n  {again}",
            is_other=True,
        )
    if spec.reference.startswith("ollama:") and spec.remote_model is not None:
        return Weights(spec.remote_model, None, is_hub=False, note=None)
    if spec.source == "endpoint":
        raise UsageError(
            f"{model.id} is a server of somebody's at {spec.location}: there are no weights of it to serve",
            "leave it out with --models; or name some: --weights MODEL=FILE.gguf",
        )
    if spec.source == "folder" and spec.quantisation is not None:
        raise UsageError(
            f"{model.id}: its quality was measured for {_form(model)}, which Ollama cannot read",
            "make a GGUF file of the folder it was made from (bakeoff convert FOLDER --to gguf), measure that, and export "
            "that run; or name one, marked as unmeasured: --weights MODEL=FILE.gguf; or leave it out with --models",
        )
    if spec.source == "gguf":
        note = (
            f"{model.id}: the same file was measured on {model.candidate.engine}; Ollama brings its own llama.cpp and may read "
            "the file's chat template otherwise."
        )
    else:
        note = f"{model.id}: measured on {model.candidate.engine} from this folder, which Ollama converts to a format of its own."
    return Weights(spec.location, None, is_hub=False, note=f"{note}\nMeasure it, once it is made, by:\n  {again}")


def measure_command(hand: Handover, unmeasured: str, measured: str, *, allow_fallback: bool = False) -> str:
    """Return the command that measures what a server would run beside what was measured, with its fallbacks if it has any."""
    suite = hand.plan.suite_file
    models = ["--models", f"{unmeasured},{measured}", *(["--allow-fallback"] if allow_fallback else [])]
    command = shlex.join(["bakeoff", "run", suite or "SUITE.yaml", *models])
    return command if suite else f"{command}    # SUITE.yaml: the file of suite {printable(hand.plan.suite or '?')}"


def _which(model: ServedModel, hand: Handover) -> str:
    return "" if model.id in hand.origins else " (FOLDER: the unquantised one that it was made of)"


def _form(model: ServedModel) -> str:
    spec = model.candidate.model
    kind = {"gguf": "a GGUF file", "folder": "a model folder", "endpoint": "an endpoint"}.get(spec.source, spec.source)
    form = model.candidate.quantisation or spec.quantisation
    return f"{kind} ({form}) on {model.candidate.engine}" if form else f"{kind} on {model.candidate.engine}"


def _source(reference: str, revision: str | None) -> Weights:
    found = _HUB.fullmatch(reference)
    if found is None:
        return Weights(reference, None, is_hub=False, note=None)
    return Weights(found["repo"], revision or found["revision"], is_hub=True, note=None)
