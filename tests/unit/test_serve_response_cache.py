"""The cache of answers: what has a key, what differs by it, and that neither bound is ever exceeded."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.serve.response_cache import LARGEST_SHARE, Given, ResponseCache, key_of, wants_fresh

BODY = {"model": "bakeoff/tweet", "messages": [{"role": "user", "content": "x"}], "temperature": 0}


def key(body, path="chat/completions", route="tweet", model="a"):
    return key_of(path, route, model, body)


def answer(size, model="a"):
    return Given(model, b"x" * size, ((b"x-bakeoff-candidate", b"a"),), 0.0)


@pytest.mark.parametrize(
    "fields", [{"temperature": 0}, {"temperature": 0.0}, {"temperature": 0.7, "seed": 5}, {"seed": 0}, {"seed": -1}]
)
def test_greedy_and_seeded_requests_have_a_key(fields):
    assert key({**BODY, "temperature": None, **fields}) is not None


@pytest.mark.parametrize("fields", [{}, {"temperature": 0.2}, {"temperature": False}, {"seed": True}, {"seed": "5"}])
def test_others_have_none(fields):
    assert key({**BODY, "temperature": None, **fields}) is None


def test_a_body_nested_too_deeply_has_none():
    deep = []
    for _ in range(5000):
        deep = [deep]
    assert key({**BODY, "y": deep}) is None


@pytest.mark.parametrize(
    "other",
    [
        {"messages": [{"role": "user", "content": "y"}]},
        {"messages": [{"role": "system", "content": "x"}]},
        {"temperature": 0.0, "seed": 1},
        {"max_tokens": 5},
        {"stream": True},
        {"stop": ["."]},
        {"unknown_field": None},
    ],
)
def test_whatever_is_asked_otherwise_is_another_key(other):
    assert key({**BODY, **other}) != key(BODY)


def test_endpoint_route_and_model_are_in_the_key_and_the_order_of_fields_is_not():
    assert len({key(BODY), key(BODY, path="completions"), key(BODY, route="general"), key(BODY, model="b")}) == 4
    assert key(dict(reversed(BODY.items()))) == key(BODY)


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3000)), max_size=60),
    st.integers(1 << 12, 1 << 14),
    st.integers(1, 6),
)
@settings(max_examples=200, deadline=None)
def test_neither_bound_is_exceeded_and_what_is_found_was_kept_last(kept, max_bytes, max_entries):
    cache = ResponseCache(max_bytes, max_entries)
    last = {}
    for number, size in kept:
        given_answer = answer(size)
        cache.keep(bytes([number]), given_answer)
        if given_answer.size <= max_bytes * LARGEST_SHARE:
            last[bytes([number])] = given_answer
        assert cache.bytes <= max_bytes
        assert len(cache) <= max_entries
    held = {name: found for name in last if (found := cache.find(name, "a")) is not None}
    assert all(found is last[name] for name, found in held.items())
    assert sum(found.size for found in held.values()) == cache.bytes
    assert len(held) == len(cache)


def test_the_least_recently_used_goes_first():
    cache = ResponseCache(1 << 20, 2)
    cache.keep(b"1", answer(1))
    cache.keep(b"2", answer(2))
    assert cache.find(b"1", "a") is not None
    cache.keep(b"3", answer(3))
    assert cache.find(b"2", "a") is None
    assert cache.find(b"1", "a") is not None


@pytest.mark.parametrize(
    ("headers", "fresh"),
    [
        ([], False),
        ([(b"cache-control", b"max-age=0")], False),
        ([(b"cache-control", b"no-cache")], True),
        ([(b"cache-control", b"max-age=0, No-Store")], True),
    ],
)
def test_a_client_may_want_a_fresh_answer(headers, fresh):
    assert wants_fresh(headers) is fresh
