"""How models are kept in memory: the settings that people write, and the rules that follow from them and the plan.

A model is admitted on the peak that a run measured, with a margin, or else on the upper bound of what it is predicted to
need. A load has failed after its start's own time (a server that compiles has a longer one) plus five times what it should
take: as long as the run's loads, or its bytes by an assumed rate; the machine replaces that by what it sees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field, PlainValidator
from pydantic_core import PydanticCustomError

from bakeoff.core.errors import DoesNotFit, UsageError
from bakeoff.core.spec import Record
from bakeoff.core.units import bytes_text
from bakeoff.engines.local import BUILT_IN
from bakeoff.machine.budget import HOST
from bakeoff.serve.breaker import BreakerRules
from bakeoff.serve.eviction import Eviction
from bakeoff.serve.held import ModelRules, Rules
from bakeoff.serve.lease import Upstream
from bakeoff.serve.plan import ServedModel, ServingPlan
from bakeoff.serve.pools import PerPool, pool_text, short, total, with_margin

START_S = 30.0
"""What a worker of ours may take before it reads a byte: Python, imports, on a busy machine. Assumed."""
READ_BYTES_PER_S = 100e6
"""How fast a model is read where nobody measured it: a slow disk. Assumed."""
SLOTS = 16
"""What a worker of ours runs at a time."""
_PATIENCE_FACTOR = 5
_MOST_BYTES = 2**60


def _sizes(value: object) -> object:
    """Return what was given where it is bytes, or bytes by memory: one message says it all, a union's would be two."""
    told = [each for each in (value.values() if isinstance(value, Mapping) else [value]) if each is not None]
    if not all(isinstance(each, int) and not isinstance(each, bool) and 0 <= each <= _MOST_BYTES for each in told):
        raise PydanticCustomError("sizes", "a whole number of bytes, or a table of them by memory")
    if told and not any(told):
        raise PydanticCustomError("sizes", "more than 0 bytes")
    return value


def _budgets(value: object) -> object:
    if isinstance(value, Mapping) and 0 in value.values():
        raise PydanticCustomError("sizes", "more than 0 bytes of each memory")
    return _sizes(value)


_Bytes = int | Mapping[str, int | None] | None
Sizes = Annotated[_Bytes, PlainValidator(_sizes)]
"""Bytes of the memory that is meant, or of each by its name; a model may need nothing of one."""
BudgetSizes = Annotated[_Bytes, PlainValidator(_budgets)]


class ModelKeeping(Record):
    """How one model is kept; None for what holds for all. `need_bytes` is of the memory that its weights lie in, unless it is told by
    memory.
    """

    pinned: bool = False
    preload: bool = False
    idle_unload_s: float | None = Field(default=None, gt=0)
    slots: int | None = Field(default=None, ge=1, le=4096)
    queue: int | None = Field(default=None, ge=0, le=65536)
    need_bytes: Sizes = None


class Keeping(Record):
    """How all models are kept.

    `budget_bytes` holds for each memory, or is told by memory; None is no bound. `idle_unload_s` for never. `patience_s` is how long a request waits for another
    model before those in its way take no more requests, `first_open_s` and `longest_open_s` bound a breaker's back-off.
    """

    budget_bytes: BudgetSizes = None
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

    @property
    def budgets(self) -> Mapping[str, int | None]:
        """What models may take of each memory; None for no bound."""
        told = self.budget_bytes
        return {HOST: None, **told} if isinstance(told, Mapping) else {HOST: told}

    def rules(self) -> Rules:
        """Return what holds for all models."""
        return Rules(
            budgets=self.budgets,
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
            need=self._need(served, own.need_bytes) if served.is_resident else None,
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
            UsageError: settings for a model that is not served, or for a memory that is not here.
            DoesNotFit: the pinned models do not fit together into a memory.
        """
        names = [served.id for served in plan.models]
        for name in self.models:
            if name not in names:
                raise UsageError(f"settings for {name!r}, which is not served", f"served: {', '.join(names)}")
        rules = tuple(self.model_rules(served) for served in plan.models)
        for each in rules:
            for name in each.need or {}:
                if name not in self.budgets:
                    raise UsageError(f"{each.name} needs some of {name!r}", f"memories here: {', '.join(self.budgets)}")
        self._check_pinned([each for each in rules if each.pinned])
        return rules

    def _check_pinned(self, pinned: Sequence[ModelRules]) -> None:
        needs = total(each.need or {} for each in pinned)
        for pool in short(needs, {pool: size for pool, size in self.budgets.items() if size is not None}):
            each_needs = ", ".join(f"{each.name} {bytes_text((each.need or {}).get(pool))}" for each in pinned)
            raise DoesNotFit(
                f"the pinned models may need {pool_text(needs, pool, self.budgets)} ({each_needs}), and the budget is "
                f"{bytes_text(self.budgets[pool])}",
                "pin fewer models, or give them more memory",
            )

    def _need(self, served: ServedModel, told: int | Mapping[str, int | None] | None) -> PerPool:
        """Return what a model is admitted on: what people say, else what a run measured, with a margin, else the prediction."""
        measured = {HOST: served.peak_memory_bytes}
        predicted = {
            served.memory: served.need_high_bytes or served.need_bytes or served.candidate.model.weight_bytes or 0
        }
        if served.memory != HOST:
            measured = {served.memory: served.device_peak_bytes, HOST: served.host_peak_bytes}
            predicted[HOST] = served.host_high_bytes or 0
        known = with_margin({pool: size for pool, size in measured.items() if size is not None}, self.margin)
        said = {served.memory: told} if isinstance(told, int) else told or {}
        return {**predicted, **known, **{pool: size for pool, size in said.items() if size is not None}}


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
