"""Ollama: a Modelfile for a model. Its grammar: docs.ollama.com, "Modelfile Reference"."""

from __future__ import annotations

from bakeoff.core.errors import UsageError
from bakeoff.serve.handover.evidence import head
from bakeoff.serve.handover.handover import Handover, routes_of, slugs
from bakeoff.serve.handover.weights import weights_for_ollama

_FALLBACK = """\
{{ range .Messages }}{{ if eq .Role "system" }}System{{ else if eq .Role "assistant" }}Assistant{{ else }}User{{ end }}: {{ .Content }}

{{ end }}Assistant:"""
"""`FALLBACK` of `engines.chat_template`, in the language of Go's templates."""


def modelfiles(hand: Handover) -> dict[str, str]:
    """Return a Modelfile for each model, by a plain name.

    Raises:
        UsageError: weights that Ollama cannot read, or a name that a Modelfile cannot hold.
    """
    names = slugs(hand.plan)
    return {names[model.id]: _modelfile(model.id, names[model.id], hand) for model in hand.plan.models}


def _modelfile(name: str, plain: str, hand: Handover) -> str:
    model = hand.plan.model(name)
    weights = weights_for_ollama(model, plain, hand)
    routes = [f"{route} ({found.how_sure})" for route, found in routes_of(hand.plan).items() if found.candidate == name]
    notes = [
        f"Make it:  ollama create {plain} -f {plain}.Modelfile",
        f"It serves: {', '.join(routes) or 'no route first; it stands in where another fails'}",
        *([] if weights.note is None else [weights.note]),
    ]
    if not weights.source.isprintable():
        raise UsageError(f"{name}: a Modelfile cannot hold {weights.source!r}", "name its file otherwise")
    sampling = model.candidate.sampling
    lines = [f"FROM {weights.source}", ""]
    if name in hand.without_template and not weights.is_other:
        lines += [f'TEMPLATE """{_FALLBACK}"""', ""]
    context = hand.context if weights.is_other else hand.context_of(model)
    numbers: dict[str, float | int | None] = {
        "num_ctx": context,
        "num_predict": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k or 0,
        "min_p": 0.0,
        "repeat_penalty": 1.0,
    }
    lines += [f"PARAMETER {key} {value}" for key, value in numbers.items() if value is not None]
    lines += [f"PARAMETER stop {_quoted(stop, name)}" for stop in sampling.stop]
    return head("ollama", hand, notes, name) + "\n" + "\n".join(lines) + "\n"


def _quoted(text: str, name: str) -> str:
    if '"' in text or "\n" in text:
        if '"""' in text:
            raise UsageError(f"{name}: a Modelfile cannot hold the stop text {text!r}", "leave it out of the suite")
        return f'"""{text}"""'
    return f'"{text}"'
