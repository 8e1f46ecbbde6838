"""Where the answer begins in a text of a model that thinks first, and what it thought stands in the text too.

The marks are those of the families' chat templates (DeepSeek, Qwen and others; LongCat; Magistral; Gemma 4; gpt-oss), as mlx-lm
(`tokenizer_utils.py`) and the models' cards list them. Many templates open the thought themselves, so that a text may hold
its end alone.
"""

from __future__ import annotations

import re

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
