"""`bakeoff discover`: models that may compete here, from the hub, caches, servers and folders; every rejection with its reason."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from bakeoff.catalog.found import SourceName
    from bakeoff.study.discovering import Search, Searched

_COUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([kmb]?)", re.IGNORECASE | re.ASCII)
_UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9}
_SHOWN_REJECTIONS = 12


def _read_count(context: click.Context, parameter: click.Parameter, value: str) -> int:
    """Return a count as people write it: 50000, 50k, 1.5B."""
    found = _COUNT.fullmatch(value.strip())
    if found is None:
        raise click.BadParameter(f"{value!r} is no count, such as 50000, 50k or 1.5B.", context, parameter)
    return round(float(found[1]) * _UNITS[found[2].lower()])


@click.command()
@click.option(
    "--source", "sources", metavar="A,B", help="Of hub, cache, ollama, lmstudio, folder, registry (default: all)."
)
@click.option("--folder", "folders", type=click.Path(path_type=Path), multiple=True, help="Look here too; repeatable.")
@click.option(
    "--min-params", callback=_read_count, metavar="N", default="1B", show_default=True, help="Parameters at least."
)
@click.option(
    "--max-params", callback=_read_count, metavar="N", default="10B", show_default=True, help="Parameters at most."
)
@click.option(
    "--min-downloads",
    callback=_read_count,
    metavar="N",
    default="50k",
    show_default=True,
    help="In 30 days, of the hub's models.",
)
@click.option("--any-licence", "--any-license", is_flag=True, help="Also those that may not be used commercially.")
@click.option("--context", type=click.IntRange(min=1), metavar="N", help="Tokens that it must hold.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Candidates to show.")
@click.option("--variants", is_flag=True, help="Ask the hub for quantised forms of those shown.")
@click.option("--offline", is_flag=True, help="Leave the hub out.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
def discover(
    sources: str | None,
    folders: tuple[Path, ...],
    min_params: int,
    max_params: int,
    min_downloads: int,
    context: int | None,
    limit: int,
    *,
    any_licence: bool,
    variants: bool,
    offline: bool,
    as_json: bool,
) -> None:
    """Find models that may compete: hub, caches, Ollama, LM Studio, folders.

    Only the hub is on another machine, and it is asked for a task and a range of sizes. A source that is
    down is a warning. Every model that was looked at and is no candidate is told with its reasons.
    """
    from rich.console import Console

    from bakeoff.catalog.discovery import Criteria
    from bakeoff.cli.fit import machine_budgets, past_loads
    from bakeoff.core.errors import UsageError
    from bakeoff.library.workspace import workspace_folder
    from bakeoff.study.discovering import Search, search

    if min_params > max_params:
        raise UsageError("--min-params is above --max-params", "for instance --min-params 1B --max-params 10B")
    criteria = Criteria(
        min_parameters=min_params,
        max_parameters=max_params,
        min_downloads=min_downloads,
        commercial=not any_licence,
        context=context,
    )
    asked = Search(_sources(sources, folders, offline=offline), folders, workspace_folder(), criteria)
    found = search(asked, machine_budgets(None), past_loads(), limit if variants else 0)
    if as_json:
        click.echo(json.dumps(_document(asked, found, limit), ensure_ascii=False))
    else:
        _print(asked, found, limit, Console())


def _sources(text: str | None, folders: tuple[Path, ...], *, offline: bool) -> list[SourceName]:
    """Return where to look.

    Raises:
        UsageError: a source that there is not, or one that contradicts another option.
    """
    import difflib

    from bakeoff.catalog.found import SOURCES
    from bakeoff.core.errors import UsageError

    if text is None:
        return [source for source in SOURCES if not (offline and source == "hub")]
    chosen: list[SourceName] = []
    for part in text.split(","):
        known = next((source for source in SOURCES if source == part.strip().lower()), None)
        if known is None:
            near = difflib.get_close_matches(part.strip(), SOURCES, n=1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise UsageError(
                f"--source {part.strip()}: there is no such source", f"{meant}sources: {', '.join(SOURCES)}"
            )
        chosen.append(known)
    if offline and "hub" in chosen:
        raise UsageError("--offline and --source hub contradict each other", "leave one of them out")
    if "folder" in chosen and not folders:
        raise UsageError("--source folder: no folder is named", "name one:  --folder path/to/models")
    return chosen


def _document(asked: Search, found: Searched, limit: int) -> dict[str, Any]:
    from bakeoff.study.discovering import describe

    shown = found.discovery.candidates[:limit]
    return {
        "schema": "bakeoff.discover/1",
        "criteria": {**asked.criteria.model_dump(mode="json"), "sources": list(asked.sources)},
        "candidates": [describe(each, found.variants.get(each.model.name, ())) for each in shown],
        "candidates_in_all": len(found.discovery.candidates),
        "rejected": [each.model_dump(mode="json") for each in found.discovery.rejected],
        "warnings": found.warnings,
    }


def _count_text(count: int) -> str:
    """Return a count as the options take it."""
    sizes = (("B", 1_000_000_000), ("M", 1_000_000), ("k", 1000))
    return next((f"{count // size}{unit}" for unit, size in sizes if count and count % size == 0), str(count))


def _wider(asked: Search) -> list[str]:
    """Return where else to look, and for what else, after a search that found nothing."""
    lower, upper = max(asked.criteria.min_parameters // 10, 1), asked.criteria.max_parameters * 3
    ranges = f"--min-params {_count_text(lower)} --max-params {_count_text(upper)}"
    steps = []
    if "hub" in asked.sources:
        ranges += f" --min-downloads {_count_text(asked.criteria.min_downloads // 10)}"
    else:
        steps.append("ask the hub, too: leave out --offline, or name it in --source")
    steps.append(f"other sizes:  bakeoff discover {ranges}")
    if not asked.folders:
        steps.append("a folder of models:  bakeoff discover --folder path/to/models")
    return [*steps, "or begin with the models that come along:  bakeoff run"]


def _short(reference: str) -> str:
    """Return a path as it is written from here, where that is shorter."""
    if not reference.startswith("/"):
        return reference
    import os

    return min(reference, os.path.relpath(reference), key=len)


def _print(asked: Search, found: Searched, limit: int, console: Console) -> None:
    from bakeoff.core.plain import printable
    from bakeoff.core.units import bytes_text
    from bakeoff.report.layout import bullets, cells, table, title

    shown = found.discovery.candidates[:limit]
    if shown:
        made = table("model", "size", "downloads", "commercial", "fits?", "needs")
        for each in shown:
            model, fit = each.model, each.fit
            made.add_row(
                *cells(
                    printable(_short(model.reference or model.name)) + (" (gated)" if model.gated else ""),
                    "-" if model.parameters is None else f"{model.parameters / 1e9:.1f} B",
                    "here" if model.local else "-" if model.downloads is None else f"{model.downloads:,}",
                    each.licence.commercial,
                    "-" if fit is None else f"{fit.verdict}{f', {fit.quantised_to}' if fit.quantised_to else ''}",
                    bytes_text(None if fit is None else fit.need_bytes),
                )
            )
        console.print(made)
        more = len(found.discovery.candidates) - len(shown)
        conditions = [
            f"{each.model.name}: {'; '.join(each.licence.conditions)}"
            for each in shown
            if each.licence.commercial == "conditional"
        ]
        conditions += [f"and {more} more candidates (--limit)"] if more > 0 else []
        for part in bullets("Under conditions", [printable(line) for line in conditions]):
            console.print(part)
        for name, variants in found.variants.items():
            told = ", ".join(f"{each['name']} ({each['format']})" for each in variants)
            if told:
                console.print(title(printable(f"{name} also as")), printable(told), highlight=False, markup=False)
        console.print(
            "\nNext:  bakeoff fit MODEL    bakeoff run --models A,B    (hf:ORG/NAME first needs: hf download ORG/NAME)"
        )
    else:
        console.print("No candidate.")
        for part in bullets("Next", _wider(asked)):
            console.print(part)
    rejected = [f"{each.name} ({each.source}): {'; '.join(each.reasons)}" for each in found.discovery.rejected]
    left = len(rejected) - _SHOWN_REJECTIONS
    lines = rejected[:_SHOWN_REJECTIONS] + ([f"and {left} more (--json has all)"] if left > 0 else [])
    for part in bullets("Rejected", [printable(line) for line in lines]):
        console.print(part)
    unlicensed = sum(len(each.reasons) == 1 and "licence" in each.reasons[0] for each in found.discovery.rejected)
    notes = (
        [f"{unlicensed} models were left out for their licence alone: --any-licence shows them"] if unlicensed else []
    )
    for part in bullets("Note", [printable(line) for line in (*notes, *found.warnings)]):
        console.print(part)
