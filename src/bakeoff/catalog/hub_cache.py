"""Models that were downloaded from the Hugging Face hub: where its cache keeps them. Looks at files only, at no network.

The cache's layout is that of huggingface_hub ("Understand caching" in its documentation): `models--ORG--NAME` holds
`refs/BRANCH`, a file with the commit that was downloaded, and `snapshots/COMMIT`, a folder that looks like the model's.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import NamedTuple

from bakeoff.core.errors import UnknownModel

_NAME = re.compile(r"(?P<repo>(?:[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*)(?:@(?P<revision>[\w./-]+))?")


class Snapshot(NamedTuple):
    """A model in the cache: its folder, its name on the hub without the organisation, its commit."""

    folder: Path
    name: str
    commit: str


def hub_cache() -> Path:
    """Return the cache's folder, which need not be there: HF_HUB_CACHE, HF_HOME/hub, or the one in ~/.cache."""
    if named := os.environ.get("HF_HUB_CACHE"):
        return Path(named).expanduser()
    home = os.environ.get("HF_HOME")
    if home is None:
        home = str(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    return Path(home).expanduser() / "hub"


def find_snapshot(reference: str) -> Snapshot:
    """Find `ORG/NAME` or `ORG/NAME@REVISION` (a branch or a commit; "main" where none is given).

    Raises:
        UnknownModel: it is no name of a model, or that revision of it has not been downloaded.
    """
    found = _NAME.fullmatch(reference)
    if found is None or ".." in reference:
        raise UnknownModel(
            f"hf:{reference}: not the name of a model on the hub", "write hf:ORG/NAME or hf:ORG/NAME@REVISION"
        )
    repo, revision = found["repo"], found["revision"]
    stored = hub_cache() / f"models--{repo.replace('/', '--')}"
    branch = stored / "refs" / (revision or "main")
    commit = branch.read_text(encoding="ascii").strip() if branch.is_file() else revision or ""
    folder = stored / "snapshots" / commit
    if not commit or not folder.is_dir():
        option = f" --revision {shlex.quote(revision)}" if revision else ""
        what = f"revision {revision} of it is" if stored.is_dir() and revision else "it is"
        raise UnknownModel(
            f"hf:{reference}: {what} not in the hub's cache ({hub_cache()})",
            f"download it:  hf download {shlex.quote(repo)}{option}",
        )
    return Snapshot(folder, repo.rpartition("/")[2], commit)
