"""Who answers a request learns that its client has hung up, and leaves it at once.

Waiting for that with `receive` takes a task of its own for every request; the gateway's server calls instead (`HANG_UP`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from starlette.types import Scope

HANG_UP = "bakeoff.hang_up"
"""The name of what the server adds to a request's scope (an ASGI extension): its `call` takes what is to be called once the client
hangs up, and returns what is to be called when that is not wanted any more.
"""


class HangUp:
    """While it is entered, the task is cancelled once the client has gone, unless `served` says that it has its answer.

    `gone` tells whether it went: then the block was left early, and no further error is raised.
    """

    def __init__(self, scope: Scope, served: Callable[[], bool] = lambda: False) -> None:
        self._register: Callable[[Callable[[], None]], Callable[[], None]] = scope["extensions"][HANG_UP]["call"]
        self._served = served
        self.gone = False

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        self._forget = self._register(self._hung_up)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._forget()
        if not self.gone or self._task is None or not isinstance(error, asyncio.CancelledError):
            return False
        self._task.uncancel()
        return True

    def leave(self) -> None:
        """Leave the block."""
        if self._task is not None and not self.gone:
            self.gone = True
            self._task.cancel()

    def _hung_up(self) -> None:
        if not self._served():
            self.leave()
