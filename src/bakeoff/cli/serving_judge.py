"""The judge that `quality.judge` names: whether it may judge what is served, what it says of the run, and asking it.

Whether it may is found out before anything starts; what it says of the run, in a process beside the gateway, as it may take long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bakeoff.core.errors import InvalidFile, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bakeoff.core.spec import Candidate
    from bakeoff.serve.plan import ServingPlan
    from bakeoff.store.db import Store

SCHEMA = "bakeoff.live_judge/1"


def check_judge(file: Path, name: str, plan: ServingPlan) -> str:
    """Make sure that a judge may grade what is served, by what is stored of it; return what a person should know of it.

    Raises:
        InvalidFile: it may not; with the line of the settings that names it.
    """
    from bakeoff.library.workspace import open_store
    from bakeoff.serve.settings_file import problem_at

    if plan.run_id is None:
        wrong, expected, hint = "judges nothing without a run", "a run to hold answers against, instead of --models", ""
        raise InvalidFile((problem_at(file, ("quality", "judge"), wrong, expected),), hint)
    store = open_store()
    try:
        refused = _refusal(store, plan.run_id, name)
        if refused is not None:
            # The hint alone names judges: refused settings are shown to clients, without it, and these hold addresses.
            wrong, expected, hint = refused
            raise InvalidFile((problem_at(file, ("quality", "judge"), wrong, expected),), hint)
        host = urlsplit(_known(store, plan.run_id)[name].model.location).hostname
    finally:
        store.close()
    return f"a share of the requests and their answers is sent to the judge at {host} (quality.judge)"


def _refusal(store: Store, run_id: str, name: str) -> tuple[str, str, str] | None:
    """Return what is wrong with a judge, what was expected, and a hint; None where it may judge."""
    from bakeoff.library.judged import judges_before
    from bakeoff.study.asking import REWARD
    from bakeoff.study.stored_plan import load_plan

    known = _known(store, run_id)
    ask = f"bakeoff judge {run_id} --judge JUDGE --ask grades"
    if name not in known:
        were = f"asked were: {', '.join(known)}" if known else "no judge was asked about it"
        return f"was never asked about run {run_id}", f"a judge of that run; {ask}", were
    judge = known[name]
    if judge.engine == REWARD:
        return "is a reward model, which has no scale", "a judge that grades, behind a URL", ""
    if judge.model.source != "endpoint":
        wrong = "would be loaded here, beside the models that are served"
        return wrong, "a judge behind a URL (openai:MODEL@URL): one that another server holds in its own memory", ""
    document = judges_before(load_plan(store, run_id), store)
    found = next(one for one in (document or {"judges": ()})["judges"] if one["judge"] == name)
    if found["agreement"] is None or not found["agreement"]["validated"]:
        why = str(found["validity"]).removeprefix(name).lstrip(": ")
        return f"may not judge: {why}", f"a judge that your labels validated: bakeoff label {run_id}, then {ask}", ""
    return None


def _known(store: Store, run_id: str) -> dict[str, Candidate]:
    from bakeoff.study.judging import KnownJudge

    judges = [KnownJudge.model_validate_json(record).judge for record in store.judges(run_id)]
    return {judge.id: judge for judge in judges}


def judge_document(run_id: str, name: str, served: Sequence[str]) -> dict[str, Any]:
    """Have a judge grade texts of a run by their requests alone, and return what came of it.

    Raises:
        UsageError: it was never asked about that run.
        EndpointError: it does not answer.
        StoreError: the store refuses.
    """
    import asyncio
    import os

    from bakeoff.core.clock import SystemClock
    from bakeoff.engines.endpoint_keys import EndpointKeys
    from bakeoff.library.workspace import open_store, workspace_folder
    from bakeoff.report.labels import validity_sentence
    from bakeoff.study.asking import make_asking
    from bakeoff.study.judging import ask_judge
    from bakeoff.study.live_judge import LiveJudging
    from bakeoff.study.news import event_now
    from bakeoff.study.retries import Patience
    from bakeoff.study.stored_plan import load_plan

    store = open_store()
    try:
        plan = load_plan(store, run_id)
        judge = _known(store, plan.run_id).get(name)
        if judge is None:
            raise UsageError(f"{name} was never asked about run {plan.run_id}")
        live = LiveJudging(plan, store, judge, served)
        parent = os.getppid()

        def told(_answers: int) -> None:
            if os.getppid() != parent:  # a gateway that was killed cannot end us, and each question may cost
                raise UsageError("whoever wanted to know is gone")

        if questions := live.open_questions():

            def tell(kind: str, message: str) -> None:
                store.add_event(plan.run_id, event_now(SystemClock(), judge.id, kind, message))

            asking = make_asking(judge, EndpointKeys([judge.model]), tell, workspace_folder() / "serve" / "logs")
            patience = Patience.from_environment()
            asyncio.run(ask_judge(asking, questions, store, SystemClock(), patience, 1, told))
        found = live.result()
    finally:
        store.close()
    return {
        "schema": SCHEMA,
        "judge": judge.model_dump(mode="json"),
        "references": [each.model_dump(mode="json") for each in found.references],
        "validated": found.agreement.validated,
        "validity": validity_sentence(found.agreement).removeprefix(judge.id).lstrip(": "),
    }


class EndpointJudge:
    """A judge behind a URL, asked as it was asked about the run. See `serve.quality_judging.Judge`."""

    def __init__(self, judge: Candidate) -> None:
        from bakeoff.engines.endpoint_keys import EndpointKeys
        from bakeoff.study.asking import ModelJudge
        from bakeoff.study.writers import EndpointWriter

        def told_before(_kind: str, _message: str) -> None:
            """Say nothing: it was told and stored when this judge was asked about the run."""

        self._asking = ModelJudge(EndpointWriter(judge, EndpointKeys([judge.model]), told_before))
        self.open, self.close = self._asking.open, self._asking.close

    async def grade(self, request: str, content_type: str, text: str) -> float | None:
        """Return a grade in [0, 1], None without a valid answer.

        Raises:
            EndpointError: it does not answer.
        """
        from bakeoff.score.live import judge_grade, judge_messages
        from bakeoff.study.asking import Question

        asked = Question("", "grades", "", (), tuple(judge_messages(request, content_type, text)))
        value = (await self._asking.answer(asked)).value
        return None if value is None else judge_grade(value)
