"""An error as JSON, for another process that is to meet it as if it had happened there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bakeoff.core import errors
from bakeoff.core.errors import BakeoffError, InvalidFile, Problem, UsageError, WorkerError


def tell_error(error: BakeoffError) -> dict[str, Any]:
    """Return what another process needs to know of an error: `error` (its kind), `message`, `hint`, `problems`."""
    problems = error.problems if isinstance(error, InvalidFile) else ()
    return {
        "error": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "problems": [asdict(problem) for problem in problems],
    }


def told_error(said: Mapping[str, Any]) -> BakeoffError | None:
    """Return the error that was told: the user's kinds and a worker's; None for any other, which nobody here reacts to."""
    kind = getattr(errors, str(said.get("error")), None)
    message, hint = str(said.get("message", "")), str(said.get("hint", ""))
    if kind is InvalidFile:
        return InvalidFile(tuple(Problem(**problem) for problem in said.get("problems", ())), hint)
    if isinstance(kind, type) and issubclass(kind, UsageError | WorkerError):
        return kind(message, hint)
    return None
