"""`bakeoff top` in a terminal of its own: what it shows while its gateway goes away and comes again, and how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

MODEL = {
    "state": "ready",
    "breaker": {"state": "closed"},
    "held_bytes": 1 << 20,
    "need_bytes": 1 << 21,
    "leases": 0,
    "waiting": 0,
    "tokens_written": 0.0,
    "first_token_sum_s": 0.0,
    "first_token_count": 0.0,
}
STATUS = {
    "schema": "bakeoff.status/1",
    "run_id": None,
    "uptime_s": 10.0,
    "budget_bytes": 1 << 30,
    "committed_bytes": 1 << 20,
    "open_requests": 0,
    "requests": {"answered": 1},
    "rejected": 0,
    "models": {"small": MODEL},
    "routes": {"general": {"candidate": "small", "score": None, "answered": 1, "by_fallback": 0}},
    "quality": {"streams": [], "note": "not watched"},
    "alerts": [],
    "cost": {"electricity": None, "provenance": None, "cloud": None, "against": None, "answers_without_tokens": 0},
}


class Gateway:
    """Says the same status each time, with the code that it `answers`; counts the looks that it `refused` for want of a key."""

    def __init__(self) -> None:
        self.answers = 200
        self.refused = 0
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(STATUS).encode()
                owner.refused += owner.answers == 401
                self.send_response(owner.answers)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Terminal:
    """The command on a terminal of its own."""

    def __init__(self, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "40"}
        environment.pop("BAKEOFF_API_KEY", None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bakeoff", *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
        )
        os.close(theirs)

    def read_until(self, wanted: str, within_s: float = 30.0) -> str:
        """Return all that was written since the last call, up to where `wanted` came."""
        ends, said = time.monotonic() + within_s, b""
        while wanted.encode() not in said:
            left = ends - time.monotonic()
            if left <= 0 or not select.select([self._ours], [], [], left)[0]:
                pytest.fail(f"{wanted!r} did not come, but {said.decode(errors='replace')[-2000:]}")
            said += os.read(self._ours, 1 << 16)
        return said.decode(errors="replace")

    def end(self) -> int:
        """Press Ctrl-C, and return the exit code; what is written meanwhile is read, so that nobody waits for it."""
        self.process.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):  # Linux's word for a terminal that nobody is at any more
            while os.read(self._ours, 1 << 16):
                pass
        return self.process.wait(20)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)


def test_a_gateway_in_trouble_is_shown_as_lost_until_it_is_back_and_ctrl_c_is_no_failure() -> None:
    gateway = Gateway()
    terminal = Terminal("top", "--url", gateway.url, "--every", "0.2")
    try:
        terminal.read_until("no alert fires")
        gateway.answers = 503
        terminal.read_until("HTTP 503")
        terminal.read_until("HTTP 503")  # the first may have come with the end of an older view
        lost = terminal.read_until("last seen")
        assert "no alert fires" not in lost
        assert "ready" not in lost
        gateway.answers = 200
        terminal.read_until("no alert fires")
        assert terminal.end() == 0
    finally:
        terminal.close()
        gateway.close()


@pytest.mark.parametrize("opens_first", [True, False])
def test_a_gateway_that_wants_a_key_is_not_asked_again_without_one(opens_first: bool) -> None:
    gateway = Gateway()
    gateway.answers = 200 if opens_first else 401
    terminal = Terminal("top", "--url", gateway.url, "--every", "0.2")
    try:
        if opens_first:
            terminal.read_until("no alert fires")
            gateway.answers = 401
        assert "wants a key" in terminal.read_until("set BAKEOFF_API_KEY")
        assert terminal.process.wait(20) == 2
        assert gateway.refused == 1
    finally:
        terminal.close()
        gateway.close()
