"""Which route a request takes."""

import pytest

from bakeoff.serve.router import Guess, NoSuchModel, Router, last_request
from gateways import make_plan

PLAN = make_plan("a", "b", routes={"tweet": ["b", "a"], "press_release": ["a"]})


def route(body, guess=None):
    router = Router(PLAN, lambda _text: guess or Guess(None, 0.4))
    return router.choose({"messages": [], **body})


@pytest.mark.parametrize(
    ("model", "name", "order"),
    [
        ("b", "named", ("b",)),
        ("bakeoff/tweet", "tweet", ("b", "a")),
        ("bakeoff/Twitter", "tweet", ("b", "a")),
        ("bakeoff/Press release", "press_release", ("a",)),
        ("bakeoff/general", "general", ("a", "b")),
        ("auto", "general", ("a", "b")),
        ("bakeoff/auto", "general", ("a", "b")),
    ],
)
def test_names(model, name, order):
    chosen = route({"model": model})
    assert (chosen.route, chosen.order) == (name, order)


@pytest.mark.parametrize("said", ["tweet", "x", "Twitter", " TWEET "])
def test_the_content_type_of_the_metadata_under_any_of_its_names(said):
    chosen = route({"model": "auto", "metadata": {"content_type": said}}, Guess("press_release", 1.0))
    assert (chosen.route, chosen.how, chosen.confidence) == ("tweet", "metadata", None)


def test_a_content_type_without_a_route_is_served_by_the_general_one():
    chosen = route({"model": "auto", "metadata": {"content_type": "poem"}})
    assert (chosen.route, chosen.how) == ("general", "unrouted")
    assert route({"model": "auto"}, Guess("technical_doc", 0.9)).how == "unrouted"


@pytest.mark.parametrize("model", ["bakeoff/linkedin_post", "bakeoff/LinkedIn", "bakeoff/E-Mail", "bakeoff/docs"])
def test_the_name_of_a_built_in_content_type_without_a_route_is_served_by_the_general_one(model):
    chosen = route({"model": model})
    assert (chosen.route, chosen.order, chosen.how) == ("general", ("a", "b"), "unrouted")


@pytest.mark.parametrize("metadata", [None, 7, [], {"content_type": 7}, {"content_type": " "}, {"other": "tweet"}])
def test_other_metadata_leave_it_to_the_classifier(metadata):
    chosen = route({"model": "auto", "metadata": metadata}, Guess("tweet", 0.93))
    assert (chosen.route, chosen.how, chosen.confidence) == ("tweet", "classifier", 0.93)


def test_the_name_of_a_route_goes_above_the_metadata():
    chosen = route({"model": "bakeoff/tweet", "metadata": {"content_type": "press_release"}})
    assert (chosen.route, chosen.how) == ("tweet", "route")


def test_below_its_confidence_the_general_route_serves():
    assert route({"model": "auto"}, Guess(None, 0.5)).how == "unsure"


@pytest.mark.parametrize("model", ["gpt-4", "bakeoff/poem", "tweet", "c", "bakeoff/", "\x1b[31m", "x" * 5000])
def test_an_unknown_model_is_told_what_exists(model):
    with pytest.raises(NoSuchModel) as told:
        route({"model": model})
    said = str(told.value)
    assert "bakeoff/tweet" in said
    assert "\x1b" not in said
    assert len(said) < 500


def test_the_nearest_name_is_suggested():
    with pytest.raises(NoSuchModel, match=r"Did you mean bakeoff/tweet\?"):
        route({"model": "bakeoff/twete"})


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"messages": [{"role": "user", "content": "one"}, {"role": "assistant", "content": "x"}]}, "one"),
        ({"messages": [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]}, "two"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]}]}, "a"),
        ({"messages": [{"role": "user", "content": [7, {"text": 7}]}]}, ""),
        ({"messages": [{"role": "system", "content": "be brief"}]}, ""),
        ({"messages": [{"role": "user", "content": None}]}, ""),
        ({"prompt": "write"}, "write"),
        ({"prompt": [1, 2]}, ""),
    ],
)
def test_the_last_user_message_is_what_is_looked_at(body, text):
    assert last_request(body) == text
