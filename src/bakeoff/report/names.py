"""Candidates' names, short where that is still unique: an id may be a path or a URL, and stands in every row."""

from __future__ import annotations

import re
from collections.abc import Sequence

_LONGEST = 24
_ENDPOINT = re.compile(r"openai:(?P<model>.+)@https?://(?P<host>[^/]+)(/v1/?)?")


def short_names(ids: Sequence[str], longest: int = _LONGEST) -> dict[str, str]:
    """Return a name for each id, of at most `longest` characters: `MODEL@HOST` of an endpoint, the end of a path
    or of a hub's name.

    All of them stay as they are where two would become the same.

    >>> short_names(["bundled:social", "openai:llama3.2@http://127.0.0.1:11434/v1"])
    {'bundled:social': 'bundled:social', 'openai:llama3.2@http://127.0.0.1:11434/v1': 'llama3.2@127.0.0.1:11434'}
    """
    short = {name: _shortened(name, longest) for name in ids}
    return short if len(set(short.values())) == len(ids) else {name: name for name in ids}


def _shortened(name: str, longest: int) -> str:
    if len(name) <= longest:
        return name
    endpoint = _ENDPOINT.fullmatch(name)
    if endpoint is None:
        tail = name[-longest + 1 :]
        return f"…{tail[max(0, tail.find('/')) :]}"
    brief = f"{endpoint['model']}@{endpoint['host']}"
    return brief if len(brief) <= longest else f"{brief[: longest - 1]}…"
