"""A stream on its way through: nothing of it changes, wherever it is split; what is no answer is kept back."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.serve.assembly import assemble
from bakeoff.serve.relay import Relay


def chunk(content=None, finish=None, index=0, **more):
    delta = {} if content is None else {"content": content}
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "c1", "model": "m", "choices": [choice], **more}).encode() + b"\n\n"


GOOD = [
    b'data: {"id":"c1","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n',
    *(chunk(text) for text in ("We ", "open", ' \u00e9\n"quoted" \\ \U0001f389', " on", " 14 March.")),
    b": keep-alive\n\n",
    chunk(finish="stop"),
    b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}}\n\n',
    b"data: [DONE]\n\n",
]
TEXT = 'We open \u00e9\n"quoted" \\ \U0001f389 on 14 March.'


def relay_of(data, cuts, **options):
    relay = Relay(**options)
    places = [0, *sorted(cuts), len(data)]
    passed = b"".join(relay.feed(data[low:high]) for low, high in pairwise(places))
    return relay, passed + relay.close()


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_split_at_every_byte_it_passes_unchanged(line_end):
    data = b"".join(GOOD).replace(b"\n", line_end)
    for cut in range(len(data) + 1):
        relay, passed = relay_of(data, [cut], keep=True)
        assert passed == data
        assert (relay.done, relay.finished, relay.fault, relay.pieces) == (True, True, None, 5)
        assert relay.usage["total_tokens"] == 8
        assert assemble(relay.kept, chat=True)["choices"][0]["message"]["content"] == TEXT


@given(st.lists(st.integers(0, len(b"".join(GOOD))), max_size=40))
def test_split_anywhere_it_passes_unchanged(cuts):
    data = b"".join(GOOD)
    relay, passed = relay_of(data, cuts)
    assert passed == data
    assert relay.complete


@given(st.lists(st.text(max_size=20), min_size=1, max_size=30))
def test_what_is_put_together_is_the_text(texts):
    data = b"".join([*(chunk(text) for text in texts), chunk(finish="stop"), b"data: [DONE]\n\n"])
    relay, passed = relay_of(data, [len(data) // 2], keep=True)
    assert passed == data
    assert assemble(relay.kept, chat=True)["choices"][0]["message"]["content"] == "".join(texts)


WORDS = st.text(st.sampled_from('ab "\\\n\u00e9,:{}]'), max_size=4)


@given(st.lists(WORDS, min_size=1, max_size=30), st.lists(st.integers(0, 3000), max_size=12), st.booleans())
def test_texts_that_look_like_the_events_around_them(texts, cuts, escaped):
    events = [chunk(text) for text in texts]
    if not escaped:
        events = [event.replace(b"\\u00e9", "\u00e9".encode()) for event in events]
    data = b"".join([*events, chunk(finish="stop"), b"data: [DONE]\n\n"])
    relay, passed = relay_of(data, [min(cut, len(data)) for cut in cuts], keep=True)
    assert passed == data
    assert assemble(relay.kept, chat=True)["choices"][0]["message"]["content"] == "".join(texts)
    assert relay.pieces == sum(bool(text) for text in texts) or "" in texts


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_whatever_bytes_come_nothing_is_raised_and_nothing_is_added(data, cuts):
    relay, passed = relay_of(data, [min(cut, len(data)) for cut in cuts])
    assert len(passed) <= len(data) + 2
    assert relay.fault is None or not relay.complete


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"choices": [{"delta": {"con\n\n',
        b'data: {"error": {"message": "out of memory"}}\n\n',
        b"data: <html>\n\n",
        b"data: 7\n\n",
        b'event: error\ndata: {"message": "out of memory"}\n\n',
        b'data: {"choices":[{"index":0,"delta":{"content":"\xff"}}]}\n\n',
    ],
)
def test_what_is_no_chunk_is_kept_back_with_all_that_follows(event):
    relay, passed = relay_of(GOOD[1] + event + GOOD[2] + GOOD[-1], [])
    assert passed == GOOD[1]
    assert relay.fault is not None
    assert not relay.complete


def test_half_an_event_at_the_end_is_kept_back():
    relay, passed = relay_of(GOOD[1] + b'data: {"choices": [{"delta": {"con', [])
    assert passed == GOOD[1]
    assert relay.fault is not None


def test_a_last_event_without_its_empty_line_counts():
    relay, passed = relay_of(GOOD[1] + b"data: [DONE]", [])
    assert passed == GOOD[1] + b"data: [DONE]\n\n"
    assert relay.done


def test_what_follows_the_end_is_dropped():
    relay, passed = relay_of(b"".join(GOOD) + b"trailing garbage\n\n" + GOOD[1], [])
    assert passed == b"".join(GOOD)
    assert relay.complete


def test_an_event_without_an_end_is_a_fault():
    relay = Relay()
    for _ in range(5):
        relay.feed(b"data: " + b"x" * 2**20)
    assert relay.fault is not None


def test_a_plain_event_is_told_from_one_that_only_looks_like_it():
    plain = chunk("a")
    odd = plain.replace(b'"a"', b'"a", "finish_reason": "stop", "x": "b"')
    relay, _ = relay_of(plain + plain.replace(b'"a"', b'"b"') + odd, [])
    assert (relay.pieces, relay.fault) == (3, None)


def test_calls_of_tools_choices_and_unknown_fields_are_put_together():
    events = [
        {
            "id": "c",
            "choices": [{"index": 0, "delta": {"role": "assistant", "content": None}}],
            "system_fingerprint": "f",
        },
        {
            "choices": [
                {
                    "index": 0,
                    "delta": {
                        "tool_calls": [
                            {"index": 0, "id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a"'}}
                        ]
                    },
                }
            ]
        },
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]}}]},
        {"choices": [{"index": 1, "delta": {"content": "x", "reasoning_content": "be"}, "logprobs": {"content": [1]}}]},
        {"choices": [{"index": 1, "delta": {"reasoning_content": "cause"}, "logprobs": {"content": [2]}}], "extra": 1},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}], "usage": None},
        {"choices": [], "usage": {"total_tokens": 4}},
    ]
    whole = assemble([json.dumps(event).encode() for event in events], chat=True)
    call = whole["choices"][0]["message"]["tool_calls"][0]
    assert call == {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    assert whole["choices"][0]["finish_reason"] == "tool_calls"
    assert whole["choices"][0]["message"]["content"] is None
    assert whole["choices"][1]["message"] == {"role": "assistant", "content": "x", "reasoning_content": "because"}
    assert whole["choices"][1]["logprobs"] == {"content": [1, 2]}
    assert (whole["usage"], whole["extra"], whole["system_fingerprint"]) == ({"total_tokens": 4}, 1, "f")


@pytest.mark.parametrize("kept", [[], [b"7"], [b'{"choices": [7]}'], [b"{}"]])
def test_what_makes_no_completion_is_an_error(kept):
    with pytest.raises(ValueError, match=r"chunk|choice"):
        assemble(kept, chat=True)


@given(st.lists(st.integers(0, len(b"".join(GOOD))), max_size=40))
def test_usage_that_the_client_did_not_ask_for_is_noted_and_does_not_pass(cuts):
    relay, passed = relay_of(b"".join(GOOD), cuts, keep=True, drop_usage=True)
    assert passed == b"".join([*GOOD[:-2], GOOD[-1]])
    assert relay.usage["total_tokens"] == 8
    assert assemble(relay.kept, chat=True)["usage"]["total_tokens"] == 8


def test_usage_beside_something_else_passes():
    said = chunk("word", "stop", usage={"total_tokens": 8})
    filters = b'data: {"choices":[],"prompt_filter_results":[]}\n\n'  # Azure begins with it
    _, passed = relay_of(filters + said, [], drop_usage=True)
    assert passed == filters + said
