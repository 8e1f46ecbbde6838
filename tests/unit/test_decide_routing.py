"""A route per content type: at its share of the budget, with someone to serve what is undecided."""

import numpy as np
import pytest

from bakeoff.core.records import Decision
from bakeoff.decide.decision import Requirements, decide
from bakeoff.decide.routing import route_content_types
from made_runs import analyse_table, make_briefs

TYPES = ("tweet", "email")


def analysis_of(tweet, email, count=80, seed=2, gated=()):
    """`tweet` and `email` are centres by candidate; half of the briefs each."""
    generator = np.random.default_rng(seed)
    shared = generator.normal(0, 0.5, count)
    table = {}
    for k, name in enumerate("abc"[: len(tweet)]):
        centres = np.where(np.arange(count) % 2 == 0, tweet[k], email[k])
        table[name] = np.clip(centres + shared + generator.normal(0, 0.7, count), 0, 10).tolist()
    return analyse_table(make_briefs(count, types=TYPES), table, gated)


def routes_of(analysis, **options):
    return route_content_types(analysis, decide(analysis.overall), **options)


def test_each_type_goes_to_the_candidate_that_earned_it():
    analysis = analysis_of(tweet=(8, 5, 6), email=(5, 8, 6))
    routes = routes_of(analysis)
    assert {name: (route.candidate, route.outcome) for name, route in routes.items()} == {
        "tweet": ("a", "winner"),
        "email": ("b", "winner"),
    }
    assert routes["tweet"].evidence == analysis.by_content_type["tweet"].result("a").quality
    assert routes["tweet"].evidence.level == pytest.approx(0.975)


def test_fallbacks_begin_with_the_general_route():
    analysis = analysis_of(tweet=(8, 5, 7), email=(4, 4.1, 7))
    routes = routes_of(analysis)
    assert decide(analysis.overall).choice == "c"
    assert routes["tweet"].candidate == "a"
    assert routes["tweet"].fallbacks == ("c", "b")
    assert routes["email"].candidate == "c"
    assert set(routes["email"].fallbacks) == {"a", "b"}


def test_an_undecided_type_is_served_by_the_overall_choice_and_says_so():
    analysis = analysis_of(tweet=(9, 5), email=(6.0, 6.1), count=50, seed=7)
    routes = routes_of(analysis)
    assert decide(analysis.overall).choice == "a"
    assert (routes["email"].candidate, routes["email"].outcome) == ("a", "no_clear_winner")
    assert any("a serves" in reason for reason in routes["email"].reasons)
    assert routes["email"].fallbacks == ("b",)


def test_the_overall_choice_does_not_serve_where_it_is_beaten():
    analysis = analysis_of(tweet=(10, 5, 5), email=(4, 6, 6))
    routes = routes_of(analysis)
    assert decide(analysis.overall).choice == "a"
    assert routes["email"].outcome == "no_clear_winner"
    assert routes["email"].candidate in ("b", "c")
    assert any("the overall choice a is beaten here by b, c" in reason for reason in routes["email"].reasons)


def test_too_few_families_leave_the_type_to_the_overall_choice():
    analysis = analysis_of(tweet=(8, 6), email=(8, 6), count=28)
    routes = routes_of(analysis)
    assert decide(analysis.overall).choice == "a"
    assert {route.outcome for route in routes.values()} == {"no_clear_winner"}
    assert {route.candidate for route in routes.values()} == {"a"}
    assert any(reason.startswith("pilot: 14 briefs") for reason in routes["tweet"].reasons)


def test_a_type_for_which_nobody_qualifies_has_no_route():
    analysis = analysis_of(tweet=(8, 7), email=(3, 2))
    routes = routes_of(analysis, requirements=Requirements(threshold=5.0))
    assert routes["tweet"].candidate == "a"
    email = routes["email"]
    assert (email.candidate, email.outcome, email.fallbacks) == (None, "none_qualified", ())
    assert email.evidence == analysis.by_content_type["email"].result("a").quality


def test_the_overall_choice_does_not_serve_where_it_does_not_qualify():
    analysis = analysis_of(tweet=(9, 5, 5), email=(5.5, 6.2, 6.2), count=200)
    overall = decide(analysis.overall)
    assert overall.choice == "a"
    routes = route_content_types(analysis, overall, requirements=Requirements(threshold=5.5))
    assert routes["email"].candidate in ("b", "c")
    assert "a" not in routes["email"].fallbacks


def test_without_an_overall_leader_the_type_speaks_for_itself():
    analysis = analysis_of(tweet=(8, 5), email=(6, 6))
    nobody = Decision(outcome="none_qualified", choice=None)
    routes = route_content_types(analysis, nobody)
    assert routes["tweet"].candidate == "a"
    assert routes["email"].candidate in ("a", "b")
