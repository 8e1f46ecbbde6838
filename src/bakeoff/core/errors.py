"""Every error a person can meet, one leaf per *reaction*.

BakeoffError                      exit 1  the work failed
├── UsageError                    exit 2  something the user wrote: a flag, a file, a model reference
│   ├── InvalidFile               exit 2  a file with one or more problems, each with line and field
│   ├── UnknownModel              exit 2  a reference that names nothing
│   ├── UnsupportedModel          exit 2  a model that exists, and that this engine cannot run
│   ├── MissingDependency         exit 2  an engine or feature whose package is not installed
│   ├── DoesNotFit                exit 2  a model larger than the memory budget
│   ├── RunHeld                   exit 2  another process is working on that run
│   ├── PluginUnknown             exit 2  a plug-in that no installed package offers (`core.plugins`)
│   ├── PluginFailed              exit 2  a plug-in that is installed and cannot be imported (`core.plugins`)
│   └── ScorerBroken              exit 2  a scorer that does not keep the protocol (`score.base`)
├── StoreError                    exit 1  the store cannot be read or written
├── WorkerError                   exit 1  a worker process
│   ├── WorkerNotStarted          exit 1  it never became ready
│   └── WorkerDied                exit 1  it was ready, and is gone: restart it, retry the generation
└── EndpointError                 exit 1  an answer that did not come, or is no answer
    ├── EndpointUnreachable       exit 1  no connection: is it running?
    ├── EndpointTimeout           exit 1  no byte within the deadline
    ├── EndpointBusy              exit 1  429 or 503: wait `retry_after_s`, then retry
    ├── EndpointRefused           exit 1  another 4xx: our request is wrong, never retry
    ├── EndpointFailed            exit 1  5xx, or an error event in the stream: retry once
    ├── EndpointGarbage           exit 1  bytes that are not the protocol: never retry
    └── TextMissing               exit 1  a file of recorded texts without one for this brief
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class BakeoffError(Exception):
    """What went wrong (`message`) and what to do about it (`hint`, may be empty)."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(BakeoffError):
    """The user wrote something that cannot be done as written."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file. `line` counts from 1; None when the file has no lines to speak of."""

    file: str
    line: int | None
    field: str
    wrong: str
    expected: str

    def __str__(self) -> str:
        """`file:line: field: what is wrong`, and below it what would be right."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        head = f"{place}: {self.field}: {self.wrong}" if self.field else f"{place}: {self.wrong}"
        return f"{head}\n  expected: {self.expected}" if self.expected else head


class InvalidFile(UsageError):
    """A file with problems, all of them at once."""

    def __init__(self, problems: tuple[Problem, ...], hint: str = "") -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems), hint)


class UnknownModel(UsageError):
    """A model reference that names nothing we can find."""


class UnsupportedModel(UsageError):
    """A model that exists, and that the chosen engine cannot run."""


class MissingDependency(UsageError):
    """A feature whose package is not installed; the hint is the command that adds it."""


class RunHeld(UsageError):
    """Another process is working on that run: two at once would disturb each other's measurements."""


class DoesNotFit(UsageError):
    """A model that needs more memory than the budget holds."""


class StoreError(BakeoffError):
    """The store cannot be read or written."""


class WorkerError(BakeoffError):
    """A worker process misbehaved."""


class WorkerNotStarted(WorkerError):
    """It ended or hung before it was ready."""


class WorkerDied(WorkerError):
    """It was ready, and its process is gone."""


class EndpointError(BakeoffError):
    """An answer that did not come, or that is no answer. `kind` is stored with the failed generation."""

    kind: ClassVar[str] = "endpoint"


class EndpointUnreachable(EndpointError):
    """No connection could be made, or it broke before the first byte."""

    kind = "unreachable"


class EndpointTimeout(EndpointError):
    """Nothing arrived within the deadline."""

    kind = "timeout"


class EndpointBusy(EndpointError):
    """429 or 503; `retry_after_s` seconds is what the server asked for, None if it did not say."""

    kind = "busy"

    def __init__(self, message: str, hint: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message, hint)
        self.retry_after_s = retry_after_s


class EndpointRefused(EndpointError):
    """A 4xx that retrying will not change; `status` is the HTTP status."""

    kind = "refused"

    def __init__(self, message: str, hint: str = "", status: int = 400) -> None:
        super().__init__(message, hint)
        self.status = status


class EndpointFailed(EndpointError):
    """A 5xx, or an error event in the middle of a stream."""

    kind = "failed"


class EndpointGarbage(EndpointError):
    """Bytes that are not the protocol."""

    kind = "garbage"


class TextMissing(EndpointError):
    """A file of recorded texts that has none for this brief and replicate."""

    kind = "missing_text"
