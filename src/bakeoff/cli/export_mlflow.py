"""`bakeoff export RUN --to mlflow`: a run of MLflow's for each candidate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from bakeoff.report.metric_values import Found
    from bakeoff.report.mlflow import Package
    from bakeoff.report.text_facts import TextFacts
    from bakeoff.report.tracked import StepMetric
    from bakeoff.store.db import Store
    from bakeoff.study.growth import Step
    from bakeoff.study.plan import Plan

LARGEST_REPORT = 10_000_000
"""Bytes. A larger page goes with the best candidate's run only, and not with every one."""


@click.command(name="mlflow")
@click.argument("run_id", metavar="RUN")
@click.option(
    "--tracking-uri", metavar="URI", help="Which MLflow (default: MLFLOW_TRACKING_URI, else the workspace's)."
)
@click.option("--experiment", metavar="NAME", help="Which experiment (default: bakeoff SUITE).")
@click.option(
    "--requests-per-day",
    type=click.FloatRange(min=0, min_open=True, max=1e12),
    metavar="N",
    help="How many usable texts you need a day: without it there is no saving of a year.",
)
@click.option("--against", metavar="MODEL", help="The cloud model whose price is compared, such as gpt-4o-mini.")
def export(
    run_id: str,
    tracking_uri: str | None,
    experiment: str | None,
    requests_per_day: float | None,
    against: str | None,
) -> None:
    """Export a finished run to MLflow: a run for each candidate, with metrics, texts and the report.

    RUN is a run's id or its beginning, or latest. What is there already is left alone, what changed is replaced.
    """
    if requests_per_day is not None and not isfinite(requests_per_day):
        raise click.BadParameter("it is no number", param_hint="--requests-per-day")
    from bakeoff.core.plain import printable
    from bakeoff.library.workspace import open_store, workspace_folder
    from bakeoff.report.mlflow import DatasetFacts, export_packages
    from bakeoff.report.mlflow_address import check_reachable, find_address, require_mlflow
    from bakeoff.study.run_state import lacks
    from bakeoff.study.stored_plan import load_plan

    store = open_store()
    try:
        plan = load_plan(store, run_id)
        row = store.run(plan.run_id)
        if row is None or row.result is None:
            raise lacks("result", store, plan.run_id, workspace_folder())
        asked = plan.suite.tracking
        address = find_address(tracking_uri or asked.uri, workspace_folder())
        require_mlflow(address)
        check_reachable(address)
        name = experiment or asked.experiment or f"bakeoff {plan.suite.name}"
        dataset = DatasetFacts(plan.suite.name, plan.suite.hash, plan.suite_file, len(plan.suite.briefs))
        with TemporaryDirectory(prefix="bakeoff-export-") as folder:
            terms = {
                "requests_per_day": requests_per_day or asked.requests_per_day,
                "against": against or asked.against,
            }
            started = datetime.fromisoformat(row.started)
            packages = _packages(plan, store, row.result, started, terms, Path(folder))
            done = export_packages(address, name, packages, dataset)
    finally:
        store.close()
    counts = Counter(done.outcomes.values())
    what = ", ".join(f"{counts[outcome]} {outcome}" for outcome in ("new", "replaced", "unchanged") if counts[outcome])
    click.echo(printable(f"MLflow at {address.shown}, experiment {name!r}: {what}."), err=True)
    click.echo("Look at it:  bakeoff dashboard" if not address.is_server else f"Look at it:  {address.shown}", err=True)


def _packages(
    plan: Plan, store: Store, document: Mapping[str, Any], started: datetime, terms: Mapping[str, Any], folder: Path
) -> list[Package]:
    from bakeoff.report.metric_values import Subject
    from bakeoff.report.metrics import metrics_of
    from bakeoff.report.mlflow import Package
    from bakeoff.report.tracked import Settings, track
    from bakeoff.study.growth import growth_of

    growth = growth_of(plan, store)
    texts = _write_samples(plan, store, folder)
    costs = _costs(plan, store, document, terms)
    found = {each["id"]: each for each in document["candidates"]}
    packages = []
    for number, candidate in enumerate(plan.candidates):
        own, facts = found[candidate.id], texts[candidate.id]
        budget = _budget_bytes(plan, own["device"])
        cost = costs[candidate.id]
        metrics = metrics_of(Subject(document, own, cost, facts.model_dump(mode="json"), budget))
        settings = Settings(
            started_ms=round(started.timestamp() * 1000),
            sampling_seed=plan.seed,
            replicates=plan.suite.replicates,
            threshold=facts.threshold,
            budget_bytes=budget,
            requests_per_day=terms["requests_per_day"],
        )
        tracked = track(document, candidate, metrics, _steps(growth[candidate.id]), settings, cost)
        here = folder / str(number)
        files = {"samples.json": here / "samples.json", "metrics.json": _write_metrics(metrics, here / "metrics.json")}
        packages.append(Package(tracked, files | _reports(plan, document, candidate.id)))
    return packages


