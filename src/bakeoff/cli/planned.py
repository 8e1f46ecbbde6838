"""What `bakeoff serve` was asked for; what `--print-plan` printed, read again by the gateway; and what the gateway says of it when it is ready."""

from __future__ import annotations

import json
import os
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bakeoff.machine.budget import Budget
    from bakeoff.serve.cost_terms import CostTerms
    from bakeoff.serve.keeping import Keeping
    from bakeoff.serve.plan import ServedRoute, ServingPlan
    from bakeoff.serve.settings import ServeSettings

READY_SCHEMA = "bakeoff.serve/1"


class Wanted(NamedTuple):
    """What is to be served, as it was asked for."""

    run_id: str | None
    models: str | None
    config: Path | None
    budget: str | None
    against: str | None = None

    def arguments(self) -> list[str]:
        """Return the options that say it again."""
        told = {
            "--run": self.run_id,
            "--models": self.models,
            "--config": self.config,
            "--budget": self.budget,
            "--against": self.against,
        }
        return [part for flag, value in told.items() if value is not None for part in (flag, str(value))]


class Planned(NamedTuple):
    """What is to be served, as the process beside the gateway found it."""

    plan: ServingPlan
    budgets: Mapping[str, Budget]
    notes: tuple[str, ...]
    terms: CostTerms

    @classmethod
    def read(cls, said: bytes) -> Planned:
        """Read what that process said."""
        from bakeoff.machine.budget import Budget
        from bakeoff.serve.cost_terms import CostTerms
        from bakeoff.serve.plan import ServingPlan

        value = json.loads(said)
        return cls(
            ServingPlan.model_validate(value["plan"]),
            {name: Budget.model_validate(told) for name, told in value["budgets"].items()},
            tuple(value["notes"]),
            CostTerms.model_validate(value["cost"]),
        )

    def keeping(self, settings: ServeSettings) -> Keeping:
        """Return how models are kept: as the settings say, within the budgets that were found."""
        found = {name: budget.value for name, budget in self.budgets.items()}
        return settings.keeping.model_copy(update={"budget_bytes": found})

    @property
    def only_budget(self) -> Budget | None:
        """What models may take of the machine's memory where there is no other; None where there are several."""
        return next(iter(self.budgets.values())) if len(self.budgets) == 1 else None


def ready_document(url: str, document: Planned) -> dict[str, Any]:
    """Return the same for programs."""
    plan, only = document.plan, document.only_budget
    return {
        "schema": READY_SCHEMA,
        "url": f"{url}/v1",
        "pid": os.getpid(),
        "run_id": plan.run_id,
        "routes": {name: route.model_dump(mode="json") for name, route in plan.routes.items()},
        "general": plan.general.model_dump(mode="json"),
        "models": [model.id for model in plan.models],
        "memory": {name: budget.model_dump(mode="json") for name, budget in document.budgets.items()},
        "budget_bytes": None if only is None else only.model_dump(mode="json"),
        "notes": list(document.notes),
    }


_COLUMNS = 80
_NARROWEST = 20
_EXAMPLE = "Tweet: our shop opens on 14 March."


def ready_lines(url: str, document: Planned, shown_key: str | None) -> list[str]:
    """Return what a person reads when the gateway is ready; within 80 columns, unless names are long.

    `shown_key` stands for the key that clients must show, None where they need none.
    """
    from bakeoff.core.plain import printable
    from bakeoff.core.units import bytes_text

    plan = document.plan
    several = document.only_budget is None
    within = [
        f"{bytes_text(budget.value)}{f' of {name}' if several else ''} ({budget.source})"
        for name, budget in document.budgets.items()
    ]
    source = "no run stands behind it" if plan.run_id is None else f"run {plan.run_id}, suite {plan.suite or '-'}"
    routes = {f"bakeoff/{name}": route for name, route in plan.routes.items()} | {"anything else": plan.general}
    rows = [("model in requests", "served by", "why")]
    rows += [(name, route.candidate, _why(route)) for name, route in routes.items()]
    first, second = (max(len(row[place]) for row in rows) + 2 for place in (0, 1))
    at = 2 + first + second
    table = []
    for name, served, why in rows:
        begun, *more = wrap(why, max(_COLUMNS - at, _NARROWEST), break_on_hyphens=False, break_long_words=False) or [""]
        table += [f"  {name:<{first}}{served:<{second}}{begun}".rstrip(), *(" " * at + line for line in more)]
    said = [
        "bakeoff/auto finds the kind of text itself; a candidate's own name gets that candidate.",
        f"Models load when they are first asked for, together within {' and '.join(within)}.",
        *(f"Note: {note}" for note in document.notes),
    ]
    request = json.dumps({"model": "bakeoff/auto", "messages": [{"role": "user", "content": _EXAMPLE}]})
    key = "" if shown_key is None else f' -H "authorization: Bearer {shown_key}"'
    lines = [
        f"bakeoff serves at {url}/v1",
        f"({source})",
        "",
        *table,
        "",
        *(line for text in said for line in wrap(text, _COLUMNS, break_on_hyphens=False, break_long_words=False)),
        "",
        "Try:",
        f"  curl -i {url}/v1/chat/completions{key} \\",
        "    -H 'content-type: application/json' \\",
        f"    -d '{request}'",
        "",
        f"Status page: {url}/    Ctrl-C ends it.",
    ]
    return [printable(line) for line in lines]


def _why(route: ServedRoute) -> str:
    evidence = route.evidence
    score = "" if evidence is None or evidence.estimate is None else f"{evidence.estimate:.1f}"
    if score and evidence is not None and evidence.low is not None:
        score += f" [{evidence.low:.1f}, {evidence.high:.1f}]"
    return f"{score}, {route.how_sure}" if score else route.how_sure
