"""Which scorers a suite uses, and under which version its scores are kept. Imports no numpy: a run asks before it starts."""

from __future__ import annotations

from importlib.metadata import version

from bakeoff.core.plugins import list_plugins
from bakeoff.core.spec import content_hash
from bakeoff.score.base import GROUP, Scorer, ScorerBroken, load_scorer
from bakeoff.score.composite import DIMENSIONS
from bakeoff.study.suite import Suite

RULES = "rules/1"
"""Version of the scoring rules: scores by another version are never mixed with these."""


def scorers_for(suite: Suite) -> tuple[Scorer, ...]:
    """Load the installed scorers that the suite's weights name, in alphabetical order; others are never imported.

    Raises:
        UsageError: one is not installed, cannot be imported, or is no scorer of that name.
    """
    named = {name for weights in suite.weights.values() for name in weights} - set(DIMENSIONS)
    scorers = tuple(load_scorer(name) for name in sorted(named))
    for name, scorer in zip(sorted(named), scorers, strict=True):
        if scorer.name != name:
            raise ScorerBroken(f"calls itself {scorer.name!r}, and is installed as {name!r}", name)
    return scorers


def scoring_version(suite: Suite) -> str:
    """Return what scores are stored under: `RULES`, and which releases of which scorers a suite adds to them."""
    named = {name for weights in suite.weights.values() for name in weights} - set(DIMENSIONS)
    added = [
        [str(plugin), None if plugin.distribution is None else version(plugin.distribution)]
        for plugin in list_plugins(GROUP)
        if plugin.name in named
    ]
    return f"{RULES}+{content_hash(added)}" if added else RULES