def _steps(steps: Sequence[Step]) -> Iterator[StepMetric]:
    from bakeoff.report.tracked import StepMetric

    for step in steps:
        yield StepMetric("running/mean", step.families, step.mean)
        if step.half_width is not None:
            yield StepMetric("running/half_width", step.families, step.half_width)
        if step.log10_e is not None:
            yield StepMetric("running/log10_e_against", step.families, step.log10_e)


def _write_samples(plan: Plan, store: Store, folder: Path) -> dict[str, TextFacts]:
    """Write each candidate's table of texts, in one pass over the run; return what the texts tell."""
    from bakeoff.report.sample_table import SampleTable
    from bakeoff.report.text_facts import TextTally
    from bakeoff.study.scorers import scoring_version

    names = [candidate.id for candidate in plan.candidates]
    scores = {score.trial: score for score in store.scores(plan.run_id, scoring_version(plan))}
    briefs = {brief.id: (brief, plan.suite.checks(brief)) for brief in plan.suite.briefs}
    tallies = {name: TextTally(plan.suite.threshold) for name in names}
    with ExitStack() as stack:
        tables = {}
        for number, name in enumerate(names):
            (folder / str(number)).mkdir()
            tables[name] = stack.enter_context(SampleTable(folder / str(number) / "samples.json"))
        for batch in store.generation_batches(plan.run_id):
            for made in batch:
                brief, checks = briefs[made.brief]
                score = scores.get(made.trial)
                tallies[made.candidate].add(made, score, brief.family, checks)
                tables[made.candidate].add(
                    made, score, prompt=brief.prompt, content_type=brief.content_type, family=brief.family
                )
    return {name: tally.facts() for name, tally in tallies.items()}


def _write_metrics(metrics: Sequence[Found], path: Path) -> Path:
    """Write every metric, known or not, with unit and provenance."""
    import json

    told = [
        {
            "name": each.name,
            "unit": each.unit,
            "value": each.value.number,
            "provenance": each.value.provenance if each.value.number is not None else None,
            "reason": each.value.reason or None,
        }
        for each in metrics
    ]
    path.write_text(json.dumps({"schema": "bakeoff.metrics/1", "metrics": told}, indent=1), encoding="utf-8")
    return path


def _costs(
    plan: Plan, store: Store, document: Mapping[str, Any], terms: Mapping[str, Any]
) -> dict[str, Mapping[str, Any]]:
    """Return each candidate's part of the cost document; `missing` says why where there is none."""
    from bakeoff.core.errors import UsageError
    from bakeoff.report.cost import cost_document
    from bakeoff.study.costing import read_work
    from bakeoff.study.pricing import Terms, cost_of_run

    # By content type nothing is exported, and working it out would take most of the time.
    work = [each._replace(by_content_type={}) for each in read_work(plan, store)]
    try:
        costed = cost_of_run(plan, work, document["decision"]["choice"], Terms.model_validate(dict(terms)))
    except UsageError as error:
        if terms["against"] is not None and any(each.sample is not None for each in work):
            raise
        return {each.candidate: {"missing": each.missing or error.message} for each in work}
    return {each["candidate"]: each for each in cost_document(costed)["candidates"]}


def _budget_bytes(plan: Plan, device: str | None) -> int | None:
    on_cpu = device is None or device.partition(":")[0] == "cpu" or plan.accelerator_budget is None
    return plan.budget.value if on_cpu or plan.accelerator_budget is None else plan.accelerator_budget.value


def _reports(plan: Plan, document: Mapping[str, Any], candidate: str) -> dict[str, Path]:
    """Return the files of the run's folder that go with a candidate."""
    from bakeoff.library.workspace import workspace_folder
    from bakeoff.study.run_folder import run_folder

    folder = run_folder(workspace_folder(), plan.run_id)
    first = document["decision"]["choice"] or document["decision"].get("leader")
    found = {name: folder / name for name in ("report.html", "report.txt", "result.json")}
    return {
        name: path
        for name, path in found.items()
        if path.is_file() and (path.stat().st_size <= LARGEST_REPORT or candidate == first)
    }
