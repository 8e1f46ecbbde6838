"""What would basic testing have concluded? Many small samples of a run's own texts, against what the run concluded.

Basic testing is 3 to 5 texts a model, one impression each, plain means, and the highest mean wins; and its stricter form: 15
texts, mean +- 1.96 sd / sqrt(n), a t held against 1.96. The impression is the stored `keyword_heuristic`, which it grew out
of, and beside it the score itself, so that what comes of few texts and what comes of another scorer stay apart: a model's
mean is not too good because it has few texts; the mean of the one that was picked for it is, and another scorer is off by
whatever it is off.

Samples are drawn by family of briefs (`stats.small_samples`). The means over all texts in common are the truth of this
world only: they are estimates themselves, with intervals of their own.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bakeoff.core.records import Estimate, Outcome
from bakeoff.core.spec import Record
from bakeoff.decide.drawable import Drawable
from bakeoff.decide.shown import shown_ahead
from bakeoff.stats.intervals import cluster_means, interval
from bakeoff.stats.small_samples import SmallSamples, draw_prompts, family_means, small_samples

SIZES = (3, 4, 5, 15)
FIGURE_SIZE = 5
BASELINE_SHARE = 0.8
"""Of the scale: the basic test's baseline, 8 points of 10."""
_SAME = 1e-9

By = Literal["score", "heuristic"]


class Rigorous(Record):
    """What the whole run concluded. `ruled_out` are those that somebody was shown to be better than."""

    outcome: Outcome
    choice: str | None
    equivalent: tuple[str, ...] = ()
    ruled_out: tuple[str, ...] = ()

    @property
    def right(self) -> frozenset[str]:
        """Those that one may name: the winner, or all that are equal to it; empty where nobody was shown to be."""
        return frozenset(name for name in (self.choice, *self.equivalent) if name) if self.choice else frozenset()


class Spread(Record):
    """One candidate's mean over samples of `n`: where it lies, and how its intervals do.

    `low` to `high` hold 95 % of the samples' means, `lower` to `upper` half of them. `bias` is their mean minus `truth`, which
    is the mean of all texts by the same scorer. `covers_z` and `covers_t` are how often the interval holds `truth`,
    `no_width` how often it has no width, `differs_z` and `differs_t` how often a test calls it different from the baseline.
    """

    candidate: str
    truth: float
    bias: float
    sd: float
    low: float
    lower: float
    median: float
    upper: float
    high: float
    named: float
    covers_z: float
    covers_t: float
    no_width: float
    differs_z: float
    differs_t: float


class PairTests(Record):
    """Shares of samples in which a test calls two candidates different, averaged over all pairs.

    `unpaired` is the pooled t against 1.96, `unpaired_t` against the quantile of t, `paired` the paired t test. `false_..`
    are those where the true means were made equal: what is above 0.05 there is claimed by mistake.
    """

    pairs: int
    unpaired: float
    unpaired_t: float
    paired: float
    false_unpaired: float
    false_unpaired_t: float
    false_paired: float


class Rule(Record):
    """One way of testing: `n` texts a candidate, graded `by`, the highest mean wins. Shares are of samples.

    `names_right`: it names the winner, or one equal to it (None where the run has none). `names_wrong`: it names anybody else;
    where the run has no winner, anybody. `tie`: nobody has the highest mean alone. `names_ruled_out`: it names one that the run
    showed to be worse. `names_worse`: one whose mean over all texts is behind by more than eps. `too_good` is by how
    much the named one's mean is above its own truth, on average, in points of the same scorer; `off_score` how far all means
    are above the score's truth, on average.
    """

    n: int
    by: By
    best_by_all: str | None
    names_right: float | None
    names_wrong: float
    tie: float
    names_ruled_out: float
    names_worse: float
    too_good: float | None
    off_score: float
    candidates: tuple[Spread, ...]
    pairs: PairTests


