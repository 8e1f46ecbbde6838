"""An answer read with what was learnt from its earlier events equals one whose every event was read from scratch."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.core.errors import EndpointError
from bakeoff.engines.answer import Answer
from bakeoff.engines.sse import Event

TEXTS = st.one_of(
    st.text(max_size=6),
    st.sampled_from(
        ["content", "delta", " its", "index", '"', "\\", "\n", "é", "🎉", '"content":', "}", "[DONE]", "\x7f"]
    ),
)
EXTRAS = st.sampled_from(
    [
        {},
        {"model": "m"},
        {"usage": {"completion_tokens": 3}},
        {"timings": {"queue_s": 0.5}},
        {"content": "elsewhere"},
        {"reasoning": "hm"},
        {"refusal": "no"},
        {"error": {"message": "out of memory"}},
        {"logprobs": {"content": [{"token": " its"}]}},
    ]
)
CHUNKS = st.tuples(
    TEXTS,
    EXTRAS,
    st.sampled_from([None, None, None, "stop", "length", "content_filter"]),
    st.booleans(),  # whether escapes are used beyond need
    st.sampled_from(["content", "content", "content", "role"]),
)


def event(text, extra, finish, escaped, key):
    delta = {key: text, **{name: extra[name] for name in ("reasoning", "refusal") if name in extra}}
    chunk = {"id": "x", **extra, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return Event("message", json.dumps(chunk, ensure_ascii=escaped))


def read(events, *, fresh):
    answer = Answer("stub")
    try:
        for each in events:
            if fresh:
                answer._frame = None
            answer.take_event(each)
    except EndpointError as error:
        return type(error), error.message
    return (
        answer.texts,
        answer.finish_reason,
        answer.done,
        answer.usage,
        answer.timings,
        answer.model,
        answer.tokens,
        answer.refusals,
    )


@settings(max_examples=600, deadline=None)
@given(st.lists(CHUNKS, max_size=8), st.booleans())
def test_what_was_learnt_changes_nothing(chunks, done):
    events = [event(*chunk) for chunk in chunks] + ([Event("message", "[DONE]")] if done else [])
    assert read(events, fresh=False) == read(events, fresh=True)


def test_an_ending_between_is_not_forgotten():
    plain, ending = ("0", {}, "length", False, "content"), ("", {}, "stop", False, "content")
    events = [event(*chunk) for chunk in (plain, ending, plain)]
    assert read(events, fresh=False) == read(events, fresh=True)


@given(st.lists(st.text(max_size=4), min_size=2, max_size=6))
def test_bytes_that_are_no_json_are_refused_after_good_ones_too(texts):
    good = event("a", {}, None, escaped=False, key="content")
    before, _, after = good.data.partition('"a"')
    events = [good, *(Event("message", f'{before}"{text}"{after}') for text in texts)]
    assert read(events, fresh=False) == read(events, fresh=True)
