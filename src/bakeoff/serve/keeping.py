"""How models are kept in memory: the settings that people write, and the rules that follow from them and the plan.

A model is admitted on the peak that a run measured, with a margin, or else on the upper bound of what it is predicted to
need. A load has failed after its start's own time (a server that compiles has a longer one) plus five times what it should
take: as long as the run's loads, or its bytes by an assumed rate; the machine replaces that by what it sees.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from bakeoff.core.errors import DoesNotFit, UsageError
from bakeoff.core.spec import Record
from bakeoff.core.units import bytes_text
from bakeoff.engines.local import BUILT_IN
from bakeoff.serve.breaker import BreakerRules
from bakeoff.serve.eviction import Eviction
from bakeoff.serve.held import ModelRules, Rules
from bakeoff.serve.lease import Upstream
from bakeoff.serve.plan import ServedModel, ServingPlan

START_S = 30.0
"""What a worker of ours may take before it reads a byte: Python, imports, on a busy machine. Assumed."""
READ_BYTES_PER_S = 100e6
"""How fast a model is read where nobody measured it: a slow disk. Assumed."""
SLOTS = 16
"""What a worker of ours runs at a time."""
_PATIENCE_FACTOR = 5


class ModelKeeping(Record):
    """How one model is kept; None for what holds for all."""

    pinned: bool = False
    preload: bool = False
    idle_unload_s: float | None = Field(default=None, gt=0)
    slots: int | None = Field(default=None, ge=1, le=4096)
    queue: int | None = Field(default=None, ge=0, le=65536)
    need_bytes: int | None = Field(default=None, ge=1)


class Keeping(Record):
    """How all models are kept.

    `budget_bytes` is None for no bound, `idle_unload_s` for never. `patience_s` is how long a request waits for another
    model before those in its way take no more requests, `first_open_s` and `longest_open_s` bound a breaker's back-off.
    """

    budget_bytes: int | None = Field(default=None, ge=1)
    eviction: Eviction = "lru"
    idle_unload_s: float | None = Field(default=None, gt=0)
    slots: int = Field(default=SLOTS, ge=1, le=4096)
    queue: int = Field(default=64, ge=0, le=65536)
    patience_s: float = Field(default=10.0, ge=0)
    abandoned_load: Literal["finish", "stop"] = "finish"
    margin: float = Field(default=0.15, ge=0, le=2)
    stop_grace_s: float = Field(default=2.0, ge=0)
    breaker_failures: int = Field(default=3, ge=1)
    first_open_s: float = Field(default=2.0, gt=0)
    longest_open_s: float = Field(default=300.0, gt=0)
    models: Mapping[str, ModelKeeping] = Field(default_factory=dict)

    def rules(self) -> Rules:
        """Return what holds for all models."""
        return Rules(
            budget_bytes=self.budget_bytes,
            eviction=self.eviction,
            patience_s=self.patience_s,
            abandoned_load=self.abandoned_load,
            margin=self.margin,
            grace_s=self.stop_grace_s,
            breaker=BreakerRules(self.breaker_failures, self.first_open_s, self.longest_open_s),
        )

    def model_rules(self, served: ServedModel) -> ModelRules:
        """Return how one model is kept."""
        own = self.models.get(served.id, ModelKeeping())
        return ModelRules(
            name=served.id,
            need_bytes=(own.need_bytes or self._need_bytes(served)) if served.is_resident else None,
            slots=own.slots or self.slots,
            queue=self.queue if own.queue is None else own.queue,
            pinned=own.pinned,
            preload=own.preload,
            idle_unload_s=own.idle_unload_s or self.idle_unload_s,
            load_s=served.load_s,
            load_deadline_s=load_deadline_s(served),
        )

    def all_rules(self, plan: ServingPlan) -> tuple[ModelRules, ...]:
        """Return how each model is kept.

        Raises:
            UsageError: settings for a model that is not served.
            DoesNotFit: the pinned models do not fit into the budget together.
        """
        names = [served.id for served in plan.models]
        for name in self.models:
            if name not in names:
                raise UsageError(f"settings for {name!r}, which is not served", f"served: {', '.join(names)}")
        rules = tuple(self.model_rules(served) for served in plan.models)
        pinned = [each for each in rules if each.pinned and each.need_bytes is not None]
        total = sum(each.need_bytes or 0 for each in pinned)
        if self.budget_bytes is not None and total > self.budget_bytes:
            needs = ", ".join(f"{each.name} {bytes_text(each.need_bytes)}" for each in pinned)
            raise DoesNotFit(
                f"the pinned models may need {bytes_text(total)} ({needs}), and the budget is {bytes_text(self.budget_bytes)}",
                "pin fewer models, or give them more memory",
            )
        return rules

    def _need_bytes(self, served: ServedModel) -> int:
        if served.peak_memory_bytes is not None:
            return math.ceil(served.peak_memory_bytes * (1 + self.margin))
        return served.need_high_bytes or served.need_bytes or served.candidate.model.weight_bytes or 0


def load_deadline_s(served: ServedModel) -> float:
    """Return after how many seconds a load has failed."""
    model = served.candidate.model
    expected_s = served.load_s
    if expected_s is None:
        expected_s = (model.weight_bytes or served.need_high_bytes or 0) / READ_BYTES_PER_S
    engine = BUILT_IN.get(served.candidate.engine)
    start_s = engine.ready_within_s if engine is not None and engine.command else START_S
    return start_s + _PATIENCE_FACTOR * expected_s


def external_upstream(served: ServedModel, api_key: str | None) -> Upstream:
    """Return where an endpoint of others is.

    Raises:
        UsageError: recorded texts cannot be served.
    """
    model = served.candidate.model
    if model.source != "endpoint":
        raise UsageError(
            f"{served.id} cannot be served: it is a file of recorded texts", "serve a model or an endpoint"
        )
    return Upstream(served.id, model.location, model.remote_model or model.name, generation=0, api_key=api_key)
