"""Where the answer begins in a text of a model that thinks first, and what it thought stands in the text too.

The marks are those of the families' chat templates (DeepSeek, Qwen and others; LongCat; Magistral; Gemma 4; gpt-oss), as mlx-lm
(`tokenizer_utils.py`) and the models' cards list them. Many templates open the thought themselves, so that a text may hold
its end alone. What an answer is read for (`after_thoughts`) knows all of them; what is taken out of a text that people read and that is
scored (`thought_length`) knows the common block at its very beginning alone, for a text may speak of tags.
"""

from __future__ import annotations

import re

OPENS = "<think>"
CLOSES = "</think>"
TAGS = frozenset({OPENS, CLOSES})
_OPENS = re.compile(
    r"<(?:longcat_)?think(?:ing)?>|<\|think:start\|>|\[THINK\]|<\|channel>thought|<\|channel\|>(?:analysis|commentary)"
)
_CLOSES = re.compile(
    r"</(?:longcat_)?think(?:ing)?>|<\|think:end\|>|\[/THINK\]|<channel\|>|<\|channel\|>final<\|message\|>"
)


def answer_start(text: str) -> int | None:
    """Return the index behind the last thought, 0 where there is none, None where one does not end.

    >>> answer_start("4"), answer_start("Hm.</think>4"), answer_start("<think>4 or")
    (0, 11, None)
    """
    begin = max((found.end() for found in _CLOSES.finditer(text)), default=0)
    return None if _OPENS.search(text, begin) else begin


def after_thoughts(text: str) -> str:
    """Return the answer without the thoughts before it: nothing where they do not end.

    >>> after_thoughts("<think>A is longer, B is better.</think> B"), after_thoughts("<think>A is"), after_thoughts("A")
    ('B', '', 'A')
    """
    begin = answer_start(text)
    return "" if begin is None else text[begin:].strip()


def thought_length(text: str) -> int:
    """Return how many characters at the beginning are thoughts, with their tags and the blank lines behind them.

    Some servers set a model's thoughts apart (`reasoning_content`). Others deliver them as the model writes them: a block from
    `<think>` to `</think>` (Qwen3, R1 and its distils, Phi-4-reasoning), or one without its opening tag, where that was the end of the
    prompt. All of them, where a thought is opened and never ends. A closing tag that nothing opened counts where it begins or ends
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
