"""What a scorer is, for those who write their own, and the suite that tells them whether it is one.

A scorer is named by an entry point in the group `bakeoff.scorers`, which points at the object itself or at a class or
function that returns it without arguments. Its value is shown beside the built-in dimensions under its name, scaled to
0-10, and counts in the combination only where a weight is given to that name.
"""

from __future__ import annotations

import math
from typing import Protocol, runtime_checkable

from bakeoff.core.errors import UsageError
from bakeoff.core.plugins import list_plugins, load_plugin
from bakeoff.score.brief import BriefChecks

GROUP = "bakeoff.scorers"


@runtime_checkable
class Scorer(Protocol):
    """Grades one text. `name` is unique, lower case; `value_range` is (worst, best), both finite, worst < best."""

    @property
    def name(self) -> str:
        """How weights and reports call it: a Python identifier."""
        ...

    @property
    def value_range(self) -> tuple[float, float]:
        """The worst and the best value that `score` returns."""
        ...

    def score(self, text: str, checks: BriefChecks) -> float | None:
        """Return the grade of `text`, None where it does not apply. Deterministic; accepts any text, the empty one too."""
        ...


class ScorerBroken(UsageError):
    """A scorer that does not keep the protocol; `scorer` is its name, or its type where it has none."""

    def __init__(self, message: str, scorer: str) -> None:
        super().__init__(
            f"scorer {scorer}: {message}", "bakeoff.score.base.check_scorer runs the same checks for its author"
        )
        self.scorer = scorer


def load_scorer(name: str) -> Scorer:
    """Return the installed scorer `name`.

    Raises:
        PluginUnknown: nothing of that name is installed.
        PluginFailed: its package cannot be imported.
        ScorerBroken: what the entry point gives is no scorer.
    """
    return make_scorer(load_plugin(GROUP, name), name)


def make_scorer(loaded: object, name: str) -> Scorer:
    """Return the scorer that an entry point or a file gives: the object itself, or what makes it.

    Raises:
        ScorerBroken: it is no scorer.
    """
    is_object = isinstance(loaded, Scorer) and not isinstance(loaded, type)
    made: object = loaded() if callable(loaded) and not is_object else loaded
    if not isinstance(made, Scorer):
        raise ScorerBroken("has no name, value_range and score(text, checks)", name)
    return made


def installed_scorers() -> tuple[str, ...]:
    """Return the names of installed scorers; imports none of them."""
    return tuple(ref.name for ref in list_plugins(GROUP))


def scaled_score(scorer: Scorer, text: str, checks: BriefChecks) -> float | None:
    """Return the scorer's grade of `text` on 0-10, None where it does not apply.

    Raises:
        ScorerBroken: the grade is no finite number, or outside the declared range.
    """
    value: object = scorer.score(text, checks)
    if value is None:
        return None
    worst, best = _read_range(scorer)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ScorerBroken(f"returned {value!r}, expected a finite number or None", scorer.name)
    if not worst <= value <= best:
        raise ScorerBroken(f"returned {value}, outside its range {worst} to {best}", scorer.name)
    return 10.0 * (value - worst) / (best - worst)


_SAMPLES: tuple[tuple[str, str], ...] = (
    ("an empty text", ""),
    ("white space only", " \n\t\n "),
    ("a plain text", "Our workshop opens on 3 May at 9 am. Bring a bicycle and an hour of time."),
    ("a text of emoji", "🚀🚀👩‍👩‍👧🇩🇪 1️⃣" * 20),
    ("a text in another script", "これは短い文です。" * 10),
    ("control characters", "a\x00b\u202ec\ufffd"),
    ("a text of 200,000 characters", "word " * 40_000),
    ("one word of 200,000 characters", "a" * 200_000),
)
_CHECKS = (
    BriefChecks(prompt="Write a tweet for Nimbus Cycles: the workshop opens on 3 May at 9 am.", content_type="tweet"),
    BriefChecks(prompt="", content_type="anything", must_include=(("3 May", "May 3"),)),
)


def check_scorer(scorer: object) -> None:
    """Raise unless `scorer` keeps the protocol: names itself, states a range, is deterministic, survives any text.

    An exception that its `score` raises comes through unchanged, with a note saying on which sample.

    Raises:
        ScorerBroken: the message says which rule is broken, and by which value.
    """
    label = str(getattr(scorer, "name", type(scorer).__name__))
    if not isinstance(scorer, Scorer):
        raise ScorerBroken("has no name, value_range and score(text, checks)", label)
    if not label.isidentifier() or label != label.lower() or label != scorer.name:
        raise ScorerBroken(f"name {label!r} is no lower-case identifier", label)
    _read_range(scorer)
    for what, sample in _SAMPLES:
        for checks in _CHECKS:
            if _score_sample(scorer, what, sample, checks) != _score_sample(scorer, what, sample, checks):
                raise ScorerBroken(f"two calls on {what} gave different values", label)


def _score_sample(scorer: Scorer, what: str, sample: str, checks: BriefChecks) -> float | None:
    """Like `scaled_score`, with the name of the sample in what is raised."""
    try:
        return scaled_score(scorer, sample, checks)
    except ScorerBroken as error:
        raise ScorerBroken(f"on {what}: {error.message.partition(': ')[2]}", error.scorer) from error


def _read_range(scorer: Scorer) -> tuple[float, float]:
    declared: object = scorer.value_range
    match declared:
        case (int() | float() as worst, int() | float() as best) if math.isfinite(worst) and math.isfinite(best):
            if worst < best:
                return float(worst), float(best)
            raise ScorerBroken(f"value_range {declared!r}: the worst value must be below the best", scorer.name)
        case _:
            raise ScorerBroken(f"value_range {declared!r} is no pair of finite numbers", scorer.name)
