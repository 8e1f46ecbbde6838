"""What processes that were killed leave in the temporary place, and who removes it."""

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bakeoff.core.clock import SystemClock
from bakeoff.engines import temporary
from bakeoff.engines.temporary import SOCKET, make_log_folder, make_socket_folder


@pytest.fixture
def place(monkeypatch):
    """A temporary place of our own, with a path that is short enough."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def of_ended(place, kind, name="socket-folder"):
    """Make a folder as a process that has ended would have left it."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    folder = place / f"bakeoff-{kind}-{ended.pid}-{name}"
    folder.mkdir()
    return folder


def test_a_socket_that_nobody_answers_is_removed_with_its_folder(place):
    left = of_ended(place, "socket")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(left / SOCKET))  # the file stays when its process is killed
    empty = of_ended(place, "socket", "never-bound")
    made = make_socket_folder()
    assert sorted(place.iterdir()) == [made]
    assert not empty.exists()


def test_one_that_is_answered_stays_whoever_made_its_folder(place):
    left = of_ended(place, "socket")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(left / SOCKET))
        server.listen()
        make_socket_folder()
        assert (left / SOCKET).exists()
    make_socket_folder()
    assert not left.exists()


def test_the_folder_of_a_living_process_stays(place):
    mine = place / f"bakeoff-socket-{os.getpid()}-mine"
    mine.mkdir()
    other = place / "bakeoff-socket-of-somebody"
    other.mkdir()
    make_socket_folder()
    assert mine.exists()
    assert other.exists()


def test_logs_of_a_killed_worker_can_be_read_for_a_day(place):
    left = of_ended(place, "logs")
    (left / "one.log").write_text("Killed\n")
    make_log_folder(SystemClock())
    assert (left / "one.log").exists()
    two_days_ago = left.stat().st_mtime - 2 * 24 * 3600
    os.utime(left, (two_days_ago, two_days_ago))
    make_log_folder(SystemClock())
    assert not left.exists()


def test_where_the_temporary_place_is_too_deep_for_a_socket_it_is_made_in_tmp(place, monkeypatch):
    deep = place / ("d" * temporary.MAX_SOCKET_PATH)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    made = make_socket_folder()
    try:
        assert len(str(made / SOCKET)) <= temporary.MAX_SOCKET_PATH
        assert list(deep.iterdir()) == []
    finally:
        made.rmdir()
