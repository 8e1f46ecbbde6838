"""One process a run, and a run whose process is gone is known to be abandoned."""

import fcntl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from bakeoff.core.errors import RunHeld
from bakeoff.study.run_lock import LOCK_FILE, hold_run, is_abandoned

HOLD = """
import sys
from pathlib import Path
from bakeoff.study.run_lock import hold_run
with hold_run(Path(sys.argv[1]), "r1"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_process_is_named_and_a_killed_one_is_gone(tmp_path: Path) -> None:
    assert not is_abandoned(tmp_path)  # never worked on from here
    arguments = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert not is_abandoned(tmp_path)
        with pytest.raises(RunHeld, match=f"process {holder.pid} is working on run r1"), hold_run(tmp_path, "r1"):
            pass
        holder.kill()
    assert is_abandoned(tmp_path)
    with hold_run(tmp_path, "r1"):
        assert not is_abandoned(tmp_path)


def test_a_run_can_be_held_again_and_again(tmp_path: Path) -> None:
    for _ in range(2):
        with hold_run(tmp_path, "r1"):
            assert not is_abandoned(tmp_path)
        assert is_abandoned(tmp_path)


def test_a_glance_at_the_lock_turns_nobody_away(tmp_path: Path) -> None:
    """A list of runs takes the lock for an instant; whoever begins just then waits for it."""
    with hold_run(tmp_path, "r1"):
        pass
    with ThreadPoolExecutor() as threads, (tmp_path / LOCK_FILE).open("rb") as glance:
        fcntl.flock(glance, fcntl.LOCK_SH)
        begun = Event()

        def begin() -> bool:
            begun.set()
            with hold_run(tmp_path, "r1"):
                return True

        held = threads.submit(begin)
        assert begun.wait(10)
        fcntl.flock(glance, fcntl.LOCK_UN)
        assert held.result(10)
