"""What each dimension weighs in a text's score: the defaults, and what a suite lays over them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from bakeoff.core.errors import UsageError
from bakeoff.score.norms import canonical_content_type

Weights = Mapping[str, Mapping[str, float]]
"""Content type (or `*` for all) -> dimension -> weight, laid over `DEFAULT_WEIGHTS`."""

DEFAULT_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "brief_compliance": 0.35,
        "structure_quality": 0.2,
        "length_quality": 0.15,
        "language_quality": 0.125,
        "business_quality": 0.0625,
        "technical_quality": 0.0625,
        "substance_quality": 0.05,
    }
)
DIMENSIONS: tuple[str, ...] = tuple(DEFAULT_WEIGHTS)


def weights_for(content_type: str, weights: Weights | None = None, extra: Sequence[str] = ()) -> dict[str, float]:
    """Return the weight of each dimension for a content type: defaults, then `*`, then the type's own entry.

    `extra` names the scorers that exist beside the built-in dimensions; they weigh 0 unless the mapping says otherwise.

    Raises:
        UsageError: an unknown dimension, a negative weight, or weights that are all 0.
    """
    result = dict(DEFAULT_WEIGHTS) | dict.fromkeys(extra, 0.0)
    if not weights:
        return result
    by_type = {name if name == "*" else canonical_content_type(name): given for name, given in weights.items()}
    for name in ("*", canonical_content_type(content_type)):
        for dimension, weight in by_type.get(name, {}).items():
            if dimension not in result:
                near = difflib.get_close_matches(dimension, result, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(result)}"
                raise UsageError(f"weights of {name}: no dimension {dimension!r}", hint)
            if not 0 <= weight < float("inf"):
                raise UsageError(f"weights of {name}: {dimension} is {weight}", "a weight is a number from 0 up")
            result[dimension] = float(weight)
    if not any(result.values()):
        raise UsageError(f"weights of {content_type}: all are 0", "give at least one dimension a weight above 0")
    return result
