"""How often the gateway's classifier finds the right route, and what its confidence is worth.

    python benchmarks/classifier.py

Two measurements, neither on anything that the measured model was trained on. First the briefs of the built-in suite: five
models, each trained without the families that it is asked about. Then the model that ships, on requests written by hand
(`training/content_types/held_out.tsv`), of which a third is for no route and belongs to the general one.
"""

from __future__ import annotations

import math
import random
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "training"))

from bakeoff.serve.classifier import OTHER, Classifier
from content_types.train import THRESHOLD, Request, make_phrasings, read_briefs, read_held_out, train

FOLDS = 5
EDGES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)


class Asked(NamedTuple):
    """A request, the likeliest class, its probability, and whether it was routed to a content type."""

    request: Request
    best: str
    confidence: float

    @property
    def routed(self) -> str | None:
        """The content type that the gateway would choose, None for the general route."""
        return self.best if self.best != OTHER and self.confidence >= THRESHOLD else None


def ask(classifier: Classifier, requests: Sequence[Request]) -> list[Asked]:
    """Classify requests."""
    found = []
    for request in requests:
        chances = classifier.probabilities(request.text)
        best = max(chances, key=lambda name: chances[name])
        found.append(Asked(request, best, chances[best]))
    return found


def held_out_briefs() -> list[Asked]:
    """Classify each brief by a model that has seen no brief of its family."""
    briefs, phrasings = read_briefs(), make_phrasings()
    families = sorted({brief.family for brief in briefs})
    random.Random(0).shuffle(families)
    fold = {family: number % FOLDS for number, family in enumerate(families)}
    found = []
    for number in range(FOLDS):
        seen = [brief for brief in briefs if fold[brief.family] != number]
        found += ask(train(seen + phrasings), [brief for brief in briefs if fold[brief.family] == number])
    return found


def wilson(right: int, of: int) -> str:
    """Return a share with its 95 % interval (Wilson 1927), in percent."""
    if of == 0:
        return "-"
    z, share = 1.959964, right / of
    centre = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return f"{100 * share:.1f} % [{100 * (centre - half):.0f}, {100 * (centre + half):.0f}] of {of}"


def print_table(title: str, found: Sequence[Asked]) -> None:
    """Print what became of requests, by class."""
    print(f"\n### {title}\n")
    print("| asked for | requests | to its own route | to the general route | to a wrong route |")
    print("|---|---|---|---|---|")
    for label in sorted({each.request.label for each in found}):
        own = [each for each in found if each.request.label == label]
        right = sum(each.routed == label for each in own)
        general = sum(each.routed is None for each in own)
        wrong = Counter(each.routed for each in own if each.routed not in {None, label})
        told = ", ".join(f"{count} {name}" for name, count in wrong.items()) or "0"
        print(f"| {label} | {len(own)} | {'-' if label == OTHER else right} | {general} | {told} |")
    routed = [each for each in found if each.routed is not None]
    typed = [each for each in found if each.request.label != OTHER]
    others = [each for each in found if each.request.label == OTHER]
    print(
        f"\n- of those that were routed, rightly: {wilson(sum(e.routed == e.request.label for e in routed), len(routed))}"
    )
    print(
        f"- of those with a route, routed to it: {wilson(sum(e.routed == e.request.label for e in typed), len(typed))}"
    )
    if others:
        print(
            f"- of those without, left to the general route: {wilson(sum(e.routed is None for e in others), len(others))}"
        )


def print_calibration(found: Sequence[Asked]) -> None:
    """Print how often the likeliest class is right, by its probability; and the mean gap (ECE)."""
    print("\n| said probability | requests | mean said | right |")
    print("|---|---|---|---|")
    gap = 0.0
    for low, high in pairwise(EDGES):
        inside = [each for each in found if low <= each.confidence < high or (high == 1.0 and each.confidence == 1.0)]
        if inside:
            said = sum(each.confidence for each in inside) / len(inside)
            right = sum(each.best == each.request.label for each in inside)
            gap += abs(said - right / len(inside)) * len(inside) / len(found)
            print(f"| {low:g} to {high:g} | {len(inside)} | {said:.2f} | {wilson(right, len(inside))} |")
    print(f"\nmean gap between said and right (ECE): {gap:.3f}")


def main() -> None:
    """Measure, and print Markdown."""
    briefs = held_out_briefs()
    requests = ask(Classifier.load(), read_held_out())
    print(f"Routed from a probability of {THRESHOLD:g} on.")
    print_table("Briefs of the built-in suite, by families that training has not seen", briefs)
    print_calibration(briefs)
    print_table("Requests written by hand", requests)
    print_calibration(requests)
    classifier, texts = Classifier.load(), [each.request.text for each in requests]
    begun = perf_counter()
    for text in texts:
        classifier(text)
    print(f"\nOne request takes {1e6 * (perf_counter() - begun) / len(texts):.0f} microseconds.")


if __name__ == "__main__":
    main()
