"""`bakeoff models list|show|add|remove`: models known by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from bakeoff.catalog.spec_file import Entry


_LABEL = 16
"""Columns of what stands before the facts of a model."""


@click.group()
def models() -> None:
    """Models known by name: a catalogue of facts, and entries of your own.

    Your own are in models.toml in the workspace, and go before the catalogue's.
    """


@models.command("list")
@click.option("--own", is_flag=True, help="Only your own.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
def list_models(*, own: bool, as_json: bool) -> None:
    """List the models that are known by name."""
    from rich.console import Console

    from bakeoff.catalog.registry import known_entries, load_registry
    from bakeoff.core.plain import printable
    from bakeoff.library.workspace import workspace_folder
    from bakeoff.report.layout import cells, table

    mine = load_registry(workspace_folder())
    entries = mine if own else known_entries(workspace_folder())
    if as_json:
        listed = [_document(entry, own=entry.name in mine) for entry in entries.values()]
        click.echo(json.dumps({"schema": "bakeoff.models/1", "models": listed}, ensure_ascii=False))
        return
    if not entries:
        click.echo("You have no models of your own yet. Add one:  bakeoff models add NAME --reference hf:ORG/NAME")
        return
    made = table("model", "parameters", "context", "commercial use", "whose")
    for entry in entries.values():
        made.add_row(
            *cells(
                printable(entry.name),
                _billions(entry),
                str(entry.facts.get("max_position_embeddings", "-")),
                _verdict(entry)["commercial"],
                "yours" if entry.name in mine else "catalogue",
            )
        )
    Console().print(made)


@models.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
def show_model(name: str, *, as_json: bool) -> None:
    """Show what is known of a model, and where from."""
    from textwrap import wrap

    from rich.console import Console
    from rich.text import Text

    from bakeoff.catalog.registry import find_entry, load_registry
    from bakeoff.core.plain import printable
    from bakeoff.library.workspace import workspace_folder

    entry = find_entry(name, workspace_folder())
    document = _document(entry, own=entry.name in load_registry(workspace_folder()))
    if as_json:
        click.echo(json.dumps({"schema": "bakeoff.model/1", **document}, ensure_ascii=False))
        return
    licence = document["commercial_use"]
    lines = [
        ("Runs as", entry.reference or "not told: only facts are known"),
        ("Parameters", _billions(entry)),
        ("Licence", f"{entry.licence_name or entry.licence or 'not told'}; commercial use: {licence['commercial']}"),
        ("", f"{licence['reason']} ({licence['source']})"),
        *[("", f"on condition: {condition}") for condition in licence["conditions"]],
        *[("Size", f"{field} = {value}") for field, value in entry.facts.items()],
        *[("Wrong elsewhere", wrong) for wrong in (entry.seed.wrong if entry.seed else ())],
        *([("Note", entry.note)] if entry.note else []),
        *[("Source", source) for source in entry.sources],
    ]
    console = Console()
    console.print(Text(printable(entry.name), style="bold"))
    before = ""
    for label, told in lines:
        shown = "" if label == before else label
        before = label
        # No address is broken: one that is wider than the terminal stays on a line of its own.
        parts = wrap(printable(str(told)), console.width - _LABEL, break_long_words=False, break_on_hyphens=False)
        for number, part in enumerate(parts):
            heading = Text(f"{'' if number else shown:<{_LABEL}}", style="dim")
            console.print(heading + Text(part, style="not dim"), soft_wrap=True)


@models.command("add")
@click.argument("name", required=False)
@click.option("--reference", help="How it is run: hf:ORG/NAME, a folder, a GGUF file, ollama:NAME, ...")
@click.option("--licence", "--license", help="Its tag, such as apache-2.0.")
@click.option("--note", help="A word of your own.")
@click.option("--from", "file", type=click.Path(path_type=Path), metavar="FILE.toml", help="Take entries from a file.")
@click.option("--replace", is_flag=True, help="Replace an entry of that name.")
def add_model(
    name: str | None, reference: str | None, licence: str | None, note: str | None, file: Path | None, *, replace: bool
) -> None:
    """Add a model of your own, or those of a file.

    What the files of a folder or a GGUF file say of its size and licence is kept with it.
    """
    from bakeoff.catalog.registry import add_entries, check_name
    from bakeoff.catalog.spec_file import Entry, read_specs
    from bakeoff.library.workspace import workspace_folder

    if (file is None) == (name is None):
        raise click.UsageError("give a NAME with --reference, or --from FILE.toml")
    if file is not None:
        new = list(read_specs(file).values())
    else:
        check_name(name or "")
        if reference is None:
            raise click.UsageError(f"how is {name} run? give --reference")
        facts, told = _facts_of(reference)
        new = [Entry(name=name or "", reference=reference, licence=licence or told, note=note, facts=facts)]
    place = add_entries(workspace_folder(), new, replace=replace)
    click.echo(f"{', '.join(entry.name for entry in new)}: in {place}")


def _facts_of(reference: str) -> tuple[dict[str, Any], str | None]:
    """Return the sizes and the licence that files tell; none for what is not here, or is somebody else's to load.

    Raises:
        UsageError: it is written in no known form, or names a folder or a file that there is not.
    """
    from bakeoff.catalog.gguf import read_gguf
    from bakeoff.catalog.headers import read_config
    from bakeoff.catalog.references import resolve, split_engine
    from bakeoff.catalog.spec_file import COUNTS
    from bakeoff.core.errors import UnknownModel

    bare = split_engine(reference)[1]
    try:
        spec = resolve(bare)
    except UnknownModel:
        if bare.startswith("hf:"):  # it may be downloaded later
            return {}, None
        raise
    if not spec.is_ours_to_run:
        return {}, None
    place = Path(spec.location)
    told = read_gguf(place).facts() if spec.source == "gguf" else read_config(place)
    facts = {
        field: value
        for field, value in told.items()
        if field in COUNTS or field in {"model_type", "tie_word_embeddings"}
    }
    return facts | ({"param_count": spec.parameters} if spec.parameters else {}), spec.licence


@models.command("remove")
@click.argument("name")
def remove_model(name: str) -> None:
    """Take a model of your own out again; its files stay where they are."""
    from bakeoff.catalog.registry import remove_entry
    from bakeoff.core.plain import printable
    from bakeoff.library.workspace import workspace_folder

    remove_entry(workspace_folder(), name)
    click.echo(f"{printable(name)} is no longer among your models; nothing was deleted but its entry")


def _document(entry: Entry, *, own: bool) -> dict[str, Any]:
    return {**entry.model_dump(mode="json"), "own": own, "commercial_use": _verdict(entry)}


def _verdict(entry: Entry) -> dict[str, Any]:
    from bakeoff.catalog.licence import judge_licence
    from bakeoff.catalog.model_card import inherited_licences

    bases = inherited_licences(entry.base_models, lambda _: None)
    found = judge_licence(entry.licence, entry.licence_name, entry.licence_link, entry.commercial_use, bases)
    return found.model_dump(mode="json")


def _billions(entry: Entry) -> str:
    count = entry.facts.get("param_count")
    if not isinstance(count, int):
        return "-"
    return f"{count / 1e9:.2f} B" if count >= 10**9 else f"{count / 1e6:.1f} M"
