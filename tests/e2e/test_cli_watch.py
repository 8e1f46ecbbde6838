"""`bakeoff run --watch` and `report --serve`: live in a real browser, the report at the end, and nothing of it harms the run."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, TYPE_CHECKING

import psutil
import pytest

from bakeoff_command import Workspace, write_suite
from made_store import NAMES, make_plan, make_suite, prose, store_in, write_run
from waiting import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
HOSTILE = "<script>window.pwned = 1</script> \u202e We open on 14 March, number {number}. Come and see it, and bring a friend."
BRIEFS = 24
FINISHED = {0, 3}
"""Whether anybody qualified is no matter here."""


class Held:
    """An endpoint that writes until it has written so many texts, and then waits until it may go on."""

    def __init__(self, most: int) -> None:
        self._left = threading.Semaphore(most)
        self.goes_on = threading.Event()
        held = self

        class Answers(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def _send(self, body: bytes, kind: str) -> None:
                head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
                with contextlib.suppress(OSError):  # who asked may be gone
                    self.wfile.write(head.encode() + body)

            def do_GET(self) -> None:
                self._send(
                    json.dumps({"object": "list", "data": [{"id": "m", "object": "model"}]}).encode(),
                    "application/json",
                )

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                number = re.findall(r"number (\d+)", asked["messages"][-1]["content"])[0]
                if not held._left.acquire(blocking=False):
                    held.goes_on.wait(60)
                said = [
                    {"choices": [{"index": 0, "delta": {"content": HOSTILE.format(number=number)}}]},
                    {
                        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
                        "usage": {"prompt_tokens": 9, "completion_tokens": 20},
                    },
                ]
                events = "".join(f"data: {json.dumps(one)}\n\n" for one in said)
                self._send(f"{events}data: [DONE]\n\n".encode(), "text/event-stream")

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.model = f"openai:m@http://127.0.0.1:{self._server.server_port}/v1"

    def close(self) -> None:
        """Let everybody go."""
        self.goes_on.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def held() -> Iterator[Callable[[int], Held]]:
    made: list[Held] = []

    def make(most: int) -> Held:
        made.append(Held(most))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    write_suite(tmp_path / "suite.yaml", BRIEFS)
    return Workspace(tmp_path)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


def started(space: Workspace, *models: Held, more: tuple[str, ...] = ()) -> tuple[subprocess.Popen[str], str]:
    """A run that is watched, and the page's address; what it says later is read away."""
    names = ",".join(one.model for one in models)
    process = space.start("run", "suite.yaml", "--models", names, "--fixed-n", str(BRIEFS), "--watch", *more)
    assert process.stderr is not None
    url = next(found[0] for line in process.stderr if (found := re.search(r"http://127\.0\.0\.1:\d+/\S+/", line)))
    threading.Thread(target=read_away, args=[process.stderr], daemon=True).start()
    return process, url


def read_away(pipe: IO[str]) -> None:
    with pipe:
        pipe.read()


def ends(process: subprocess.Popen[str]) -> tuple[int, str]:
    assert process.stdout is not None
    with process.stdout:
        out = process.stdout.read()
    return process.wait(60), out


def answer(url: str, host: str | None = None) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers={"Host": host} if host else {}), timeout=20
        ) as got:
            return int(got.status), got.read()
    except urllib.error.HTTPError as error:
        return error.code, b""


def gone(url: str) -> bool:
    host, port = url.split("/")[2].split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) != 0


@in_a_browser
def test_a_run_is_watched_and_its_report_replaces_the_live_page(
    space: Workspace, held: Callable[[int], Held], browser: Browser
) -> None:
    from playwright.sync_api import expect

    first, second = held(20), held(12)
    process, url = started(space, first, second)
    tab = browser.new_page()
    bad: list[str] = []
    tab.on("pageerror", lambda error: bad.append(str(error)))
    tab.on("console", lambda said: bad.append(said.text) if said.type in {"error", "warning"} else None)
    tab.on(
        "request",
        lambda asked: None if asked.url.startswith(("http://127.0.0.1", "data:font/")) else bad.append(asked.url),
    )
    tab.goto(url)
    rows = tab.locator("#candidates tr")
    expect(rows).to_have_count(2, timeout=30_000)
    # Of 24 each the endpoints write 20 and 12, less the probe; the one who is first holds the other up.
    expect(tab.locator("#headline")).to_have_text(re.compile(r"^(1[0-9]|[2-3][0-9]) of 48 texts$"), timeout=30_000)
    expect(tab.locator("#quality .badge")).to_have_text("provisional")
    expect(tab.locator("#intervals .estimate")).to_have_count(2)
    expect(tab.locator("#newest .t").first).to_contain_text("<script>window.pwned = 1</script> U+202E We open")
    status, so_far = answer(f"{url}report")
    assert status == 200
    assert b"This run is in progress: what follows rests on" in so_far
    first.goes_on.set()
    second.goes_on.set()
    expect(tab.locator("#decision h1")).to_be_visible(timeout=60_000)
    expect(tab.locator("#f-count")).to_have_text("24 of 24 briefs")
    code, out = ends(process)
    assert code in FINISHED
    assert "Decision" in out
    assert gone(url)
    tab.locator(".brief > summary").first.click()
    expect(tab.locator(".brief[open] .t").first).to_contain_text("<script>window.pwned = 1</script>")
    assert tab.evaluate("window.pwned") is None
    assert [said for said in bad if "favicon" not in said and "404" not in said] == []
    tab.close()


