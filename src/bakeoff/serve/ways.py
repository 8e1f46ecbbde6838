"""What a way to a model's server is: a pool of connections, and one answer at a time on each of them.

`near` is what is on this machine, a Unix socket or plain HTTP on a loopback: lean connections (`wire`). `far` is all else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from bakeoff.engines.deadlines import Watch

# Below the 5 s after which common servers drop an idle connection, so that none is picked up as it closes.
KEEP_ALIVE_S = 4.0
LAST_BYTES_S = 0.1


class Incoming(Protocol):
    """An answer whose status is here. Every method that waits raises `EndpointError` where it breaks off, or is overdue."""

    status: int

    def header(self, name: str) -> str:
        """Return a header, empty where there is none; `name` in lower case."""
        ...

    async def read(self) -> bytes:
        """Return the next bytes of the body; nothing at its end."""
        ...

    async def pour(self, take: Callable[[bytes], bool]) -> bool:
        """Hand the body on to `take` until it returns False; return whether the body ended before that."""
        ...

    async def finish(self) -> None:
        """Take what ends the body after its last event, so that the connection can be used again; it comes at once, or never."""
        ...

    def close(self) -> None:
        """Close the connection, unless the answer was finished."""
        ...


class Way(Protocol):
    """How one upstream is reached."""

    async def post(self, path: str, body: bytes, watch: Watch) -> Incoming:
        """Send a request; return its answer once the status is here.

        Raises:
            EndpointError: there is none.
        """
        ...

    async def close(self) -> None:
        """Close every connection that is idle, and the others when their answers are over."""
        ...
