"""`bakeoff run` against `misbehaving`: what it sent, what it stored, what it said, how it ended."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bakeoff_command import Workspace
from inside import InsideWorkspace
from misbehaving import Misbehaving

KEY = "sk-test-0123456789abcdef"
# Everything that waits, a hundred times as quick.
QUICK = {
    "BAKEOFF_BACKOFF_S": "0.01",
    "BAKEOFF_LONGEST_WAIT_S": "2",
    "BAKEOFF_GIVE_UP_S": "0.6",
    "BAKEOFF_CONNECT_S": "2",
    "BAKEOFF_FIRST_TOKEN_S": "1",
    "BAKEOFF_STALL_S": "0.5",
    "BAKEOFF_TOTAL_S": "20",
    "BAKEOFF_PROBE_S": "1",
}
_BRIEF = """\
  - id: brief-{number}
    content_type: tweet
    cluster: family-{family}
    prompt: "Write about the opening of our shop number {number} on 14 March."
    must_include: ["{number}", "14 March"]
"""


def quick_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> InsideWorkspace:
    """A workspace whose commands wait a hundredth of the time, with a key in the environment."""
    made = InsideWorkspace(tmp_path, monkeypatch, capsys)
    made.environment |= QUICK
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return made


def write_suite(path: Path, briefs: int) -> Path:
    """A suite of tweets about shops with numbers, two a family."""
    head = "version: 1\nname: faults\nsampling: {temperature: 0.7, max_tokens: 60}\nbriefs:\n"
    path.write_text(head + "".join(_BRIEF.format(number=i, family=i // 2) for i in range(briefs)))
    return path


class Ended(NamedTuple):
    """One run. `candidate` is the first one's document; `document` is empty where nothing was concluded."""

    code: int
    out: str
    err: str
    document: dict[str, Any]

    @property
    def candidate(self) -> dict[str, Any]:
        """What the document says of the first candidate."""
        return dict(self.document["candidates"][0])


def run_against(workspace: Workspace, *servers: Misbehaving, briefs: int = 300, options: tuple[str, ...] = ()) -> Ended:
    """Run a bake-off of `servers`, 32 texts in flight."""
    write_suite(workspace.folder / "suite.yaml", briefs)
    models = ",".join(server.model for server in servers)
    arguments = ("--models", models, "--concurrency", "32", "--json", *(options or ("--fixed-n", str(briefs))))
    done = workspace.call("run", "suite.yaml", *arguments)
    return ended(done)


def ended(done: subprocess.CompletedProcess[str]) -> Ended:
    """Read what a command with `--json` left."""
    document = json.loads(done.stdout) if done.stdout else {}
    return Ended(done.returncode, done.stdout, done.stderr, document)