def test_it_answers_nobody_else(space: Workspace, held: Callable[[int], Held]) -> None:
    one = held(4)
    process, url = started(space, one)
    assert answer(url)[0] == 200
    assert answer(url.rsplit("/", 2)[0] + "/guess/")[0] == 404
    assert answer(f"{url}state", host="evil.example")[0] == 400
    assert answer(f"{url}texts/0")[0] == 404
    one.goes_on.set()
    assert ends(process)[0] in FINISHED


def test_browsers_that_never_read_and_a_page_that_dies_are_nothing_to_the_run(
    space: Workspace, held: Callable[[int], Held]
) -> None:
    one = held(6)
    process, url = started(space, one)
    host, port = url.split("/")[2].split(":")
    stuck = [socket.create_connection((host, int(port))) for _ in range(20)]
    for each in stuck:
        each.sendall(
            f"GET {'/'.join(['', *url.split('/')[3:]])}state HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode() * 50
        )
    (page,) = psutil.Process(process.pid).children()
    wait_until(lambda: answer(f"{url}state")[0] == 200, "an answer beside those that do not read")
    page.kill()
    one.goes_on.set()
    assert ends(process)[0] in FINISHED
    for each in stuck:
        each.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_the_run(space: Workspace, held: Callable[[int], Held], number: signal.Signals) -> None:
    process, url = started(space, held(6))
    wait_until(lambda: b'"texts":' in answer(f"{url}state")[1], "texts on the page")
    (page,) = psutil.Process(process.pid).children()
    process.send_signal(number)
    assert ends(process)[0] == 130
    assert not page.is_running()
    assert gone(url)


def test_a_run_of_another_process_is_served(space: Workspace, held: Callable[[int], Held]) -> None:
    one = held(10)
    running = space.start("run", "suite.yaml", "--models", one.model, "--fixed-n", str(BRIEFS))
    assert running.stderr is not None
    threading.Thread(target=read_away, args=[running.stderr], daemon=True).start()
    wait_until(lambda: space.rows("SELECT COUNT(*) FROM generations") > [(5,)], "some texts")
    served = space.start("report", "latest", "--serve")
    assert served.stdout is not None
    url = re.search(r"http://\S+", served.stdout.readline())[0]  # type: ignore[index]
    assert b"watch.js" in answer(url)[1]
    wait_until(lambda: json.loads(answer(f"{url}state")[1]).get("texts", 0) > 5, "its texts")
    state = json.loads(answer(f"{url}state")[1])
    assert (state["state"], state["over"], state["total"]) == ("running", False, BRIEFS)
    assert space.rows("SELECT COUNT(*) FROM scores") == [(0,)]  # who looks on writes nothing
    one.goes_on.set()
    assert ends(running)[0] in FINISHED
    wait_until(lambda: json.loads(answer(f"{url}state")[1])["over"], "the end")
    assert b'<section id="decision"' in answer(url)[1]
    served.send_signal(signal.SIGINT)
    assert served.communicate(timeout=20)[1] == ""
    assert served.returncode == 0


@in_a_browser
def test_the_texts_of_a_large_run_are_asked_for_as_they_are_shown(tmp_path: Path, browser: Browser) -> None:
    store = store_in(tmp_path / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAKEOFF_HOME", str(tmp_path / "home"))
        write_run(store, make_plan(make_suite(1600), NAMES[:2]), prose)
    store.close()
    served = Workspace(tmp_path).start("report", "latest", "--serve")
    assert served.stdout is not None
    url = re.search(r"http://\S+", served.stdout.readline())[0]  # type: ignore[index]
    tab = browser.new_page()
    asked: list[str] = []
    tab.on("request", lambda found: asked.append(found.url.removeprefix(url)))
    tab.goto(url)
    tab.locator("#f-open").scroll_into_view_if_needed()
    summary = tab.locator(".rows .brief > summary").first
    summary.wait_for()
    assert not [one for one in asked if one.startswith("texts/")]
    summary.click()
    tab.locator(".brief[open] .t").first.wait_for()
    assert [one for one in asked if one.startswith("texts/")] == ["texts/0"]
    tab.close()
    served.send_signal(signal.SIGTERM)
    served.communicate(timeout=20)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("report", "latest", "--serve", "-o", "x.html"), "--serve writes no file"),
        (("report", "latest", "--port", "8000"), "--port goes with --serve"),
        (("run", "--port", "8000"), "--port goes with --watch"),
    ],
)
def test_what_does_not_go_together(space: Workspace, arguments: tuple[str, ...], said: str) -> None:
    done = space.call(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
