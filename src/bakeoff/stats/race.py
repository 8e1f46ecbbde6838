"""A race: who is best, asked after every brief, and answered as soon as the evidence allows, without lying for it.

A round is one new brief (or family of briefs) written by all who are still in. For every ordered pair (i, j) two
hypotheses are watched on d = score of i - score of j, by e-values (`evalues`), which may be looked at after every round:
"mean of d <= 0" (refuted: i is better, and j is eliminated) and "mean of d <= -eps" (refuted: i is within eps of j).

The error budget alpha is spent in two parts, fixed beforehand:

- a fifth while the race goes on, each e-value against (K - 1) / (alpha / 5), K models at the start. K - 1 is enough,
  since an error needs a false statement against the one true best; K does not shrink.
- the rest on one look at the cap, where it is a test of a fixed number of briefs: one-sided paired t bounds at
  (4/5 alpha) / (K - 1). It is why a race certifies as often as a fixed design of nearly the same length, and why it
  need not go on for ever among equals.

Futility: every fifth round from the 10th on, the race ends without a claim where no survivor has a chance of 5 % to be
shown within eps of all others at the cap, given the spread and the differences so far. Stopping without a claim cannot
make a claim false.

Two modes. `strict`: betting e-values, the whole budget while the race goes on, no look at the cap, no futility:
guaranteed for bounded scores of any distribution. `standard`, the default: the bets, and from the 10th round on the
t-mixture too: approximate. What breaks t is a rival that fails rarely, and has not yet, or not often enough to show in
the spread. So once any text in the field was floored (it failed, or scored the lowest), every pair gets half an
observation more for whatever rests on t, the worst: the next text of the one that would win is floored too. Where all
means are equal and rivals fail in 2 to 20 % of their texts, plain t at the cap claims wrongly in up to 15 % (six models,
n = 15; 9 % at n = 75), the race in 5 % (two models, n = 15) and in 3 % at n = 75 (`benchmarks/statistics_evidence.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import inf, isfinite, log, sqrt
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from bakeoff.stats.evalues import BETS, PRIOR_SD, betting_interval, t_mixture_interval
from bakeoff.stats.verdicts import Elimination, Ending, PairEvidence, RaceMode, RaceOutcome, Verdict

RACING_SHARE = 0.2
FLOORED_WEIGHT = 0.5
"""What the floored observation counts: half, as in Jeffreys' prior for a rate."""

FEWEST_FOR_T = 10
FEWEST_FOR_FINAL_LOOK = 15
FEWEST_FOR_OUTCOME = 5
_FUTILITY_EVERY = 5
_FEWEST_FOR_A_HINT = 3
_FUTILE_UNDER = 0.05
_BETS = np.array(BETS)[:, None, None]


