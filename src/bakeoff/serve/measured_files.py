"""Whether a model's files are still those that the plan speaks of: evidence is served with the weights that earned it.

A plan is made from files whose digest was just taken, so they are known by their times and sizes from then on. Only where those
differ is the digest taken again, which takes about a second for each 1-2 GB: in the thread of a load, never in the event loop.
"""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from time import monotonic

from bakeoff.catalog.digests import digest_of, files_of
from bakeoff.core.errors import UsageError
from bakeoff.core.spec import ModelSpec
from bakeoff.serve.plan import ServingPlan

LOOK_AGAIN_S = 1.0
"""How old a look at the files may be where nothing is loaded."""
_CHANGED = "its files have changed since they were measured"

Look = tuple[tuple[str, int, int, int, int], ...]
"""Of each file its path, size, inode, and the times (ns) of its content and of its entry: a copy that keeps the first has another
second.
"""


class MeasuredFiles:
    """The files of all models of a plan that are ours to run, as they were when this was made."""

    def __init__(self, plan: ServingPlan) -> None:
        self._of = {served.id: _Files(served.candidate.model) for served in plan.models if served.is_resident}

    def check(self, model: str) -> None:
        """Make sure that the files are those of the plan. It may read all of them: call it in a thread.

        Raises:
            UsageError: they are not.
            InvalidFile: they cannot be read.
        """
        if model in self._of:
            self._of[model].check()

    async def are_known(self, model: str) -> bool:
        """Tell whether the files look as those of the plan do, by a look that is `LOOK_AGAIN_S` old at most. Reads none."""
        files = self._of.get(model)
        if files is None:
            return True
        if monotonic() - files.looked_at >= LOOK_AGAIN_S:
            await asyncio.to_thread(files.look)
        return files.known

    def replaced_by(self, plan: ServingPlan) -> list[str]:
        """Return the models that are of the same name in another plan, and are of other files."""
        ours = {served.id: served.candidate.model.digest for served in plan.models if served.is_resident}
        return [name for name, files in self._of.items() if ours.get(name, files.spec.digest) != files.spec.digest]


class _Files:
    """One model's. `known` is whether they looked as they should when somebody last looked."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.known = True
        self.looked_at = monotonic()
        self._right = _look(spec)
        self._wrong: Look | None = None
        self._one_at_a_time = threading.Lock()

    def look(self) -> Look:
        """Look at the files, and note whether they are known."""
        seen = _look(self.spec)
        self.known, self.looked_at = seen == self._right, monotonic()
        return seen

    def check(self) -> None:
        """See `MeasuredFiles.check`. What was read once is not read again before it changes."""
        with self._one_at_a_time:
            seen = self.look()
            if self.known:
                return
            if seen == self._wrong or digest_of(self.spec) != self.spec.digest:
                self._wrong = seen
                raise UsageError(
                    f"{self.spec.name}: {_CHANGED}", "put the measured files back, or measure these: bakeoff run"
                )
            self._right = seen
            self.look()


def _look(spec: ModelSpec) -> Look:
    """Return what is to be seen of the files from outside; one that goes while it is looked at is left out."""
    return tuple(seen for file in files_of(spec) if (seen := _look_at(file)) is not None)


def _look_at(file: Path) -> tuple[str, int, int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return str(file), found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns
