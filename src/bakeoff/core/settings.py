"""Settings in seconds from environment variables: the default, or what the user set, or a message that says what is wrong."""

from __future__ import annotations

import math
import os

from bakeoff.core.errors import UsageError


def seconds_setting(name: str, default: float) -> float:
    """Return the seconds in the environment variable `name`, `default` where it is not set.

    Raises:
        UsageError: it is set, and is not a number above 0.
    """
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (seconds > 0 and math.isfinite(seconds)):
        raise UsageError(f"{name}: {text!r} is not a number of seconds above 0", f"leave it unset for {default:g}")
    return seconds
