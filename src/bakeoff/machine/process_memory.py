"""How much memory another process of this machine has, as far as the system tells without special rights: Linux alone."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple


class ProcessMemory(NamedTuple):
    """Bytes: the most that was ever resident, and what no file stands behind, which comes free when the process ends."""

    peak_bytes: int
    anonymous_bytes: int


def read_process_memory(pid: int) -> ProcessMemory | None:
    """Look at a process; None where it is gone, or the system does not tell."""
    with contextlib.suppress(OSError, ValueError, IndexError, KeyError):
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        told = dict(line.split(":", 1) for line in text.splitlines() if line.startswith(("VmHWM:", "RssAnon:")))
        return ProcessMemory(*(int(told[name].split()[0]) * 1024 for name in ("VmHWM", "RssAnon")))
    return None
