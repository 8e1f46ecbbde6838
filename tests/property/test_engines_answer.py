"""An answer read with what was learnt from its earlier events equals one whose every event was read from scratch."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.core.errors import EndpointError, EndpointFailed
from bakeoff.engines.answer import _NO_FRAME, Answer
from bakeoff.engines.sse import ErrorEvent

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
        {"logprobs": {"content": [{"token": " its", "top_logprobs": [{"token": " its", "logprob": -0.5}]}]}},
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
    told = {name: extra[name] for name in ("logprobs",) if name in extra}
    chunk = {"id": "x", **extra, "choices": [{"index": 0, "delta": delta, **told, "finish_reason": finish}]}
    return json.dumps(chunk, ensure_ascii=escaped)


def read(events, *, fresh):
    answer = Answer("stub")
    try:
        if fresh:
            for each in events:
                answer._frame = _NO_FRAME
                answer.take([each])
        else:
            answer.take(events)
    except EndpointError as error:
        return type(error), error.message
    return (
        answer.texts,
        answer.finish_reason,
        answer.done,
        answer.in_doubt,
        answer.usage,
        answer.timings,
        answer.model,
        answer.tokens,
        answer.refusals,
        answer.first_logprobs,
    )


@settings(max_examples=600, deadline=None)
@given(st.lists(CHUNKS, max_size=8), st.booleans())
def test_what_was_learnt_changes_nothing(chunks, done):
    events = [event(*chunk) for chunk in chunks] + (["[DONE]"] if done else [])
    assert read(events, fresh=False) == read(events, fresh=True)


def test_an_ending_between_is_not_forgotten():
    plain, ending = ("0", {}, "length", False, "content"), ("", {}, "stop", False, "content")
    events = [event(*chunk) for chunk in (plain, ending, plain)]
    assert read(events, fresh=False) == read(events, fresh=True)


@given(st.lists(st.text(max_size=4), min_size=2, max_size=6))
def test_bytes_that_are_no_json_are_refused_after_good_ones_too(texts):
    good = event("a", {}, None, escaped=False, key="content")
    before, _, after = good.partition('"a"')
    events = [good, *(f'{before}"{text}"{after}' for text in texts)]
    assert read(events, fresh=False) == read(events, fresh=True)


def test_an_error_is_no_text_however_it_looks():
    good = event("a", {}, None, escaped=False, key="content")
    assert read([good, ErrorEvent(good)], fresh=False) == read([good, ErrorEvent(good)], fresh=True)
    assert read([good, ErrorEvent(good)], fresh=False)[0] is EndpointFailed
