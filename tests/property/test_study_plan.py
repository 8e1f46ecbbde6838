"""Resuming: whatever is finished, what is left is planned exactly once."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.study.plan import arrange, plan_blocks, plan_trials, plan_windows
from sample_runs import make_plan


@settings(max_examples=60, deadline=None)
@given(
    briefs=st.integers(1, 45),
    replicates=st.integers(1, 3),
    candidates=st.integers(1, 4),
    seed=st.integers(0, 2**40),
    together=st.booleans(),
    data=st.data(),
)
def test_blocks_cover_what_is_unfinished_once(
    briefs: int, replicates: int, candidates: int, seed: int, together: bool, data: st.DataObject
) -> None:
    names = ["ann", "bob", "cid", "dot"][:candidates]
    plan = make_plan(briefs, names, top=f"replicates: {replicates}\n", seed=seed)
    trials = {trial.key: trial for own in plan_trials(plan).values() for trial in own}
    finished = data.draw(st.sets(st.sampled_from(sorted(trials))))
    blocks = list(plan_blocks(plan, finished, together=together))
    planned = [trial.key for block in blocks for trial in block.trials]
    assert len(planned) == len(set(planned))
    assert set(planned) == set(trials) - finished
    windows = plan_windows(briefs * replicates, plan.turn, taking_turns=together and candidates > 1)
    arranged = {name: arrange(own, windows) for name, own in plan_trials(plan).items()}
    assert all(sorted(own) == sorted(plan_trials(plan)[name]) for name, own in arranged.items())
    position = {trial.key: place for own in arranged.values() for place, trial in enumerate(own)}
    for block in blocks:
        assert block.trials
        assert {trial.candidate for trial in block.trials} == {block.candidate}
        for trial, number in block.work:
            assert windows[number].low <= position[trial.key] < windows[number].high
            assert windows[number].alone == (block.concurrency == 1)
