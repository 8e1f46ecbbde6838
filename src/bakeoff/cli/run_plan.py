"""From what was said on the command line of `bakeoff run` to the plan of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    from bakeoff.study.plan import Plan


class What(NamedTuple):
    """The suite and the models as they were named, and whether the suite's own code may run."""

    suite: str | None
    models: str | None
    allow_code: bool


class Where(NamedTuple):
    """Where the local candidates run."""

    devices: tuple[str, ...]
    allow_fallback: bool


class Load(NamedTuple):
    """How many texts are in flight: of a candidate, and at one endpoint's URL."""

    concurrency: int
    per_endpoint: int | None


class Design(NamedTuple):
    """How many briefs: a fixed number, or as many as a race takes."""

    fixed_n: int | None
    race: bool
    strict: bool


def design_of(fixed_n: int | None, *, race: bool, strict: bool) -> Design:
    """Return how many briefs were asked for.

    Raises:
        click.UsageError: a race and a fixed number at once.
    """
    if fixed_n is not None and (race or strict):
        raise click.UsageError(f"--fixed-n is no race: leave out --{'race' if race else 'strict'}, or --fixed-n")
    return Design(fixed_n, race or strict, strict)


def _known(names: list[str]) -> list[str]:
    """Return what names of the user's own registry stand for; what is no such name stays.

    Raises:
        InvalidFile: the registry is wrong somewhere.
    """
    from bakeoff.catalog.registry import load_registry
    from bakeoff.cli.workspace import workspace_folder

    own = load_registry(workspace_folder())
    return [own[name].reference or name if name in own else name for name in names]


def make_plan(what: What, design: Design, load: Load, seed: int, where: Where) -> Plan:
    """Return the plan of a new run.

    Raises:
        UsageError: a suite or a model that is not there, or is not what it should be.
    """
    import secrets
    from datetime import UTC, datetime

    from bakeoff import __version__
    from bakeoff.catalog.references import bundled_names
    from bakeoff.core.errors import UsageError
    from bakeoff.machine.accelerators import find_accelerators
    from bakeoff.machine.budget import accelerator_budget, memory_budget
    from bakeoff.machine.detect import detect_machine
    from bakeoff.study.laps import divide, left_over
    from bakeoff.study.plan import Plan, choose_briefs
    from bakeoff.study.preflight import make_candidates
    from bakeoff.study.scorer_files import find_scorer_files
    from bakeoff.study.suite import find_suite, load_suite

    path = find_suite(what.suite)
    suite = load_suite(path)
    scorer_files = find_scorer_files(suite.scorers, path, allowed=what.allow_code)
    if design.fixed_n is not None and design.fixed_n > len(suite.briefs):
        raise UsageError(
            f"--fixed-n {design.fixed_n}: the suite has {len(suite.briefs)} briefs", "write more, or ask for fewer"
        )
    models = what.models
    named = [part.strip() for part in models.split(",") if part.strip()] if models is not None else None
    references = _known(named) if named is not None else [f"bundled:{name}" for name in bundled_names()]
    candidates = make_candidates(references, suite.sampling, where.devices, allow_fallback=where.allow_fallback)
    # One alone has nobody to race against, and texts that exist already cost nothing: all of them are used.
    written = any(candidate.model.source != "recorded" for candidate in candidates)
    racing = design.fixed_n is None and len(candidates) > 1 and (written or design.race)
    if racing:
        brief_ids, held_back = divide(suite.briefs, seed)
    else:
        brief_ids = choose_briefs(suite.briefs, design.fixed_n, seed)
        held_back = left_over(suite.briefs, brief_ids, seed) if len(candidates) > 1 else ()
    machine = detect_machine()
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return Plan(
        run_id=f"{stamp}-{secrets.token_hex(2)}",
        suite=suite,
        suite_file=path.name,
        candidates=candidates,
        brief_ids=brief_ids,
        mode="race" if racing else "fixed",
        evidence="strict" if design.strict else "standard",
        held_back=held_back,
        scorer_files=scorer_files,
        seed=seed,
        concurrency=load.concurrency,
        endpoint_concurrency=load.per_endpoint,
        machine=machine,
        budget=memory_budget(machine),
        accelerator_budget=accelerator_budget(machine, find_accelerators(machine)),
        version=__version__,
    )
