"""Which server must load another model before it writes for the next candidate. Pure, but for who was asked last.

Ollama, LM Studio and llama-swap hold one model, or a few, and load another when it is asked for. Candidates that take turns at
one server would each have the loading in the first text of every turn. So whenever a server that several models are asked
of is to write with another one than before, a text that is not counted comes first, as after the start of a worker of ours.

Servers behind TLS are taken for cloud APIs: these hold all that they serve, and each text costs money.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from bakeoff.core.spec import Candidate

_THIS_MACHINE = frozenset({"localhost", "::1"})


class SharedServers:
    """Remembers which model each server that several are asked of was last asked for, during one run."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        models = {each.id: served for each in candidates if (served := _served(each)) is not None}
        servers = [server for server, _ in set(models.values())]
        self._models = {name: model for name, model in models.items() if servers.count(model[0]) > 1}
        self._last: dict[str, str] = {}

    def changes_model(self, candidate_id: str) -> bool:
        """Whether a candidate's server was last asked for another model, or by nobody yet; from now on it is asked for this one."""
        if candidate_id not in self._models:
            return False
        server, model = self._models[candidate_id]
        changes = self._last.get(server) != model
        self._last[server] = model
        return changes


def _served(candidate: Candidate) -> tuple[str, str] | None:
    """Return the server (host and port) and the model of a candidate that somebody else serves, without TLS; None for others."""
    if candidate.model.source != "endpoint":
        return None
    url = urlsplit(candidate.model.location)
    if url.scheme != "http":
        return None
    host = "127.0.0.1" if url.hostname in _THIS_MACHINE else url.hostname
    return f"{host}:{url.port or 80}", candidate.model.remote_model or candidate.model.name
