"""A candidate's texts as a table in a JSON file, `{"columns": [...], "data": [[...], ...]}`, written as they come."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from bakeoff.core.records import Generation, Score

COLUMNS = (
    "prompt_id",
    "prompt",
    "output",
    "score",
    "publishable",
    "gates",
    "content_type",
    "family",
    "replicate",
    "finish_reason",
    "error",
    "latency_s",
    "ttft_s",
    "tokens",
)


class SampleTable:
    """One file; a context manager. Text of a model stays text: it is only ever written as a JSON string."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: TextIO | None = None
        self._rows = 0

    def __enter__(self) -> Self:
        self._file = self.path.open("w", encoding="utf-8")
        self._file.write(f'{{"columns": {json.dumps(COLUMNS)}, "data": [')
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.write("\n]}\n")
            self._file.close()

    def add(self, made: Generation, score: Score | None, *, prompt: str, content_type: str, family: str) -> None:
        """Write a row; what is not known is null.

        Raises:
            OSError: the disk refuses.
        """
        timings = made.timings
        row = (
            made.brief,
            prompt,
            made.text,
            None if score is None else score.value,
            None if score is None else score.publishable,
            None if score is None else ", ".join(dict.fromkeys(hit.gate for hit in score.gates)),
            content_type,
            family,
            made.replicate,
            made.finish_reason,
            made.error,
            timings.latency_s,
            timings.ttft_s,
            timings.completion_tokens,
        )
        if self._file is not None:
            self._file.write(f"{',' if self._rows else ''}\n{json.dumps(row, ensure_ascii=False)}")
            self._rows += 1
