"""Which pairs of texts a person is asked about, blind, and what the answers say of scores and judges.

Pairs are drawn at random, content types in turn, each brief once as long as there are some left: a random sample, so that the
answers speak for all pairs of the run. Sides are random; some pairs come again with their sides changed, which tells how far
the person agrees with themselves.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np

from bakeoff.core.records import Estimate
from bakeoff.core.spec import Record
from bakeoff.stats.intervals import proportion_interval
from bakeoff.stats.multiple import holm
from bakeoff.stats.ppi import prediction_powered_mean
from bakeoff.stats.preference import preference_agreement

Choice = Literal["left", "right", "tie", "skip"]
_REPEAT_EVERY = 10
_REPEAT_AFTER = 6
_FEWEST_REPEATED = 10
_FEWEST_FOR_PPI = 10
FEWEST_LABELS = 40
"""Under these a verdict is hardly possible: at 75 % agreement 40 pairs give an interval of 0.60 to 0.86."""


class Written(NamedTuple):
    """One text that may be shown. `trial` names it."""

    trial: str
    candidate: str
    brief: str
    content_type: str
    text: str


class LabelPair(Record):
    """Two texts of one brief, as they are shown. `repeats` is the number of the pair that it shows again."""

    number: int
    brief: str
    content_type: str
    left: str
    right: str
    repeats: int | None = None


class Label(Record):
    """What a person said of a pair."""

    pair: LabelPair
    choice: Choice
    at: str


class ScorerAgreement(Record):
    """How far one score or judge agrees with the person; fields as in `stats.preference`. `content_type` None: all.

    `p` and `validated` allow for all scorers that were held against the same labels (Holm).
    """

    scorer: str
    content_type: str | None
    agreement: Estimate
    longer_wins: float | None
    length_balanced: float | None
    kappa: float | None
    pairs: int
    tied: int
    p: float = 1.0
    validated: bool


class WinRate(Record):
    """How often people preferred a candidate's text, ties one half: from labels alone, or corrected by a judge (PPI++)."""

    candidate: str
    win_rate: Estimate
    labelled: int
    scorer: str | None = None
    judge_weight: float | None = None


class LabelReport(Record):
    """What the labels of a run say. `repeated` pairs were shown twice, of which `consistent` had the same answer."""

    labels: int
    skipped: int
    repeated: int
    consistent: int
    agreements: tuple[ScorerAgreement, ...]
    win_rates: tuple[WinRate, ...]


def draw_pairs(texts: Sequence[Written], count: int, seed: int) -> list[LabelPair]:
    """Return `count` pairs to show, in order, fewer where there are not as many; equal texts make no pair.

    Args:
        texts: one a candidate and brief.
        count: repeats included, one in ten from the tenth on.
        seed: of the draw.
    """
    drawer = random.Random(f"labels:{seed}")  # noqa: S311 - an order, not a secret
    waiting = _in_turn(texts, drawer)
    pairs: list[LabelPair] = []
    while waiting and len(pairs) < count:
        number = len(pairs)
        if number >= _FEWEST_REPEATED - 1 and (number + 1) % _REPEAT_EVERY == 0:
            earlier = [
                pair
                for pair in pairs[: number - _REPEAT_AFTER]
                if pair.repeats is None and not _came_again(pair, pairs)
            ]
            again = drawer.choice(earlier)
            pairs.append(
                again.model_copy(
                    update={"number": number, "left": again.right, "right": again.left, "repeats": again.number}
                )
            )
            continue
        first, second = waiting.pop(0)
        left, right = (first, second) if drawer.random() < 0.5 else (second, first)
        pairs.append(
            LabelPair(
                number=number,
                brief=left.brief,
                content_type=left.content_type,
                left=left.trial,
                right=right.trial,
            )
        )
    return pairs


def _came_again(pair: LabelPair, pairs: Sequence[LabelPair]) -> bool:
    return any(later.repeats == pair.number for later in pairs)


def _in_turn(texts: Sequence[Written], drawer: random.Random) -> list[tuple[Written, Written]]:
    """Return all pairs that may be asked: a round with a pair of each brief, types in turn, then the next round."""
    by_brief: dict[str, list[Written]] = {}
    for text in sorted(texts, key=lambda written: (written.brief, written.candidate)):
        by_brief.setdefault(text.brief, []).append(text)
    rounds: list[dict[str, list[tuple[Written, Written]]]] = []
    for found in by_brief.values():
        pairs = [pair for pair in combinations(found, 2) if pair[0].text.strip() != pair[1].text.strip()]
        drawer.shuffle(pairs)
        for place, pair in enumerate(pairs):
            if place == len(rounds):
                rounds.append({})
            rounds[place].setdefault(pair[0].content_type, []).append(pair)
    ordered: list[tuple[Written, Written]] = []
    for by_type in rounds:
        kinds = list(by_type.values())
        for pairs in kinds:
            drawer.shuffle(pairs)
        drawer.shuffle(kinds)
        longest = max(map(len, kinds))
        ordered += [pairs[turn] for turn in range(longest) for pairs in kinds if turn < len(pairs)]
    return ordered


