"""`bakeoff worker`: one model as an OpenAI-compatible URL."""

from __future__ import annotations

import os
import sys

import click


@click.command()
@click.argument("reference", metavar="[MODEL]", required=False)
@click.option(
    "--model", metavar="REF", help="The model, if not given as argument: bundled:NAME, a folder or a GGUF file."
)
@click.option(
    "--engine",
    help="onnx, transformers, llamacpp, mlx, vllm, or one added by a package (default: the reference's, or what fits it).",
)
@click.option("--name", help="The model's name in requests (default: as it was referred to).")
@click.option("--socket", type=click.Path(), help="Listen on this Unix socket.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen on this address.")
@click.option("--port", type=click.IntRange(0, 65535), help="Listen on this port.")
@click.option("--device", help="Where the model runs (default: the engine's choice).")
@click.option(
    "--allow-fallback", is_flag=True, help="Let operators that the device lacks run on the CPU; said in the facts."
)
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads (default: all allowed cores).")
@click.option("--watch-fd", type=click.IntRange(min=0), hidden=True)
def worker(
    reference: str | None,
    model: str | None,
    engine: str | None,
    name: str | None,
    socket: str | None,
    host: str,
    port: int | None,
    device: str | None,
    threads: int | None,
    watch_fd: int | None,
    *,
    allow_fallback: bool,
) -> None:
    """Serve one model as an OpenAI-compatible URL.

    Prints one line of JSON when it is ready. Ends on Ctrl-C or SIGTERM.
    """
    from bakeoff.catalog.references import resolve, split_engine
    from bakeoff.core.errors import UsageError
    from bakeoff.core.programs import program_of
    from bakeoff.engines.local import choose_engine, require_engine

    if (reference is None) == (model is None):
        raise click.UsageError("Name one model: bakeoff worker bundled:NAME --port 8080")
    if (socket is None) == (port is None):
        raise click.UsageError("Say where to listen: --port N or --socket PATH")
    wanted = reference or model or ""
    forced, rest = split_engine(wanted)
    spec = resolve(rest)
    if not spec.is_ours_to_run:
        hint = "name bundled:NAME, a folder or a GGUF file"
        raise UsageError(f"{wanted}: only a model folder or file can be served by a worker", hint)
    chosen = require_engine(choose_engine(spec, engine or forced, () if device is None else (device,)))
    options = {
        "--model": spec.location,
        "--name": name or wanted,
        "--engine": chosen.name,
        "--device": device,
        "--threads": threads,
        "--watch-fd": watch_fd,
        **({"--socket": socket} if socket is not None else {"--host": host, "--port": port}),
    }
    arguments = [part for flag, value in options.items() if value is not None for part in (flag, str(value))]
    if allow_fallback:
        arguments.append("--allow-fallback")
    # A program of its own: nothing imports a model runtime, not even this command.
    os.execv(sys.executable, program_of(chosen.program, *arguments))  # noqa: S606 - our own program
