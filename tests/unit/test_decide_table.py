"""The table that statistics rest on: what is averaged, what counts as zero, and what is never dropped alone."""

from dataclasses import replace

import pytest

from bakeoff.core.errors import BakeoffError
from bakeoff.core.records import Score
from bakeoff.decide.table import Counts, tabulate
from made_generations import columns_of
from made_runs import generation, make_briefs, make_run


def test_a_failed_generation_scores_zero_and_counts_against_success():
    briefs = make_briefs(4)
    generations, scores = make_run(briefs, {"a": [8, None, 6, 4]})
    table = tabulate(["a"], briefs, columns_of(generations, scores))
    assert table.columns["a"].quality.tolist() == [8, 0, 6, 4]
    assert table.columns["a"].success.tolist() == [1, 0, 1, 1]
    assert table.columns["a"].publishable.tolist() == [1, 0, 1, 1]
    assert table.counts["tweet"]["a"] == Counts(generations=4, failures=1, gated=0)


def test_a_score_stored_for_a_failed_generation_changes_nothing():
    briefs = make_briefs(1)
    made = generation("a", "b0", failed=True)
    table = tabulate(["a"], briefs, columns_of([made], [Score(trial=made.trial, value=0.0, publishable=False)]))
    assert table.columns["a"].quality.tolist() == [0]
    assert (table.counts["tweet"]["a"].failures, table.counts["tweet"]["a"].gated) == (1, 0)


def test_replicates_are_averaged_so_that_briefs_weigh_the_same():
    briefs = make_briefs(2)
    generations = [generation("a", "b0", k) for k in range(3)] + [generation("a", "b1")]
    values = {"a/b0/0": 4.0, "a/b0/1": 6.0, "a/b0/2": 8.0, "a/b1/0": 10.0}
    scores = [Score(trial=trial, value=value, publishable=value > 5) for trial, value in values.items()]
    table = tabulate(["a"], briefs, columns_of(generations, scores))
    assert table.columns["a"].quality.tolist() == [6.0, 10.0]
    assert table.columns["a"].publishable.tolist() == pytest.approx([2 / 3, 1])
    assert (table.counts["tweet"]["a"].generations, table.counts["tweet"]["a"].gated) == (4, 1)


def test_a_missing_score_names_its_trial():
    briefs = make_briefs(3)
    generations, scores = make_run(briefs, {"a": [1, 2, 3], "b": [4, 5, 6]})
    with pytest.raises(BakeoffError, match="trial b/b1/0 has no score"):
        tabulate(["a", "b"], briefs, columns_of(generations, [s for s in scores if s.trial != "b/b1/0"]))


def test_a_missing_generation_names_brief_and_candidate():
    briefs = make_briefs(3)
    generations, scores = make_run(briefs, {"a": [1, 2, 3], "b": [4, 5, 6]})
    with pytest.raises(BakeoffError, match="brief b2 has no generation by b"):
        tabulate(["a", "b"], briefs, columns_of([g for g in generations if g.trial != "b/b2/0"], scores))


def test_an_unfinished_run_leaves_a_brief_out_for_all():
    briefs = make_briefs(4)
    generations, scores = make_run(briefs, {"a": [1, 2, 3, 4], "b": [5, 6, 7, 8]})
    generations = [g for g in generations if g.trial != "b/b2/0"]
    scores = [s for s in scores if s.trial != "a/b0/0"]
    table = tabulate(["a", "b"], briefs, columns_of(generations, scores), incomplete=True)
    assert [brief.id for brief in table.briefs] == ["b1", "b3"]
    assert table.left_out == ("b0", "b2")
    assert table.columns["a"].quality.tolist() == [2, 4]
    assert table.columns["b"].quality.tolist() == [6, 8]
    assert table.counts["tweet"]["a"].generations == 4


def test_an_unfinished_run_with_nothing_complete_is_empty_not_wrong():
    briefs = make_briefs(2)
    generations, scores = make_run(briefs, {"a": [1, 2]})
    table = tabulate(["a", "b"], briefs, columns_of(generations, scores), incomplete=True)
    assert table.briefs == ()
    assert table.columns["b"].quality.shape == (0,)


@pytest.mark.parametrize("what", ["candidate", "brief", "generation"])
def test_nothing_may_come_twice(what):
    briefs = make_briefs(2)
    generations, scores = make_run(briefs, {"a": [1, 2]})
    given = {"candidate": ["a"], "brief": briefs, "generation": generations}
    given[what] = [*given[what], given[what][0]]
    with pytest.raises(BakeoffError, match=r"twice|two"):
        tabulate(given["candidate"], given["brief"], columns_of(given["generation"], scores))


def test_generations_of_others_are_not_looked_at():
    briefs = make_briefs(2)
    generations, scores = make_run(briefs, {"a": [1, 2], "other": [9, 9]})
    table = tabulate(["a"], briefs[:1], columns_of(generations, scores))
    assert table.columns["a"].quality.tolist() == [1]
    assert table.counts["tweet"]["a"].generations == 1


def test_a_brief_without_a_family_is_its_own_and_never_another_ones():
    briefs = make_briefs(2)
    named = replace(briefs[0], cluster="b1")
    assert named.family != briefs[1].family
