"""The `bakeoff` command as a user starts it: a process of its own, in a workspace of its own."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import IO

import psutil

SUITE_HEAD = (
    "version: 1\nname: {name}\nsampling: {{temperature: 0.8, top_p: 0.95, max_tokens: {max_tokens}}}\nbriefs:\n"
)
BRIEF = """\
  - id: {type}-{number}
    content_type: {type}
    cluster: family-{family}
    prompt: "Write something about the opening number {number} of our shop on 14 March. Mention the number {number}."
    must_include: ["{number}", "14 March"]
"""


def write_suite(path: Path, briefs: int, max_tokens: int = 40, name: str = "small") -> Path:
    """A suite of `briefs` briefs, tweets and mails in turn, two a family."""
    types = ("tweet", "business_email")
    body = "".join(BRIEF.format(type=types[i % 2], number=i, family=i // 2) for i in range(briefs))
    path.write_text(SUITE_HEAD.format(name=name, max_tokens=max_tokens) + body)
    return path


class Workspace:
    """A folder with its own BAKEOFF_HOME, in which commands run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.environment = {**os.environ, "BAKEOFF_HOME": str(self.home), "COLUMNS": "100"}
        self.environment.pop("BAKEOFF_STORE", None)

    def start(
        self, *arguments: str, err: int | IO[str] = subprocess.PIPE, own_group: bool = False
    ) -> subprocess.Popen[str]:
        """Start the command; its output is piped. With `own_group` it leads a process group, as a shell has it."""
        return subprocess.Popen(
            [sys.executable, "-m", "bakeoff", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=err,
            text=True,
            process_group=0 if own_group else None,
        )

    def call(self, *arguments: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=timeout_s)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Read the store; no rows while it is not there yet."""
        database = self.home / "bakeoff.db"
        if not database.exists():
            return []
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError:
            return []
        finally:
            connection.close()

    def run_id(self) -> str:
        """The newest run."""
        return str(self.rows("select run_id from runs order by started desc")[0][0])

    def count(self, run_id: str | None = None) -> int:
        """Stored generations, of one run or of all."""
        where = f" where run_id = '{run_id}'" if run_id else ""
        found = self.rows(f"select count(*) from generations{where}")
        return int(str(found[0][0])) if found else 0

    def generations(self, run_id: str) -> dict[str, dict[str, object]]:
        """Stored generations of a run by trial; a trial stored twice fails."""
        rows = self.rows(f"select trial, record from generations where run_id = '{run_id}'")
        found = {str(trial): json.loads(str(record)) for trial, record in rows}
        assert len(found) == len(rows)
        return found

    def workers(self) -> list[psutil.Process]:
        """Worker processes of models in this folder."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            line = process.info["cmdline"] or []
            if "bakeoff.engines.worker" in line and any(str(self.folder) in part for part in line):
                found.append(process)
        return found
