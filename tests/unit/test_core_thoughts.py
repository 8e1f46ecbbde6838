"""What of an answer is a thought: a block at its head, whoever opened it; and how it is cut over pieces changes nothing."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.core.errors import AnswerEmpty
from bakeoff.core.thoughts import thought_length
from bakeoff.engines.answer import Answer

SPLIT = [
    ("<think>\nThe user wants a post.\n</think>\n\nWe open on 14 March.", "We open on 14 March."),
    ("\n<think>Short.</think>We open.", "We open."),
    ("<think>\n\n</think>\n\nWe open.", "We open."),
    ("The user wants a post.\n</think>\n\nWe open.", "We open."),  # opened by the prompt
    ("Short.</think>\nWe open.", "We open."),
    ("</think>We open.", "We open."),
    ("<think>Should I write </think>?", "?"),
    ("<think>Still at it, when the limit", ""),
    ("<think>Still at it.</think>", ""),
    ("<think>Still at it.</think>\n\n", ""),
]
TEXTS = [
    "We open on 14 March.",
    "",
    "  \n",
    "Models write <think> and </think> around their thoughts.",
    "A <think>\n</think>\nblock that stands further on.",
    "Close it with `</think>` always.",
    "<thinking> is another tag.",
    "think> and /think>",
]


@pytest.mark.parametrize(("answer", "text"), SPLIT)
def test_a_thought_at_the_head_is_no_text(answer: str, text: str) -> None:
    assert answer[thought_length(answer) :] == text


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_that_speaks_of_tags_is_left_as_it_is(text: str) -> None:
    assert thought_length(text) == 0


def read(pieces: list[str]) -> tuple[Answer, int]:
    answer = Answer("stub")
    answer.take([json.dumps({"choices": [{"delta": {"content": piece}}]}) for piece in pieces])
    return answer, answer.set_thoughts_apart()


@given(st.sampled_from([*SPLIT, *((text, text) for text in TEXTS)]), st.lists(st.integers(0, 60), max_size=8))
def test_where_an_answer_is_cut_changes_nothing(case: tuple[str, str], cuts: list[int]) -> None:
    whole, text = case
    ends = sorted({0, *(min(cut, len(whole)) for cut in cuts), len(whole)})
    pieces = [whole[low:high] for low, high in itertools.pairwise(ends)]
    answer, thoughts = read(pieces)
    assert answer.text == text
    assert all(answer.texts)
    assert thoughts + len(answer.texts) == len(pieces)
    assert (answer.thoughts > 0) == (text != whole)
    assert (
        len(pieces) <= answer.tokens <= len(pieces) + 1
    )  # the piece in which the thought ends and the text begins is both


def test_a_thought_that_the_limit_cuts_off_is_told_as_a_text_without_words() -> None:
    answer, _ = read(["<think>", "Let me see"])
    answer.finish_reason = "length"
    with pytest.raises(AnswerEmpty, match="before its limit of tokens, of which a model that thinks first needs more"):
        answer.require_text()
