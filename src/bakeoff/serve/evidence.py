"""Which model serves, and why, as headers: made once for every route and model, since they never change while a plan is served."""

from __future__ import annotations

from urllib.parse import quote

from bakeoff.core.records import Estimate
from bakeoff.serve.plan import ServedRoute, ServingPlan
from bakeoff.serve.router import GENERAL, NAMED, Chosen

Headers = tuple[tuple[bytes, bytes], ...]
_HARMLESS = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "%")


class EvidenceHeaders:
    """The headers of answers under one plan."""

    def __init__(self, plan: ServingPlan) -> None:
        self._plan = plan
        self._known: dict[tuple[str, str], Headers] = {}
        self._run = (((b"x-bakeoff-run", _value(plan.run_id)),)) if plan.run_id is not None else ()

    def of(self, chosen: Chosen, model: str) -> Headers:
        """Return what is said of an answer of `model` on a route; that it stands in for another one is said, too."""
        key = (chosen.route, model)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._make(chosen, model)
        return (*known, (b"x-bakeoff-routed-by", _routed_by(chosen)))

    def of_route(self, chosen: Chosen) -> Headers:
        """Return what is said where no model answered."""
        return ((b"x-bakeoff-route", _value(chosen.route)), *self._run)

    def _make(self, chosen: Chosen, model: str) -> Headers:
        fallback = model != chosen.order[0]
        evidence = self._evidence(chosen.route, model, fallback=fallback)
        return (
            (b"x-bakeoff-candidate", _value(model)),
            (b"x-bakeoff-route", _value(chosen.route)),
            *self._run,
            (b"x-bakeoff-fallback", b"1" if fallback else b"0"),
            *(((b"x-bakeoff-evidence", evidence.encode("ascii", "replace")),) if evidence else ()),
        )

    def _evidence(self, route: str, model: str, *, fallback: bool) -> str:
        """Return the outcome of the route and the score of the model: in the route's content type, or else over everything."""
        found = route_of(self._plan, route)
        outcome = [f"outcome={found.outcome}"] if found is not None and found.outcome is not None else []
        if found is not None and not fallback and found.evidence is not None:
            return "; ".join([*outcome, *_estimate(found.evidence, route if route != GENERAL else "all")])
        quality = self._plan.model(model).quality
        return "; ".join(outcome + ([] if quality is None else _estimate(quality, "all")))


def route_of(plan: ServingPlan, name: str) -> ServedRoute | None:
    """Return the route called `name`; None where the client named a candidate itself."""
    return None if name == NAMED else plan.routes.get(name, plan.general)


def _estimate(estimate: Estimate, over: str) -> list[str]:
    if estimate.estimate is None:
        return [f"over={_text(over)}"]
    said = [f"over={_text(over)}", f"score={estimate.estimate:.2f}"]
    if estimate.low is not None and estimate.high is not None:
        said += [f"interval={estimate.low:.2f}..{estimate.high:.2f}", f"level={estimate.level:g}"]
    return [*said, f"briefs={estimate.briefs}"]


def _routed_by(chosen: Chosen) -> bytes:
    sure = "" if chosen.confidence is None else f"; confidence={chosen.confidence:.2f}"
    return f"{chosen.how}{sure}".encode()


def _text(text: str) -> str:
    """Return a name fit for a header: what is no printable ASCII is percent-encoded."""
    return quote(text, safe=_HARMLESS)


def _value(text: str) -> bytes:
    return _text(text).encode()
