"""Which API key goes to which endpoint, from the environment and from nowhere else.

A host has a key of its own in `BAKEOFF_KEY_` and its name in capitals, every other character as `_`:
`BAKEOFF_KEY_API_MISTRAL_AI`. It goes to that host, however it is reached.

`OPENAI_API_KEY` is what all tools know, and most keys in it are OpenAI's. A vendor must not be shown another's key, so it
goes to one place alone, of those that have no key of their own:

- OpenAI itself, where it is among the endpoints that are named together;
- else the only other machine among them that is reached by https;
- else, where there is no such machine, servers on this one.

With several other machines nobody gets it. It never goes to Ollama, which asks for none, nor by plain http to another machine.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from bakeoff.core.errors import UsageError
from bakeoff.core.spec import ModelSpec

OPENAI_KEY = "OPENAI_API_KEY"
_OPENAI = "api.openai.com"


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine by its very name, so that nothing on the way can listen.

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.2", "::1", "127.0.0.1.example.org", "10.0.0.1", None)]
    [True, True, True, False, False, False]
    """
    try:
        return host == "localhost" or (host is not None and ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return False


def key_variable(host: str) -> str:
    """Return the environment variable that holds a host's own key.

    >>> key_variable("api.mistral.ai")
    'BAKEOFF_KEY_API_MISTRAL_AI'
    """
    return f"BAKEOFF_KEY_{re.sub('[^A-Z0-9]', '_', host.upper())}"


class EndpointKeys:
    """The keys for models that are named together: which of them `OPENAI_API_KEY` is for depends on the others."""

    def __init__(self, models: Iterable[ModelSpec]) -> None:
        urls = {model.location for model in models if model.source == "endpoint" and not _is_ollama(model)}
        hosts = {url: _host(url) for url in urls if not _own_key(_host(url))}
        of_openai = {host for url, host in hosts.items() if _is_openai(host) and _is_safe(url)}
        far = {host for url, host in hosts.items() if not is_loopback(host) and _is_safe(url)}
        near = {host for host in hosts.values() if is_loopback(host)}
        self._for_openai_key = of_openai or (far if len(far) == 1 else set() if far else near)

    def key_of(self, model: ModelSpec) -> str | None:
        """Return the key for a model's endpoint, None where there is none for it.

        Raises:
            UsageError: no header could hold it. It is not quoted.
        """
        variable = self.variable_of(model)
        return _read(variable) or None

    def advice(self, model: ModelSpec) -> str:
        """Return what to do where a model's endpoint refuses the key that it got, or wants one."""
        variable, own = self.variable_of(model), key_variable(_host(model.location))
        if _read(variable):
            return f"check {variable}"
        if variable == OPENAI_KEY:
            return f"put its key into {OPENAI_KEY}, or into {own}"
        if not _read(OPENAI_KEY):
            return f"put its key into {own}"
        if _is_ollama(model):
            why = "is not sent to Ollama"
        elif not _is_safe(model.location):
            why = "is not sent to another machine by plain http"
        else:
            why = "is for one of these hosts alone"
        return f"put its key into {own}: {OPENAI_KEY} {why}"

    def variable_of(self, model: ModelSpec) -> str:
        """Return the environment variable that holds a model's key, or would hold it."""
        host = _host(model.location)
        entitled = host in self._for_openai_key and not _is_ollama(model) and _is_safe(model.location)
        return OPENAI_KEY if entitled and not _own_key(host) else key_variable(host)


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _is_safe(url: str) -> bool:
    return urlsplit(url).scheme == "https" or is_loopback(_host(url))


def _is_openai(host: str) -> bool:
    return host == _OPENAI or host.endswith(f".{_OPENAI}")


def _is_ollama(model: ModelSpec) -> bool:
    return model.reference.startswith("ollama:")


def _own_key(host: str) -> str:
    return _read(key_variable(host))


def _read(variable: str) -> str:
    key = os.environ.get(variable, "").strip()  # a file's last line feed comes with it
    if not (key.isascii() and key.isprintable()):
        raise UsageError(f"{variable} holds characters that no key has", "set it to the key alone, on one line")
    return key
