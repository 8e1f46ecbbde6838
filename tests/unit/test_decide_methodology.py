"""What basic testing would have concluded: made runs whose answers are known."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from bakeoff.core.errors import UsageError
from bakeoff.core.records import Generation, Score
from bakeoff.decide.drawable import Drawable, drawable_run
from bakeoff.decide.methodology import (
    Methodology,
    Rigorous,
    compare_methods,
    rigorous_of,
)
from bakeoff.report.methodology import methods_document, paragraph, print_methods
from bakeoff.report.page.basic_tests import basic_tests
from made_generations import columns_of
from made_runs import generation, make_briefs

WINNER = Rigorous(outcome="winner", choice="good", ruled_out=("bad",))
NOBODY = Rigorous(outcome="no_clear_winner", choice=None)


def draw(gap: float, heuristic: str | None, prompts: int = 400, sd: float = 1.0) -> Drawable:
    """Two candidates `gap` apart; the heuristic is the score turned `backwards`, or `noise`."""
    generator = np.random.default_rng(1)
    scores = np.clip(np.array([6.0 + gap, 6.0]) + generator.normal(0, sd, (prompts, 2)), 0, 10)
    graded = {
        "backwards": 10 - scores,
        "noise": np.clip(generator.normal(8, 1, (prompts, 2)), 0, 10),
        None: None,
    }[heuristic]
    return Drawable(("good", "bad"), tuple(range(prompts)), scores, graded)


def found(texts: Drawable, rigorous: Rigorous = WINNER, draws: int = 4_000, seed: int = 0) -> Methodology:
    return compare_methods(texts, rigorous, eps=0.3, draws=draws, seed=seed)


def test_a_heuristic_that_ranks_backwards_is_wrong_the_more_surely_the_more_texts_it_sees() -> None:
    result = found(draw(1.0, "backwards"))
    wrong = [rule.names_wrong for rule in result.rules if rule.by == "heuristic"]
    assert wrong == sorted(wrong)
    assert wrong[-1] > 0.95
    last = result.rule(15, "heuristic")
    assert last is not None
    assert last.names_ruled_out == last.names_wrong
    assert last.best_by_all == "bad"
    honest = result.rule(15, "score")
    assert honest is not None
    assert honest.names_right == pytest.approx(last.names_wrong, abs=0.01)  # the same samples, turned round
    assert "they put bad first, and the score good" in paragraph(result)


def test_of_equals_a_winner_is_named_anyway_and_looks_better_than_it_is() -> None:
    result = found(draw(0.0, None), NOBODY, draws=20_000)
    rule = result.rule(3, "score")
    assert rule is not None
    assert rule.names_right is None
    assert rule.names_wrong == pytest.approx(1.0)
    # The larger of two independent means of 3 is 1/sqrt(pi) standard errors above their common truth.
    spread = rule.candidates[0].sd
    assert rule.too_good == pytest.approx(spread / np.pi**0.5, rel=0.1)
    assert [row.bias for row in rule.candidates] == pytest.approx([0, 0], abs=0.02)
    assert "the whole run shows none" in paragraph(result)


def test_coverage_of_z_and_t_is_told_by_size() -> None:
    result = found(draw(0.0, None, prompts=5_000), draws=20_000)
    few, more = result.rule(3, "score"), result.rule(15, "score")
    assert few is not None
    assert more is not None
    assert few.candidates[0].covers_z == pytest.approx(0.81, abs=0.02)
    assert few.candidates[0].covers_t == pytest.approx(0.95, abs=0.02)
    assert more.candidates[0].covers_z == pytest.approx(0.93, abs=0.02)


def test_another_scorer_is_off_by_what_it_is_off_however_many_texts() -> None:
    result = found(draw(1.0, "noise"))
    for rule in result.rules:
        expected = 8 - 6.5 if rule.by == "heuristic" else 0.0
        assert rule.off_score == pytest.approx(expected, abs=0.15)


def test_equal_seeds_equal_numbers_and_both_scorers_see_the_same_samples() -> None:
    texts = draw(0.5, "noise")
    assert found(texts) == found(texts)
    assert found(texts) != found(texts, seed=1)


def test_constant_grades_tie() -> None:
    texts = draw(1.0, None)._replace(heuristic=np.full((400, 2), 9.0))
    rule = found(texts).rule(5, "heuristic")
    assert rule is not None
    assert rule.tie == 1
    assert rule.names_wrong == 0
    assert rule.too_good is None
    assert rule.best_by_all is None
    assert "nobody alone in 100 %" in paragraph(found(texts))


def run_of(written: dict[str, int], count: int = 30) -> tuple[list[Generation], list[Score]]:
    """Candidates that wrote the first so many briefs, as losers of a race do."""
    briefs, made, scores = make_briefs(count), [], []
    for name, until in written.items():
        for brief in briefs[:until]:
            made.append(generation(name, brief.id))
            score = Score(trial=made[-1].trial, value=5.0, publishable=True, comparison_only={"keyword_heuristic": 6.0})
            scores.append(score)
    return made, scores


def test_holes_of_a_race_leave_what_all_wrote() -> None:
    made, scores = run_of({"first": 30, "second": 30, "third": 18, "early": 6})
    texts = drawable_run(("first", "second", "third", "early"), make_briefs(30), columns_of(made, scores))
    assert texts.candidates == ("first", "second", "third")
    assert texts.left_out == ("early",)
    assert len(texts.families) == 18
    assert texts.heuristic is not None
    result = found(texts, Rigorous(outcome="winner", choice="first"), draws=100)
    assert "left out" in " ".join(methods_document(result, "r")["notes"])


def test_a_score_of_the_common_families_is_not_called_the_runs() -> None:
    """In a race the first wrote more than what all have in common, and its score in the result is another one."""
    made, scores = run_of({"first": 30, "second": 18})
    texts = drawable_run(("first", "second"), make_briefs(30), columns_of(made, scores))
    result = found(texts, Rigorous(outcome="winner", choice="first"), draws=100)
    where = f"the {len(set(texts.families))} families that all wrote"
    assert "may differ from these" in " ".join(methods_document(result, "r")["notes"])
    assert "result" not in " ".join(methods_document(result, None)["notes"])  # anyone's table has no other score
    out = io.StringIO()
    print_methods(result, Console(file=out, width=200), of_run=True)
    chart = str(basic_tests(result, {}, where))
    for shown in (out.getvalue(), chart):
        assert f"the score over {where}" in shown
        assert "run's score" not in shown
        assert "run's interval" not in shown


def test_a_failed_text_is_worth_nothing_by_either_scorer() -> None:
    made, scores = run_of({"first": 20, "second": 20})
    made[3] = generation("first", "b3", failed=True)
    texts = drawable_run(("first", "second"), make_briefs(30), columns_of(made, scores))
    assert texts.scores[3].tolist() == [0, 5]
    assert texts.heuristic is not None
    assert texts.heuristic[3].tolist() == [0, 6]


@pytest.mark.parametrize("written", [{"first": 30}, {"first": 30, "second": 4}])
def test_too_little_is_refused(written: dict[str, int]) -> None:
    made, scores = run_of(written)
    with pytest.raises(UsageError):
        drawable_run(tuple(written), make_briefs(30), columns_of(made, scores))


def test_who_was_ruled_out_is_read_from_tests_and_races() -> None:
    pair = {"a": "x", "b": "y", "low": 0.2, "high": 1.0, "p_adjusted": 0.01, "level": 0.95}
    document = {
        "decision": {"outcome": "no_clear_winner", "choice": None, "equivalent": []},
        "comparisons": [pair, pair | {"b": "z", "low": -0.2, "p_adjusted": 0.2}],
        "race": {"overall": {"eliminations": [{"candidate": "w"}]}},
    }
    assert rigorous_of(document).ruled_out == ("w", "y")
    assert rigorous_of(document).right == frozenset()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_page_fits(width: int) -> None:
    out = io.StringIO()
    console = Console(file=out, width=width)
    print_methods(found(draw(0.5, "noise"), draws=500), console, of_run=False)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert any("◆" in line for line in lines)
    assert not any(line.lstrip().startswith("%") for line in lines)
