"""Predicted memory against measured: models of several architectures, loaded by every engine that is installed.

    python benchmarks/fit.py [--models FOLDER] [--engines onnx,transformers,llamacpp,mlx] [--out FILE.md] [--quick]
    python benchmarks/fit.py --again ROWS.jsonl [--out FILE.md]     # predict again for what was measured (--rows wrote it)

Makes random models of real architectures (`fit_models.py`, needs `bakeoff[transformers]`), loads each in a worker, fills the
cache with one text or several, and compares the process's peak memory with what `bakeoff fit` predicts for exactly those
texts, and with the formula that this project grew from (parameters x 2 bytes x 1.4). Reports the errors, how many
measurements lie under the upper end as assumed, and under one learnt from the other models (leaving one out). Then reads
the header of a GGUF file with a vocabulary of 152,000 pieces, and the known answers of published load logs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import statistics
import struct
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

from fit_models import MODELS, make_model

from bakeoff.catalog.calibration import Observation, calibrate
from bakeoff.catalog.fit import Load, predict, seed_need_bytes
from bakeoff.catalog.fit_subject import subject_of_files
from bakeoff.catalog.gguf import read_gguf
from bakeoff.catalog.references import bundled_names, resolve
from bakeoff.core.errors import BakeoffError
from bakeoff.core.spec import Sampling
from bakeoff.engines.process import WorkerCommand, start_worker

MIB = 1 << 20
READS = {
    "onnx": ("llama", "llama-f32", "qwen3", "qwen2"),
    "transformers": tuple(MODELS),
    "mlx": ("llama", "llama-f32", "qwen3", "qwen2", "gemma3"),
    "llamacpp": ("llama", "llama-f32", "qwen3", "qwen2"),
}
GGUF_TYPES = ("f16", "q8_0", "q4_k_m")
LOADS = ((1, 300), (1, 1500), (4, 600))


async def measure(reference: str, engine: str, rows: int, tokens: int) -> dict[str, Any]:
    """Load a model, write `rows` texts that fill about `tokens` tokens each, and return the worker's peak memory."""
    spec = resolve(reference)
    with tempfile.TemporaryDirectory() as logs:
        command = WorkerCommand(name="fit", engine=engine, folder=Path(spec.location), device="cpu", threads=None)
        worker = await start_worker(command, Path(logs), 300)
        try:
            async with worker.client() as client:

                async def ask(words: int, seed: int) -> tuple[int, int]:
                    text = " ".join(f"word{(seed + number) % 10}" for number in range(words))
                    sampling = Sampling(temperature=0.0, max_tokens=24)
                    found = await client.generate([{"role": "user", "content": text}], sampling, seed)
                    return found.timings.prompt_tokens or 0, found.timings.completion_tokens or 0

                few, more = (await ask(20, 0))[0], (await ask(40, 0))[0]
                words = max(1, int((tokens - 24 - few) / ((more - few) / 20)) + 20)
                used = await asyncio.gather(*(ask(words, seed) for seed in range(rows)))
                health = await client.health()
        finally:
            await worker.stop()
    return {
        "reference": reference,
        "engine": engine,
        "rows": rows,
        "tokens": max(sum(each) for each in used),
        "measured": health["peak_rss_bytes"],
        "dtype": worker.facts.dtype,
    }


def with_prediction(row: dict[str, Any]) -> dict[str, Any]:
    """Return a measurement beside what is predicted of resident memory, pages of the model's files included."""
    spec = resolve(row["reference"])
    need = predict(subject_of_files(spec), Load(row["engine"], "cpu", row["tokens"], row["rows"]), None).need
    assert need is not None
    reclaimable = need.resident_bytes - need.estimate
    return row | {
        "model": Path(row["reference"]).name,
        "digest": spec.digest,
        "predicted": need.resident_bytes,
        "low": need.low,
        "high": need.high + reclaimable,
        "margin": need.margin_bytes,
        "seed": seed_need_bytes(spec.parameters or 0),
    }


def references(engine: str, folder: Path) -> list[str]:
    """Return what an engine can load: the made models, converted for llama.cpp, and bundled ones."""
    made = [str(make_model(name, folder)) for name in READS[engine]]
    if engine != "llamacpp":
        return [*made, *(f"bundled:{name}" for name in bundled_names())] if engine in {"onnx", "transformers"} else made
    return [convert(Path(place), kind, folder) for place in made for kind in GGUF_TYPES]


def convert(place: Path, kind: str, folder: Path) -> str:
    """Make a GGUF file with the command itself; return where it lies."""
    import subprocess

    out = folder / f"{place.name}-{kind}.gguf"
    if not out.exists():
        line = [
            sys.executable,
            "-m",
            "bakeoff",
            "convert",
            str(place),
            "--to",
            "gguf",
            "--quantise",
            kind,
            "--out",
            str(out),
        ]
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    return str(out)


def learnt_bounds(rows: list[dict[str, Any]]) -> list[bool | None]:
    """Return for each measurement whether it lies under the bound learnt from all other models; None where too few are left."""
    told = [
        Observation(
            model=row["digest"],
            engine=row["engine"],
            where="cpu",
            predicted_bytes=row["predicted"],
            margin_bytes=row["margin"],
            measured_bytes=row["measured"],
        )
        for row in rows
    ]
    found: list[bool | None] = []
    for row, own in zip(rows, told, strict=True):
        bound = calibrate([other for other in told if other.model != own.model], row["engine"], "cpu")
        found.append(own.residual <= bound.margins if bound.models else None)
    return found


