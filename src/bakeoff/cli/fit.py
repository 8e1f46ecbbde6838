"""`bakeoff fit MODEL...`: will it fit on this machine, and with how long a context."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from bakeoff.catalog.calibration import Observation
    from bakeoff.catalog.fit import Load, Prediction
    from bakeoff.machine.budget import Budget
    from bakeoff.study.admission import Budgets
    from bakeoff.study.fit_subjects import Asked

_BREAKDOWN = ("weights_bytes", "kv_bytes", "graph_bytes", "runtime_bytes", "load_peak_bytes", "resident_bytes")
_ENGINES = ("onnx", "transformers", "llamacpp", "mlx", "vllm")


@click.command()
@click.argument("models", nargs=-1, metavar="MODEL...")
@click.option("--context", type=int, metavar="N", help="Tokens of each text, its brief included (default: 4096).")
@click.option("--batch", type=int, default=1, show_default=True, metavar="B", help="Texts written at a time.")
@click.option("--engine", type=click.Choice(_ENGINES), help="What would run it (default: as in bakeoff run).")
@click.option("--device", type=click.Choice(["cpu", "accelerator"]), help="Where (default: the engine's own choice).")
@click.option(
    "--quantisation", "--quantization", "--quantise", metavar="Q", help="Another format of the weights, such as q4_k_m."
)
@click.option("--kv-type", type=click.Choice(["f32", "f16", "bf16", "q8_0", "q4_0"]), help="Numbers in the KV cache.")
@click.option("--budget", metavar="BYTES", help="Memory for models, such as 8000000000 or 16GiB (default: measured).")
@click.option("--facts", type=click.Path(path_type=Path), metavar="FILE.json", help="Sizes of models not here.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
def fit(
    models: tuple[str, ...],
    context: int | None,
    batch: int,
    engine: str | None,
    device: str | None,
    quantisation: str | None,
    kv_type: Any,
    budget: str | None,
    facts: Path | None,
    *,
    as_json: bool,
) -> None:
    """Say whether models fit into memory here, and with how long a context.

    Every part is told with where it comes from, and can be overridden. Nothing is loaded.
    """
    from bakeoff.catalog.engine_memory import Where
    from bakeoff.catalog.fit import Load
    from bakeoff.core.errors import UsageError
    from bakeoff.library.workspace import workspace_folder
    from bakeoff.study.fit_subjects import find_subjects, read_facts

    asked = find_subjects(models, read_facts(facts) if facts else {}, engine, quantisation, workspace_folder())
    budgets = machine_budgets(budget)
    if device == "accelerator" and budgets.accelerator is None and budget is None:
        raise UsageError("--device accelerator: none was found here", "say what it holds:  --budget 24GiB")
    seen = past_loads()
    found = []
    for each in asked:
        where: Where = (
            "cpu" if each.engine == "onnx" or device == "cpu" or budgets.accelerator is None else "accelerator"
        )
        if device == "accelerator" and each.engine != "onnx":
            where = "accelerator"
        load = Load(each.engine, where, context, batch, kv_type)
        found.append((each, _predict(each, load, budgets.of(where), seen), budgets.of(where)))
    if as_json:
        click.echo(json.dumps(_document(found), ensure_ascii=False))
        return
    from rich.console import Console

    from bakeoff.report.fit import fit_lines

    console = Console()
    for line in fit_lines([(prediction, held) for _, prediction, held in found], console.width):
        console.print(line)


def _predict(asked: Asked, load: Load, budget: Budget, seen: list[Observation]) -> Prediction:
    from bakeoff.catalog.calibration import calibrate
    from bakeoff.catalog.fit import predict

    return predict(asked.subject, load, budget.value, calibrate(seen, load.engine, load.where))


def machine_budgets(text: str | None, said_by: str = "--budget") -> Budgets:
    """Return what models may take here, or what `text` says instead; `said_by` is where that was written.

    Raises:
        UsageError: it is no number of bytes.
    """
    from bakeoff.cli.arguments import read_bytes
    from bakeoff.machine.accelerators import find_accelerators
    from bakeoff.machine.budget import Budget, accelerator_budget, memory_budget
    from bakeoff.machine.detect import detect_machine
    from bakeoff.study.admission import Budgets

    machine = detect_machine()
    accelerators = find_accelerators(machine)
    if text is None:
        return Budgets(memory_budget(machine), accelerator_budget(machine, accelerators))
    given = Budget(value=read_bytes(said_by, text), source=f"set by {said_by}")
    return Budgets(given, given if accelerators else None)


def past_loads() -> list[Observation]:
    """Return the loads that this workspace has seen; looking at models makes no workspace."""
    import os

    from bakeoff.library.workspace import open_store, workspace_folder
    from bakeoff.study.admission import read_observations

    folder = workspace_folder()
    if not os.environ.get("BAKEOFF_STORE") and not (folder / "bakeoff.db").exists():
        return []
    store = open_store()
    try:
        return read_observations(store, folder)
    finally:
        store.close()


def _document(found: list[tuple[Asked, Prediction, Budget]]) -> dict[str, Any]:
    """Return the `bakeoff.fit/1` document; `budget_bytes` is that of the first model's place, each has its own beside it."""
    from bakeoff.catalog.fit import seed_need_bytes

    models = []
    for asked, prediction, budget in found:
        need, count = prediction.need, asked.subject.parameters
        told = {} if need is None else need.model_dump()
        models.append(
            {
                "model": prediction.model,
                "engine": prediction.engine,
                "device": prediction.where,
                "context": prediction.tokens,
                "batch": prediction.rows,
                "kv_type": prediction.kv_type,
                "quantisation": asked.subject.quantisation,
                "need_bytes": {part: told.get(part) for part in ("estimate", "low", "high")},
                "breakdown": {part: told.get(part) for part in _BREAKDOWN},
                "provenance": prediction.provenance,
                "verdict": prediction.verdict,
                "max_context": prediction.max_context,
                "budget_bytes": budget.model_dump(),
                "notes": list(prediction.notes),
                "baselines": {"seed_bytes": None if count is None else seed_need_bytes(count)},
            }
        )
    return {"schema": "bakeoff.fit/1", "budget_bytes": found[0][2].model_dump(), "models": models}
