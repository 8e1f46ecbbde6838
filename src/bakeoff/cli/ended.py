"""Signals that end a command as Ctrl-C does: what it has begun is put in order first."""

from __future__ import annotations

import asyncio
import signal

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
"""A service manager's, and that of a terminal that is lost."""


def end_on_signals() -> None:
    """Have them cancel the running task; one that whoever started us has ignored (`nohup`) stays so."""
    main = asyncio.current_task()
    for number in _SIGNALS:
        if main is not None and not ignored(number):
            asyncio.get_running_loop().add_signal_handler(number, main.cancel)


def ignored(number: signal.Signals) -> bool:
    """Whether a signal does nothing, as it was when we were started."""
    return signal.getsignal(number) is signal.SIG_IGN
