"""What a file for another server is made of: the plan, and what its user says that no run knows. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import urlsplit

from pydantic import Field

from bakeoff.core.errors import UsageError
from bakeoff.core.spec import Record
from bakeoff.engines.endpoint_keys import EndpointKeys
from bakeoff.serve.plan import PREFIX, ServedModel, ServedRoute, ServingPlan
from bakeoff.serve.router import GENERAL


class Copies(Record):
    """How many replicas of a model, and why. `low` and `high` are None where no measured throughput gives an interval."""

    count: int = Field(ge=1)
    low: int | None = None
    high: int | None = None
    why: str = "no traffic was stated"


class Handover(Record):
    """The plan and what the user says of the other place.

    By candidate: `urls` are where models answer (base URL, as `http://host:8000/v1`), `weights` what stands in for weights that a
    server cannot read, `origins` the models that quantised ones are known to be made of. `without_template` are those whose
    weights bring no chat template, so that the run put bakeoff's own around their messages. `context` is the tokens of a request
    with its answer (None: the model's own limit).
    """

    plan: ServingPlan
    urls: Mapping[str, str] = Field(default_factory=dict)
    weights: Mapping[str, str] = Field(default_factory=dict)
    origins: Mapping[str, str] = Field(default_factory=dict)
    context: int | None = None
    copies: Mapping[str, Copies] = Field(default_factory=dict)
    without_template: frozenset[str] = frozenset()

    def context_of(self, model: ServedModel) -> int | None:
        """Return the context to serve a model with; None where nobody knows its limit.

        Raises:
            UsageError: more was asked for than the model has.
        """
        most = model.candidate.model.context_length
        if self.context is not None and most is not None and self.context > most:
            raise UsageError(f"--context {self.context}: {model.id} has {most}", f"give {most} or less")
        return self.context or most

    def copies_of(self, model: ServedModel) -> Copies:
        """Return how many replicas of a model."""
        return self.copies.get(model.id, Copies(count=1))


def key_variable_of(model: ServedModel, hand: Handover) -> str | None:
    """Return which environment variable holds the key that somebody else's server asks for; None for what is served by the user."""
    spec = model.candidate.model
    if spec.source != "endpoint" or model.id in hand.urls or spec.reference.startswith("ollama:"):
        return None
    return EndpointKeys(each.candidate.model for each in hand.plan.models).variable_of(spec)


def routes_of(plan: ServingPlan) -> dict[str, ServedRoute]:
    """Return every route by the name that requests use as a model's: `bakeoff/tweet`, `bakeoff/general`."""
    return {f"{PREFIX}{name}": route for name, route in (*plan.routes.items(), (GENERAL, plan.general))}


def leaders(plan: ServingPlan) -> tuple[str, ...]:
    """Return the models that serve some route first, in the plan's order."""
    first = {route.candidate for route in (*plan.routes.values(), plan.general)}
    return tuple(model.id for model in plan.models if model.id in first)


def narrow(plan: ServingPlan, wanted: Sequence[str]) -> ServingPlan:
    """Return the plan with these models alone: who is left of a route's order serves it.

    Raises:
        UsageError: one is not in the plan, or a route would have nobody.
    """
    names = [model.id for model in plan.models]
    unknown = [name for name in wanted if name not in names]
    if not wanted:
        raise UsageError("--models names nobody", f"there are: {', '.join(names)}")
    if unknown:
        raise UsageError(f"--models: {unknown[0]!r} is not in the plan", f"there are: {', '.join(names)}")

    def kept(name: str, route: ServedRoute) -> ServedRoute:
        order = [each for each in route.order if each in wanted]
        if not order:
            order = [each for each in plan.general.order if each in wanted] or list(wanted)
        if order[0] == route.candidate:
            return route.model_copy(update={"fallbacks": tuple(order[1:])})
        said = f"{order[0]} serves: {route.candidate}, which serves {name}, was left out by --models"
        changed = {"candidate": order[0], "fallbacks": tuple(order[1:]), "evidence": _evidence(name, order[0])}
        sure = f"stands in for {route.candidate}"
        return route.model_copy(update={**changed, "sure": sure, "reasons": (*route.reasons, said)})

    def _evidence(name: str, model: str) -> object:
        found = plan.model(model)
        return found.quality if name == GENERAL else found.by_content_type.get(name)

    return plan.model_copy(
        update={
            "models": tuple(model for model in plan.models if model.id in wanted),
            "routes": {name: kept(name, route) for name, route in plan.routes.items()},
            "general": kept(GENERAL, plan.general),
        }
    )


def slug(name: str, taken: Collection[str] = ()) -> str:
    """Return a name of a-z, 0-9 and hyphens, at most 40 long, that is not `taken`.

    >>> slug("bundled:social"), slug("bundled:social", {"bundled-social"}), slug("日本")
    ('bundled-social', 'bundled-social-2', 'model')
    """
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-") or "model"
    number, found = 1, plain
    while found in taken:
        number += 1
        found = f"{plain}-{number}"
    return found


def slugs(plan: ServingPlan) -> dict[str, str]:
    """Return a plain name for each model, all different."""
    found: dict[str, str] = {}
    for model in plan.models:
        found[model.id] = slug(model.id, found.values())
    return found


def variable(model: str, plan: ServingPlan) -> str:
    """Return the environment variable that holds a model's base URL where nobody knows it yet."""
    return f"BAKEOFF_URL_{slugs(plan)[model].upper().replace('-', '_')}"


def url_of(model: ServedModel, hand: Handover) -> str | None:
    """Return a model's base URL: as the user said, or as it was measured; None where nobody knows.

    Raises:
        UsageError: a URL that could hold a secret.
    """
    url = hand.urls.get(model.id)
    if url is None and model.candidate.model.source == "endpoint":
        url = model.candidate.model.location
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError(f"the URL of {model.id} is none", "write --endpoint MODEL=http://host:port/v1")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise UsageError(
            f"the URL of {model.id} holds a password or a query, which may be a secret, and is not written into a file",
            "give it without, by --endpoint MODEL=http://host:port/v1; keys come from the environment",
        )
    return url.rstrip("/")
