"""What is served: models with what is known of each, and a route for each content type with the evidence behind it.

Whatever serves or exports starts from this record, and from nothing else of a run.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from bakeoff.core.records import Estimate, Outcome
from bakeoff.core.spec import Candidate, Record
from bakeoff.machine.budget import HOST

AUTO = "auto"
PREFIX = "bakeoff/"


class ServedModel(Record):
    """A candidate, and what a run or a prediction says of it.

    `memory` is the one that its weights lie in: the machine's, or a card's own. `need_high_bytes` is the upper bound of what it
    takes there, which it is admitted on (None for endpoints of others, which take nothing here), `peak_memory_bytes` what was
    measured of whoever holds the weights. For a model on a card with memory of its own, `device_peak_bytes` and `host_peak_bytes`
    are what was measured of each memory, and `host_high_bytes` the upper bound of what its process takes of the machine's. Seconds and tokens/s are medians of the run, None where nobody measured.
    `device` and `dtype` are what was seen to do the work.
    """

    candidate: Candidate
    need_bytes: int | None = None
    need_high_bytes: int | None = None
    peak_memory_bytes: int | None = None
    memory: str = HOST
    device_peak_bytes: int | None = None
    host_high_bytes: int | None = None
    host_peak_bytes: int | None = None
    load_s: float | None = None
    ttft_s: float | None = None
    tokens_per_s: float | None = None
    tokens_per_s_low: float | None = None
    tokens_per_s_high: float | None = None
    tokens_per_s_concurrency: int | None = None
    quality: Estimate | None = None
    by_content_type: Mapping[str, Estimate] = Field(default_factory=dict)
    in_contest: Estimate | None = None
    by_content_type_in_contest: Mapping[str, Estimate] = Field(default_factory=dict)
    device: str | None = None
    dtype: str | None = None

    @property
    def id(self) -> str:
        """The candidate's name, which requests use as the model's."""
        return self.candidate.id

    @property
    def is_resident(self) -> bool:
        """Whether a worker of ours loads it, within the memory budget."""
        return self.candidate.model.is_ours_to_run


class ServedRoute(Record):
    """Who serves a content type, who stands in, and by what evidence. `outcome` is None where no run says anything.

    `outcome` is the run's of the type, whoever serves it; `sure` says in a few words what that means for who does.
    """

    candidate: str
    fallbacks: tuple[str, ...] = ()
    outcome: Outcome | None = None
    evidence: Estimate | None = None
    sure: str | None = None
    reasons: tuple[str, ...] = ()

    @property
    def how_sure(self) -> str:
        """How sure it is that this one should serve, as people read it."""
        return self.sure or ("not measured" if self.outcome is None else self.outcome.replace("_", " "))

    @property
    def order(self) -> tuple[str, ...]:
        """Who is tried, first to last."""
        return (self.candidate, *self.fallbacks)


class ServingPlan(Record):
    """Models and routes. `general` serves what no route is known for; `run_id` is None where no run stands behind it.

    `suite_file` is how the run's suite is named to run it again, None where its file is not known.
    """

    run_id: str | None
    suite: str | None = None
    suite_file: str | None = None
    models: tuple[ServedModel, ...]
    routes: Mapping[str, ServedRoute] = Field(default_factory=dict)
    general: ServedRoute

    def model(self, name: str) -> ServedModel:
        """Return the model of that name.

        Raises:
            KeyError: there is none.
        """
        for served in self.models:
            if served.id == name:
                return served
        raise KeyError(name)
