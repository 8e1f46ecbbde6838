"""How many files and connections this process may have open: what a shell gives (256 on macOS) is less than a gateway may need."""

from __future__ import annotations

import contextlib
import logging
import resource

log = logging.getLogger(__name__)

_EACH = 2
"""Descriptors that a client's connection may take: its own, and one to the model's server."""
_BESIDE = 512
"""For all else: workers with their pipes and logs, files of models, the store."""
_MOST_ON_MACOS = 10_240
"""`OPEN_MAX`: macOS refuses more, whatever its hard limit says."""


def allow_connections(most: int) -> int:
    """Raise this process's soft limit of open files to what so many clients' connections may take, within the hard one.

    Returns the limit that is in force. One that is too low all the same is told in the log: connections beyond it fail.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most * _EACH + _BESIDE
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    reachable = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    for limit in sorted({reachable, min(reachable, _MOST_ON_MACOS)}, reverse=True):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(limit, soft), hard))
            break
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        log.warning("%d files may be open, and %d connections may take %d: see `ulimit -Hn`", soft, most, wanted)
    return soft
