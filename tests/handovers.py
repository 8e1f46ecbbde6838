"""Serving plans to hand over, with evidence, for tests."""

from bakeoff.core.records import Estimate
from bakeoff.core.spec import Candidate, ModelSpec, Sampling
from bakeoff.serve.handover.handover import Handover
from bakeoff.serve.plan import ServedModel, ServedRoute, ServingPlan

RUN = "20261127-160133-faee"


def estimate(mean: float, briefs: int = 20) -> Estimate:
    return Estimate(estimate=mean, low=mean - 1, high=mean + 1, method="bounded", briefs=briefs)


def model(name: str, score: float = 6.0, **facts: object) -> ServedModel:
    spec: dict[str, object] = {
        "reference": f"models/{name}",
        "name": name,
        "source": "folder",
        "location": f"/models here/{name}",
        "digest": f"d-{name}"[:16],
        "context_length": 2048,
        "parameters": 10,
    }
    own = {key: facts.pop(key) for key in list(facts) if key in ModelSpec.model_fields}
    engine, sampling = facts.pop("engine", "onnx"), facts.pop("sampling", Sampling(temperature=0.7, top_p=0.95))
    measured: dict[str, object] = {
        "tokens_per_s": 600.0,
        "tokens_per_s_low": 500.0,
        "tokens_per_s_high": 700.0,
        "tokens_per_s_concurrency": 8,
        "peak_memory_bytes": 180_000_000,
        "device": "cpu",
        "dtype": "float32",
    }
    return ServedModel(
        candidate=Candidate(id=name, model=ModelSpec(**{**spec, **own}), engine=engine, sampling=sampling),
        quality=estimate(score),
        by_content_type={"tweet": estimate(score + 0.5, 7)},
        in_contest=estimate(score),
        by_content_type_in_contest={"tweet": estimate(score + 0.5, 7)},
        **{**measured, **facts},
    )


def gguf(name: str = "small.gguf", **facts: object) -> ServedModel:
    return model(
        name,
        source="gguf",
        engine="llamacpp",
        quantisation="Q4_K_M",
        reference=f"models/{name}",
        location=f"/models here/{name}",
        **facts,
    )


def endpoint(name: str = "cloud", location: str = "https://api.example/v1", **facts: object) -> ServedModel:
    reference = facts.pop("reference", f"openai:{name}@{location}")
    unknown = {"tokens_per_s": None, "tokens_per_s_low": None, "tokens_per_s_high": None, "peak_memory_bytes": None}
    return model(
        name,
        source="endpoint",
        engine="endpoint",
        location=location,
        reference=reference,
        remote_model=f"{name}-1",
        context_length=None,
        device=None,
        dtype=None,
        **{**unknown, **facts},
    )


def hand(*models: ServedModel, routes: dict[str, ServedRoute] | None = None, **said: object) -> Handover:
    """The first model leads everything, the others stand in; `tweet` is the last one's where nothing else is said."""
    names = [each.id for each in models]
    made = routes or {
        "tweet": ServedRoute(
            candidate=names[-1], fallbacks=tuple(names[:-1]), outcome="winner", evidence=estimate(7.7, 7)
        )
    }
    general = ServedRoute(
        candidate=names[0], fallbacks=tuple(names[1:]), outcome="best_within_eps", evidence=models[0].quality
    )
    plan = ServingPlan(
        run_id=RUN, suite="business", suite_file="mine.yaml", models=models, routes=made, general=general
    )
    return Handover(plan=plan, **said)
