"""`bakeoff convert`: a model folder in another format or with smaller weights, for another engine."""

from __future__ import annotations

from pathlib import Path

import click

from bakeoff.engines.conversion import FORMATS


@click.command()
@click.argument("reference", metavar="MODEL")
@click.option("--to", "to", type=click.Choice(list(FORMATS)), required=True, help="The format to make.")
@click.option(
    "--quantise",
    "--quantize",
    "kind",
    metavar="TYPE",
    help=f"How weights are stored (default: as they are). gguf: {', '.join(FORMATS['gguf'].kinds)}.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file to write.")
@click.option("--replace", is_flag=True, help="Replace what is there already.")
def convert(reference: str, to: str, kind: str | None, out: Path, *, replace: bool) -> None:
    """Make a GGUF file of a model folder, with smaller weights if wished.

    MODEL is bundled:NAME or a folder; the engine llamacpp runs the result.
    Types from f32 to q8_0 need nothing installed; the others are made by llama.cpp (pip install 'bakeoff[llamacpp]').
    """
    from bakeoff.catalog.references import resolve
    from bakeoff.core.units import bytes_text
    from bakeoff.engines.conversion import convert as make

    spec = resolve(reference)
    for note in make(spec, FORMATS[to], kind.lower() if kind else None, out, replace=replace):
        click.echo(f"note: {note}", err=True)
    size = sum(file.stat().st_size for file in ([out] if out.is_file() else out.rglob("*")) if file.is_file())
    click.echo(f"{out}: {bytes_text(size)}. Compare it with what it was made of:")
    click.echo(f"  bakeoff run --models {reference},{out}")
