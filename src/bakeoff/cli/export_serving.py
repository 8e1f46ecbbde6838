"""`bakeoff export RUN --to` another server: llama-swap, LiteLLM, vLLM, Ray Serve, KubeRay, Ollama, semantic router."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from bakeoff.serve.handover.handover import Copies, Handover
    from bakeoff.serve.plan import ServingPlan

_F = TypeVar("_F", bound=Callable[..., Any])

_OPTIONS: dict[str, Callable[[Any], Any]] = {
    "context": click.option(
        "--context",
        type=click.IntRange(min=1),
        metavar="N",
        help="Tokens that a request and its answer may take (default: the model's own limit).",
    ),
    "endpoints": click.option(
        "--endpoint",
        "endpoints",
        multiple=True,
        metavar="MODEL=URL",
        help="Where a model answers: http://host:8000/v1.",
    ),
    "weights": click.option(
        "--weights",
        multiple=True,
        metavar="MODEL=REF",
        help="Serve these weights instead, which were not measured: the file says so.",
    ),
    "traffic": click.option(
        "--traffic",
        multiple=True,
        metavar="[TYPE=]N/UNIT",
        help="Replicas for this load, of one content type or of all: 2/s, 30/min, 500/h (default: one replica).",
    ),
    "target_p95": click.option(
        "--target-p95", type=float, metavar="S", help="With --traffic: 95 % of the texts within S seconds."
    ),
}


def _exporter(name: str, *takes: str) -> Callable[[_F], click.Command]:
    """Return a decorator: a command that takes RUN, --models, -o, --replace, and these options."""

    def made(function: _F) -> click.Command:
        wrapped: Any = function
        for option in (
            click.option("--replace", is_flag=True, help="Replace what is there by that name."),
            click.option(
                "-o", "--out", type=click.Path(path_type=Path), metavar="PATH", help="Where to (default: stdout)."
            ),
            *(_OPTIONS[each] for each in reversed(takes)),
            click.option("--models", metavar="A,B", help="These models alone."),
            click.argument("run_id", metavar="RUN"),
        ):
            wrapped = option(wrapped)
        return click.command(name)(wrapped)

    return made


@_exporter("llama-swap", "endpoints", "context")
def export_llama_swap(run_id: str, out: Path | None, *, replace: bool, **given: Any) -> None:
    """Write llama-swap's config.yaml: a process a model, loaded when asked for.

    GGUF files are run by llama-server, others by the engine that was measured.
    """
    from bakeoff.serve.handover.llama_swap import llama_swap_config

    _write(llama_swap_config(_handover(run_id, **given)), out, replace=replace)


@_exporter("litellm", "endpoints")
def export_litellm(run_id: str, out: Path | None, *, replace: bool, **given: Any) -> None:
    """Write the config.yaml of LiteLLM's proxy: a model name a route, with its fallbacks.

    Where a model answers comes from --endpoint, from the run, or from the environment when the proxy starts.
    """
    from bakeoff.serve.handover.litellm import litellm_config

    _write(litellm_config(_handover(run_id, **given)), out, replace=replace)


@_exporter("vllm-compose", "weights", "context", "traffic", "target_p95")
def export_vllm_compose(run_id: str, out: Path | None, *, replace: bool, **given: Any) -> None:
    """Write a compose.yaml of vLLM: a service for each model that serves a route first.

    GGUF files and weights quantised by MLX are refused: no quality was measured for what vLLM runs.
    """
    from bakeoff.serve.handover.vllm import vllm_compose

    _write(vllm_compose(_handover(run_id, only_leaders=True, **given)), out, replace=replace)


@_exporter("ray-serve", "weights", "context", "traffic", "target_p95")
def export_ray_serve(run_id: str, out: Path | None, *, replace: bool, **given: Any) -> None:
    """Write a file for `serve deploy`: the models that serve a route first, on vLLM.

    GGUF files and weights quantised by MLX are refused: no quality was measured for what vLLM runs.
    """
    from bakeoff.serve.handover.ray_serve import ray_serve_config

    _write(ray_serve_config(_handover(run_id, only_leaders=True, **given)), out, replace=replace)


@_exporter("kuberay", "weights", "context", "traffic", "target_p95")
@click.option("--image", metavar="IMAGE", help="The containers' image, with ray[llm] in it. Needed.")
def export_kuberay(run_id: str, out: Path | None, image: str | None, *, replace: bool, **given: Any) -> None:
    """Write a RayService for KubeRay: what ray-serve writes, with the cluster around it.

    GGUF files and weights quantised by MLX are refused: no quality was measured for what vLLM runs.
    """
    from bakeoff.serve.handover.ray_serve import kuberay_service

    _write(kuberay_service(_handover(run_id, only_leaders=True, **given), image), out, replace=replace)


@_exporter("ollama", "weights", "context")
def export_ollama(run_id: str, out: Path | None, *, replace: bool, **given: Any) -> None:
    """Write a Modelfile for each model that serves a route first, into the folder of -o.

    Without -o it goes to stdout, where --models names one model.
    """
    from bakeoff.core.errors import UsageError
    from bakeoff.serve.handover.ollama import modelfiles

    made = modelfiles(_handover(run_id, only_leaders=True, names=True, **given))
    if out is None:
        if len(made) > 1:
            raise UsageError(
                f"there are {len(made)} Modelfiles: {', '.join(made)}",
                "say where to: -o FOLDER; or name one by --models",
            )
        click.echo(next(iter(made.values())), nl=False)
        return
    files = {out / f"{name}.Modelfile": text for name, text in made.items()}
    for file in files:
        _check_free(file, replace=replace)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{out}: cannot be made ({error.strerror})", "give a folder with -o") from None
    for file, text in files.items():
        _write(text, file, replace=replace)


@_exporter("semantic-router", "endpoints", "context")
def export_semantic_router(run_id: str, out: Path | None, *, replace: bool, **given: Any) -> None:
    """Write the config.yaml of vLLM's semantic router: routes as decisions, scores as its quality evidence."""
    from bakeoff.serve.handover.semantic_router import semantic_router_config

    _write(semantic_router_config(_handover(run_id, **given)), out, replace=replace)


