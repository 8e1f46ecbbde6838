"""llama.cpp's own server, started as an export says: it writes what the run's engine wrote. Skipped where it is not installed."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from bakeoff.catalog.references import resolve
from bakeoff_command import Workspace
from waiting import wait_until

pytestmark = [
    pytest.mark.skipif(find_spec("llama_cpp") is None, reason="the extra llamacpp is not installed"),
    pytest.mark.skipif(shutil.which("llama-server") is None, reason="llama-server is not on the PATH"),
]

SUITE = "version: 1\nname: small\nsampling: {temperature: 0.0, max_tokens: 30}\nbriefs:\n" + "".join(
    f"  - {{id: b{number}, content_type: tweet, prompt: Write about the opening on {number + 1} May.}}\n"
    for number in range(6)
)


@contextmanager
def serving(command: str) -> Iterator[str]:
    """Run a command of llama-swap's configuration; the value is its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        shlex.split(command.replace("${PORT}", str(port))), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def is_well() -> bool:
        assert process.poll() is None
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    try:
        wait_until(is_well, "llama-server is well", deadline_s=60)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


@pytest.mark.parametrize("template", [True, False])
def test_it_writes_what_the_run_wrote(tmp_path: Path, template: bool) -> None:
    place = Workspace(tmp_path)
    folder = tmp_path / "model"
    shutil.copytree(resolve("bundled:social").location, folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    if not template:
        del settings["chat_template"]
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (tmp_path / "suite.yaml").write_text(SUITE)
    made = place.call("convert", "model", "--to", "gguf", "--quantise", "f32", "--out", "m.gguf")
    assert made.returncode == 0, made.stderr
    ours = place.call("run", "suite.yaml", "--models", "llamacpp+m.gguf", "--fixed-n", "6")
    assert ours.returncode in {0, 3}, ours.stderr
    exported = place.call("export", "latest", "--to", "llama-swap")
    (entry,) = yaml.safe_load(exported.stdout)["models"].values()
    with serving(entry["cmd"]) as url:
        theirs = place.call("run", "suite.yaml", "--models", f"openai:llamacpp+m.gguf@{url}", "--fixed-n", "6")
    assert theirs.returncode in {0, 3}, theirs.stderr
    texts = [json.loads(str(row[0])) for row in place.rows("select record from generations order by rowid")]
    by_brief = [{each["brief"]: each["text"] for each in part} for part in (texts[:6], texts[6:])]
    assert len(by_brief[0]) == 6
    assert by_brief[0] == by_brief[1]
