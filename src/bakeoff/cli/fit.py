"""`bakeoff fit MODEL...`: will it fit on this machine, and with how long a context."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bakeoff.core.errors import UsageError

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
@click.option(
    "--budget",
    metavar="BYTES",
    help="Memory for models, such as 16GiB, or host=24GiB,cuda:0=10GiB (default: measured).",
)
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


class UnknownMemory(UsageError):
    """A budget for a memory that this machine does not have; `name` is what it was called."""

    def __init__(self, said_by: str, name: str, known: Sequence[str]) -> None:
        super().__init__(f"{said_by}: this machine has no memory {name!r}", f"it has: {', '.join(known)}")
        self.name = name


def machine_budgets(told: str | int | Mapping[str, int | None] | None, said_by: str = "--budget") -> Budgets:
    """Return what models may take here, or what is told instead: of each memory alike, or of some by name.

    `said_by` is where that was written.

    Raises:
        UsageError: it is no number of bytes.
        UnknownMemory: it names a memory that is not here.
    """
    from bakeoff.cli.arguments import read_budgets
    from bakeoff.machine.accelerators import find_accelerators
    from bakeoff.machine.budget import HOST, Budget, accelerator_budget, card_budgets, memory_budget
    from bakeoff.machine.detect import detect_machine
    from bakeoff.study.admission import Budgets

    machine = detect_machine()
    accelerators = find_accelerators(machine)
    host, own = memory_budget(machine), accelerator_budget(machine, accelerators)
    cards = card_budgets(accelerators, host)
    sizes = read_budgets(said_by, told) if isinstance(told, str) else told
    if not sizes:
        return Budgets(host, own, cards)
    names = [HOST, *cards]
    by_name: Mapping[str, int | None] = dict.fromkeys(names, sizes) if isinstance(sizes, int) else sizes
    for name in by_name:
        if name not in names:
            raise UnknownMemory(said_by, name, names)
    given = {name: Budget(value=size, source=f"set by {said_by}") for name, size in by_name.items()}
    if not cards:  # one memory: what is said of it is said of a Mac's GPU, too
        return Budgets(given[HOST], given[HOST] if accelerators else None)
    cards = {**cards, **{name: budget for name, budget in given.items() if name != HOST}}
    return Budgets(given.get(HOST, host), max(cards.values(), key=lambda budget: budget.value or 0), cards)


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