def _handover(
    run_id: str,
    *,
    models: str | None,
    only_leaders: bool = False,
    endpoints: Sequence[str] = (),
    weights: Sequence[str] = (),
    context: int | None = None,
    traffic: Sequence[str] = (),
    target_p95: float | None = None,
    names: bool = False,
) -> Handover:
    """Return what is handed over; `names`: --weights may be a name that only the other server knows."""
    from bakeoff.serve.handover.handover import Handover, leaders, narrow

    plan = _plan(run_id)
    origins = _origins(plan)
    if models is not None:
        plan = narrow(plan, [part.strip() for part in models.split(",") if part.strip()])
    elif only_leaders:
        kept = leaders(plan)
        left = [model.id for model in plan.models if model.id not in kept]
        plan = narrow(plan, kept)
        if left:
            click.echo(
                f"left out, since they serve no route first: {', '.join(left)} (--models names who is in)", err=True
            )
    replaced = {name: _located(value, names=names) for name, value in _pairs("--weights", weights, plan).items()}
    return Handover(
        plan=plan,
        urls=_pairs("--endpoint", endpoints, plan),
        weights=replaced,
        origins=origins,
        context=context,
        copies=_copies(run_id, plan, traffic, target_p95, list(replaced)),
        without_template=_without_template(plan),
    )


def _without_template(plan: ServingPlan) -> frozenset[str]:
    """Return the models whose weights, where they are here, bring no chat template."""
    from bakeoff.engines.chat_template import brings_template

    ours = [model for model in plan.models if model.candidate.model.is_ours_to_run]
    return frozenset(model.id for model in ours if not brings_template(Path(model.candidate.model.location)))


def _plan(run_id: str) -> ServingPlan:
    from bakeoff.cli.served_run import find_run
    from bakeoff.cli.serving_plan import plan_elsewhere
    from bakeoff.library.workspace import open_store
    from bakeoff.study.stored_plan import load_plan

    store = open_store()
    try:
        row, passed_over = find_run(store, run_id)
        plan, notes = plan_elsewhere(row, load_plan(store, row.run_id))
    finally:
        store.close()
    for note in (*passed_over, *notes):
        click.echo(note, err=True)
    return plan


