"""From what somebody names (a suite, models, how many briefs, where) to the plan of a run."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from bakeoff.catalog.references import bundled_names
from bakeoff.catalog.registry import load_registry
from bakeoff.core.errors import UsageError
from bakeoff.core.version import __version__
from bakeoff.library.workspace import workspace_folder
from bakeoff.machine.accelerators import find_accelerators
from bakeoff.machine.budget import accelerator_budget, card_budgets, memory_budget
from bakeoff.machine.detect import detect_machine
from bakeoff.study.candidates import make_candidates
from bakeoff.study.cluster_room import Placement
from bakeoff.study.laps import divide, left_over
from bakeoff.study.plan import Plan, choose_briefs
from bakeoff.study.preflight import is_remote
from bakeoff.study.scorer_files import find_scorer_files
from bakeoff.study.suite import Suite, find_suite, load_suite


class What(NamedTuple):
    """The suite with its file, the models as they were named (None: the bundled ones), and whether the suite's own code may run."""

    suite: Suite
    file: Path
    models: tuple[str, ...] | None
    allow_code: bool

    @classmethod
    def named(cls, suite: str | None, models: str | None, *, allow_code: bool) -> What:
        """Read what a command line names.

        Raises:
            UsageError: there is no such suite, or its file is wrong.
        """
        file = find_suite(suite)
        named = None if models is None else tuple(part.strip() for part in models.split(",") if part.strip())
        return cls(load_suite(file), file, named, allow_code)


class Where(NamedTuple):
    """Where the local candidates run."""

    devices: tuple[str, ...]
    allow_fallback: bool


class Load(NamedTuple):
    """How many texts are in flight, of a candidate, and at one endpoint's URL; and on which cluster (None: here)."""

    concurrency: int
    per_endpoint: int | None
    placement: Placement | None = None


class Design(NamedTuple):
    """How many briefs: a fixed number, or as many as a race takes."""

    fixed_n: int | None
    race: bool
    strict: bool


def known_references(names: Sequence[str], workspace: str | Path | None = None) -> list[str]:
    """Return what names of the user's own registry stand for; what is no such name stays.

    Raises:
        InvalidFile: the registry is wrong somewhere.
    """
    own = load_registry(workspace_folder(workspace))
    return [own[name].reference or name if name in own else name for name in names]


def make_plan(
    what: What, design: Design, load: Load, seed: int, where: Where, workspace: str | Path | None = None
) -> Plan:
    """Plan a run; nothing is started or stored.

    Raises:
        UsageError: a model that cannot be run, more briefs than there are, or code that may not run.
    """
    suite = what.suite
    scorer_files = find_scorer_files(suite.scorers, what.file, allowed=what.allow_code)
    if design.fixed_n is not None and design.fixed_n > len(suite.briefs):
        raise UsageError(
            f"{design.fixed_n} briefs are asked for: the suite has {len(suite.briefs)} briefs",
            f"write more, or ask for {len(suite.briefs)} at the most (--fixed-n N; from Python, fixed_n=N)",
        )
    named = what.models
    references = (
        known_references(named, workspace) if named is not None else [f"bundled:{name}" for name in bundled_names()]
    )
    candidates = make_candidates(
        references,
        suite.sampling,
        where.devices,
        allow_fallback=where.allow_fallback,
        elsewhere=load.placement is not None,
    )
    # One alone has nobody to race against, and texts that exist already cost nothing: all of them are used.
    written = any(candidate.model.source != "recorded" for candidate in candidates)
    racing = design.fixed_n is None and len(candidates) > 1 and (written or design.race)
    if racing:
        brief_ids, held_back = divide(suite.briefs, seed)
    else:
        brief_ids = choose_briefs(suite.briefs, design.fixed_n, seed)
        held_back = left_over(suite.briefs, brief_ids, seed) if len(candidates) > 1 else ()
    machine = detect_machine()
    # Asking the driver of a card takes up to seconds, and what somebody else serves needs none of it.
    ours = any(candidate.model.is_ours_to_run for candidate in candidates)
    accelerators = find_accelerators(machine) if ours else ()
    budget = memory_budget(machine)
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return Plan(
        run_id=f"{stamp}-{secrets.token_hex(2)}",
        suite=suite,
        suite_file=what.file.name,
        suite_path=str(what.file),
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
        budget=budget,
        accelerator_budget=accelerator_budget(machine, accelerators),
        card_budgets=dict(card_budgets(accelerators, budget)),
        placement=load.placement,
        version=__version__,
    )


def sent_elsewhere(plan: Plan) -> str:
    """Say what would be sent to other machines, "" where nothing would be."""
    remote = [candidate.id for candidate in plan.candidates if is_remote(candidate)]
    if not remote:
        return ""
    requests = (len(plan.brief_ids) + len(plan.held_back)) * plan.suite.replicates
    most = "up to " if plan.mode == "race" else ""
    return f"{most}{requests} briefs would be sent to each of: {', '.join(remote)}"
