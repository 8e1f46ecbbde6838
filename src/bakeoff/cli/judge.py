"""`bakeoff judge`: have models judge a run, and say what their word is worth."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from bakeoff.core.spec import Candidate, Sampling
    from bakeoff.decide.labelling import Written
    from bakeoff.engines.endpoint_keys import EndpointKeys
    from bakeoff.store.db import Store
    from bakeoff.study.asking import Kind
    from bakeoff.study.plan import Plan
    from bakeoff.study.writers import EndpointWriter

_ASK: dict[str, tuple[Kind, ...]] = {"pairs": ("pairs",), "grades": ("grades",), "both": ("pairs", "grades")}


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--judge", "references", required=True, metavar="A,B", help="Models or endpoints; several are a jury.")
@click.option(
    "--ask",
    type=click.Choice(list(_ASK)),
    default="pairs",
    show_default=True,
    help="Which of two texts is better, in both orders; a grade of 1 to 5; or both.",
)
@click.option(
    "--briefs",
    type=click.IntRange(min=1),
    default=40,
    show_default=True,
    help="How many, drawn at random, those that you labelled first.",
)
@click.option("--concurrency", type=click.IntRange(1, 256), default=8, show_default=True, help="Questions in flight.")
@click.option(
    "--max-tokens",
    type=click.IntRange(1, 100_000),
    default=8,
    show_default=True,
    help="More for models that think first.",
)
@click.option("--yes", is_flag=True, help="Do not ask before sending texts to another machine.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
def judge(
    run_id: str, references: str, ask: str, briefs: int, concurrency: int, max_tokens: int, *, yes: bool, as_json: bool
) -> int:
    """Have models judge a run, and say what their word is worth.

    RUN is a run's id or its beginning, or latest. A judge is written as a model of `bakeoff run` is, a reward model as
    reward:FOLDER or reward:MODEL@URL. What it said is stored, and never asked again; its word counts
    only as far as it agrees with labels of yours.
    """
    from rich.console import Console

    from bakeoff.core.spec import Sampling
    from bakeoff.engines.endpoint_keys import EndpointKeys
    from bakeoff.library.judged import judges_found
    from bakeoff.library.workspace import open_store
    from bakeoff.report.judges import judges_document, print_judges
    from bakeoff.study.asking import REWARD
    from bakeoff.study.judging import KnownJudge, checks_by_brief, questions_for, read_judged
    from bakeoff.study.stored_plan import load_plan

    errors = Console(stderr=True)
    store = open_store()
    try:
        plan = load_plan(store, run_id)
        judges = _judges(references, Sampling(temperature=0.0, top_p=1.0, max_tokens=max_tokens))
        texts = _texts(plan, store, briefs)
        checks = checks_by_brief(plan)
        kinds = _ASK[ask]
        own: dict[str, tuple[Kind, ...]] = {one.id: ("rewards",) if one.engine == REWARD else kinds for one in judges}
        asked = {one.id: questions_for(one, own[one.id], texts, checks) for one in judges}
        open_questions = {name: read_judged(questions, store)[1] for name, questions in asked.items()}
        _ask_before_sending(judges, {name: len(found) for name, found in open_questions.items()}, yes=yes)
        interrupted = False
        keys = EndpointKeys(one.model for one in judges)
        for one in judges:
            store.add_judge(plan.run_id, one.id, KnownJudge(judge=one, kinds=own[one.id]).model_dump_json())
            if open_questions[one.id] and not interrupted:
                interrupted = not _ask_all(one, keys, plan, store, open_questions[one.id], concurrency, errors)
        judged = {one.id: read_judged(asked[one.id], store)[0] for one in judges}
        document = judges_found(plan, store, texts, judges, judged)
    finally:
        store.close()
    if as_json:
        click.echo(json.dumps(judges_document(plan.run_id, document), ensure_ascii=False))
    else:
        print_judges(document, Console())
    if interrupted:
        errors.print("Interrupted; what was answered is stored. The same command goes on.", highlight=False)
        return 130
    return 0 if any(found.asked > found.failed for found in judged.values()) else 1


def _judges(references: str, sampling: Sampling) -> tuple[Candidate, ...]:
    """Resolve what stands between commas; every mistake is told at once.

    Raises:
        UsageError: a judge that there is not.
    """
    from bakeoff.study.asking import is_reward, reward_candidate
    from bakeoff.study.candidates import make_candidates

    names = [part.strip() for part in references.split(",") if part.strip()]
    rewards = tuple(reward_candidate(name) for name in dict.fromkeys(names) if is_reward(name))
    others = [name for name in names if not is_reward(name)]
    models = make_candidates(others, sampling, (), allow_fallback=False) if others or not rewards else ()
    return (*models, *rewards)


def _texts(plan: Plan, store: Store, briefs: int) -> list[Written]:
    """Return the texts of so many briefs that two candidates wrote at least, labelled ones first, then at random."""
    import random

    from bakeoff.core.errors import UsageError
    from bakeoff.decide.labelling import Label
    from bakeoff.study.labelling import read_written

    texts = read_written(plan, store)
    writers: dict[str, set[str]] = {}
    for text in texts:
        writers.setdefault(text.brief, set()).add(text.candidate)
    both = sorted(brief for brief, names in writers.items() if len(names) > 1)
    if not both:
        raise UsageError(f"run {plan.run_id} has no brief that two candidates wrote", "judge a run of at least two")
    random.Random(f"judge:{plan.seed}").shuffle(both)  # noqa: S311 - an order, not a secret
    labelled = {Label.model_validate_json(record).pair.brief for record in store.labels(plan.run_id)}
    chosen = set(sorted(both, key=lambda brief: brief not in labelled)[:briefs])
    return [text for text in texts if text.brief in chosen]


def _ask_before_sending(judges: tuple[Candidate, ...], counts: dict[str, int], *, yes: bool) -> None:
    import sys

    from bakeoff.core.errors import UsageError
    from bakeoff.study.preflight import is_remote

    remote = [f"{one.id} ({counts[one.id]} questions)" for one in judges if is_remote(one) and counts[one.id]]
    if not remote or yes:
        return
    what = f"texts of the run would be sent to: {', '.join(remote)}"
    if not sys.stdin.isatty():
        raise UsageError(f"{what}; that may cost money", "say --yes if that is meant")
    click.confirm(f"{what}. That may cost money. Go on?", abort=True, err=True)


def _ask_all(
    one: Candidate,
    keys: EndpointKeys,
    plan: Plan,
    store: Store,
    questions: list[Any],
    concurrency: int,
    errors: Console,
) -> bool:
    """Ask one judge; return False where the user interrupted it."""
    import asyncio

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from bakeoff.cli.progress import print_event
    from bakeoff.core.clock import SystemClock
    from bakeoff.library.workspace import workspace_folder
    from bakeoff.study.asking import ModelJudge, make_asking
    from bakeoff.study.judging import ask_judge
    from bakeoff.study.news import event_now
    from bakeoff.study.retries import Patience
    from bakeoff.study.run_folder import run_folder
    from bakeoff.study.writers import EndpointWriter

    def tell(kind: str, message: str) -> None:
        event = event_now(SystemClock(), one.id, kind, message)
        store.add_event(plan.run_id, event)
        print_event(errors, event)

    judge = make_asking(one, keys, tell, run_folder(workspace_folder(), plan.run_id) / "logs")
    if isinstance(judge, ModelJudge) and isinstance(judge.writer, EndpointWriter):
        asyncio.run(_probe(one.id, judge.writer))
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=errors, disable=not errors.is_terminal) as bar:
            task = bar.add_task(f"{one.id} judges", total=len(questions))
            asyncio.run(
                ask_judge(
                    judge,
                    questions,
                    store,
                    SystemClock(),
                    Patience.from_environment(),
                    concurrency,
                    lambda done: bar.update(task, completed=done),
                )
            )
    except KeyboardInterrupt:
        return False
    return True


async def _probe(name: str, writer: EndpointWriter) -> None:
    """Make sure that the endpoint is there, so that a dead one is told at once."""
    from bakeoff.study.preflight import probe_endpoints

    try:
        await probe_endpoints({name: writer})
    finally:
        await writer.close()
