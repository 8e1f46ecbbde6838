"""Which scorers a suite uses, and under which version its scores are kept. Imports no numpy: a run asks before it starts."""

from __future__ import annotations

from importlib.metadata import version

from bakeoff.core.plugins import list_plugins
from bakeoff.core.spec import content_hash
from bakeoff.score.base import GROUP, Scorer, ScorerBroken, load_scorer
from bakeoff.score.weights import DIMENSIONS
from bakeoff.study.plan import Plan
from bakeoff.study.scorer_files import load_scorer_file

RULES = "rules/7"
"""Version of the scoring rules: scores by another version are never mixed with these."""


def scorers_for(plan: Plan) -> tuple[Scorer, ...]:
    """Load the scorers that the suite's weights name, in alphabetical order; installed ones that it does not are never imported.

    Raises:
        UsageError: one is not installed, cannot be imported, or is no scorer of that name.
    """
    files = {file.name: file for file in plan.scorer_files}
    named = sorted(_named(plan) | set(files))
    scorers = tuple(load_scorer_file(files[name]) if name in files else load_scorer(name) for name in named)
    for name, scorer in zip(named, scorers, strict=True):
        if scorer.name != name:
            raise ScorerBroken(f"calls itself {scorer.name!r}, and is installed as {name!r}", name)
    return scorers


def scoring_version(plan: Plan) -> str:
    """Return what scores are stored under: `RULES`, and which releases of which scorers the suite adds to them."""
    named = _named(plan)
    added = [
        [str(plugin), None if plugin.distribution is None else version(plugin.distribution)]
        for plugin in list_plugins(GROUP)
        if plugin.name in named
    ]
    added += [[file.name, file.digest] for file in plan.scorer_files]
    return f"{RULES}+{content_hash(added)}" if added else RULES


def _named(plan: Plan) -> set[str]:
    return {name for weights in plan.suite.weights.values() for name in weights} - set(DIMENSIONS)
