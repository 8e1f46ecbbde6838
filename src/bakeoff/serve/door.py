"""Who may come in: the Host header, the page a request comes from, the API key. Checked before anything else is looked at.

- A page elsewhere may have its own name resolve to this address (DNS rebinding): a name in `Host` must be one of ours. An
  address of numbers cannot be rebound.
- A page elsewhere may send a form to this address: a POST with an `Origin` that is not ours is refused. No CORS headers are sent.
- Where there are API keys, one must be shown (`api_keys`), and a POST is held to its limits (`key_limits`). `/health` and `/ready`
  ask for none.
"""

from __future__ import annotations

import ipaddress
import logging
import math
import socket
from base64 import b64decode
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from bakeoff.serve.api_errors import GatewayError, error_response
from bakeoff.serve.api_keys import ApiKey, KeyRing
from bakeoff.serve.key_limits import KEY_USE, MINUTE_S, KeyUse, KeyUses, Limit, OverLimit

log = logging.getLogger(__name__)

_OPEN_PATHS = frozenset({"/health", "/ready"})
_LOCAL_NAMES = frozenset({"localhost", "ip6-localhost"})
_OVER: dict[Limit, str] = {
    "requests_per_minute": "this key may send {most} requests a minute, and has",
    "tokens_per_minute": "answers to this key may take {most} tokens a minute, and have",
    "concurrent_requests": "this key may have {most} requests under way, and has",
}


class Door:
    """An ASGI application in front of another, which `change` puts another one in the place of.

    `uses` keeps what each key has used, at seconds of `clock_s`; `note` hears the code of every refusal.
    """

    def __init__(
        self,
        app: ASGIApp,
        names: Sequence[str],
        keys: KeyRing,
        uses: KeyUses,
        clock_s: Callable[[], float],
        note: Callable[[str], None],
    ) -> None:
        self._uses = uses
        self._clock_s = clock_s
        self._note = note
        self._told: dict[tuple[str, Limit], float] = {}
        self.closed = False
        self.change(app, names, keys)

    def change(self, app: ASGIApp, names: Sequence[str], keys: KeyRing) -> None:
        """Let requests in to `app` under these names and keys from now on; those under way are where they are."""
        self._app = app
        self._names = _LOCAL_NAMES | {name.casefold() for name in names} | {socket.gethostname().casefold()}
        self._hosts_known: set[bytes] = set()
        self.change_keys(keys)

    def change_keys(self, keys: KeyRing) -> None:
        """Have these keys open from now on."""
        self._keys = keys
        self._uses.take(keys.keys)

    @property
    def locked(self) -> bool:
        """Whether a key must be shown."""
        return self._keys.locked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request (ASGI)."""
        use: KeyUse | None = None
        app = self._app
        if scope["type"] == "http":
            try:
                key = self._check(scope)
                if key is not None and scope["method"] == "POST":
                    use = self._admit(key)
            except GatewayError as error:
                self._note(str(error.body["error"]["code"]))
                await error_response(error)(scope, receive, send)
                return
        if use is None:
            await app(scope, receive, send)
            return
        scope.setdefault("extensions", {})[KEY_USE] = use
        try:
            await app(scope, receive, send)
        finally:
            use.leave()

    def _admit(self, key: ApiKey) -> KeyUse:
        """Count a request under a key.

        Raises:
            GatewayError: 429, it is over a limit.
        """
        use, now_s = self._uses.of(key), self._clock_s()
        over = use.enter(now_s)
        if over is None:
            return use
        self._log(key.name, over, now_s)
        said = _OVER[over.limit].format(most=over.most)
        raise GatewayError(429, said, code=f"key_{over.limit}", retry_after_s=math.ceil(over.retry_after_s - 1e-6))

    def _log(self, name: str, over: OverLimit, now_s: float) -> None:
        """Say in the log that a key is over a limit: once a minute, whatever a client does."""
        if now_s - self._told.get((name, over.limit), -math.inf) >= MINUTE_S:
            self._told[name, over.limit] = now_s
            log.warning("the key %s is over its limit: %s %d", name, over.limit, over.most)

    def _check(self, scope: Scope) -> ApiKey | None:
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
            return None
        found = self._open(key) if self._keys.locked else None
        if self.closed:
            raise GatewayError(503, "the gateway ends", code="gateway_stopping", retry_after_s=5)
        return found

    def _open(self, authorization: bytes) -> ApiKey:
        found = self._keys.find(_shown(authorization))
        if found is None:
            raise GatewayError(
                401, "the API key is missing or wrong: Authorization: Bearer KEY", code="invalid_api_key"
            )
        return found

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


def _shown(header: bytes) -> bytes:
    """Return the key in an Authorization header: Bearer's token, or Basic's password (browsers have no other)."""
    kind, _, value = header.strip().partition(b" ")
    if kind.lower() == b"basic":
        try:
            value = b64decode(value, validate=True).partition(b":")[2]
        except ValueError:
            return b""
    return value.strip()
