"""Before the first generation: does everything exist and answer, and how long will it take.

Whatever is wrong is told before anything is generated, all candidates at once where more than one is wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from bakeoff.core.clock import Clock
from bakeoff.core.errors import (
    AnswerWithoutText,
    BakeoffError,
    EndpointAway,
    EndpointError,
    EndpointRefused,
    EndpointTimeout,
    EndpointUnreachable,
    InvalidFile,
    UsageError,
)
from bakeoff.core.records import RunEvent
from bakeoff.core.settings import seconds_setting
from bakeoff.core.spec import Candidate
from bakeoff.core.units import seconds_text
from bakeoff.engines.endpoint_keys import is_loopback
from bakeoff.engines.http_errors import NOT_RUNNING
from bakeoff.engines.recorded import read_recorded
from bakeoff.study.candidates import hints_of
from bakeoff.study.plan import Plan, Trial, count_alone
from bakeoff.study.retries import Patience, retry_policy
from bakeoff.study.runner import warm_up_for
from bakeoff.study.worker_writer import WorkerWriter
from bakeoff.study.writers import EndpointWriter, Message, Writer

_PROBE_REMOTE_S = 30.0
_PROBE_LOCAL_S = 60.0
_SILENT = "if it is loading its model: ask it for one text yourself and start again, or set BAKEOFF_PROBE_S=300"


def is_remote(candidate: Candidate) -> bool:
    """Whether texts would leave this machine."""
    return candidate.model.source == "endpoint" and not is_loopback(urlsplit(candidate.model.location).hostname)


def check_recorded(plan: Plan) -> None:
    """Make sure that recorded texts belong to briefs of the suite.

    Raises:
        InvalidFile: with every line of every file that does not.
    """
    known = [brief.id for brief in plan.suite.briefs]
    problems = [
        problem
        for candidate in plan.candidates
        if candidate.model.source == "recorded"
        for problem in read_recorded(Path(candidate.model.location)).unknown_briefs(known)
    ]
    if problems:
        raise InvalidFile(tuple(problems), "correct the ids, or take those lines out of the file")


async def probe_endpoints(writers: Mapping[str, Writer]) -> None:
    """Ask every endpoint what it lists, all at once.

    Raises:
        UsageError: with a line for each one that is dead, or refuses our key.
    """
    refuse(await find_dead_endpoints(writers))


async def find_dead_endpoints(writers: Mapping[str, Writer]) -> dict[str, BakeoffError]:
    """Ask every endpoint what it lists, all at once; return what is wrong with those that are dead, or refuse our key.

    Whether one takes the model's name is for its first text to show.
    """
    endpoints = {name: writer for name, writer in writers.items() if isinstance(writer, EndpointWriter)}
    found = await asyncio.gather(*(_probe_endpoint(name, writer) for name, writer in endpoints.items()))
    return {name: error for name, error in zip(endpoints, found, strict=True) if error is not None}


def refuse(wrong: Mapping[str, BakeoffError], *, others: bool = False) -> None:
    """Raise what is wrong with candidates, all of it in one error; `others` says that some could go on without them.

    Raises:
        BakeoffError: there is something; of the kind that it is of where there is one thing, or all are the user's.
    """
    if not wrong:
        return
    errors = list(wrong.values())
    hint = hints_of(wrong)
    if others:
        hint += ("; " if len(errors) == 1 else "\n      ") * bool(hint) + "or go on with the others: --keep-going"
    if len(errors) == 1:
        errors[0].hint = hint
        raise errors[0]
    kinds = (EndpointAway, UsageError)
    kind = next((kind for kind in kinds if all(isinstance(error, kind) for error in errors)), BakeoffError)
    raise kind("\n".join(error.message for error in errors), hint)


async def _probe_endpoint(name: str, writer: EndpointWriter) -> UsageError | None:
    try:
        await writer.look_up()
    except (EndpointUnreachable, EndpointTimeout) as error:
        return EndpointAway(f"{name}: does not answer: {error.message}", error.hint or NOT_RUNNING)
    except EndpointRefused as error:
        # Some servers have no model list; one that refuses our key would refuse every brief.
        return UsageError(f"{name}: {error.message}", error.hint) if error.status in {401, 403} else None
    except EndpointError:
        return None
    return None


class Pace(NamedTuple):
    """How long the run will take, from one text a candidate: seconds, fastest and slowest expectation.

    Recorded texts take no time worth telling: `per_text_s` lacks them, and whoever has nothing left to write.
    """

    low_s: float
    high_s: float
    per_text_s: dict[str, float]


class Probe(NamedTuple):
    """How the first text of a candidate is asked for: by whose clock, how patiently, and who hears of every retry."""

    clock: Clock
    patience: Patience
    tell: Callable[[RunEvent], None]


def probe_deadline_s(candidate: Candidate) -> float | None:
    """Return how many seconds the first token of an endpoint's first text may take, None for a worker of ours.

    Shorter than in the run, so that a server which accepts requests and never answers is told at once; longer on this
    machine than for others, since local servers load a model when it is first asked for.

    Raises:
        UsageError: `BAKEOFF_PROBE_S` is not a number of seconds.
    """
    if candidate.model.source != "endpoint":
        return None
    return seconds_setting("BAKEOFF_PROBE_S", _PROBE_REMOTE_S if is_remote(candidate) else _PROBE_LOCAL_S)


async def _time_text(
    writer: Writer, trial: Trial, messages: Sequence[Message], probe: Probe, first_token_s: float | None
) -> float:
    """Return the seconds of one answer, of the try that succeeded, tried again as in the run but for silence.

    An answer without text is an answer: what it is worth is for the run to say.

    Raises:
        BakeoffError: it cannot be had.
    """
    attempts = 0
    while True:
        attempts += 1
        begun = probe.clock.monotonic_s()
        try:
            await writer.write(trial, messages, 1, first_token_s)
        except AnswerWithoutText:
            return probe.clock.monotonic_s() - begun
        except EndpointError as error:
            retry = retry_policy(error, attempts, probe.patience)
            if not retry.again or isinstance(error, EndpointTimeout):
                if isinstance(error, EndpointTimeout) and first_token_s is not None:
                    error.hint = _SILENT
                raise
            said = f"{error.message}; asked again in {seconds_text(retry.wait_s)}"
            at = probe.clock.now().isoformat()
            probe.tell(RunEvent(at=at, kind="probe_retry", candidate=trial.candidate, message=said))
            await probe.clock.sleep(retry.wait_s)
        else:
            return probe.clock.monotonic_s() - begun


async def load_cold(writers: Mapping[str, Writer]) -> dict[str, BakeoffError]:
    """Start every worker once from the disk, and end it: the starts that follow find its files in the page cache.

    One after the other, since candidates may share a file, and pages that a worker has mapped are never dropped. What is
    wrong with those that do not start is returned.
    """
    wrong: dict[str, BakeoffError] = {}
    for name, writer in writers.items():
        if isinstance(writer, WorkerWriter):
            await writer.forget_files()
            try:
                await writer.start()
            except BakeoffError as error:
                wrong[name] = error
            await writer.close()
    return wrong


async def probe_pace(
    plan: Plan, writers: Mapping[str, Writer], unfinished: Mapping[str, int], probe: Probe, *, together: bool
) -> tuple[Pace, dict[str, BakeoffError]]:
    """Let every candidate write its last brief once (not stored), and extrapolate; return also what is wrong with those
    that cannot write at all.

    `low_s` assumes that concurrency is perfectly parallel, `high_s` that it gains nothing. Workers stay open
    where all fit into memory together.

    Raises:
        UsageError: `BAKEOFF_PROBE_S` is not a number of seconds.
    """
    per_text: dict[str, float] = {}
    wrong: dict[str, BakeoffError] = {}
    low = high = 0.0
    for candidate in plan.candidates:
        name = candidate.id
        if candidate.model.source == "recorded" or not unfinished[name]:
            continue
        deadline_s = probe_deadline_s(candidate)
        try:
            per_text[name] = await _first_text(plan, candidate, writers[name], probe, deadline_s)
        except BakeoffError as error:
            wrong[name] = error
        if not together or name in wrong:
            await writers[name].close()
        if name in wrong:
            continue
        alone = count_alone(unfinished[name], plan.turn, taking_turns=together and len(plan.candidates) > 1)
        at_once = plan.concurrency_of(name) * (plan.most_workers if candidate.model.is_ours_to_run else 1)
        low += per_text[name] * (alone + (unfinished[name] - alone) / at_once)
        high += per_text[name] * unfinished[name]
    return Pace(low, high, per_text), wrong


async def _first_text(
    plan: Plan, candidate: Candidate, writer: Writer, probe: Probe, first_token_s: float | None
) -> float:
    """Return the seconds of a candidate's first text: that of the last brief, so that no server remembers those timed first.

    A process of ours has written before.

    Raises:
        UsageError: the server refuses the model, whose name it does not list.
        BakeoffError: the text cannot be had.
    """
    await writer.open()
    text = warm_up_for(plan, candidate)
    try:
        return await _time_text(writer, text.trial, text.messages, probe, first_token_s)
    except EndpointRefused as error:
        if isinstance(writer, EndpointWriter) and writer.is_wrong_name(error):
            raise UsageError(f"{candidate.id}: {error.message}", error.hint) from error
        raise
