"""The border between who answers requests and who keeps models in memory: leases.

A lease lets one request use one start of one model. As long as it is held, the model is not evicted. A worker that died
is a start that is never leased again. Whoever holds a lease says how the request ended: breakers live on that.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from bakeoff.core.errors import WorkerError

Ending = Literal["answered", "client_error", "cancelled", "server_error", "stalled", "connection_lost"]
"""How a leased request ended. The last three are the model's fault, and count for its breaker."""


class Refused(WorkerError):
    """No lease can be had. `retry_after_s` says when another try may go better, None where nobody knows."""

    def __init__(self, message: str, hint: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message, hint)
        self.retry_after_s = retry_after_s


class QueueFull(Refused):
    """As many requests wait for the model as may."""


class LoadTooLong(Refused):
    """The model was not ready within the time that a request waits for one."""


class BreakerOpen(Refused):
    """The model failed too often, and is left alone for a while."""


class LoadFailed(Refused):
    """The model could not be loaded."""


class Stopping(Refused):
    """The gateway ends."""


class NotServed(Refused):
    """The model is no longer served: the plan has changed since the request came."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a leased request goes: a Unix socket or a base URL (`http://host/v1`), the model's name there, a key.

    `generation` numbers the starts of the model's worker, from 1; endpoints of others stay at 0.
    """

    model: str
    address: Path | str
    served_name: str
    generation: int
    api_key: str | None = None


class Lease(Protocol):
    """Given out by `Leasing.lease`."""

    upstream: Upstream

    def ended(self, how: Ending) -> None:
        """Say how the request ended; once, before the lease is given back. Unsaid means `cancelled`."""
        ...


class Leasing(Protocol):
    """Who gives leases: the supervisor."""

    def lease(self, model: str, wait_s: float) -> AbstractAsyncContextManager[Lease]:
        """Wait for the model, loading it where needed, for `wait_s` seconds at most; cancelling withdraws the request.

        Raises:
            Refused: one of its kinds.
        """
        ...

    def snapshot(self) -> Mapping[str, Any]:
        """Return what is in memory, what waits, and the breakers' states, as plain JSON values."""
        ...

    async def as_measured(self, model: str) -> bool:
        """Tell whether the model's files are still those of the plan, as far as a look at their times and sizes tells.

        It takes no time worth naming, and may be about a second old. True for endpoints of others.
        """
        ...
