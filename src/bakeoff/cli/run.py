"""`bakeoff run`: plan, preflight, generate, conclude, print the decision."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.core import ParameterSource

from bakeoff.cli.cluster import Cluster
from bakeoff.cli.ended import end_on_signals

if TYPE_CHECKING:
    from rich.console import Console

    from bakeoff.cli.bars import BarProgress
    from bakeoff.cli.progress import LineProgress
    from bakeoff.cli.watching import Watch
    from bakeoff.library.planning import Design
    from bakeoff.store.db import Store
    from bakeoff.study.execute import Going
    from bakeoff.study.plan import Plan

NOTHING_MEASURED_EXIT = 1
NONE_QUALIFIED_EXIT = 3


@click.command()
@click.argument("suite", required=False)
@click.option("--models", metavar="A,B", help="Candidates, comma-separated (default: all bundled models).")
@click.option(
    "--fixed-n",
    type=click.IntRange(min=1),
    metavar="N",
    help="No race: everybody writes the same N briefs, balanced over content types; the best, some more to confirm it.",
)
@click.option("--race", is_flag=True, help="Stop asking those who are out, and all as soon as it is decided (default).")
@click.option("--strict", is_flag=True, help="Race by guaranteed evidence alone: needs more briefs.")
@click.option(
    "--concurrency", type=click.IntRange(1, 256), default=8, show_default=True, help="Texts in flight a candidate."
)
@click.option(
    "--concurrency-per-endpoint",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Texts in flight at one endpoint URL, for all its models together (default: --concurrency).",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the order and the sampling.")
@click.option(
    "--device",
    metavar="D",
    help="Where the models run: cpu, mps, cuda (default: the engine's choice). mps,cpu compares each model on both.",
)
@click.option(
    "--allow-fallback",
    is_flag=True,
    help="Let operators that a device lacks run on the CPU; marked beside every number.",
)
@click.option("--on", "place", metavar="PLACE", help="Where workers run: ray, or ray://HOST:PORT (default: here).")
@click.option(
    "--workers", type=click.IntRange(1, 256), metavar="N", help="On a cluster: workers a model (default: one a node)."
)
@click.option(
    "--worker-cpus",
    type=click.IntRange(min=1),
    metavar="N",
    help="On a cluster: CPUs that a worker reserves and uses (default: all of the smallest node).",
)
@click.option("--keep-going", is_flag=True, help="Leave out models that do not start or answer, as long as one does.")
@click.option("--resume", metavar="RUN", help="Go on with an interrupted run (or: latest).")
@click.option("--allow-code", is_flag=True, help="Run the scorers that the suite brings as Python files.")
@click.option("--watch", is_flag=True, help="Show the run on a local page while it goes on, and the report at its end.")
@click.option("--port", type=click.IntRange(0, 65535), help="With --watch (default: any that is free).")
@click.option("--yes", is_flag=True, help="Do not ask before sending briefs to another machine.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole result as one JSON document on stdout.")
@click.pass_context
def run(
    context: click.Context,
    suite: str | None,
    models: str | None,
    fixed_n: int | None,
    concurrency: int,
    concurrency_per_endpoint: int | None,
    seed: int,
    device: str | None,
    place: str | None,
    workers: int | None,
    worker_cpus: int | None,
    resume: str | None,
    port: int | None,
    *,
    race: bool,
    strict: bool,
    allow_fallback: bool,
    allow_code: bool,
    keep_going: bool,
    watch: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Run a bake-off: candidates write your briefs; ends with the decision.

    SUITE is a YAML file or the name of a built-in suite (default: business).

    \b
    A model is bundled:NAME, hf:ORG/NAME, path/to/folder, path/to/file.gguf,
    ollama:NAME, openai:MODEL@http://host:port/v1 or recorded:FILE.jsonl;
    ENGINE+MODEL names the engine, such as mlx+hf:ORG/NAME.
    """  # noqa: D301 - click reads the backspace character as "do not rewrap"
    from rich.console import Console

    from bakeoff.cli.tracking import check_tracking
    from bakeoff.library.conclusion import finished_result
    from bakeoff.library.planning import Load, What, Where, make_plan
    from bakeoff.library.workspace import open_store
    from bakeoff.study.candidates import read_devices
    from bakeoff.study.stored_plan import check_unchanged, load_plan

    if port is not None and not watch:
        raise click.UsageError("--port goes with --watch")
    cluster = Cluster(place, workers, worker_cpus, resumed=resume is not None)
    store = open_store()
    try:
        if resume is not None:
            _refuse_with_resume(context)
            plan = load_plan(store, resume)
            check_unchanged(plan)
            finished = finished_result(plan, store)
            if finished is not None:
                errors = Console(stderr=True)
                said = f"Run {plan.run_id} is finished: nothing was left to do. This is its result, as before."
                errors.print(said, highlight=False, markup=False, soft_wrap=True)
                return _tell(finished, errors, as_json=as_json)
            plan = cluster.resized(plan)
        else:
            where = Where(read_devices(device), allow_fallback)
            what = What.named(suite, models, allow_code=allow_code)
            load = Load(concurrency, concurrency_per_endpoint, cluster.plan(concurrency))
            plan = make_plan(what, _design(fixed_n, race=race, strict=strict), load, seed, where)
            _ask_before_sending(plan, yes=yes)
        check_tracking(plan, yes=yes or resume is not None)
        how = How(keep_going, as_json, (port or 0) if watch else None, cluster)
        return _carry_out(plan, store, how)
    finally:
        cluster.close()
        store.close()


