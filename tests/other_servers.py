"""Other people's servers, which read what is exported to them: each is installed in an environment of its own by `make tools`."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def tool(environment: str, program: str) -> str:
    """The path of a program; skips the test where it is not installed."""
    folders = [Path(os.environ["BAKEOFF_TOOLS"])] if "BAKEOFF_TOOLS" in os.environ else []
    for folder in (*folders, Path(sys.prefix) / "tools"):
        if (found := folder / environment / "bin" / program).exists():
            return str(found)
    if program != "python" and (found_there := shutil.which(program)):
        return found_there
    pytest.skip(f"{environment} is not installed for tests: make tools")


def ask_python(environment: str, code: str, *arguments: str) -> object:
    """What a program for that environment's Python prints, as JSON."""
    done = subprocess.run(
        [tool(environment, "python"), "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


class Stub(http.server.ThreadingHTTPServer):
    """An OpenAI-compatible server that says which model was asked for. `broken` models answer 500."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.asked: list[dict[str, object]] = []
        self.broken: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Answer(http.server.BaseHTTPRequestHandler):
    server: Stub

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append({**body, "authorization": self.headers.get("authorization")})
        message = {"role": "assistant", "content": f"from {body['model']}"}
        answer = {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }
        broken = body["model"] in self.server.broken
        said = json.dumps({"error": {"message": "broken"}} if broken else answer).encode()
        self.send_response(500 if broken else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        del format, args


@contextmanager
def stub_server() -> Iterator[Stub]:
    """Yield a stub that listens."""
    with Stub() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
