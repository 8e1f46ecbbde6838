"""What comes of a race (`stats.race`): who is out, how it ended, and what is known of each pair."""

from __future__ import annotations

from typing import Literal, NamedTuple

RaceMode = Literal["standard", "strict"]
RaceOutcome = Literal["winner", "best_within_eps", "no_clear_winner", "insufficient_data"]
Ending = Literal["decided", "cap", "futile", "withdrawn", "stopped"]


class Elimination(NamedTuple):
    """`model` is out since `by` was shown to be better, after `round_number` rounds, by evidence e (as log e)."""

    model: str
    by: str
    round_number: int
    log_e: float


class Verdict(NamedTuple):
    """How a race ended. `leader` has the highest mean of the survivors; `equivalent` are those shown within eps of all.

    `winner`: `equivalent` holds it alone, and it was shown to be better than every other. Of those that were withdrawn nothing is
    shown: then the best outcome is `best_within_eps`, of those that were left. `briefs` counts rounds.
    """

    outcome: RaceOutcome
    ending: Ending
    leader: str
    equivalent: tuple[str, ...]
    survivors: tuple[str, ...]
    briefs: int


class PairEvidence(NamedTuple):
    """What the race knows of a - b, over the rounds that both were in. `log_e` is the evidence for the sign of `difference`.

    `low` to `high` holds at the race's level for this pair alone, whenever the race stopped: from the t-mixture in a standard
    race (approximate), from the bets in a strict one, and where the t-mixture has none yet. That it excludes 0 for one of many
    pairs is no evidence against that pair: of six equal models the leader's interval over some rival does in 17 % of races. What
    is shown about all pairs together are eliminations, and verdicts. Of two that came to the look at the cap it is what that look used:
    bounds that hold for all rivals of one model together. Cut at what the scale allows.
    """

    a: str
    b: str
    briefs: int
    difference: float
    sd: float
    log_e: float
    low: float
    high: float
