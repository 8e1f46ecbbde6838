"""What a program of ours imports does not depend on the folder that it is started in."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bakeoff.core.programs import program_of


def test_a_file_of_the_users_own_is_not_imported_in_place_of_pythons(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('a file of mine')")
    done = subprocess.run(
        program_of("json.tool", "--indent", "1"), cwd=tmp_path, input="[1]", capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[\n 1\n]\n", "")
