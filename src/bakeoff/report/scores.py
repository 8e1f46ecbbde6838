"""Scored texts: the `bakeoff.scores/1` document, written as it comes, and a summary for people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from rich.console import Console

from bakeoff.core.plain import printable
from bakeoff.decide.wording import plural, rate_in_words
from bakeoff.report.layout import bullets, cells, table, title
from bakeoff.report.worth import WORTH, worth_sentence
from bakeoff.score.composite import TextScore
from bakeoff.score.validity import validity_lines, validity_of

SCHEMA = "bakeoff.scores/1"
_WORST = 5


def text_entry(name: str, content_type: str, score: TextScore) -> dict[str, Any]:
    """Return what the document says of one text."""
    return {
        "id": name,
        "content_type": content_type,
        "score": score.value,
        "gated": not score.publishable,
        "gates": [hit.model_dump(mode="json") for hit in score.gates],
        "dimensions": score.dimensions,
        "evidence": {name: list(said) for name, said in score.evidence.items()},
        "weights": {name: round(weight, 4) for name, weight in score.weights.items()},
        "capped_by": score.capped_by,
        "comparison_only": score.comparison_only,
    }


class _Total:
    """Of one content type: how many texts, the sum of their scores, and how many were publishable."""

    __slots__ = ("publishable", "texts", "value")

    def __init__(self) -> None:
        self.texts, self.value, self.publishable = 0, 0.0, 0

    def add(self, score: TextScore) -> None:
        """Take one score in."""
        self.texts += 1
        self.value += score.value
        self.publishable += score.publishable


class Scoresheet:
    """Counts what is scored, for the end of the document and for the summary; keeps no text."""

    def __init__(self) -> None:
        self.errors: list[dict[str, Any]] = []
        self._types: dict[str, _Total] = {}
        self._gates: Counter[str] = Counter()
        self._worst: list[tuple[float, str, str]] = []

    @property
    def scored(self) -> int:
        """How many texts were scored."""
        return sum(total.texts for total in self._types.values())

    def count(self, name: str, content_type: str, score: TextScore) -> None:
        """Take one score in."""
        self._types.setdefault(content_type, _Total()).add(score)
        self._gates.update({hit.gate for hit in score.gates})
        why = f" ({', '.join(hit.gate for hit in score.gates)})" if score.gates else ""
        self._worst = sorted([*self._worst, (score.value, name, why)], key=lambda entry: entry[0])[:_WORST]

    def fail(self, line: int, message: str) -> None:
        """Take a line in that could not be scored."""
        self.errors.append({"line": line, "message": message})

    def ending(self) -> Iterator[str]:
        """Yield the end of the document, after the last text."""
        yield f'], "errors": {json.dumps(self.errors, ensure_ascii=False)}, '
        yield f'"validity": {json.dumps(validity_lines(list(self._types)), ensure_ascii=False)}}}'

    def print_summary(self, console: Console) -> None:
        """Print what was scored, by content type, with what the score is worth for each."""
        console.print(title(f"{plural(self.scored, 'text')}: the rule score, 0 to 10"))
        made = table("content type", "texts", "mean", "publishable", "agrees with people", "longer text")
        for name, found in self._types.items():
            known = validity_of(name)
            own = known.content_type == name
            made.add_row(
                *cells(
                    printable(name),
                    str(found.texts),
                    f"{found.value / found.texts:.2f}",
                    f"{100 * found.publishable / found.texts:.0f} %",
                    rate_in_words(known.agreement) if own else "not measured",
                    f"{100 * known.baseline_longer_wins:.0f} %" if own else "-",
                )
            )
        console.print(made)
        gates = ", ".join(f"{name} {count}" for name, count in self._gates.most_common())
        for part in (
            *bullets("Not publishable, by reason", [gates] if gates else []),
            *bullets("Lowest", [printable(f"{name}: {value:.1f}{why}") for value, name, why in self._worst]),
            *bullets(WORTH, [worth_sentence()]),
        ):
            console.print(part)
