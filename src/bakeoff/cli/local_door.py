"""Where a page on this machine is: on 127.0.0.1 only, under a path that nobody can guess. Loads no server."""

from __future__ import annotations

import secrets
import socket

from bakeoff.core.errors import UsageError


def new_token() -> str:
    """Return the part of the path that nobody can guess."""
    return secrets.token_urlsafe(16)


def listen(port: int) -> socket.socket:
    """Return a socket that browsers can connect to from now on; they wait until somebody serves.

    Raises:
        UsageError: the port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise UsageError(f"port {port} cannot be used: {error.strerror}", "name another with --port") from None
    listener.listen()
    return listener


def address(listener: socket.socket, token: str) -> str:
    """Return the page's address."""
    return f"http://127.0.0.1:{listener.getsockname()[1]}/{token}/"
