"""What `bakeoff run` says around its work: what comes, how long it takes, and how to go on where it was interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from bakeoff.store.db import Store
    from bakeoff.study.plan import Plan
    from bakeoff.study.preflight import Pace

INTERRUPTED_EXIT = 130


def say_what_comes(plan: Plan, errors: Console) -> None:
    """Print what a run is about to do."""
    from bakeoff.core.plain import printable
    from bakeoff.core.units import bytes_text
    from bakeoff.decide.wording import plural
    from bakeoff.library.conclusion import suite_notes

    texts = len(plan.candidates) * len(plan.brief_ids) * plan.suite.replicates
    tokens = texts * plan.suite.sampling.max_tokens
    names = {candidate.id for candidate in plan.candidates}
    baseline = plan.suite.baseline
    apart = f" The baseline {baseline} does not compete." if baseline is not None and baseline not in names else ""
    most = "a race over at most " if plan.mode == "race" else ""
    spare = (
        f" {len(plan.held_back)} more briefs are held back to confirm the score of the best." if plan.held_back else ""
    )
    placement = plan.placement
    where = (
        f"Memory budget {bytes_text(plan.budget.value)} ({plan.budget.source})."
        if placement is None
        else f"On a Ray cluster of {plural(len(placement.nodes), 'node')}: up to {plural(placement.workers, 'worker')} "
        f"a model, of {plural(placement.cpus, 'CPU')} each."
    )
    said = (
        f"Run {plan.run_id}: suite {plan.suite.name}, {most}{plural(len(plan.brief_ids), 'brief')} x "
        f"{plural(len(plan.candidates), 'candidate')} = {plural(texts, 'text')}, at most {tokens:,} tokens.{spare} "
        f"{where}"
        f"{apart} Starting each candidate and probing it with one brief ..."
    )
    errors.print(printable(said), highlight=False, markup=False)
    for note in (*_gpu_notes(plan), *suite_notes(plan.suite)):
        errors.print(printable(f"Note: {note}"), highlight=False, markup=False)


def _gpu_notes(plan: Plan) -> list[str]:
    """Say which models the processor computes although there is a GPU, since nothing is installed that would."""
    from bakeoff.engines.local import BUILT_IN, DEFAULT_ENGINE

    left = [
        one.id
        for one in plan.candidates
        if one.engine == DEFAULT_ENGINE and one.device is None and not one.model.reference.startswith("bundled:")
    ]
    if not left or plan.accelerator_budget is None or plan.placement is not None:
        return []
    wanted = BUILT_IN["mlx" if plan.machine.system == "Darwin" else "transformers"]
    named = f"{wanted.name}+{left[0]}"
    return [f"{', '.join(left)}: computed on the processor. On the GPU: {wanted.install}, and write {named}"]


def interrupted(plan: Plan, store: Store, errors: Console) -> int:
    """Print how to go on with a run; return the exit code."""
    if store.state(plan.run_id) is None:
        errors.print("Interrupted before the first text; nothing was stored.", highlight=False)
        return INTERRUPTED_EXIT
    store.set_state(plan.run_id, "interrupted")
    done = len(store.finished_trials(plan.run_id))
    errors.print(
        f"Interrupted. {done} texts are stored. Go on with:\n  bakeoff run --resume {plan.run_id}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    return INTERRUPTED_EXIT


def tell_pace(plan: Plan, pace: Pace, errors: Console) -> None:
    """Print how long a run is expected to take."""
    from bakeoff.core.units import seconds_text

    low, high = seconds_text(pace.low_s), seconds_text(pace.high_s)
    expected = f"about {high}" if low == high else f"{low} to {high}"
    most = "at most " if plan.mode == "race" else ""
    errors.print(f"Expected to take {most}{expected}, judged by one probe text a candidate.", highlight=False)
