"""Two candidates of one run, or of two runs, held against each other: what `bakeoff compare` and the library both show."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bakeoff.core.errors import UsageError
from bakeoff.core.records import Comparison
from bakeoff.core.spec import Record
from bakeoff.decide.duel import Duel
from bakeoff.decide.margin import BriefPair, MarginVerdict, check_margin, not_worse, not_worse_in_race


class Versus(Record):
    """a against b. `run_id` is the run of a, `base_run_id` that of b, None where it is the same one.

    `duel` is the comparison for a fixed number of briefs, by `pairs`; `run_comparison` is the run's own (None across runs): its p
    allows for all pairs, and in a race its interval for looking early, for this pair alone. `shown_ahead` is who of the two the
    run shows to be better, with all pairs allowed for; None where neither is shown. `unfit` says why nothing can be claimed whatever the figures are, "" where
    nothing stands in the way. `same` tells that both sides are the same model on the same prompts with the same seeds.
    `fallbacks` is what a or b computed elsewhere than on its device, which `--allow-fallback` allowed.
    """

    run_id: str
    base_run_id: str | None = None
    mode: Literal["fixed", "race"]
    a: str
    b: str
    duel: Duel
    run_comparison: Comparison | None
    shown_ahead: str | None = None
    pairs: tuple[BriefPair, ...]
    content_types: tuple[str, ...]
    unfit: str = ""
    same: bool = False
    fallbacks: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    def __repr__(self) -> str:
        """Return who against whom."""
        return f"<{self.a} against {self.b}>"

    def not_worse_by(self, margin: float, *, alpha: float = 0.05) -> MarginVerdict:
        """Say whether a is not worse than b by `margin` points or more: true only where that is shown.

        One-sided at `alpha` (see `decide.margin`); in a race at the level of the run's own interval. Each assertion has its own
        alpha: ten of them on ten pairs that are all worse by the margin pass one in about two times out of five.

        Raises:
            UsageError: a margin that is not between 0 and 10, an alpha that is not between 0 and 0.5.

        Examples:
            >>> assert run.compare("new", "old").not_worse_by(0.3)  # doctest: +SKIP
        """
        try:
            check_margin(margin, alpha)
        except (TypeError, ValueError) as error:
            raise UsageError(str(error), "a margin is in points of ten, such as 0.3") from None
        if self.mode == "race":
            found = not_worse_in_race(self.a, self.b, self.run_comparison, margin)
        else:
            found = not_worse(self.a, self.b, self.pairs, margin, alpha)
        if self.unfit:
            return found.model_copy(update={"verdict": "undecided", "settled_by": None, "why": self.unfit})
        if self.same:
            same = "both sides are the same model on the same prompts with the same seeds: nothing has changed"
            return found.model_copy(update={"verdict": "not_worse", "settled_by": None, "why": same})
        return found
