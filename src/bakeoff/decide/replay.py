"""What a race would have needed on scores that are there: many orderings of the same briefs, drawn with replacement.

The table's own means are taken as the truth, so that a choice can be told to be wrong. The race is compared with the decision
after as many briefs for everybody, by one-sided paired t bounds at alpha / (K - 1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from bakeoff.core.spec import Record
from bakeoff.decide.table import ScoreTable
from bakeoff.stats.intervals import cluster_means
from bakeoff.stats.paired import FEWEST_FOR_T
from bakeoff.stats.race import Race
from bakeoff.stats.verdicts import RaceMode

MOST_ROUNDS = 200


class Design(Record):
    """One way to decide. `bad` is the share of orderings with a choice that is worse than the best by more than eps;
    without a certificate nothing is chosen, and `leader_bad` tells how often the leader would have been bad.
    """

    scores_p50: float
    scores_p90: float
    bad: float
    leader_bad: float
    certified: float


class Replay(Record):
    """A race and a fixed number of rounds, `cap`, on the same orderings."""

    orderings: int
    cap: int
    race: Design
    fixed: Design


def replay_race(
    table: ScoreTable,
    orderings: int,
    *,
    eps: float,
    bounds: tuple[float, float] = (0.0, 10.0),
    level: float = 0.95,
    mode: RaceMode = "standard",
    seed: int = 0,
) -> Replay | None:
    """Race on `orderings` draws of the table's families; None where there is nothing to race.

    Args:
        table: complete scores.
        orderings: how many draws.
        eps: as in a race.
        bounds: the ends of the scale.
        level: 1 - alpha.
        mode: of the race.
        seed: of the draws.
    """
    families = [brief.family for brief in table.briefs]
    scores = np.column_stack([cluster_means(table.columns[name].quality, families)[0] for name in table.candidates])
    scores = np.clip(scores, *bounds)
    rounds, models = scores.shape
    if models < 2 or rounds < 2:
        return None
    cap = min(rounds, MOST_ROUNDS)
    generator = np.random.default_rng(seed)
    truth = scores.mean(axis=0)
    short = truth.max() - truth > eps + 1e-12
    used, raced, fixed = [], [], []
    for _ in range(orderings):
        drawn = scores[generator.integers(0, rounds, cap)]
        count, certified, leader = _race(drawn, table.candidates, eps, bounds, level, mode)
        used.append(count)
        raced.append((certified, bool(short[leader])))
        fixed.append(_fixed(drawn, eps, level, short))
    everybody = float(cap * models)
    return Replay(
        orderings=orderings,
        cap=cap,
        race=_design(np.quantile(used, [0.5, 0.9]), raced),
        fixed=_design(np.array([everybody, everybody]), fixed),
    )


def _design(used: NDArray[np.float64], ended: list[tuple[bool, bool]]) -> Design:
    return Design(
        scores_p50=float(used[0]),
        scores_p90=float(used[1]),
        bad=float(np.mean([certified and bad for certified, bad in ended])),
        leader_bad=float(np.mean([bad for _, bad in ended])),
        certified=float(np.mean([certified for certified, _ in ended])),
    )


def _race(
    drawn: NDArray[np.float64],
    models: tuple[str, ...],
    eps: float,
    bounds: tuple[float, float],
    level: float,
    mode: RaceMode,
) -> tuple[int, bool, int]:
    """Return scores used, whether somebody was certified, and who was chosen or led."""
    race = Race(models, cap=len(drawn), eps=eps, bounds=bounds, level=level, mode=mode)
    number = {model: position for position, model in enumerate(models)}
    used = 0
    for row in drawn:
        survivors = race.survivors
        used += len(survivors)
        race.add({model: float(row[number[model]]) for model in survivors})
        if race.verdict is not None:
            break
    verdict = race.stop()
    chosen = verdict.leader if not verdict.equivalent or verdict.leader in verdict.equivalent else verdict.equivalent[0]
    return used, bool(verdict.equivalent), number[chosen]


def _fixed(drawn: NDArray[np.float64], eps: float, level: float, short: NDArray[np.bool_]) -> tuple[bool, bool]:
    """Return whether somebody is shown within eps of all others by all rounds, and whether who is chosen or leads is bad."""
    n, models = drawn.shape
    means = drawn.mean(axis=0)
    centred = drawn - means
    covariance = centred.T @ centred / (n - 1)
    variance = np.diag(covariance)
    sd = np.sqrt(np.maximum(variance[:, None] + variance - 2.0 * covariance, 0.0))
    critical = float(stdtrit(n - 1, 1.0 - (1.0 - level) / (models - 1)))
    gaps = means[:, None] - means
    # Under 15 briefs nobody is shown, and a difference that never varies tells t nothing: as in a run.
    within = (gaps - critical * sd / np.sqrt(n) >= -eps) & ((sd > 1e-9) | np.eye(models, dtype=bool))
    shown = np.flatnonzero(within.all(axis=1)) if n >= FEWEST_FOR_T else np.array([], dtype=np.intp)
    chosen = shown[np.argmax(means[shown])] if shown.size else int(np.argmax(means))
    return bool(shown.size), bool(short[chosen])
