"""Who may come in: the Host header, the page a request comes from, the API key. Checked before anything else is looked at.

- A page elsewhere may have its own name resolve to this address (DNS rebinding): a name in `Host` must be one of ours. An
  address of numbers cannot be rebound.
- A page elsewhere may send a form to this address: a POST with an `Origin` that is not ours is refused. No CORS headers are sent.
- The API key, where one is set, is compared by its hash, in constant time. `/health` and `/ready` ask for none.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket
from base64 import b64decode
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from bakeoff.serve.api_errors import GatewayError, error_response

_OPEN_PATHS = frozenset({"/health", "/ready"})
_LOCAL_NAMES = frozenset({"localhost", "ip6-localhost"})


class Door:
    """An ASGI application in front of another. `note` hears the code of every refusal."""

    def __init__(self, app: ASGIApp, names: Sequence[str], api_key: str | None, note: Callable[[str], None]) -> None:
        self._app = app
        self._names = _LOCAL_NAMES | {name.casefold() for name in names} | {socket.gethostname().casefold()}
        self._key = None if api_key is None else _digest(api_key)
        self._note = note
        self._hosts_known: set[bytes] = set()
        self.closed = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request (ASGI)."""
        if scope["type"] == "http":
            try:
                self._check(scope)
            except GatewayError as error:
                self._note(str(error.body["error"]["code"]))
                await error_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        host = origin = key = b""
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
            elif name == b"origin":
                origin = value
            elif name == b"authorization":
                key = value
        if host not in self._hosts_known:
            self._check_host(host)
        if origin and scope["method"] == "POST" and not self._is_ours(origin):
            raise GatewayError(403, "requests from web pages of others are refused", code="origin_not_allowed")
        if scope["path"] in _OPEN_PATHS:
            return
        if self._key is not None and not hmac.compare_digest(_digest_given(key), self._key):
            raise GatewayError(
                401, "the API key is missing or wrong: Authorization: Bearer KEY", code="invalid_api_key"
            )
        if self.closed:
            raise GatewayError(503, "the gateway ends", code="gateway_stopping", retry_after_s=5)

    def _check_host(self, host: bytes) -> None:
        name = _host_name(host)
        if name is None or not (name in self._names or _is_address(name)):
            raise GatewayError(
                403,
                "this Host is not one of the gateway's names; more of them: allowed_hosts in the settings",
                code="host_not_allowed",
            )
        if len(self._hosts_known) < 64:  # of many, most are nobody's business to remember
            self._hosts_known.add(host)

    def _is_ours(self, origin: bytes) -> bool:
        try:
            name = urlsplit(origin.decode("ascii")).hostname
        except ValueError:
            return False
        return name is not None and (name.casefold() in self._names or _is_loopback(name))


def _host_name(host: bytes) -> str | None:
    """Return the name in a Host header, without its port; None for what is none."""
    try:
        return urlsplit(b"//" + host).hostname.decode("ascii").casefold()  # type: ignore[union-attr]
    except (ValueError, AttributeError):
        return None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(name: str) -> bool:
    return _is_address(name) and ipaddress.ip_address(name).is_loopback


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _digest_given(header: bytes) -> bytes:
    """Return the hash of the key in an Authorization header: Bearer's token, or Basic's password (browsers have no other)."""
    kind, _, value = header.strip().partition(b" ")
    if kind.lower() == b"basic":
        try:
            value = b64decode(value, validate=True).partition(b":")[2]
        except ValueError:
            value = b""
    return hashlib.sha256(value.strip()).digest() if value else b""
