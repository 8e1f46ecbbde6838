"""Storing texts as they come, without making the next request wait for it."""

from __future__ import annotations

import asyncio

from bakeoff.core.records import Generation
from bakeoff.store.db import Store
from bakeoff.study.progress import Progress
from bakeoff.study.score_ahead import ScoringAhead

_GATHER_S = 0.005
"""How long a text waits for others to be stored with it: a commit each took a fifth off the rate of a fast endpoint."""


class Saving:
    """Stores texts in the order in which they came, those of a few milliseconds in one transaction.

    The next request goes out while a text waits for that: where everything waited for the commit, answers that once came
    together would do so for ever, and the endpoint would idle between. A text counts as finished when it is committed. A
    killed run loses what was in flight, and what came in that moment.
    """

    def __init__(self, store: Store, run_id: str, progress: Progress, ahead: ScoringAhead | None) -> None:
        self._store = store
        self._run_id = run_id
        self._progress = progress
        self._ahead = ahead
        self._waiting: list[Generation] = []
        self._error: Exception | None = None

    def add(self, generation: Generation) -> None:
        """Store a text in a moment.

        Raises:
            StoreError: the store refused an earlier one; or what whoever is told of texts raised.
        """
        if self._error is not None:
            raise self._error
        if not self._waiting:
            asyncio.get_running_loop().call_later(_GATHER_S, self._commit)
        self._waiting.append(generation)

    def flush(self) -> None:
        """Store what waits, now.

        Raises:
            StoreError: the store refuses, or refused before; or what whoever is told of texts raised.
        """
        self._commit()
        if self._error is not None:
            raise self._error

    def _commit(self) -> None:
        batch, self._waiting = self._waiting, []
        if not batch or self._error is not None:
            return
        try:
            new = self._store.add_generations(self._run_id, batch)
            # Another process may have gone on with the run, and stored its own text of a trial first: that is the run's.
            late = [made.trial for made, is_new in zip(batch, new, strict=True) if not is_new]
            first = {made.trial: made for made in self._store.generations_of(self._run_id, late)} if late else {}
            stored = [first.get(generation.trial, generation) for generation in batch]
            for generation in stored:
                self._progress.finished(generation)
            if self._ahead is not None:
                self._ahead.take(stored)
        except Exception as error:  # noqa: BLE001 - the event loop would log it and go on: it is raised where the run can end by it
            self._error = error
