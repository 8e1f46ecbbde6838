"""Plans to serve for tests: fake workers with knobs, and models of ours."""

from pathlib import Path

from bakeoff.core.spec import Candidate, ModelSpec, Sampling
from bakeoff.serve.plan import ServedModel, ServedRoute, ServingPlan
from worker_processes import fake_command

MIB = 1 << 20


def served(name, need_mb=100, *, source="folder", location="/nowhere", engine="fake", remote=None, **facts):
    model = ModelSpec(
        reference=name, name=name, source=source, location=str(location), digest=name, remote_model=remote
    )
    candidate = Candidate(id=name, model=model, engine=engine, sampling=Sampling())
    need = None if source == "endpoint" else need_mb * MIB
    return ServedModel(candidate=candidate, need_bytes=need, need_high_bytes=need, **facts)


def plan_of(*models):
    return ServingPlan(run_id=None, models=models, general=ServedRoute(candidate=models[0].id))


def fakes(**knobs):
    """How fake workers are started, by name: `fakes(a=["--hold-mb", "60"])`."""
    return {name: fake_command(*given, name=name) for name, given in knobs.items()}


def bundled(name):
    return Path(__file__).parents[1] / "src" / "bakeoff" / "bundled" / "models" / name
