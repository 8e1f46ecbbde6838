"""A stored result, and what a person's labels add to it later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bakeoff.store.db import Store
    from bakeoff.study.plan import Plan


def labelled(plan: Plan, store: Store, document: dict[str, Any]) -> dict[str, Any]:
    """Return what labels that came after the run add to its document; nothing where there are none.

    Raises:
        StoreError: the store refuses.
    """
    records = store.labels(plan.run_id)
    if not records:
        return {}
    from bakeoff.decide.labelling import Label  # loads the statistics: not for a run that nobody labelled
    from bakeoff.report.labels import labels_document, validity_sentence
    from bakeoff.report.ranking import rank_candidates
    from bakeoff.study.judging import judged_before, preferences_of
    from bakeoff.study.labelling import label_report, read_written

    labels = [Label.model_validate_json(record) for record in records]
    texts = read_written(plan, store)
    preferences = {name: preferences_of(found, texts) for name, found in judged_before(plan, store, texts).items()}
    found = label_report(plan, store, texts, labels, preferences)
    return {
        "labels": labels_document(plan.run_id, found),
        "labels_text": [validity_sentence(line) for line in found.agreements if line.content_type is None],
        "ranked_by": rank_candidates(document, found),
    }
