"""How often Python looks for objects in cycles that nobody holds any more.

By itself it looks every 700 new objects, mostly in vain: modules and classes stay once they are imported, and what a
command makes has hardly any cycles. That took a tenth of the time of a run, and a tenth of the time to its first request.
"""

from __future__ import annotations

import gc

_USUAL = gc.get_threshold()


def look_seldom() -> None:
    """For a command that does its work and ends."""
    gc.set_threshold(50_000, 20, 50)


def look_as_usual() -> None:
    """For one that stays for days, and is to stay small."""
    gc.set_threshold(*_USUAL)
