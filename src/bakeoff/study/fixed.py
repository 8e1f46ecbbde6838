"""Running a fixed number of briefs: everybody writes the same ones; then the score of those that may be chosen is confirmed."""

from __future__ import annotations

from bakeoff.store.db import Store
from bakeoff.study.gathering import RaceProgress
from bakeoff.study.plan import Plan
from bakeoff.study.runner import Runner


async def run_fixed(plan: Plan, store: Store, runner: Runner, progress: RaceProgress, *, together: bool) -> None:
    """Have everybody write the plan's briefs, then those who may be chosen the held-back ones.

    Raises:
        StoreError: the store refuses; nothing stored before is lost.
        BakeoffError: a scorer that cannot be loaded.
    """
    await runner.run(together=together)
    if plan.held_back:
        # These load the statistics: not before the first request.
        from bakeoff.study.conclude import conclude
        from bakeoff.study.confirming import write_held_back

        found = conclude(plan, store, complete=True)
        await write_held_back(plan, runner, progress, found.to_confirm, found.generations, together=together)
