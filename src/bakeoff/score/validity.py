"""What the rule score is worth: how often it prefers the text that people preferred.

The score catches broken text. It does not predict which of two decent texts people like better, and these figures say
so. They are measured, not derived: pairs of texts by 2023 models with human preferences (PandaLM's test set, three
annotators a pair, majority; Apache-2.0), the development half of a split by prompt, ties in the label
left out, ties in the score counted one half. The weight of one dimension, substance, was chosen with these pairs in view (it
raised the agreement from 0.609 to 0.693; some forty variants were looked at, and differ little), and rules that stopped
preferred texts were seen there and mended or dropped (a gate for e-mails without their marks; off_topic for requests of a few
words): the figures are those of a development set, and somewhat too good for fresh pairs. Weights fitted to the pairs, none below
0, and tried on prompts left out, were not better (docs/scoring/README.md). The texts are not shipped;
`benchmarks/quality.py` computes the figures again.

Pairs of one prompt share that prompt, so the Wilson intervals, which take pairs as independent, are too narrow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from bakeoff.core.records import Estimate
from bakeoff.core.spec import Record
from bakeoff.score.norms import canonical_content_type

SCORER = "rule_composite"
MEASURED = "2026-11-28"
_AGAINST = "human preference between two texts (PandaLM test set, development half)"
ALL_BUSINESS = "all_business"


class Validity(Record):
    """Agreement of one scorer with one yardstick. Proportions of decided pairs; `agreement.briefs` counts prompts.

    `baseline_longer_wins` is what "the longer text wins" gets on the same pairs; `length_balanced` the mean of the
    accuracies where the longer and where the shorter text was preferred (0.5 for a score that only sees length), None
    where one of them has no pairs.
    """

    scorer: str = SCORER
    content_type: str
    agreement: Estimate
    against: str = _AGAINST
    baseline_longer_wins: float
    length_balanced: float | None
    pairs: int
    measured: str = MEASURED


def _measured(
    content_type: str,
    pairs: int,
    prompts: int,
    accuracy: tuple[float, float, float],
    longer: float,
    balanced: float | None,
) -> Validity:
    estimate, low, high = accuracy
    return Validity(
        content_type=content_type,
        agreement=Estimate(estimate=estimate, low=low, high=high, method="wilson", briefs=prompts),
        baseline_longer_wins=longer,
        length_balanced=balanced,
        pairs=pairs,
    )


VALIDITY: Mapping[str, Validity] = MappingProxyType(
    {
        line.content_type: line
        for line in (
            _measured("linkedin_post", 31, 4, (0.774, 0.602, 0.886), 0.887, 0.870),
            _measured("tweet", 5, 1, (0.3, 0.073, 0.701), 1.0, None),
            _measured("business_email", 30, 5, (0.717, 0.538, 0.846), 0.65, 0.708),
            _measured("technical_doc", 9, 2, (0.611, 0.309, 0.847), 0.667, 0.5),
            _measured("marketing_copy", 42, 7, (0.607, 0.457, 0.740), 0.762, 0.588),
            _measured(ALL_BUSINESS, 207, 34, (0.703, 0.637, 0.761), 0.713, 0.698),
        )
    }
)
"""Content type -> what is known. `all_business` pools the business prompts, among them kinds without a type of ours."""


def validity_of(content_type: str) -> Validity:
    """Return the figures of a content type; of all business writing, under that name, where it has none of its own."""
    return VALIDITY.get(canonical_content_type(content_type), VALIDITY[ALL_BUSINESS])


def validity_lines(content_types: Sequence[str]) -> list[dict[str, Any]]:
    """Return one JSON-ready line per content type, then the pooled one; a type never measured has null figures."""
    lines: list[dict[str, Any]] = []
    for name in dict.fromkeys(canonical_content_type(content_type) for content_type in content_types):
        known = VALIDITY.get(name)
        if known is not None:
            lines.append(known.model_dump(mode="json"))
        else:
            unknown = Estimate(estimate=None, low=None, high=None, method="wilson", briefs=0)
            lines.append(
                {
                    **VALIDITY[ALL_BUSINESS].model_dump(mode="json"),
                    "content_type": name,
                    "agreement": unknown.model_dump(mode="json"),
                }
                | {"baseline_longer_wins": None, "length_balanced": None, "pairs": 0}
            )
    return [*lines, VALIDITY[ALL_BUSINESS].model_dump(mode="json")]


def sentence_of(line: Validity) -> str:
    """Return the line that stands beside a score.

    >>> sentence_of(VALIDITY["all_business"])[:49]
    'The rule score prefers what people preferred in 7'
    """
    agreement = line.agreement
    return (
        f"The rule score prefers what people preferred in {_percent(agreement.estimate)} of {line.pairs} pairs "
        f"[{_percent(agreement.low)}, {_percent(agreement.high)}]; the longer text, in {_percent(line.baseline_longer_wins)}. "
        "It catches broken text; it does not rank decent ones."
    )


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{100 * share:.0f} %"
