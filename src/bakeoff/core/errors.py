"""Every error a person can meet, one leaf per *reaction*.

BakeoffError                      exit 1  the work failed
├── UsageError                    exit 2  something the user wrote: a flag, a file, a model reference
│   ├── InvalidFile               exit 2  a file with one or more problems, each with line and field
│   ├── UnknownModel              exit 2  a reference that names nothing
│   ├── UnsupportedModel          exit 2  a model that exists, and that this engine cannot run
│   ├── MissingDependency         exit 2  an engine or feature whose package is not installed
│   ├── DoesNotFit                exit 2  a model larger than the memory budget
│   ├── EndpointAway             exit 2  an endpoint that is named, and that nobody answers at before the first text
│   ├── RunHeld                   exit 2  another process is working on that run
│   ├── PluginUnknown             exit 2  a plug-in that no installed package offers (`core.plugins`)
│   ├── PluginFailed              exit 2  a plug-in that is installed and cannot be imported (`core.plugins`)
│   ├── ScorerBroken              exit 2  a scorer that does not keep the protocol (`score.base`)
│   └── EngineBroken              exit 2  an engine that does not keep the protocol (`engines.conformance`)
├── StoreError                    exit 1  the store cannot be read or written
├── WorkerError                   exit 1  a worker process
│   ├── WorkerNotStarted          exit 1  it never became ready
│   ├── WorkerDied                exit 1  it was ready, and is gone: restart it, retry the generation
│   └── WorkerLost                exit 1  the node that it ran on is gone: place it anew, retry; no fault of the model's
└── EndpointError                 exit 1  an answer that did not come, or is no answer; what follows: `study.retries`
    ├── EndpointUnreachable       exit 1  no connection: is it running? (`unreachable`)
    ├── EndpointTimeout           exit 1  nothing within one of the deadlines (`timeout`)
    ├── EndpointBusy              exit 1  429 or 503: wait `retry_after_s`, then retry (`busy`)
    ├── EndpointFailed            exit 1  408, another 5xx, an error in the answer, or a broken stream (`failed`)
    ├── EndpointGarbage           exit 1  bytes that are not the protocol (`malformed`)
    ├── EndpointRefused           exit 1  another 4xx: the request is wrong, never retry (`rejected`)
    │   └── EndpointDenied        exit 1  401: whatever is asked is refused from now on; give the candidate up at once
    ├── DeviceChanged             exit 1  something else than its device did the work: give the candidate up at once (`moved`)
    ├── EndpointGone              exit 1  the candidate was given up in this run (`gone`)
    ├── AnswerWithoutText         exit 1  the model's own answer, and no text: never retry, that would choose the answer
    │   ├── AnswerEmpty           exit 1  a text of no characters (`empty`)
    │   ├── AnswerNull            exit 1  not even an empty text (`null`)
    │   └── AnswerRefused         exit 1  a refusal, or the server's content filter (`refused`)
    └── TextMissing               exit 1  a file of recorded texts without one for this brief (`missing_text`)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class BakeoffError(Exception):
    """What went wrong (`message`) and what to do about it (`hint`, may be empty).

    `str()` is the message alone, as it is stored and logged; a traceback shows the hint below it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def hint(self) -> str:
        """What to do about it, "" where nobody knows; also the exception's note, so that tracebacks show it."""
        return self._hint

    @hint.setter
    def hint(self, hint: str) -> None:
        others = [note for note in getattr(self, "__notes__", ()) if note != f"hint: {getattr(self, '_hint', '')}"]
        self.__notes__ = [*others, f"hint: {hint}"] if hint else others
        self._hint = hint


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


class EndpointAway(UsageError):
    """A model that is named rightly, as far as can be told, and whose endpoint nobody answers at: nothing was generated."""


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


class WorkerLost(WorkerError):
    """The node that it ran on is gone, or what a cluster had put there for it: nothing that the model did."""


class EndpointError(BakeoffError):
    """An answer that did not come, or that is no answer. `kind` is stored with the failed generation.

    `retry_after_s` is how many seconds the server asked to wait, None where it did not say.
    """

    kind: ClassVar[str] = "endpoint"

    def __init__(self, message: str, hint: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message, hint)
        self.retry_after_s = retry_after_s


class EndpointUnreachable(EndpointError):
    """No connection could be made, or it broke before the first byte."""

    kind = "unreachable"


class EndpointTimeout(EndpointError):
    """Nothing arrived within a deadline. `final`: asking again is not expected to help, the answer was only too long."""

    kind = "timeout"

    def __init__(self, message: str, hint: str = "", *, final: bool = False) -> None:
        super().__init__(message, hint)
        self.final = final


class EndpointBusy(EndpointError):
    """429 or 503."""

    kind = "busy"


class EndpointRefused(EndpointError):
    """A 4xx that retrying will not change; `status` is the HTTP status."""

    kind = "rejected"

    def __init__(self, message: str, hint: str = "", status: int = 400) -> None:
        super().__init__(message, hint)
        self.status = status


class EndpointDenied(EndpointRefused):
    """A 401: the key is refused, and with it every request that would follow."""


class DeviceChanged(EndpointError):
    """A worker's text was computed elsewhere than on the device that was proved when it started; nobody allowed that."""

    kind = "moved"


class EndpointFailed(EndpointError):
    """A 408, a 5xx, an error in the middle of an answer, or a stream that broke."""

    kind = "failed"


class EndpointGarbage(EndpointError):
    """Bytes that are not the protocol."""

    kind = "malformed"


class EndpointGone(EndpointError):
    """The candidate was given up, silent or with too many dead workers; this text was asked for in vain, or not at all."""

    kind = "gone"


class AnswerWithoutText(EndpointError):
    """The endpoint did its part, and what the model answered holds no text."""


class AnswerEmpty(AnswerWithoutText):
    """The text has no characters, or blank ones only."""

    kind = "empty"


class AnswerNull(AnswerWithoutText):
    """The answer has no text at all, not even an empty one."""

    kind = "null"


class AnswerRefused(AnswerWithoutText):
    """The model declined, or the server's content filter took its text away."""

    kind = "refused"


class TextMissing(EndpointError):
    """A file of recorded texts that has none for this brief and replicate."""

    kind = "missing_text"