class Race:
    """One race over one stream of briefs. Deterministic: the same scores in the same order give the same verdict."""

    def __init__(
        self,
        models: Sequence[str],
        *,
        cap: int,
        eps: float = 0.3,
        bounds: tuple[float, float] = (0.0, 10.0),
        level: float = 0.95,
        mode: RaceMode = "standard",
    ) -> None:
        """Fix everything before the first round.

        Args:
            models: at least two different names.
            cap: rounds at most; the look at the cap is planned for exactly so many.
            eps: score points not worth telling apart, positive.
            bounds: the ends of the scale.
            level: 1 - alpha, of the whole race.
            mode: see the module.

        Raises:
            ValueError: an argument out of its range.
        """
        if len(models) < 2 or len(set(models)) != len(models):
            raise ValueError(f"a race needs at least two models of different names: {list(models)}")
        if cap < 1:
            raise ValueError(f"cap must be at least 1: {cap}")
        if not (isfinite(bounds[0]) and isfinite(bounds[1]) and bounds[0] < bounds[1]):
            raise ValueError(f"bounds must be two finite numbers, low < high: {bounds}")
        if not 0.0 < eps < bounds[1] - bounds[0]:
            raise ValueError(f"eps must be positive and less than the scale is wide: {eps}")
        if not 0.5 < level < 1.0:
            raise ValueError(f"level must be between 0.5 and 1: {level}")
        if mode not in get_args(RaceMode):
            raise ValueError(f"unknown mode: {mode!r}; known: 'standard', 'strict'")
        self.models, self.cap, self.eps, self.bounds, self.level = tuple(models), cap, eps, bounds, level
        self.mode: RaceMode = mode
        self.eliminations: list[Elimination] = []
        self.withdrawn: list[str] = []
        self.verdict: Verdict | None = None
        self.floored = False
        self._looked = False
        k = len(models)
        self._alive = np.ones(k, dtype=bool)
        self._rounds = 0
        self._no_spread = 1e-6 * (bounds[1] - bounds[0])  # less is rounding
        self._pairs = np.zeros((k, k), dtype=np.int64)  # rounds that both were in
        self._sums = np.zeros((k, k))
        self._squares = np.zeros((k, k))
        self._totals = np.zeros(k)
        self._rows: list[NDArray[np.float64]] = []
        # Wealth of each bet: against "not better" and against "worse by eps".
        self._wealth = np.zeros((2, len(BETS), k, k))
        self._log_e = np.zeros((k, k))
        self._within = np.eye(k, dtype=bool)
        alpha = (1.0 - level) * (1.0 if mode == "strict" else RACING_SHARE)
        self._threshold = log((k - 1) / alpha)
        self._final_tail = (1.0 - level) * (1.0 - RACING_SHARE) / (k - 1)

    @property
    def survivors(self) -> tuple[str, ...]:
        """Those still in, in the order given."""
        return tuple(model for model, alive in zip(self.models, self._alive, strict=True) if alive)

    @property
    def briefs(self) -> int:
        """Rounds so far."""
        return self._rounds

    @property
    def leader(self) -> str:
        """The survivor with the highest mean; the first of equals."""
        return self.models[int(np.argmax(np.where(self._alive, self._totals, -inf)))]

    def add(self, scores: Mapping[str, float], floored: Collection[str] = ()) -> tuple[Elimination, ...]:
        """Take the scores of one round; return who is out after it. `verdict` is set when the race has ended.

        Args:
            scores: of every survivor, within the bounds; others are not looked at.
            floored: models with a failed text in this round, whatever its score; one at the lower bound always counts.

        Raises:
            ValueError: the race is over, or a survivor's score is missing, no number or out of bounds.
        """
        if self.verdict is not None:
            raise ValueError("the race is over")
        values = self._checked(scores)
        survivors = self.survivors
        lowest = any(scores[model] <= self.bounds[0] for model in survivors)
        self.floored = self.floored or lowest or not set(floored).isdisjoint(survivors)
        self._rounds += 1
        self._rows.append(values)
        self._observe(values)
        out = self._judge()
        if not self._conclude_if_decided():
            if self._rounds == self.cap:
                self._look_at_the_cap()
            elif self._is_futile():
                self._end("futile", ())
        return out

    def is_behind(self, model: str, other: str) -> bool:
        """Whether `model` trails `other` by more than a standard error, over three rounds at least: a hint, no claim.

        In a content type it withdraws the true best in every sixth race (six models, simulated): nothing may be said of it.
        """
        i, j = self.models.index(model), self.models.index(other)
        n = int(self._pairs[i, j])
        if n < _FEWEST_FOR_A_HINT:
            return False
        mean = float(self._sums[i, j]) / n
        spread = max(float(self._squares[i, j]) - n * mean**2, 0.0) / (n - 1)
        return mean < 0.0 and mean <= -sqrt(spread / n)

    def withdraw(self, model: str) -> None:
        """Let a survivor go no further, for a reason that is not in this race. Nothing is claimed about it.

        What the race shows from then on is about those that are left; one that is left alone has won nothing.

        Raises:
            ValueError: it is not in the race, or the race is over.
        """
        if self.verdict is not None or model not in self.survivors:
            raise ValueError(f"{model} is not in the race")
        self._alive[self.models.index(model)] = False
        self.withdrawn.append(model)
        if len(self.survivors) == 1:
            self._end("withdrawn", ())

    def stop(self) -> Verdict:
        """End the race now, for a reason that is not in its scores: what was shown stands, and nothing is added."""
        if self.verdict is None:
            self._end("stopped", ())
        assert self.verdict is not None  # noqa: S101 - for the type checker
        return self.verdict

    def rounds_expected(self, model: str) -> float | None:
        """Return after how many rounds in all a strict race may be expected to show `model` within eps of the survivors.

        The bets' logarithm grows by its mean rate so far, at the best of the bets: an estimate, and a rough one. None
        where it does not grow, or nobody else is left.
        """
        i = self.models.index(model)
        rates = [
            float(self._wealth[1, :, i, j].max()) / self._rounds
            for j in np.flatnonzero(self._alive)
            if j != i and self._rounds
        ]
        if not rates or min(rates) <= 0.0:
            return None
        return (self._threshold + log(len(BETS))) / min(rates)

    def evidence(self) -> tuple[PairEvidence, ...]:
        """Return what is known of every pair that met, once, in the order of the models."""
        k = len(self.models)
        return tuple(self._pair(i, j) for i in range(k) for j in range(i + 1, k) if self._pairs[i, j])

    def _pair(self, i: int, j: int) -> PairEvidence:
        n = int(self._pairs[i, j])
        width = self.bounds[1] - self.bounds[0]
        mean = float(self._sums[i, j]) / n
        sd = sqrt(max(float(self._squares[i, j]) - n * mean**2, 0.0) / (n - 1)) if n > 1 else 0.0
        if self._looked and n == self._rounds:
            bounds = self._lower_bounds()
            low, high = float(bounds[i, j]), -float(bounds[j, i])
        elif self.mode == "standard" and isfinite(t_mixture_interval(n, mean, sd, self.level)[0]):
            low, high = t_mixture_interval(n, mean, sd, self.level)
        else:
            rows = np.array([row[[i, j]] for row in self._rows[:n]])
            low, high = (width * limit for limit in betting_interval((rows[:, 0] - rows[:, 1]) / width, self.level))
        log_e = float(self._log_e[i, j] if mean >= 0 else self._log_e[j, i])
        limits = max(min(low, mean), -width), min(max(high, mean), width)
        return PairEvidence(self.models[i], self.models[j], n, mean, sd, log_e, *limits)

    def _checked(self, scores: Mapping[str, float]) -> NDArray[np.float64]:
        """Return the survivors' scores, NaN for the others."""
        low, high = self.bounds
        values = np.full(len(self.models), np.nan)
        for number, model in enumerate(self.models):
            if not self._alive[number]:
                continue
            if model not in scores:
                raise ValueError(f"round {self._rounds + 1} has no score of {model}, which is still in the race")
            value = float(scores[model])
            if not low <= value <= high:
                raise ValueError(f"round {self._rounds + 1}: {model} scores {value}, not within {low:g} to {high:g}")
            values[number] = value
        return values

    def _observe(self, values: NDArray[np.float64]) -> None:
        known = np.where(self._alive, values, 0.0)
        both = self._alive[:, None] & self._alive
        d = np.where(both, known[:, None] - known, 0.0)
        self._totals += known
        self._pairs += both
        self._sums += d
        self._squares += d**2
        width = self.bounds[1] - self.bounds[0]
        share = d / width
        gain = (share + self.eps / width) / (1.0 + self.eps / width)
        self._wealth[0] += np.log1p(_BETS * share)
        self._wealth[1] += np.where(both, np.log1p(_BETS * gain), 0.0)

    def _judge(self) -> tuple[Elimination, ...]:
        """Compare the evidence of this round with the threshold; a pair's evidence stands from then on."""
        both = self._alive[:, None] & self._alive
        bets = np.logaddexp.reduce(self._wealth, axis=1) - log(len(BETS))
        better, within = bets[0], bets[1]
        if self.mode == "standard" and self._rounds >= FEWEST_FOR_T:
            better = np.maximum(better, self._t_mixture(0.0))
            within = np.maximum(within, self._t_mixture(-self.eps))
        self._log_e = np.where(both, better, self._log_e)
        self._within |= both & (within >= self._threshold)
        beaten = both & (better >= self._threshold) & ~np.eye(len(self.models), dtype=bool)
        out = []
        for loser in np.flatnonzero(beaten.any(axis=0)):
            # The strongest evidence, among those that are not beaten themselves in this very round if there is any.
            winners = np.where(beaten[:, loser], better[:, loser], -inf)
            by = int(np.argmax(winners))
            out.append(Elimination(self.models[loser], self.models[by], self._rounds, float(winners[by])))
        self._alive &= ~beaten.any(axis=0)
        self.eliminations += out
        return tuple(out)

    def _moments(self) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Return observations, their means and sums of squared deviations by pair, for what rests on t."""
        n, sums, squares = float(self._rounds), self._sums, self._squares
        if self.floored:
            worst = np.broadcast_to(self.bounds[0] - self._totals / n, sums.shape)  # i floored, j as it usually is
            n += FLOORED_WEIGHT
            sums, squares = sums + FLOORED_WEIGHT * worst, squares + FLOORED_WEIGHT * worst**2
        centre = sums / n
        return n, centre, np.maximum(squares - n * centre**2, 0.0)

    def _t_mixture(self, mean: float) -> NDArray[np.float64]:
        """Return log e by pair against "the mean is at most `mean`"; doubled, as one side of a two-sided e-value is."""
        n, centre, spread = self._moments()
        squares = n * (centre - mean) ** 2
        r = 1.0 + n * PRIOR_SD**2
        constant = spread <= self._no_spread**2 * n  # t would be sure of what never varied; the bets are not
        ratio = np.log(np.where(constant, 1.0, spread + squares)) - np.log(
            np.where(constant, 1.0, spread + squares / r)
        )
        return np.where((centre > mean) & ~constant, log(2.0) - 0.5 * log(r) + 0.5 * n * ratio, -inf)

    def _conclude_if_decided(self) -> bool:
        alive = np.flatnonzero(self._alive)
        close = [i for i in alive if self._within[i, alive].all()]
        if len(alive) > 1 and not close:
            return False
        alone = len(alive) == 1
        # Who outlived the others in fair races, and those that were withdrawn, has won against the former only.
        self._end("decided", [int(i) for i in (alive if alone else close)])
        return True

    def _look_at_the_cap(self) -> None:
        """The one look of fixed n, by paired t bounds."""
        n = self._rounds
        if self.mode == "strict" or n < FEWEST_FOR_FINAL_LOOK:
            self._end("cap", ())
            return
        self._looked = True
        lower = self._lower_bounds()
        alive = np.flatnonzero(self._alive)
        block = np.ix_(alive, alive)
        better = lower[block] > 0.0
        np.fill_diagonal(better, val=True)
        winner = np.flatnonzero(better.all(axis=1))
        if winner.size:
            first = int(alive[winner[0]])
            self._alive[:] = False
            self._alive[first] = True
            self._end("cap", [first])
            return
        close = (self._within[block] | (lower[block] >= -self.eps)).all(axis=1)
        self._end("cap", alive[close])

    def _lower_bounds(self) -> NDArray[np.float64]:
        n, centre, spread = self._moments()
        sd = np.sqrt(spread / (n - 1))
        bounds = centre - float(stdtrit(n - 1, 1.0 - self._final_tail)) * sd / sqrt(n)
        # Without spread t promises certainty. The bounded-mean bound of a constant does not, and is exact.
        width = self.bounds[1] - self.bounds[0]
        constant = (self._sums / self._rounds + width) * self._final_tail ** (1.0 / self._rounds) - width
        return np.where(sd > self._no_spread, bounds, constant)

    def _is_futile(self) -> bool:
        """Whether no survivor can be expected to be shown within eps of all others at the cap."""
        n, cap = self._rounds, self.cap
        if self.mode == "strict" or n < FEWEST_FOR_T or n % _FUTILITY_EVERY:
            return False
        alive = np.flatnonzero(self._alive)
        block = np.ix_(alive, alive)
        centre = self._sums[block] / n
        sd = np.sqrt(np.maximum(self._squares[block] - n * centre**2, 0.0) / (n - 1))
        known = sd > self._no_spread
        spread = np.where(known, sd, 1.0)
        if self.floored:  # the observation that the look will add weighs less there than it would now
            worst = self.bounds[0] - self._totals[alive] / n
            centre = centre + (worst - centre) * FLOORED_WEIGHT / (cap + FLOORED_WEIGHT)
        critical = float(stdtrit(cap - 1, 1.0 - self._final_tail))
        # The mean at the cap, predicted with what its present value does not know: variance sd^2 (1/n - 1/cap).
        distance = (centre + self.eps) / spread - critical / sqrt(cap)
        chance = np.where(known, stdtr(n - 1, distance / sqrt(1.0 / n - 1.0 / cap)), 1.0)
        return bool(chance.min(axis=1).max() < _FUTILE_UNDER)

    def _end(self, ending: Ending, equivalent: Sequence[int] | NDArray[np.intp]) -> None:
        names = tuple(self.models[i] for i in equivalent)
        outcome: RaceOutcome = "no_clear_winner"
        if len(self.survivors) == 1 and not self.withdrawn:
            outcome, names = "winner", self.survivors
        elif names:
            outcome = "best_within_eps"
        elif self._rounds < FEWEST_FOR_OUTCOME and ending != "withdrawn":
            outcome = "insufficient_data"
        self.verdict = Verdict(outcome, ending, self.leader, names, self.survivors, self._rounds)
