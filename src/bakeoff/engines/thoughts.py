"""The thoughts at the head of an answer, where they stand in its text and not beside it. Pure.

Some servers set a model's thoughts apart (`reasoning_content`). Others deliver them as the model writes them, as text: a
block from `<think>` to `</think>` at the very beginning (Qwen3, R1 and its distils, Phi-4-reasoning), or one without its
opening tag, where that was the end of the prompt. A tag further on is part of the text, which may speak of tags.
"""

from __future__ import annotations

OPENS = "<think>"
CLOSES = "</think>"
TAGS = frozenset({OPENS, CLOSES})


def thought_length(text: str) -> int:
    """Return how many characters at the beginning are thoughts, with their tags and the blank lines behind them.

    All of them, where a thought is opened and never ends. A closing tag that nothing opened counts where it begins or ends
    a line, as models write it.

    >>> text = "<think>Hm.</think>  Hello"
    >>> text[thought_length(text) :], thought_length("Hm, the </think> tag"), thought_length("<think>Hm")
    ('Hello', 0, 9)
    """
    begins = len(text) - len(text.lstrip())
    opened = text.startswith(OPENS, begins)
    ends = text.find(CLOSES)
    if ends < 0:
        return len(text) if opened else 0
    rest = ends + len(CLOSES)
    at_a_line = text[:ends].rstrip(" ")[-1:] in {"", "\n"} or text[rest:].lstrip(" ")[:1] in {"", "\n"}
    if not opened and (OPENS in text[:ends] or not at_a_line):
        return 0
    return len(text) - len(text[rest:].lstrip())