def report_labels(
    labels: Sequence[Label],
    texts: Sequence[Written],
    preferences: Mapping[str, Mapping[tuple[str, str], float]],
    *,
    level: float = 0.95,
) -> LabelReport:
    """Return what labels say of scores and candidates.

    Args:
        labels: the person's answers.
        texts: all texts of the run that could be shown.
        preferences: scorer -> (left trial, right trial) -> how much it prefers the left one, 0 for a tie; pairs that it does
            not know are absent.
        level: of all intervals.
    """
    known = {text.trial: text for text in texts}
    said = [label for label in labels if label.pair.left in known and label.pair.right in known]
    first = [label for label in said if label.pair.repeats is None and label.choice != "skip"]
    by_number = {label.pair.number: label for label in said}
    agreements = []
    for scorer, prefers in preferences.items():
        scored = [label for label in first if _pair(label) in prefers]
        types = sorted({label.pair.content_type for label in scored})
        for content_type in (None, *(types if len(types) > 1 else ())):
            own = [label for label in scored if content_type in (None, label.pair.content_type)]
            agreements.append(_agreement(scorer, content_type, own, prefers, known, level))
    repeated = [
        (by_number[label.pair.repeats], label)
        for label in said
        if label.pair.repeats is not None and label.pair.repeats in by_number
    ]
    both = [(once, again) for once, again in repeated if "skip" not in (once.choice, again.choice)]
    return LabelReport(
        labels=len(first),
        skipped=sum(label.choice == "skip" for label in said),
        repeated=len(both),
        consistent=sum(_SIGN[once.choice] == -_SIGN[again.choice] for once, again in both),
        agreements=_corrected(agreements, level),
        win_rates=tuple(_win_rates(first, texts, preferences, agreements, level)),
    )


def _corrected(agreements: Sequence[ScorerAgreement], level: float) -> tuple[ScorerAgreement, ...]:
    """Correct for the scorers that were tried, in each content type and over all of them alike."""
    adjusted: dict[int, float] = {}
    for content_type in {found.content_type for found in agreements}:
        places = [place for place, found in enumerate(agreements) if found.content_type == content_type]
        adjusted |= dict(zip(places, holm([agreements[place].p for place in places]).tolist(), strict=True))
    return tuple(
        found.model_copy(update={"p": adjusted[place], "validated": found.validated and adjusted[place] <= 1.0 - level})
        for place, found in enumerate(agreements)
    )


_SIGN: Mapping[str, int] = {"left": 1, "tie": 0, "right": -1}


def _pair(label: Label) -> tuple[str, str]:
    return label.pair.left, label.pair.right


def _agreement(
    scorer: str,
    content_type: str | None,
    labels: Sequence[Label],
    prefers: Mapping[tuple[str, str], float],
    texts: Mapping[str, Written],
    level: float,
) -> ScorerAgreement:
    found = preference_agreement(
        [_SIGN[label.choice] for label in labels],
        [prefers[_pair(label)] for label in labels],
        [_words(texts[label.pair.left]) - _words(texts[label.pair.right]) for label in labels],
        level=level,
    )
    return ScorerAgreement(
        scorer=scorer,
        content_type=content_type,
        agreement=Estimate(
            estimate=found.agreement, low=found.low, high=found.high, level=level, method="wilson", briefs=found.pairs
        ),
        longer_wins=found.longer_wins,
        length_balanced=found.length_balanced,
        kappa=found.kappa,
        pairs=found.pairs,
        tied=found.tied,
        p=found.p,
        validated=found.validated,
    )


def _words(text: Written) -> int:
    return len(text.text.split())


def _win_rates(
    labels: Sequence[Label],
    texts: Sequence[Written],
    preferences: Mapping[str, Mapping[tuple[str, str], float]],
    agreements: Sequence[ScorerAgreement],
    level: float,
) -> list[WinRate]:
    """Return each candidate's win rate, from the labels alone, or with the scorer that agrees best where it was validated."""
    candidate_of = {text.trial: text.candidate for text in texts}
    valid = [found for found in agreements if found.content_type is None and found.validated]
    best = max(valid, key=lambda found: found.agreement.low or 0.0, default=None)
    prefers = preferences[best.scorer] if best is not None else {}
    asked = {frozenset(_pair(label)) for label in labels}
    rates = []
    for candidate in sorted({text.candidate for text in texts}):
        own = [
            label for label in labels if candidate in (candidate_of[label.pair.left], candidate_of[label.pair.right])
        ]
        won = [_won(candidate_of[label.pair.left] == candidate, _SIGN[label.choice]) for label in own]
        if not own:
            continue
        if best is None or len(own) < _FEWEST_FOR_PPI or not all(_pair(label) in prefers for label in own):
            share = proportion_interval(sum(won), len(won), level, "wilson")
            rate = Estimate(
                estimate=share.estimate,
                low=share.low,
                high=share.high,
                level=level,
                method="wilson",
                briefs=len(won),
            )
            rates.append(WinRate(candidate=candidate, win_rate=rate, labelled=len(own)))
            continue
        judged = [
            _won(candidate_of[label.pair.left] == candidate, float(np.sign(prefers[_pair(label)]))) for label in own
        ]
        # A pair may be known in both orders: each counts once.
        others = {
            frozenset((left, right)): _won(candidate_of[left] == candidate, float(np.sign(difference)))
            for (left, right), difference in prefers.items()
            if candidate in (candidate_of.get(left), candidate_of.get(right)) and frozenset((left, right)) not in asked
        }
        found = prediction_powered_mean(won, judged, list(others.values()), bounds=(0.0, 1.0), level=level)
        rate = Estimate(
            estimate=found.estimate,
            low=None if found.low is None else max(0.0, found.low),
            high=None if found.high is None else min(1.0, found.high),
            level=level,
            method=found.method,
            briefs=len(own),
        )
        rates.append(
            WinRate(
                candidate=candidate,
                win_rate=rate,
                labelled=len(own),
                scorer=best.scorer,
                judge_weight=found.judge_weight,
            )
        )
    return sorted(rates, key=lambda rate: -(rate.win_rate.estimate or 0.0))


def _won(is_left: bool, sign: float) -> float:
    """Return 1 where the candidate's side was preferred, a half for a tie."""
    return (1.0 + (sign if is_left else -sign)) / 2.0
