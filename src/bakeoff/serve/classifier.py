"""What kind of text a request asks for: a linear model over words and pairs of words, small enough to read.

Multinomial logistic regression over the presence of words and of neighbouring words, in what stands at the beginning and
at the end of the request (what lies between is mostly material, not wish). Trained by `training/content_types/train.py` on
the built-in suite's briefs and on phrasings; how often it is right, and how sure it may be: `docs/serving.md`. Pure Python.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from math import exp
from typing import Any

from bakeoff.serve.router import Guess

OTHER = "other"
"""The class of everything that no content type is for."""
MODEL_FILE = "content_types.json"
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d+")
_HEAD_CHARACTERS = 900
_TAIL_CHARACTERS = 350


@dataclass(frozen=True, slots=True)
class Classifier:
    """Weights of each feature for each class; `threshold` is the probability below which no content type is named."""

    classes: tuple[str, ...]
    weights: Mapping[str, Sequence[float]]
    bias: tuple[float, ...]
    threshold: float

    @classmethod
    def load(cls) -> Classifier:
        """Read the model that ships with bakeoff."""
        return cls.of(json.loads((files("bakeoff.bundled") / MODEL_FILE).read_text(encoding="utf-8")))

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Classifier:
        """Return the classifier that a model file describes."""
        return cls(tuple(value["classes"]), value["weights"], tuple(value["bias"]), float(value["threshold"]))

    def probabilities(self, text: str) -> dict[str, float]:
        """Return the probability of each class, `OTHER` among them."""
        scores = list(self.bias)
        for feature in features(text):
            found = self.weights.get(feature)
            if found is not None:
                scores = [score + weight for score, weight in zip(scores, found, strict=True)]
        most = max(scores)
        powers = [exp(score - most) for score in scores]
        return {name: power / sum(powers) for name, power in zip(self.classes, powers, strict=True)}

    def __call__(self, text: str) -> Guess:
        """Return the content type that is likeliest, None where it is `OTHER` or less probable than the threshold."""
        found = self.probabilities(text)
        best = max(found, key=lambda name: found[name])
        sure = best != OTHER and found[best] >= self.threshold
        return Guess(best if sure else None, found[best])


def features(text: str) -> frozenset[str]:
    """Return what a text is judged by: its words and pairs of words, and its first word, case and numbers left out.

    >>> sorted(features("Tweet: 40 seats"))
    ['0', '0 seats', '^ tweet', 'seats', 'tweet', 'tweet 0']
    """
    return frozenset(_features(text))


def _features(text: str) -> Iterator[str]:
    pieces = [text]
    if len(text) > _HEAD_CHARACTERS + _TAIL_CHARACTERS:
        pieces = [text[:_HEAD_CHARACTERS], text[-_TAIL_CHARACTERS:]]
    for place, piece in enumerate(pieces):
        before = "^" if place == 0 else ""
        for found in _WORD.findall(piece.casefold()):
            word = "0" if found.isdigit() else found
            yield word
            if before:
                yield f"{before} {word}"
            before = word