class FigureRow(Record):
    """One candidate: where 95 % and half of the small samples' means fall, how often it is named, and what all texts say."""

    candidate: str
    low: float
    lower: float
    median: float
    upper: float
    high: float
    named: float
    run: Estimate


class Figure(Record):
    """Ready to be drawn: rows by falling mean over all texts, on an axis from `axis_low` to `axis_high`."""

    n: int
    by: By
    axis_low: float
    axis_high: float
    rows: tuple[FigureRow, ...]


class Methodology(Record):
    """What basic testing would have said of a run, and what the run says.

    `fallbacks` is what candidates computed elsewhere than on their device.
    """

    texts: int
    families: int
    candidates: tuple[str, ...]
    left_out: tuple[str, ...]
    draws: int
    seed: int
    level: float
    eps: float
    baseline: float
    rigorous: Rigorous
    run: dict[str, Estimate]
    rules: tuple[Rule, ...]
    figure: Figure
    fallbacks: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    def rule(self, n: int, by: By) -> Rule | None:
        """Return one of the rules."""
        return next((rule for rule in self.rules if (rule.n, rule.by) == (n, by)), None)


def rigorous_of(document: Mapping[str, Any]) -> Rigorous:
    """Return what a `bakeoff.run/1` or `bakeoff.analysis/1` document concludes."""
    decision = document["decision"]
    race = document.get("race")
    out = {found["candidate"] for found in race["overall"]["eliminations"]} if race else set()
    for pair in document["comparisons"]:
        ahead = shown_ahead(pair, document)
        if ahead is not None:
            out.add(pair["b"] if ahead == pair["a"] else pair["a"])
    return Rigorous(
        outcome=decision["outcome"],
        choice=decision["choice"],
        equivalent=tuple(decision["equivalent"]),
        ruled_out=tuple(sorted(out)),
    )


def compare_methods(
    texts: Drawable,
    rigorous: Rigorous,
    *,
    eps: float,
    draws: int = 10_000,
    seed: int = 0,
    bounds: tuple[float, float] = (0.0, 10.0),
    level: float = 0.95,
) -> Methodology:
    """Draw small samples of a run's texts, and hold what they say against what the run says.

    Args:
        texts: what to draw from.
        rigorous: what was concluded from all of it.
        eps: score points not worth telling apart.
        draws: samples of each size; both scorers grade the same ones.
        seed: equal seeds, equal samples.
        bounds: the ends of the scale.
        level: of all intervals.
    """
    baseline = bounds[0] + BASELINE_SHARE * (bounds[1] - bounds[0])
    graded: dict[By, NDArray[np.float64]] = {"score": texts.scores}
    if texts.heuristic is not None:
        graded = {"heuristic": texts.heuristic, **graded}
    truth = family_means(texts.scores, texts.families)
    rules = []
    for n in SIZES:
        picks = draw_prompts(texts.families, n, draws, seed)
        for by, scores in graded.items():
            own = family_means(scores, texts.families)
            found = small_samples(scores, picks, own, baseline=baseline, level=level)
            rules.append(_rule(texts.candidates, found, by, own, truth, rigorous, eps))
    run = {
        name: _estimate(texts.scores[:, i], texts.families, bounds, level) for i, name in enumerate(texts.candidates)
    }
    shown: By = "score" if texts.heuristic is None else "heuristic"
    drawn = next(rule for rule in rules if (rule.n, rule.by) == (FIGURE_SIZE, shown))
    return Methodology(
        texts=len(texts.families),
        families=len(set(texts.families)),
        candidates=texts.candidates,
        left_out=texts.left_out,
        draws=draws,
        seed=seed,
        level=level,
        eps=eps,
        baseline=baseline,
        rigorous=rigorous,
        run=run,
        rules=tuple(rules),
        figure=_figure(drawn, run, bounds),
    )


