"""Scorers that a suite brings as Python files. They are code of whoever wrote the suite: nothing of it runs unasked.

A file `tone.py` beside the suite defines `scorer`, an object (or what makes one) as in `score.base.Scorer`, named `tone`. Its
content is part of the plan: scores by another version of it are never mixed with these.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from runpy import run_path

from bakeoff.core.errors import UsageError
from bakeoff.core.spec import Record
from bakeoff.score.base import Scorer, ScorerBroken, check_scorer, make_scorer


class ScorerFile(Record):
    """A file of the suite's that the user allowed to run: its scorer's name, where it is, and what was in it."""

    name: str
    path: str
    digest: str


def find_scorer_files(names: list[str], suite_path: Path, *, allowed: bool) -> tuple[ScorerFile, ...]:
    """Return a suite's files of scorers, which are in its folder.

    Raises:
        UsageError: one is not there, or nobody allowed to run them.
    """
    files = []
    for name in names:
        path = (suite_path.parent / name).resolve()
        if not path.is_file():
            raise UsageError(f"{suite_path}: scorers: there is no file {name}", f"put it into {suite_path.parent}/")
        files.append(ScorerFile(name=path.stem, path=str(path), digest=_digest(path)))
    if files and not allowed:
        listed = ", ".join(Path(file.path).name for file in files)
        raise UsageError(
            f"{suite_path} brings code of its own: {listed}",
            "read it, and say --allow-code if it may run on this machine",
        )
    return tuple(files)


def load_scorer_file(file: ScorerFile) -> Scorer:
    """Run the file and return its scorer, after the checks that its author can run too.

    Raises:
        UsageError: the file is gone, or has changed since the plan was made.
        ScorerBroken: it cannot be run, or gives no scorer.
    """
    path = Path(file.path)
    if not path.is_file() or _digest(path) != file.digest:
        raise UsageError(f"{file.path} has changed since the run began", "put the old file back, or start a new run")
    try:
        defined = run_path(str(path), run_name=f"bakeoff_scorer_{file.name}")
    except Exception as error:  # noqa: BLE001 - somebody's code raises what it likes
        raise ScorerBroken(f"{path.name} cannot be run: {type(error).__name__}: {error}", file.name) from None
    if "scorer" not in defined:
        raise ScorerBroken(f"{path.name} defines no `scorer`", file.name)
    made = make_scorer(defined["scorer"], file.name)
    try:
        check_scorer(made)
    except ScorerBroken:
        raise
    except Exception as error:  # noqa: BLE001 - as above
        raise ScorerBroken(f"{path.name}: {type(error).__name__}: {error}", file.name) from None
    return made


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
