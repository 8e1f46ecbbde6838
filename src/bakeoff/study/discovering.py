"""Looking through every source for models that may compete, and whether they would fit here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from bakeoff.catalog.calibration import Observation, calibrate
from bakeoff.catalog.discovery import Criteria, Discovered, Discovery, Fit, sort_out
from bakeoff.catalog.engine_memory import Where
from bakeoff.catalog.fit import ContextTooLong, Load, predict
from bakeoff.catalog.fit_subject import Subject, Weights, subject_of_facts
from bakeoff.catalog.found import Found, SourceName, Told
from bakeoff.catalog.hub import add_sizes, ask_card, list_hub, list_variants
from bakeoff.catalog.local_files import list_cache, list_folder, list_registry
from bakeoff.catalog.local_servers import list_lm_studio, list_ollama
from bakeoff.catalog.model_card import Card, inherited_licences
from bakeoff.core.errors import MissingDependency
from bakeoff.core.units import bytes_text
from bakeoff.study.admission import Budgets

_ENGINES = {"gguf": "llamacpp", "mlx": "mlx", "folder": "transformers"}


class Search(NamedTuple):
    """Where to look, and for what. `hub` is another address of the hub, None for its own."""

    sources: Sequence[SourceName]
    folders: Sequence[Path]
    workspace: Path
    criteria: Criteria
    hub: str | None = None


class Searched(NamedTuple):
    """What came of it; `variants` are quantised forms in the hub, by name of the candidate."""

    discovery: Discovery
    warnings: list[str]
    variants: dict[str, list[dict[str, object]]]


def search(asked: Search, budgets: Budgets, seen: Sequence[Observation], variants_of: int = 0) -> Searched:
    """Look through the sources; one that is down is a warning. `variants_of`: for how many candidates variants are asked for.

    Raises:
        UsageError: a folder that there is not, or a registry that is wrong somewhere.
    """
    found: list[Found] = []
    warnings: list[str] = []
    for source in asked.sources:
        told = _list(source, asked)
        found += told.found
        warnings += told.warnings
    budget = budgets.of("accelerator" if budgets.accelerator is not None else "cpu")
    text = f"the budget is {bytes_text(budget.value)} ({budget.source})"

    cards: dict[str, Card | None] = {model.name: Card(model.licence, model.base_models) for model in found}

    def ask(name: str) -> Card | None:
        if name not in cards:
            cards[name] = ask_card(name, asked.hub) if "hub" in asked.sources else None
        return cards[name]

    def look(model: Found) -> tuple[Found, Fit | None]:
        complete = add_sizes(model, asked.hub) if model.source == "hub" and not model.facts else model
        inherited = inherited_licences(model.base_models, ask)
        complete = complete.model_copy(update={"base_licences": inherited})
        return complete, _fit(complete, asked.criteria, budgets, seen)

    discovery = sort_out(found, asked.criteria, look, text)
    variants = {
        candidate.model.name: list_variants(candidate.model.name, asked.hub)
        for candidate in discovery.candidates[:variants_of]
        if candidate.model.source == "hub"
    }
    return Searched(discovery, warnings, variants)


def _list(source: SourceName, asked: Search) -> Told:
    if source == "hub":
        try:
            return list_hub(asked.criteria, asked.hub)
        except MissingDependency as error:
            return Told([], [f"hub: {error.message}: {error.hint}"])
    if source == "folder":
        lists = [list_folder(folder) for folder in asked.folders]
        return Told(
            [model for each in lists for model in each.found], [said for each in lists for said in each.warnings]
        )
    if source == "registry":
        return list_registry(asked.workspace)
    readers: dict[SourceName, Callable[[], Told]] = {
        "cache": list_cache,
        "ollama": list_ollama,
        "lmstudio": list_lm_studio,
    }
    return readers[source]()


def _fit(model: Found, criteria: Criteria, budgets: Budgets, seen: Sequence[Observation]) -> Fit | None:
    """Predict for a model as it is stored; for a folder that does not fit so, as GGUF files that could be made of it."""
    engine = _ENGINES.get(model.stored or "folder", "transformers")
    fit = _predicted(_subject(model), engine, criteria, budgets, seen)
    if fit is None or fit.verdict != "no" or model.stored not in {"folder", None} or model.quantisation is not None:
        return fit
    for quantisation in _SMALLER:
        subject = subject_of_facts(model.name, {**model.facts, "param_count": model.parameters}, quantisation)
        smaller = _predicted(subject, "llamacpp", criteria, budgets, seen)
        if smaller is not None and smaller.verdict in {"fits", "tight"}:
            return smaller.model_copy(update={"quantised_to": quantisation})
    return fit


_SMALLER = ("q8_0", "q4_k_m")


def _predicted(
    subject: Subject, engine: str, criteria: Criteria, budgets: Budgets, seen: Sequence[Observation]
) -> Fit | None:
    """Return None where more tokens are asked for than the model holds."""
    where: Where = "cpu" if budgets.accelerator is None else "accelerator"
    load = Load(engine, where, criteria.context)
    try:
        found = predict(subject, load, budgets.of(where).value, calibrate(seen, engine, where))
    except ContextTooLong:
        return None
    return Fit(verdict=found.verdict, need_bytes=None if found.need is None else found.need.estimate)


def _subject(model: Found) -> Subject:
    facts = {**model.facts, "param_count": model.parameters}
    subject = subject_of_facts(model.name, facts)
    if model.weight_bytes is None:
        return subject
    size = model.weight_bytes
    weights = Weights(
        stored_bytes=size,
        low_bytes=size,
        high_bytes=size,
        packed=model.stored != "folder",
        provenance="exact",
        told=f"as {model.source} tells",
    )
    return subject.model_copy(update={"weights": weights, "quantisation": model.quantisation})


def describe(candidate: Discovered, variants: Sequence[dict[str, object]] = ()) -> dict[str, object]:
    """Return a candidate as `bakeoff.discover/1` has it."""
    model, licence = candidate.model, candidate.licence
    return {
        "reference": model.reference,
        "name": model.name,
        "source": model.source,
        "revision": model.revision,
        "parameters": model.parameters,
        "weight_bytes": model.weight_bytes,
        "stored": model.stored,
        "quantisation": model.quantisation,
        "context_length": model.context_length,
        "architecture": model.architecture,
        "licence": {"tag": model.licence.tag, "name": model.licence.name, **licence.model_dump(mode="json")},
        "gated": model.gated,
        "downloads": model.downloads,
        "local": model.local,
        "remote_host": model.remote_host,
        "also_at": list(candidate.also_at),
        "fit": None if candidate.fit is None else candidate.fit.model_dump(mode="json"),
        "variants": list(variants),
    }