def header_seconds(folder: Path) -> float:
    """Return the median seconds to read the header of a GGUF file with 152,000 pieces and their scores."""

    def text(value: str) -> bytes:
        raw = value.encode()
        return struct.pack("<Q", len(raw)) + raw

    pieces = 152_000
    keys = [
        text("general.architecture") + struct.pack("<I", 8) + text("llama"),
        text("llama.block_count") + struct.pack("<II", 4, 2),
        text("tokenizer.ggml.tokens")
        + struct.pack("<IIQ", 9, 8, pieces)
        + b"".join(text(f"piece{n}") for n in range(pieces)),
        text("tokenizer.ggml.scores") + struct.pack("<IIQ", 9, 6, pieces) + bytes(4 * pieces),
    ]
    tensor = text("token_embd.weight") + struct.pack("<IQQIQ", 2, 64, 32, 0, 0)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(keys)) + b"".join(keys) + tensor
    file = folder / "vocabulary.gguf"
    file.write_bytes(head + bytes(-len(head) % 32) + bytes(64 * 32 * 4))
    seconds = []
    for _ in range(9):
        begun = perf_counter()
        read_gguf(file)
        seconds.append(perf_counter() - begun)
    return statistics.median(seconds)


def report(rows: list[dict[str, Any]], seconds: float) -> str:
    """Return the results as Markdown."""
    lines = [
        "# Memory, predicted and measured",
        "",
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}; `python benchmarks/fit.py`. Peak resident memory of",
        "the worker, file pages included, after loading and writing; random models of real architectures, and the bundled ones.",
        "",
        "| engine | loads | models | error, median | error, range | seed's formula, median error | within [low, high] | under high | under high as learnt |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    learnt = learnt_bounds(rows)
    for engine in dict.fromkeys(row["engine"] for row in rows):
        own = [(row, under) for row, under in zip(rows, learnt, strict=True) if row["engine"] == engine]
        errors = [row["predicted"] / row["measured"] - 1 for row, _ in own]
        seeds = [abs(row["seed"] / row["measured"] - 1) for row, _ in own]
        inside = sum(row["low"] <= row["measured"] <= row["high"] for row, _ in own)
        under = sum(row["measured"] <= row["high"] for row, _ in own)
        known = [each for _, each in own if each is not None]
        lines.append(
            f"| {engine} | {len(own)} | {len({row['digest'] for row, _ in own})} | {statistics.median(map(abs, errors)):.1%} | "
            f"{min(errors):+.0%} to {max(errors):+.0%} | {statistics.median(seeds):.0%} | {inside} of {len(own)} | "
            f"{under} of {len(own)} | {f'{sum(known)} of {len(known)}' if known else 'too few models'} |"
        )
    ours, seed = (
        statistics.median(abs(row[name] / row["measured"] - 1) for row in rows) for name in ("predicted", "seed")
    )
    lines += [
        "",
        f"Median error over all: {ours:.1%}, and {seed:.0%} by the formula this project grew from ({seed / ours:.0f} times as far off).",
        "`learnt`: split conformal at 90 %, from all other models of the engine, the model itself left out.",
        f"Header of a GGUF file with 152,000 pieces and scores: {1000 * seconds:.0f} ms (median of 9).",
        "",
        "| model | engine | rows x tokens | computed in | measured MiB | predicted MiB [low, high] | seed MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['model']} | {row['engine']} | {row['rows']} x {row['tokens']} | {row['dtype']} | {row['measured'] / MIB:.0f} | "
        f"{row['predicted'] / MIB:.0f} [{row['low'] / MIB:.0f}, {row['high'] / MIB:.0f}] | {row['seed'] / MIB:.0f} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def measure_engine(
    engine: str, folder: Path, loads: tuple[tuple[int, int], ...], keep: Path | None
) -> list[dict[str, Any]]:
    """Return a row for each model and load, added to the file `keep` at once; what an engine cannot run is told and left out."""
    rows = []
    for reference in references(engine, folder):
        for batch, tokens in loads:
            try:
                row = asyncio.run(measure(reference, engine, batch, min(tokens, 460) if "t5" in reference else tokens))
            except BakeoffError as error:
                print(f"{reference} on {engine}: {error.message.splitlines()[0]}", file=sys.stderr)
                continue
            print(json.dumps(row), file=sys.stderr, flush=True)
            if keep:
                with keep.open("a") as file:
                    file.write(json.dumps(row) + "\n")
            rows.append(row)
    return rows


def main() -> None:
    """Measure, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=Path(tempfile.gettempdir()) / "bakeoff-fit-models")
    parser.add_argument("--engines", default="onnx,transformers,llamacpp,mlx")
    parser.add_argument("--quick", action="store_true", help="one load of each model")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rows", type=Path, help="add the measurements to this file, each as it comes")
    parser.add_argument("--again", type=Path, help="take the measurements from here")
    options = parser.parse_args()
    options.models.mkdir(parents=True, exist_ok=True)
    rows = []
    if options.again:
        rows = [json.loads(line) for line in options.again.read_text().splitlines()]
    else:
        for engine in options.engines.split(","):
            rows += measure_engine(engine, options.models, LOADS[:1] if options.quick else LOADS, options.rows)
    text = report([with_prediction(row) for row in rows], header_seconds(options.models))
    if options.out:
        options.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
