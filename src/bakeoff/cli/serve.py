"""`bakeoff serve`: one OpenAI-compatible URL over the models that a run chose.

The gateway lives long and stays small, so that what reads the store and the models' files works in a process of its own
(`--print-plan`, this command again), beside the gateway's start, and ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from bakeoff.cli.beside import beside, how_it_ended
from bakeoff.cli.ended import end_on_signals
from bakeoff.cli.planned import Wanted
from bakeoff.cli.running_gateway import acknowledge
from bakeoff.cli.serving_keys import KEY_VARIABLE, keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bakeoff.cli.planned import Planned
    from bakeoff.cli.serving_plan import Served
    from bakeoff.cli.serving_reload import Asked, Signature
    from bakeoff.serve.app import Keys
    from bakeoff.serve.cost_terms import CostSettings, CostTerms
    from bakeoff.serve.keeping import Keeping
    from bakeoff.serve.settings import ServeSettings
    from bakeoff.store.db import RunRow, Store
    from bakeoff.study.plan import Plan

PLAN_SCHEMA = "bakeoff.serving_plan/1"


@click.group(invoke_without_command=True)
@click.option(
    "--run",
    "run_id",
    metavar="RUN",
    help="The run whose routes are served (default: the newest that decided something).",
)
@click.option(
    "--models", metavar="A,B", help="Serve these models, without a run: the first serves, the others stand in."
)
@click.option("--host", metavar="H", help="Listen on this address (default: 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), metavar="P", help="Listen on this port; 0: any (default: 8080).")
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="Settings in TOML: docs/serving.md.")
@click.option(
    "--budget",
    metavar="BYTES",
    help="Memory for models, such as 16GiB, or host=24GiB,cuda:0=10GiB (default: measured).",
)
@click.option("--allow-anyone", is_flag=True, help=f"Listen beyond this machine without a key in {KEY_VARIABLE}.")
@click.option("--json", "as_json", is_flag=True, help="Say where it listens as one JSON document on stdout.")
@click.option(
    "--against", metavar="MODEL", help="A cloud model whose price is held beside the cost, such as gpt-4o-mini."
)
@click.option("--print-references", is_flag=True, hidden=True, help="Print the quality of the run's texts, and end.")
@click.option("--judge", hidden=True, help="With --print-references: what this judge says of them instead.")
@click.option("--judged-candidate", "judged", multiple=True, hidden=True, help="Whose texts it is asked about.")
@click.option("--print-plan", is_flag=True, help="Print what would be served as one JSON document, and end.")
@click.pass_context
def serve(
    context: click.Context,
    run_id: str | None,
    models: str | None,
    host: str | None,
    port: int | None,
    config: Path | None,
    budget: str | None,
    against: str | None,
    judge: str | None,
    judged: tuple[str, ...],
    *,
    allow_anyone: bool,
    as_json: bool,
    print_plan: bool,
    print_references: bool,
) -> int:
    """Serve what won: one OpenAI-compatible URL over the models of a run.

    Each kind of content goes to the model that earned it; the next of its route stands in where that one fails. Clients must show a key where `bakeoff serve keys new NAME` made one, or the environment variable BAKEOFF_API_KEY holds one; an address that alerts are posted to is in BAKEOFF_ALERT_WEBHOOK. Changed settings and keys are taken while it runs, and on SIGHUP. Ctrl-C ends it.
    """
    if context.invoked_subcommand is not None:
        if any(context.get_parameter_source(name) is not ParameterSource.DEFAULT for name in context.params):
            raise click.UsageError(f"options of serve itself mean nothing to serve {context.invoked_subcommand}")
        return 0
    if run_id is not None and models is not None:
        raise click.UsageError("--models serves models without a run: leave out --run, or --models")
    wanted = Wanted(run_id, models, config, budget, against)
    if print_references:
        _print_references(run_id or "latest", judge, judged)
        return 0
    if print_plan:
        _print_plan(wanted)
        return 0
    settings = None if config is None else _settings(config)  # what is wrong with it is said once, and first
    try:
        return asyncio.run(_serve(wanted, settings, host, port, allow_anyone=allow_anyone, as_json=as_json))
    except asyncio.CancelledError:  # a signal ended it before it listened
        raise KeyboardInterrupt from None


def _print_references(run_id: str, judge: str | None, judged: tuple[str, ...]) -> None:
    """Print what answers are held against: by the rules, or by a judge."""
    if judge is None:
        from bakeoff.cli.serving_watch import references_document

        document = references_document(run_id)
    else:
        from bakeoff.cli.serving_judge import judge_document

        document = judge_document(run_id, judge, judged)
    click.echo(json.dumps(document, ensure_ascii=False))


def _print_plan(wanted: Wanted) -> None:
    """Print the plan. What answers requests is not imported: while this works, the gateway imports it."""
    from bakeoff.serve.cost_terms import CostSettings

    file = wanted.config
    planned = _make_plan(wanted, None, {}, CostSettings()) if file is None else _configured_plan(wanted, file)
    served, terms = planned
    told = {name: budget.model_dump(mode="json") for name, budget in served.budgets.items()}
    document = {
        "schema": PLAN_SCHEMA,
        "plan": served.plan.model_dump(mode="json"),
        "budget": only[0] if len(only := list(told.values())) == 1 else None,
        "budgets": told,
        "notes": list(served.notes),
        "cost": terms.model_dump(mode="json"),
    }
    click.echo(json.dumps(document, ensure_ascii=False, indent=1))


def _configured_plan(wanted: Wanted, file: Path) -> tuple[Served, CostTerms]:
    """Return the plan under the settings of a file.

    Raises:
        InvalidFile: they name models that are not served, or a judge that may not judge.
    """
    from bakeoff.cli.fit import UnknownMemory
    from bakeoff.cli.serving_routes import UnservedModels
    from bakeoff.core.errors import InvalidFile
    from bakeoff.serve.settings_file import problem_at, read_settings

    settings = read_settings(file)
    try:
        served, terms = _make_plan(wanted, settings.keeping, settings.routes, settings.cost)
        names = [model.id for model in served.plan.models]
        unknown = tuple((("keeping", "models", name), name) for name in settings.keeping.models if name not in names)
        error = UnservedModels(unknown, names)
    except UnservedModels as raised:
        error = raised
    except UnknownMemory as unknown:
        if wanted.budget is not None:
            raise
        path = ("keeping", "budget_bytes", unknown.name)
        raise InvalidFile((problem_at(file, path, "is no memory of this machine", unknown.hint),)) from None
    if error.named:
        found = (problem_at(file, path, f"{name!r} is not served", error.hint) for path, name in error.named)
        raise InvalidFile(tuple(found))
    quality = settings.quality
    if quality.judge is not None:
        from bakeoff.cli.serving_judge import check_judge

        note = check_judge(file, quality.judge, served.plan)
        if quality.share > 0:
            served = served._replace(notes=(*served.notes, note))
    return served, terms


def _make_plan(
    wanted: Wanted,
    keeping: Keeping | None,
    routes: Mapping[str, Sequence[str]],
    cost: CostSettings,
) -> tuple[Served, CostTerms]:
    """Return the plan; `keeping` is None where no settings say anything."""
    from bakeoff.cli.fit import machine_budgets, past_loads
    from bakeoff.cli.served_run import find_run
    from bakeoff.cli.serving_plan import make_served_candidates, plan_of_models, plan_of_run
    from bakeoff.cli.serving_watch import cost_terms
    from bakeoff.library.workspace import open_store
    from bakeoff.serve.need import admitted_on

    if wanted.against is not None:
        cost = cost.model_copy(update={"against": wanted.against})
    needed = admitted_on if keeping is None else keeping.need
    if wanted.budget is None and keeping is not None and keeping.budget_bytes is not None:
        budgets = machine_budgets(keeping.budget_bytes, "keeping.budget_bytes of the settings")
    else:
        budgets = machine_budgets(wanted.budget)
    seen = past_loads()
    if wanted.models is not None:
        named = [part.strip() for part in wanted.models.split(",") if part.strip()]
        served = plan_of_models(make_served_candidates(_known(named)), budgets, seen, routes, needed)
        return served, cost_terms(served.plan, cost, {}, budgets)
    store = open_store()
    try:
        row, notes = find_run(store, wanted.run_id)
        served = plan_of_run(row, _read_plan(store, row), budgets, seen, routes, needed)
    finally:
        store.close()
    served = served._replace(notes=(*notes, *served.notes))
    told = {found["id"]: found for found in row.result["candidates"]}
    return served, cost_terms(served.plan, cost, told, budgets)


def _read_plan(store: Store, row: RunRow) -> Plan:
    from pydantic import ValidationError

    from bakeoff.study.plan import Plan

    try:
        return Plan.model_validate(row.plan)
    except ValidationError:
        from bakeoff.study.stored_plan import load_plan  # imports much, and says what is wrong

        return load_plan(store, row.run_id)


def _known(names: list[str]) -> list[str]:
    from bakeoff.catalog.registry import load_registry
    from bakeoff.library.workspace import workspace_folder

    own = load_registry(workspace_folder())
    return [own[name].reference or name if name in own else name for name in names]


def _settings(config: Path | None) -> ServeSettings:
    from bakeoff.serve.settings import ServeSettings
    from bakeoff.serve.settings_file import read_settings

    return ServeSettings() if config is None else read_settings(config)


async def _serve(
    wanted: Wanted,
    settings: ServeSettings | None,
    host: str | None,
    port: int | None,
    *,
    allow_anyone: bool,
    as_json: bool,
) -> int:
    end_on_signals()  # until it listens, and is told otherwise
    async with beside("--print-plan", *wanted.arguments(), stderr=None) as planning:
        # Imported while the plan is made.
        from bakeoff.cli.planned import Planned
        from bakeoff.cli.serving_keys import nobody_comes_in, read_keys, refuse_strangers
        from bakeoff.cli.serving_reload import Asked, signature
        from bakeoff.core.errors import BakeoffError
        from bakeoff.serve.server import listen

        asked = Asked(wanted, host, port, allow_anyone)
        settings = asked.over(settings or _settings(None))
        seen = signature(settings, wanted.config)
        secrets = read_keys(settings, wanted.config)
        refuse_strangers(settings.server.host, secrets.clients, allow_anyone=allow_anyone)
        with listen(settings.server.host, settings.server.port) as listener:
            said, _ = await planning.communicate()
            if planning.returncode:
                if planning.returncode < 0:
                    raise BakeoffError(how_it_ended("plans", planning.returncode))
                return planning.returncode  # it has said why, on the same stderr
            document = Planned.read(said)
            closed = nobody_comes_in(settings, wanted.config, secrets.clients)
            document = document._replace(notes=(*document.notes, *closed))
            return await _run(document, settings, secrets, listener, (asked, seen), as_json=as_json)


async def _run(
    document: Planned,
    settings: ServeSettings,
    secrets: Keys,
    listener: Any,
    told: tuple[Asked, Signature],
    *,
    as_json: bool,
) -> int:
    from bakeoff.cli.planned import ready_document, ready_lines
    from bakeoff.cli.serving_reload import Reloading
    from bakeoff.core.clock import SystemClock
    from bakeoff.core.garbage import look_as_usual
    from bakeoff.library.workspace import workspace_folder
    from bakeoff.serve.app import Gateway
    from bakeoff.serve.footprints import Footprints
    from bakeoff.serve.server import GatewayServer, base_url
    from bakeoff.serve.supervisor import Supervisor, World

    look_as_usual()
    plan, clock = document.plan, SystemClock()
    asked, seen = told
    logs = workspace_folder() / "serve" / "logs"
    keeping, footprints = document.keeping(settings), Footprints(workspace_folder())
    async with Supervisor(plan, keeping, logs, world=World(learned=footprints.add)) as supervisor:
        gateway = Gateway(plan, supervisor, settings, clock, secrets, document.terms, footprints)
        url = base_url(listener)
        reloading = Reloading(asked, document, settings, secrets, gateway, supervisor, seen)

        def announce() -> None:
            reloading.begin(server.stop)
            if as_json:
                click.echo(json.dumps(ready_document(url, document)), nl=True)
                sys.stdout.flush()
            else:
                click.echo("\n".join(ready_lines(url, document, _shown_key(secrets))))

        server = GatewayServer(gateway, settings.server, announce)
        try:
            await server.serve(sockets=[listener])
        finally:
            await reloading.close()
            await gateway.close()
    return 0


def _shown_key(secrets: Keys) -> str | None:
    """Return what stands for the key in an example; None where none is asked for."""
    if not secrets.clients.locked:
        return None
    return f"${KEY_VARIABLE}" if os.environ.get(KEY_VARIABLE) else "YOUR_KEY"


for command in (keys, acknowledge):
    serve.add_command(command)
