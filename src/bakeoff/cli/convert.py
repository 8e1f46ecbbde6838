"""`bakeoff convert`: a model folder in another format or with smaller weights, for another engine."""

from __future__ import annotations

import shlex
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
    help="How weights are stored (default: as they are). "
    + " ".join(f"{each.name}: {', '.join(each.kinds)}." for each in FORMATS.values()),
)
@click.option("--bits", type=click.IntRange(1, 16), help="Short for --quantise Nbit, as mlx has it.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file (gguf) or folder (mlx) to write.")
@click.option("--replace", is_flag=True, help="Replace what is there already.")
def convert(reference: str, to: str, kind: str | None, bits: int | None, out: Path, *, replace: bool) -> None:
    """Make a GGUF file, or a folder for MLX, of a model folder.

    MODEL is bundled:NAME or a folder; the engine llamacpp runs a GGUF file, mlx a folder whose weights MLX has quantised.
    GGUF types from f32 to q8_0 need nothing installed; the others are made by llama.cpp (the extra llamacpp),
    and folders for MLX by mlx-lm (the extra mlx).
    """
    if bits is not None and kind is not None:
        raise click.UsageError("Say --bits or --quantise, not both.")
    if bits is not None:
        kind = f"{bits}bit"
    from bakeoff.catalog.references import resolve
    from bakeoff.core.units import bytes_text
    from bakeoff.engines.conversion import convert as make
    from bakeoff.engines.local import find_engine, inspect_engine

    spec = resolve(reference)
    for note in make(spec, FORMATS[to], kind.lower() if kind else None, out, replace=replace):
        click.echo(f"note: {note}", err=True)
    size = sum(file.stat().st_size for file in ([out] if out.is_file() else out.rglob("*")) if file.is_file())
    click.echo(f"{out}: {bytes_text(size)}. Compare it with what it was made of:")
    engine = find_engine(FORMATS[to].engine)
    if not inspect_engine(engine).available:
        click.echo(f"  {engine.install}    first: the engine {engine.name} is not installed here")
    click.echo(f"  bakeoff run --models {shlex.quote(f'{reference},{out}')}")