def _rule(
    candidates: Sequence[str],
    found: SmallSamples,
    by: By,
    own: NDArray[np.float64],
    truth: NDArray[np.float64],
    rigorous: Rigorous,
    eps: float,
) -> Rule:
    """Return what one rule says; `own` are the true means by its own scorer, `truth` those of the score."""
    named = _winners(found.means)
    draws = len(named)
    share = {name: float(np.mean(named == i)) for i, name in enumerate(candidates)}
    tie = float(np.mean(named < 0))
    right = rigorous.right
    lone = np.flatnonzero(named >= 0)
    gaps = found.means[lone, named[lone]] - own[named[lone]]
    behind = truth.max() - truth > eps + _SAME
    whole = _winners(own[None, :])[0]
    quantiles = np.quantile(found.means, [0.025, 0.25, 0.5, 0.75, 0.975], axis=0)
    spreads = tuple(
        Spread(
            candidate=name,
            truth=float(own[i]),
            bias=float(found.means[:, i].mean() - own[i]),
            sd=float(found.means[:, i].std(ddof=1)) if draws > 1 else 0.0,
            **dict(zip(("low", "lower", "median", "upper", "high"), map(float, quantiles[:, i]), strict=True)),
            named=share[name],
            covers_z=float(found.covered_z[i]),
            covers_t=float(found.covered_t[i]),
            no_width=float(found.no_width[i]),
            differs_z=float(found.differs_z[i]),
            differs_t=float(found.differs_t[i]),
        )
        for i, name in enumerate(candidates)
    )
    agreeing = sum(share[name] for name in candidates if name in right)
    return Rule(
        n=found.n,
        by=by,
        best_by_all=None if whole < 0 else candidates[whole],
        names_right=agreeing if right else None,
        names_wrong=max(0.0, 1.0 - tie - agreeing),
        tie=tie,
        names_ruled_out=sum(share[name] for name in candidates if name in rigorous.ruled_out),
        names_worse=sum(share[name] for i, name in enumerate(candidates) if behind[i]),
        too_good=float(gaps.mean()) if lone.size else None,
        off_score=float((found.means.mean(axis=0) - truth).mean()),
        candidates=spreads,
        pairs=_pair_tests(found, len(candidates)),
    )


def _winners(means: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return who has the highest mean alone in each row of shape (samples, k), -1 for nobody."""
    best = means.argmax(axis=1)
    level = (means >= means.max(axis=1, keepdims=True) - _SAME).sum(axis=1)
    winners: NDArray[np.intp] = np.where(level == 1, best, -1)
    return winners


def _pair_tests(found: SmallSamples, candidates: int) -> PairTests:
    pairs = tuple(zip(*combinations(range(candidates), 2), strict=True))

    def mean(shares: NDArray[np.float64]) -> float:
        return float(shares[pairs[0], pairs[1]].mean())

    return PairTests(
        pairs=len(pairs[0]),
        unpaired=mean(found.unpaired),
        unpaired_t=mean(found.unpaired_t),
        paired=mean(found.paired),
        false_unpaired=mean(found.false_unpaired),
        false_unpaired_t=mean(found.false_unpaired_t),
        false_paired=mean(found.false_paired),
    )


def _estimate(
    scores: NDArray[np.float64], families: Sequence[Hashable], bounds: tuple[float, float], level: float
) -> Estimate:
    means = np.clip(cluster_means(scores, families)[0], *bounds)
    found = interval(means, bounds, level)
    return Estimate(
        estimate=found.estimate,
        low=found.low,
        high=found.high,
        level=level,
        method=found.method,
        briefs=len(families),
        clusters=found.n,
    )


def _figure(rule: Rule, run: Mapping[str, Estimate], bounds: tuple[float, float]) -> Figure:
    rows = tuple(
        FigureRow(run=run[spread.candidate], **spread.model_dump(include=set(FigureRow.model_fields) - {"run"}))
        for spread in sorted(rule.candidates, key=lambda found: -(run[found.candidate].estimate or 0.0))
    )
    return Figure(n=rule.n, by=rule.by, axis_low=bounds[0], axis_high=bounds[1], rows=rows)
