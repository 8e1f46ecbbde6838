"""Trains the classifier of content types, and writes `src/bakeoff/bundled/content_types.json`. The same bytes each time.

    PYTHONPATH=src python training/content_types/train.py

Logistic regression with an L2 penalty over the briefs of the built-in suite and over phrasings (`phrasings.txt` filled from
`slots.txt` by a seed). Nothing of `held_out.tsv` enters it: `benchmarks/classifier.py` measures on that, and on briefs by
families that it has not seen.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from bakeoff.serve.classifier import MODEL_FILE, OTHER, Classifier, features
from bakeoff.study.suite import find_suite, load_suite

HERE = Path(__file__).parent
TARGET = HERE.parents[1] / "src" / "bakeoff" / "bundled" / MODEL_FILE
CLASSES = ("linkedin_post", "tweet", "business_email", "technical_doc", "marketing_copy", OTHER)
FILLINGS = 9
FEWEST = 3
PENALTY = 0.2
SMALLEST_WEIGHT = 0.15
THRESHOLD = 0.6


class Request(NamedTuple):
    """A text that asks for something, its class, and the family of what is never split between training and test."""

    text: str
    label: str
    family: str


def read_sections(file: Path) -> dict[str, list[str]]:
    """Return the lines of each `[section]`, comments and empty lines left out."""
    sections: dict[str, list[str]] = {}
    name = ""
    for line in file.read_text(encoding="utf-8").splitlines():
        if found := re.fullmatch(r"\[(\w+)\]", line):
            name = found[1]
        elif line and not line.startswith("#"):
            sections.setdefault(name, []).append(line)
    return sections


def make_phrasings(seed: int = 0) -> list[Request]:
    """Fill every pattern several times; each pattern is a family."""
    chooser = random.Random(seed)
    slots = read_sections(HERE / "slots.txt")
    found = []
    for label, patterns in read_sections(HERE / "phrasings.txt").items():
        for number, pattern in enumerate(patterns):
            texts = {
                re.sub(r"\{(\w+)\}", lambda slot: chooser.choice(slots[slot[1]]), pattern).replace("{{", "{")
                for _ in range(FILLINGS if "{" in pattern else 1)
            }
            found += [Request(text.replace("}}", "}"), label, f"{label}-{number}") for text in sorted(texts)]
    return found


def read_briefs() -> list[Request]:
    """Return the briefs of the built-in suite."""
    suite = load_suite(find_suite(None))
    return [Request(brief.prompt, brief.content_type, brief.family) for brief in suite.briefs]


def read_held_out() -> list[Request]:
    """Return the requests that no training has seen."""
    lines = (HERE / "held_out.tsv").read_text(encoding="utf-8").splitlines()
    split = (line.split("\t", 1) for line in lines)
    return [Request(text, label, f"held-{number}") for number, (label, text) in enumerate(split)]


def train(requests: Sequence[Request]) -> Classifier:
    """Fit the weights; classes weigh alike, however many requests they have."""
    counts = Counter(feature for request in requests for feature in features(request.text))
    names = sorted(name for name, count in counts.items() if count >= FEWEST)
    index = {name: place for place, name in enumerate(names)}
    present = np.zeros((len(requests), len(names) + 1))
    present[:, -1] = 1.0
    for row, request in enumerate(requests):
        present[row, [index[name] for name in features(request.text) if name in index]] = 1.0
    labels = np.array([CLASSES.index(request.label) for request in requests])
    sizes = np.bincount(labels, minlength=len(CLASSES))
    worth = (len(requests) / len(CLASSES) / np.maximum(sizes, 1))[labels]
    solved = _minimise(present, labels, worth)
    weights = {
        name: [round(float(weight), 2) for weight in solved[place]]
        for name, place in index.items()
        if np.abs(solved[place]).max() >= SMALLEST_WEIGHT
    }
    return Classifier(CLASSES, weights, tuple(round(float(weight), 2) for weight in solved[-1]), THRESHOLD)


def _minimise(
    present: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    labels: np.ndarray[tuple[int], np.dtype[np.int64]],
    worth: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return weights (features + 1, classes) that minimise the weighted log loss plus the penalty on all but the bias."""
    shape = (present.shape[1], len(CLASSES))
    right = np.eye(len(CLASSES))[labels]

    def loss(flat: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, np.ndarray]:
        weights = flat.reshape(shape)
        scores = present @ weights
        scores -= scores.max(axis=1, keepdims=True)
        powers = np.exp(scores)
        total = powers.sum(axis=1, keepdims=True)
        held = weights.copy()
        held[-1] = 0.0
        value = float((worth * (np.log(total[:, 0]) - (scores * right).sum(axis=1))).sum())
        slope = present.T @ (worth[:, None] * (powers / total - right)) + PENALTY * held
        return value + 0.5 * PENALTY * float((held**2).sum()), slope.ravel()

    found = minimize(loss, np.zeros(shape[0] * shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 400})
    return found.x.reshape(shape)


def as_json(classifier: Classifier) -> str:
    """Return the model file's text, a feature a line."""
    lines = ",\n".join(
        f"  {json.dumps(name, ensure_ascii=False)}: {json.dumps(list(weights), separators=(',', ':'))}"
        for name, weights in sorted(classifier.weights.items())
    )
    head = {"made_by": "training/content_types/train.py", "classes": classifier.classes, "bias": classifier.bias}
    opening = json.dumps(head | {"threshold": classifier.threshold}, ensure_ascii=False)[:-1]
    return f'{opening}, "weights": {{\n{lines}\n}}}}\n'


if __name__ == "__main__":
    TARGET.write_text(as_json(train(read_briefs() + make_phrasings())), encoding="utf-8")
    print(f"{TARGET.name}: {TARGET.stat().st_size} bytes")
