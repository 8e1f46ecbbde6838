"""Folders of ours in the machine's temporary place: each is named after the process that made it.

What was killed cannot clean up behind itself: whoever makes a folder removes those whose process is gone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bakeoff.core.clock import Clock

# sun_path holds 104 bytes on macOS, 108 on Linux, with the closing zero.
MAX_SOCKET_PATH = 100
SOCKET = "socket"
_SOCKETS = "bakeoff-socket"
_LOGS = "bakeoff-logs"
_LOGS_KEPT_S = 24 * 3600.0
"""What a worker said before it was killed may be looked for; not for ever."""


def make_socket_folder() -> Path:
    """Make a folder in which the path of `SOCKET` is short enough for a Unix socket."""
    folder = _make(_SOCKETS)
    if len(str(folder / SOCKET)) > MAX_SOCKET_PATH:
        folder.rmdir()
        folder = _make(_SOCKETS, "/tmp")  # noqa: S108 - made by mkdtemp, for us alone
    for left in _left_behind(folder.parent, _SOCKETS):
        # A worker that has not seen yet that its parent is gone still listens; so does one of another container.
        if not _is_answered(left / SOCKET):
            shutil.rmtree(left, ignore_errors=True)
    return folder


def make_log_folder(clock: Clock) -> Path:
    """Make a folder for the logs of workers, where there is no run's folder."""
    folder = _make(_LOGS)
    now_s = clock.now().timestamp()
    for left in _left_behind(folder.parent, _LOGS):
        with contextlib.suppress(OSError):
            if now_s - left.stat().st_mtime > _LOGS_KEPT_S:
                shutil.rmtree(left, ignore_errors=True)
    return folder


def _make(kind: str, within: str | None = None) -> Path:
    return Path(tempfile.mkdtemp(prefix=f"{kind}-{os.getpid()}-", dir=within))


def _left_behind(place: Path, kind: str) -> Iterator[Path]:
    for found in place.glob(f"{kind}-*-*"):
        pid = found.name.removeprefix(f"{kind}-").partition("-")[0]
        if pid.isdecimal() and not _runs(int(pid)):
            yield found


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:  # not ours to ask, or busy
            return True
    return True


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
