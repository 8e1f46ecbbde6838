"""For every test."""

from __future__ import annotations

import signal

from hypothesis import settings

# The same examples each time: what fails here fails for whoever looks into it. `--hypothesis-profile=new` draws others.
settings.register_profile("same", derandomize=True, database=None)
settings.register_profile("new", settings.get_profile("default"), derandomize=False)
settings.load_profile("same")


def pytest_configure() -> None:
    """Undo an inherited "ignore SIGINT", which programs started by a script in the background get.

    What is set to be ignored stays so in every child, and commands under test would not hear Ctrl-C.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