def _origins(plan: ServingPlan) -> dict[str, str]:
    """Return which model each quantised one was made of, where that is in the run or bundled."""
    from bakeoff.catalog.references import bundled_names, resolve

    made = {model.id: model.candidate.model.made_from for model in plan.models if model.candidate.model.made_from}
    if not made:
        return {}
    specs = [
        *(model.candidate.model for model in plan.models),
        *(resolve(f"bundled:{name}") for name in bundled_names()),
    ]
    known = {spec.digest: spec.reference for spec in specs if spec.source == "folder" and spec.quantisation is None}
    return {name: known[digest] for name, digest in made.items() if digest in known}


def _pairs(option: str, given: Sequence[str], plan: ServingPlan) -> dict[str, str]:
    """Return what was said of models: the name is the longest that fits, since names may hold an equals sign."""
    from bakeoff.core.errors import UsageError

    names = sorted((model.id for model in plan.models), key=len, reverse=True)
    found: dict[str, str] = {}
    for each in given:
        name = next((name for name in names if each.startswith(f"{name}=")), None)
        value = "" if name is None else each[len(name) + 1 :].strip()
        if name is None or not value:
            raise UsageError(f"{option}: not MODEL=VALUE of a model here", f"models: {', '.join(reversed(names))}")
        if name in found:
            raise UsageError(f"{option}: {name} is given twice", "give it once")
        found[name] = value
    return found


def _located(reference: str, *, names: bool) -> str:
    """Return weights as the other server finds them: on the hub, or at a whole path.

    Raises:
        UsageError: it is neither, and no name will do.
    """
    from bakeoff.catalog.references import resolve
    from bakeoff.core.errors import UsageError

    if reference.startswith("bundled:"):
        return resolve(reference).location
    if reference.startswith("hf:") or Path(reference).is_absolute():
        return reference
    if Path(reference).exists():
        return str(Path(reference).absolute())
    if names:
        return reference
    raise UsageError(f"--weights: there is no {reference} here", "write hf:ORG/NAME, or a path that the servers have")


def _copies(
    run_id: str, plan: ServingPlan, traffic: Sequence[str], target_p95: float | None, replaced: Sequence[str]
) -> Mapping[str, Copies]:
    """Return how many replicas of each model hold the stated traffic."""
    from bakeoff.core.errors import UsageError
    from bakeoff.serve.handover.replicas import rates_by_model, replicas

    if not traffic:
        if target_p95 is not None:
            raise UsageError("--target-p95 goes with --traffic", "say which load: --traffic 30/min")
        return {}
    if replaced:
        raise UsageError(
            f"--traffic: how fast {replaced[0]} is with the weights of --weights, no run measured",
            "measure them and export that run; or leave --traffic out",
        )
    if target_p95 is not None and not 0 < target_p95 < float("inf"):
        raise UsageError(f"--target-p95 {target_p95:g}: not a time", "write seconds, above 0")
    if target_p95 is None:
        raise UsageError("--traffic needs a latency target", "say --target-p95 S: 95 % of the texts within S seconds")
    from bakeoff.cli.plan_traffic import read_measured, read_rate

    rates: dict[str | None, float] = {}
    for each in traffic:
        kind, equals, rate = each.rpartition("=")
        rates[kind if equals else None] = rates.get(kind if equals else None, 0.0) + read_rate(rate)
    found: dict[str, Copies] = {}
    for name, rate_per_s in rates_by_model(plan, rates).items():
        measured = read_measured(plan.run_id or run_id, name)
        found[name] = replicas(name, measured.service, rate_per_s, target_p95, measured.throughput)
    return found


def _check_free(out: Path, *, replace: bool) -> None:
    from bakeoff.core.errors import UsageError

    if out.exists() and not replace:
        raise UsageError(f"{out} is there already", "give --replace, or another name with -o")


def _write(text: str, out: Path | None, *, replace: bool) -> None:
    from bakeoff.core.errors import UsageError

    if out is None:
        click.echo(text, nl=False)
        return
    _check_free(out, replace=replace)
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{out}: cannot be written ({error.strerror})", "give another name with -o") from None
    click.echo(f"wrote {out}", err=True)
