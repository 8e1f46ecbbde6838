"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

import threading
import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], what: str, deadline_s: float = 30.0) -> None:
    """Return once `condition()` is true; fail the test, saying `what` did not happen, after `deadline_s` seconds."""
    pause = threading.Event()
    ends = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > ends:
            raise AssertionError(f"did not happen within {deadline_s:g} s: {what}")
        pause.wait(0.01)
