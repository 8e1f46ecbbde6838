"""Pairs to label: blind, balanced, each asked once but for the repeats; and what the answers are worth."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from bakeoff.decide.labelling import Label, LabelPair, Written, draw_pairs, report_labels

NAMES = ("ann", "bob", "cid")
TYPES = ("tweet", "business_email")


def texts(briefs: int = 60) -> list[Written]:
    return [
        Written(f"{name}-{i}", name, f"b{i}", TYPES[i % 2], f"{name} wrote {'word ' * (i % 7 + len(name))}{place}")
        for i in range(briefs)
        for place, name in enumerate(NAMES)
    ]


def answer(pair: LabelPair, choice: str) -> Label:
    return Label(pair=pair, choice=choice, at="2026-01-01T00:00:00+00:00")  # type: ignore[arg-type]


def test_every_pair_is_new_but_for_repeats_with_sides_changed() -> None:
    pairs = draw_pairs(texts(), 100, seed=1)
    assert [pair.number for pair in pairs] == list(range(100))
    fresh = [frozenset((pair.left, pair.right)) for pair in pairs if pair.repeats is None]
    assert len(set(fresh)) == len(fresh) == 90
    again = [pair for pair in pairs if pair.repeats is not None]
    assert len({pair.repeats for pair in again}) == len(again) == 10
    for pair in again:
        first = pairs[pair.repeats or 0]
        assert (first.left, first.right) == (pair.right, pair.left)
        assert pair.number - first.number > 5


def test_types_and_briefs_take_turns_and_sides_are_fair() -> None:
    pairs = [pair for pair in draw_pairs(texts(), 60, seed=2) if pair.repeats is None]
    assert len({pair.brief for pair in pairs}) == len(pairs)
    counts = Counter(pair.content_type for pair in pairs)
    assert abs(counts["tweet"] - counts["business_email"]) <= 1
    many = [pair for seed in range(30) for pair in draw_pairs(texts(), 40, seed=seed)]
    left = Counter(pair.left.split("-")[0] for pair in many)
    for name in NAMES:
        assert left[name] / len(many) == pytest.approx(1 / 3, abs=0.06)
    shorter = draw_pairs(texts(), 40, seed=2)
    assert shorter == draw_pairs(texts(), 60, seed=2)[:40]


def test_equal_texts_make_no_pair() -> None:
    same = [Written(f"{name}-0", name, "b0", "tweet", "the same") for name in NAMES]
    assert draw_pairs(same, 10, seed=0) == []


def preferring(all_texts: list[Written], worth: dict[str, float]) -> dict[tuple[str, str], float]:
    return {
        (a.trial, b.trial): worth[a.candidate] - worth[b.candidate]
        for a in all_texts
        for b in all_texts
        if a.brief == b.brief and a.candidate != b.candidate
    }


def test_a_judge_that_agrees_is_validated_and_one_at_random_is_not() -> None:
    written = texts()
    right = preferring(written, {"ann": 2, "bob": 1, "cid": 0})
    generator = np.random.default_rng(5)
    coin = {pair: float(generator.normal()) for pair in right}
    labels = [
        answer(pair, "left" if right[pair.left, pair.right] > 0 else "right")
        for pair in draw_pairs(written, 60, seed=3)
    ]
    found = report_labels(labels, written, {"good": right, "coin": coin})
    overall = {line.scorer: line for line in found.agreements if line.content_type is None}
    assert overall["good"].validated
    assert not overall["coin"].validated
    assert found.labels == 54
    assert (found.repeated, found.consistent) == (6, 6)
    rates = {rate.candidate: rate for rate in found.win_rates}
    assert list(rates) == ["ann", "bob", "cid"]
    assert rates["ann"].scorer == "good"
    assert rates["ann"].win_rate.estimate == pytest.approx(1.0)
    assert {line.content_type for line in found.agreements if line.scorer == "good"} == {None, *TYPES}


def test_skips_count_nowhere_and_labels_alone_give_wilson() -> None:
    written = texts(20)
    pairs = draw_pairs(written, 9, seed=3)
    labels = [answer(pair, "skip" if pair.number < 2 else "tie") for pair in pairs]
    found = report_labels(labels, written, {"good": preferring(written, dict.fromkeys(NAMES, 0.0))})
    assert (found.labels, found.skipped) == (7, 2)
    assert {rate.win_rate.method for rate in found.win_rates} == {"wilson"}
    assert {rate.win_rate.estimate for rate in found.win_rates} == {0.5}
    assert found.agreements[0].pairs == 0


def test_a_validated_judge_narrows_the_win_rates() -> None:
    written = texts(200)
    truth = preferring(written, {"ann": 1, "bob": 0.5, "cid": 0})
    generator = np.random.default_rng(8)
    noisy = {pair: value if generator.random() < 0.9 else -value for pair, value in truth.items()}
    labels = [
        answer(pair, "left" if noisy[pair.left, pair.right] > 0 else "right")
        for pair in draw_pairs(written, 80, seed=1)
    ]
    alone = {rate.candidate: rate for rate in report_labels(labels, written, {}).win_rates}
    helped = {rate.candidate: rate for rate in report_labels(labels, written, {"judge": truth}).win_rates}
    for name in ("ann", "cid"):
        assert helped[name].scorer == "judge"
        width = {
            key: (rate.win_rate.high or 0) - (rate.win_rate.low or 0)
            for key, rate in (("a", alone[name]), ("h", helped[name]))
        }
        assert width["h"] < width["a"]
