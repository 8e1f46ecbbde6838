"""Memory as the system tells it, of this machine and of a process that we hold against it."""

import subprocess
import sys

import pytest

from bakeoff.machine.detect import available_bytes, detect_machine
from bakeoff.machine.process_memory import read_process_memory

MIB = 1 << 20
HOLDS = "held = bytearray(b'x') * (64 << 20); print('holds', flush=True); input(); del held; print('gave', flush=True); input()"


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_process_is_seen_to_take_and_to_give_back():
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "holds\n"
        holding = read_process_memory(process.pid)
        assert holding.anonymous_bytes > 64 * MIB
        assert holding.peak_bytes >= holding.anonymous_bytes
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "gave\n"
        after = read_process_memory(process.pid)
        assert after.anonymous_bytes < holding.anonymous_bytes - 60 * MIB
        assert after.peak_bytes > holding.peak_bytes - MIB  # the kernel sums it up over its cores now and then
        process.stdin.write("\n")
        process.stdin.flush()
    assert read_process_memory(process.pid) is None


def test_free_memory_is_within_what_the_machine_has():
    free, machine = available_bytes(), detect_machine()
    assert free is not None
    assert 0 < free < machine.ram_bytes
