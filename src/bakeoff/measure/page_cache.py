"""Are a model's files in memory already? A load from the page cache is another thing than one from the disk.

Looked at by mincore(2), which Linux and macOS have; taken out, where the system lets anyone do that, by
posix_fadvise(2) with POSIX_FADV_DONTNEED. What other programs have mapped stays, and so does what is on a file system
that lives in memory: what is found afterwards is what counts, not what was asked for.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterable
from pathlib import Path


def model_files(model: Path) -> list[Path]:
    """Return the files of a model: those of its folder, or the one that it is."""
    return [file for file in sorted(model.iterdir()) if file.is_file()] if model.is_dir() else [model]


def cached_share(files: Iterable[Path]) -> float | None:
    """Return which share of the files' pages is in memory, 0 to 1; None where the system does not tell.

    Linux tells those who own a file or may write to it, and says "all" to everybody else (since 5.2).
    """
    resident = pages = 0
    for file in files:
        try:
            found = _resident_pages(file)
        except (OSError, ValueError):
            return None
        if found is None:
            return None
        resident, pages = resident + found[0], pages + found[1]
    return resident / pages if pages else None


def drop_from_cache(files: Iterable[Path]) -> None:
    """Ask the system to forget what it keeps of the files. Does nothing where it cannot be asked (macOS)."""
    if not hasattr(os, "posix_fadvise"):
        return
    for file in files:
        try:
            descriptor = os.open(file, os.O_RDONLY)
        except OSError:
            continue
        try:
            os.fsync(descriptor)  # pages that are not written yet are never dropped
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        except OSError:
            continue
        finally:
            os.close(descriptor)


def _resident_pages(file: Path) -> tuple[int, int] | None:
    """Return how many pages of a file are in memory, and how many it has."""
    import numpy as np  # here: a run of endpoints looks at no files, and should not wait for it

    about = file.stat()
    if about.st_uid != os.geteuid() and not os.access(file, os.W_OK):
        return None
    if about.st_size == 0:
        return 0, 0
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        view = np.frombuffer(mapped, dtype=np.uint8)
        states = np.zeros(-(-view.size // mmap.PAGESIZE), dtype=np.uint8)
        mincore = ctypes.CDLL(None, use_errno=True).mincore
        mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
        failed = mincore(view.ctypes.data, view.size, states.ctypes.data)
        del view  # a map with a view of it cannot be closed
    return None if failed else (int((states & 1).sum()), states.size)
