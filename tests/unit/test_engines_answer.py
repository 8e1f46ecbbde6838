"""Which token's alternatives a judge is read by: the answer's first, behind thoughts wherever a server puts them."""

from __future__ import annotations

import json

import pytest

from bakeoff.engines.answer import Answer


def first(content: str, tokens: list[str], **message: str) -> object:
    """The token whose alternatives are taken, or what stands for none."""
    told = [{"token": token, "top_logprobs": [{"token": token, "logprob": -0.01}]} for token in tokens]
    choice = {"message": {"content": content, **message}, "finish_reason": "stop", "logprobs": {"content": told}}
    answer = Answer("stub")
    answer.take_body(json.dumps({"choices": [choice]}))
    return answer.first_logprobs if answer.first_logprobs is None else list(answer.first_logprobs)


@pytest.mark.parametrize(
    ("content", "tokens", "taken"),
    [
        ("B", ["B"], ["B"]),
        ("\n\n B.", ["\n\n", " B", ".", "<|im_end|>"], [" B"]),
        ("<think>A or B?</think>\n\nB", ["<think>", "A", " or", " B?", "</think>", "\n\n", "B"], ["B"]),
        ("<think>A?</think>B", ["<", "think", ">", "A", "?", "</", "think", ">", "B"], ["B"]),
        ("A or B?</think>B", ["A", " or", " B?", "</think>", "B"], ["B"]),  # the template opened the thought
        ("[THINK]A?[/THINK]B", ["[THINK]", "A", "?", "[/THINK]", "B"], ["B"]),
        ("B", ["<think>", "A", "?", "</think>", "B"], ["B"]),  # the server took the thought out of the text
        ("B", ["<think>"], None),
        ("B", ["Let", " me", " see"], None),  # it told of the thought's tokens, and of none of the answer's
        ("<think>A or", ["<think>", "A", " or"], []),
        ("B 🙂", ["B", " \ufffd", "\ufffd"], ["B"]),
        ("B", [], None),
    ],
)
def test_the_alternatives_are_those_of_the_answers_first_token(
    content: str, tokens: list[str], taken: list[str] | None
) -> None:
    assert first(content, tokens) == taken


def test_thoughts_beside_the_text_are_passed_over() -> None:
    assert first("B", ["A", " or", " B", "</think>", "B"], reasoning_content="A or B") == ["B"]
    assert first("B", ["B"], reasoning_content="A or B") == ["B"]
