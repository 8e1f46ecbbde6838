"""bakeoff: which local language model should I run, on this machine, for my content?

    import bakeoff

    suite = bakeoff.load_suite("business")  # or a file of your own: "mine.yaml"
    run = bakeoff.run(suite, ["bundled:social", "bundled:generalist"], fixed_n=40)
    print(run.decision.outcome, run.decision.choice, run.routes)
    assert run.compare("generalist", "social").not_worse_by(0.3)

Nothing is imported before it is asked for: `import bakeoff` takes a hundredth of a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bakeoff.core.version import __version__

if TYPE_CHECKING:
    from bakeoff.core.errors import (
        BakeoffError,
        DoesNotFit,
        EndpointAway,
        EndpointError,
        InvalidFile,
        MissingDependency,
        RunHeld,
        StoreError,
        UnknownModel,
        UnsupportedModel,
        UsageError,
        WorkerError,
    )
    from bakeoff.core.records import Comparison, Decision, Estimate, Generation, Route, RunEvent, Score
    from bakeoff.decide.margin import MarginVerdict
    from bakeoff.decide.score_analysis import ScoreAnalysis
    from bakeoff.decide.score_analysis import Scored as ScoreRow
    from bakeoff.decide.versus import Versus
    from bakeoff.library.running import load_suite, run
    from bakeoff.library.runs import Run, list_runs, open_run
    from bakeoff.library.scores import analyse
    from bakeoff.store.db import RunSummary
    from bakeoff.study.suite import Brief, Suite

__all__ = [
    "BakeoffError",
    "Brief",
    "Comparison",
    "Decision",
    "DoesNotFit",
    "EndpointAway",
    "EndpointError",
    "Estimate",
    "Generation",
    "InvalidFile",
    "MarginVerdict",
    "MissingDependency",
    "Route",
    "Run",
    "RunEvent",
    "RunHeld",
    "RunSummary",
    "Score",
    "ScoreAnalysis",
    "ScoreRow",
    "StoreError",
    "Suite",
    "UnknownModel",
    "UnsupportedModel",
    "UsageError",
    "Versus",
    "WorkerError",
    "__version__",
    "analyse",
    "list_runs",
    "load_suite",
    "open_run",
    "run",
]

_PLACES = {
    "bakeoff.core.errors": (
        "BakeoffError",
        "DoesNotFit",
        "EndpointAway",
        "EndpointError",
        "InvalidFile",
        "MissingDependency",
        "RunHeld",
        "StoreError",
        "UnknownModel",
        "UnsupportedModel",
        "UsageError",
        "WorkerError",
    ),
    "bakeoff.core.records": ("Comparison", "Decision", "Estimate", "Generation", "Route", "RunEvent", "Score"),
    "bakeoff.decide.margin": ("MarginVerdict",),
    "bakeoff.decide.score_analysis": ("ScoreAnalysis", "Scored"),
    "bakeoff.decide.versus": ("Versus",),
    "bakeoff.library.running": ("load_suite", "run"),
    "bakeoff.library.runs": ("Run", "list_runs", "open_run"),
    "bakeoff.library.scores": ("analyse",),
    "bakeoff.store.db": ("RunSummary",),
    "bakeoff.study.suite": ("Brief", "Suite"),
}
_CALLED_THERE = {"ScoreRow": "Scored"}


def __getattr__(name: str) -> Any:
    """Import what is asked for."""
    if name in __all__:
        import importlib

        there = _CALLED_THERE.get(name, name)
        place = next(module for module, names in _PLACES.items() if there in names)
        found = getattr(importlib.import_module(place), there)
        globals()[name] = found
        return found
    raise AttributeError(f"module 'bakeoff' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List what is offered."""
    return sorted(__all__)
