"""`bakeoff label`: keys from a pipe, undo, resuming, the page in a real browser, and what outsiders may not do there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from inside import InsideWorkspace
from recorded_texts import write_texts
from sample_runs import suite_text

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InsideWorkspace:
    made = InsideWorkspace(tmp_path, monkeypatch, capsys)
    (tmp_path / "suite.yaml").write_text(suite_text(30), encoding="utf-8")
    from bakeoff.study.suite import load_suite

    kinds = {brief.id: brief.content_type for brief in load_suite(tmp_path / "suite.yaml").briefs}
    write_texts(tmp_path / "good.jsonl", kinds)
    write_texts(tmp_path / "poor.jsonl", kinds, good=False)
    done = made.call("run", "suite.yaml", "--models", "recorded:good.jsonl,recorded:poor.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    return made


def label(space: InsideWorkspace, keys: str, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bakeoff", "label", "latest", *more],
        input=keys,
        cwd=space.folder,
        env=space.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def report(space: InsideWorkspace, *more: str) -> dict[str, object]:
    done = space.call("label", "latest", "--json", *more)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def blind(screen: str) -> bool:
    return "recorded:" not in screen.partition("Your labels")[0]


def test_keys_undo_and_going_on(space: InsideWorkspace) -> None:
    first = label(space, "a\nb\nx\nu\nt\ns\nq\n", "--pairs", "12")
    assert first.returncode == 0, first.stderr
    assert blind(first.stdout)
    assert "9 to go" in first.stdout
    found = report(space, "--pairs", "12")
    assert (found["schema"], found["labels"], found["skipped"]) == ("bakeoff.labels/1", 2, 1)
    second = label(space, "a\n" * 20, "--pairs", "12")
    assert "Pair 4 of 12" in second.stdout
    assert "Pair 13" not in second.stdout
    found = report(space, "--pairs", "12")
    assert found["labels"] == 12 - 1 - 1  # one skipped, one shown twice
    assert found["repeated"] == 1


def test_what_a_run_without_pairs_says(space: InsideWorkspace) -> None:
    space.call("run", "suite.yaml", "--models", "recorded:good.jsonl", "--json")
    done = space.call("label", "latest")
    assert done.returncode == 2
    assert "no two candidates" in done.stderr


@pytest.fixture
def page(space: InsideWorkspace) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "bakeoff", "label", "latest", "--web", "--pairs", "3"]
    with subprocess.Popen(
        command, cwd=space.folder, env=space.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/\S+/", process.stdout.readline())
        assert found is not None
        yield found.group(), process
        process.terminate()


def status(url: str, *, host: str | None = None, body: bytes | None = None) -> int:
    request = urllib.request.Request(url, data=body, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_page_answers_nobody_else(page: tuple[str, subprocess.Popen[str]]) -> None:
    url, _ = page
    assert status(url) == 200
    assert status(url.rsplit("/", 2)[0] + "/guess/") == 404
    assert status(url, host="evil.example") == 400
    for body in (b"{", b"[]", b"[" * 100_000, b'{"number": 0, "choice": "best"}', b'{"number": "0", "choice": "tie"}'):
        assert status(f"{url}answer", body=body) == 400


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_page_in_a_browser(page: tuple[str, subprocess.Popen[str]], space: InsideWorkspace) -> None:
    from playwright.sync_api import expect, sync_playwright

    url, process = page
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page()
        errors: list[str] = []
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        tab.goto(url)
        where = tab.locator("#where")
        expect(where).to_have_text("Pair 1 of 3")
        assert "recorded" not in tab.content()
        tab.get_by_role("button", name="A is better").click()
        expect(where).to_have_text("Pair 2 of 3")
        tab.keyboard.press("u")
        expect(where).to_have_text("Pair 1 of 3")
        for key, then in (("b", "Pair 2 of 3"), ("t", "Pair 3 of 3"), ("s", "3 answered")):
            tab.keyboard.press(key)
            expect(where).to_have_text(then)
        expect(tab.locator("#end")).to_be_visible()
        browser.close()
    assert [error for error in errors if "favicon" not in error] == []
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert "2 pairs labelled, 1 skipped" in out
    assert report(space, "--pairs", "3")["labels"] == 2
