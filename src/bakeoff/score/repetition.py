"""How much of a text says again what it has said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from operator import eq


def duplicate_ngram_share(words: Sequence[str], size: int = 4) -> float:
    """Return the share of word n-grams that occurred before, 0 to 1; 0 for texts shorter than one n-gram."""
    total = len(words) - size + 1
    if total <= 0:
        return 0.0
    return 1.0 - len(set(zip(*(words[start:] for start in range(size)), strict=False))) / total


def duplicate_sentences(sentences: Sequence[Sequence[str]]) -> tuple[float, str]:
    """Return the share of sentences (of 4 words or more) that occurred before, and the most frequent of them."""
    keys = [" ".join(words) for words in sentences if len(words) >= 4]
    if not keys:
        return 0.0, ""
    counts = Counter(keys)
    return 1.0 - len(counts) / len(keys), counts.most_common(1)[0][0]


def immediate_loop(words: Sequence[str]) -> str | None:
    """Return a phrase of 1 to 8 words that stands there three times in a row (a single word: five times), else None."""
    for period in range(1, 9):
        needed = period * 2 if period > 1 else 4
        if sum(map(eq, words, words[period:])) < needed:
            continue
        run = 0
        for index in range(period, len(words)):
            run = run + 1 if words[index] == words[index - period] else 0
            if run >= needed and any(not word.isdigit() for word in words[index - period + 1 : index + 1]):
                return " ".join(words[index - period + 1 : index + 1])
    return None


def only_word(words: Sequence[str]) -> str | None:
    """Return the word that is all of 3 words or more, or 80 % of 4 or more; None where there is none."""
    if len(words) < 3:
        return None
    word, count = Counter(words).most_common(1)[0]
    return word if count == len(words) or (len(words) >= 4 and count >= 0.8 * len(words)) else None