def _refuse_with_resume(context: click.Context) -> None:
    fixed = (
        "suite",
        "models",
        "fixed_n",
        "race",
        "strict",
        "concurrency",
        "concurrency_per_endpoint",
        "seed",
        "device",
        "workers",
        "allow_fallback",
        "allow_code",
        "keep_going",
    )
    given = [name for name in fixed if context.get_parameter_source(name) == ParameterSource.COMMANDLINE]
    if given:
        names = ", ".join(name.replace("_", "-") for name in given)
        raise click.UsageError(f"--resume goes on with a stored plan; it cannot be changed by: {names}")


class How(NamedTuple):
    """How it is done and told: `port` is that of the page to watch it on, None where nobody asked for one."""

    keep_going: bool
    as_json: bool
    port: int | None
    cluster: Cluster


def _design(fixed_n: int | None, *, race: bool, strict: bool) -> Design:
    from bakeoff.library.planning import Design

    if fixed_n is not None and (race or strict):
        raise click.UsageError(f"--fixed-n is no race: leave out --{'race' if race else 'strict'}, or --fixed-n")
    return Design(fixed_n, race or strict, strict)


def _ask_before_sending(plan: Plan, *, yes: bool) -> None:
    from bakeoff.core.errors import UsageError
    from bakeoff.library.planning import sent_elsewhere

    what = sent_elsewhere(plan)
    if not what or yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{what}; that may cost money", "say --yes if that is meant")
    click.confirm(f"{what}. That may cost money. Go on?", abort=True, err=True)


def _carry_out(plan: Plan, store: Store, how: How) -> int:
    from rich.console import Console

    from bakeoff.cli.watching import watching
    from bakeoff.library.carrying import held
    from bakeoff.library.workspace import workspace_folder

    with held(plan, store, workspace_folder()):
        errors = Console(stderr=True)
        if how.port is None:
            return _generate_and_conclude(plan, store, errors, how, None)

        def tell(address: str) -> None:
            errors.print(f"Watch here:  {address}", highlight=False, markup=False, soft_wrap=True)

        with watching(plan.run_id, how.port, tell) as watch:
            return _generate_and_conclude(plan, store, errors, how, watch)


def _generate_and_conclude(plan: Plan, store: Store, errors: Console, how: How, watch: Watch | None) -> int:
    from bakeoff.cli.run_words import interrupted, say_what_comes, tell_pace
    from bakeoff.cli.tracking import export_at_the_end
    from bakeoff.core.errors import BakeoffError
    from bakeoff.library.conclusion import finish
    from bakeoff.study.execute import Going
    from bakeoff.study.in_turn import run_in_turn

    say_what_comes(plan, errors)
    # Joined before the event loop has signal handlers: Ray sets its own.
    going = Going(lambda pace: tell_pace(plan, pace, errors), how.keep_going, how.cluster.of(plan))
    gc.freeze()  # what is there now stays to the end: no need to look through it
    try:
        plan = run_in_turn(_execute(plan, store, errors, going))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return interrupted(plan, store, errors)
    except BakeoffError:
        if store.state(plan.run_id) is not None:
            store.set_state(plan.run_id, "failed")
        raise
    document = finish(plan, store, page=watch is not None or (not how.as_json and sys.stdout.isatty()))
    code = _tell(document, errors, as_json=how.as_json)
    if watch is not None:
        watch.finish(Path(document["report"]))
    export_at_the_end(plan)
    return code


def _tell(document: dict[str, Any], errors: Console, *, as_json: bool) -> int:
    """Print a run's result; return the exit code that it stands for."""
    from rich.console import Console

    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False))
    else:
        from bakeoff.report.text import print_document

        print_document(document, Console())
    if not document["measured"]:
        errors.print("error: nothing was measured: no model answered", highlight=False, markup=False)
        return NOTHING_MEASURED_EXIT
    return NONE_QUALIFIED_EXIT if document["decision"]["outcome"] == "none_qualified" else 0


async def _execute(plan: Plan, store: Store, errors: Console, going: Going) -> Plan:
    from bakeoff.core.clock import SystemClock
    from bakeoff.library.workspace import workspace_folder
    from bakeoff.study.execute import execute

    end_on_signals()  # workers stopped, the run resumable
    with _progress(plan, store, errors) as progress:
        return await execute(plan, store, workspace_folder(), progress, SystemClock(), going)


def _progress(plan: Plan, store: Store, errors: Console) -> AbstractContextManager[BarProgress | LineProgress]:
    from bakeoff.core.clock import SystemClock
    from bakeoff.study.plan import count_unfinished

    totals = count_unfinished(plan, ())
    left = count_unfinished(plan, store.finished_trials(plan.run_id))
    done = {name: total - left[name] for name, total in totals.items()}
    if errors.is_terminal and not errors.is_dumb_terminal and not os.environ.get("CI"):
        from bakeoff.cli.bars import BarProgress

        return BarProgress(errors, totals, done, SystemClock())
    from bakeoff.cli.progress import LineProgress

    return LineProgress(errors, totals, done, SystemClock())
