"""What a worker of ours is asked: a field that would change the answer is refused unless it asks for nothing."""

import json

import pytest

from bakeoff.engines.openai_protocol import ApiError, read_request

MESSAGES = [{"role": "user", "content": "Write."}]


def read(**fields):
    return read_request(json.dumps({"model": "m", "messages": MESSAGES, **fields}).encode(), chat=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 2),
        ("response_format", {"type": "json_object"}),
        ("chat_template_kwargs", {"enable_thinking": False}),
        ("chat_template", "{{ messages }}"),
        ("reasoning_effort", "low"),
        ("guided_json", {"type": "object"}),
        ("guided_regex", "a+"),
        ("guided_choice", ["yes", "no"]),
        ("guided_grammar", "root ::= 'a'"),
        ("structured_outputs", {"json": {}}),
        ("grammar", "root ::= 'a'"),
        ("json_schema", {"type": "object"}),
        ("stop_token_ids", [7]),
        ("bad_words", ["damn"]),
        ("repeat_penalty", 1.1),
        ("length_penalty", 2),
        ("typical_p", 0.5),
        ("use_beam_search", True),
    ],
)
def test_what_would_change_the_answer_is_refused_by_name(name, value):
    with pytest.raises(ApiError, match=f"{name}=.* is not supported") as told:
        read(**{name: value})
    assert (told.value.status, told.value.body["error"]["param"]) == (400, name)
    assert told.value.body["error"]["code"] == "unsupported_parameter"


@pytest.mark.parametrize(
    "fields",
    [
        {
            "n": 1,
            "repeat_penalty": 1.0,
            "typical_p": 1,
            "use_beam_search": False,
            "stop_token_ids": [],
            "bad_words": [],
        },
        {"chat_template_kwargs": {}, "reasoning_effort": None, "grammar": "", "json_schema": {}, "guided_json": None},
        {"user": "someone", "store": False, "metadata": {"k": "v"}, "nobody_knows": 1},
    ],
)
def test_what_asks_for_nothing_is_taken(fields):
    assert read(**fields).messages == tuple(MESSAGES)


def test_a_message_that_calls_a_tool_is_refused_and_one_that_calls_none_is_not():
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    with pytest.raises(ApiError) as told:
        read(messages=[*MESSAGES, {"role": "assistant", "content": "", "tool_calls": [call]}])
    error = told.value.body["error"]
    assert (error["param"], error["code"]) == ("messages[1].tool_calls", "unsupported_parameter")
    said = {"role": "assistant", "content": "a", "tool_calls": [], "function_call": None, "refusal": None}
    assert read(messages=[*MESSAGES, said]).messages[1] == {"role": "assistant", "content": "a"}
