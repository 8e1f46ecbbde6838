"""How bakeoff scales: texts a second against the number of workers, and what the store and the analysis cost by size.

    python benchmarks/scale.py workers [--counts 1,2,4] [--rounds 3]    # needs bakeoff[ray]; 4 minutes
    python benchmarks/scale.py real [--counts 1,2,4]                    # the same with a bundled model, where there are cores
    python benchmarks/scale.py size [--sizes 10000,100000] [--rounds 1] # 3 minutes; of 1000000, most of half an hour
    python benchmarks/scale.py stored [--sizes 1000000]                 # the same without writing and scoring; 6 minutes
    python benchmarks/scale.py write                                    # the tables of benchmarks/results/scale.md

Each prints its rows and keeps them in `--folder` (default: build/scale), from which `write` makes the tables.

*workers*: a Ray cluster of four nodes on this machine, `bakeoff run --on ray` with one model whose every step takes 25 ms and
no CPU (`scale_engine.py`), 16 tokens a text, 8 texts in flight a worker. What is counted is texts a second between the
first and the last text that was not written alone, by the store's own times. *size*: `bakeoff run` over four files of
recorded texts; then reading and analysis once more, in a process of its own. *stored*: texts and their scores are put
straight into the store, by the writer that a run has, eight at a time; then they are read and analysed. CPU seconds and peak resident memory are the
kernel's (wait4); on a shared machine they mean more than wall time does.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness_stub import WORDS

if TYPE_CHECKING:
    from bakeoff.study.plan import Plan

HERE = Path(__file__).parent
RESULT = HERE / "results" / "scale.md"
TEXTS, CONCURRENCY, TOKENS, STEP_MS = 400, 8, 16, 25
CANDIDATES, REPLICATES = 4, 10


class Cost(NamedTuple):
    """Seconds and bytes of a process."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


def timed(command: list[str], folder: Path, environment: Mapping[str, str]) -> Cost:
    """Run a command to its end.

    Raises:
        SystemExit: it failed.
    """
    begun = time.monotonic()
    with (folder / "said.txt").open("w") as said:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in {0, 3}:
        raise SystemExit(f"{' '.join(command)} failed:\n{(folder / 'said.txt').read_text()[-2000:]}")
    return Cost(time.monotonic() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def write_suite(folder: Path, briefs: int, replicates: int) -> None:
    """Write a suite of tweets and mails."""
    lines = [f"version: 1\nname: scale\nreplicates: {replicates}\nsampling: {{max_tokens: {TOKENS}}}\nbriefs:\n"]
    for number in range(briefs):
        kind = ("tweet", "business_email")[number % 2]
        lines.append(
            f"  - {{id: b{number}, content_type: {kind}, prompt: Write about the opening of shop {number}.}}\n"
        )
    (folder / "suite.yaml").write_text("".join(lines))


def environment_of(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of a command with a workspace in `folder`."""
    return {**os.environ, "BAKEOFF_HOME": str(folder / "home"), "RAY_USAGE_STATS_ENABLED": "0", **more}


# Workers


def install_engine(folder: Path) -> str:
    """Make the engine a package that Python finds in `folder`; return the path to search."""
    package = folder / "packages"
    about = package / "scale_engine-0.dist-info"
    about.mkdir(parents=True)
    (package / "scale_engine.py").write_text((HERE / "scale_engine.py").read_text())
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: scale-engine\nVersion: 0\n")
    (about / "entry_points.txt").write_text("[bakeoff.engines]\npause = scale_engine:load\n")
    return os.pathsep.join([str(package), *filter(None, [os.environ.get("PYTHONPATH")])])


@contextmanager
def nodes(count: int) -> Iterator[str]:
    """Run a Ray cluster of so many nodes of one CPU on this machine; the value is its address."""
    from ray.cluster_utils import Cluster

    small = {"object_store_memory": 80 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **small})
    try:
        for _ in range(count):
            cluster.add_node(num_cpus=1, memory=2 * 2**30, **small)
        yield f"ray://{cluster.address}"
    finally:
        cluster.shutdown()


def rate(folder: Path) -> float:
    """Return texts a second of the newest run, those left out that were written alone."""
    with sqlite3.connect(folder / "home" / "bakeoff.db") as store:
        rows = store.execute(
            "select record from generations where run_id = (select run_id from runs order by started desc)"
        ).fetchall()
    made = [json.loads(row) for (row,) in rows]
    failed = [text for text in made if text["error"]]
    if len(made) != TEXTS or failed:
        raise SystemExit(f"{len(made)} texts of {TEXTS}, {len(failed)} failed: nothing was measured")
    ends: list[float] = sorted(text["finished_unix_s"] for text in made if text["concurrency"] > 1)
    return (len(ends) - 1) / (ends[-1] - ends[0])


def measure_workers(model: str, counts: list[int], rounds: int) -> list[dict[str, Any]]:
    """Run the same bake-off with more and more workers, in rounds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_suite(folder, TEXTS, 1)
        os.environ["PYTHONPATH"] = install_engine(folder)
        os.environ["BAKEOFF_SCALE_STEP_MS"] = str(STEP_MS)
        rows = []
        with nodes(max(counts)) as address:
            for _ in range(rounds):
                for count in counts:
                    command = [sys.executable, "-m", "bakeoff", "run", "suite.yaml", "--models", model]
                    command += ["--fixed-n", str(TEXTS), "--concurrency", str(CONCURRENCY), "--json"]
                    command += ["--on", address, "--workers", str(count)]
                    load = os.getloadavg()[0]
                    cost = timed(command, folder, environment_of(folder))
                    rows.append({"workers": count, "texts_per_s": rate(folder), "load": load, **cost._asdict()})
                    print(json.dumps(rows[-1]), flush=True)
    return rows


# Size


def write_texts(folder: Path, briefs: int) -> list[str]:
    """Write recorded texts of four candidates; return the references to them."""
    made = random.Random(1)
    names = []
    for candidate in range(CANDIDATES):
        names.append(f"recorded:c{candidate}.jsonl")
        with (folder / f"c{candidate}.jsonl").open("w") as file:
            for replicate in range(REPLICATES):
                for number in range(briefs):
                    text = " ".join(made.choices(WORDS, k=60)).capitalize() + "."
                    line = {"brief_id": f"b{number}", "replicate": replicate, "text": text, "latency_s": 1.0}
                    file.write(json.dumps(line) + "\n")
    return names


def measure_size(size: int) -> dict[str, Any]:
    """Run a bake-off over so many recorded texts, then score and analyse what is stored once more."""
    briefs = size // CANDIDATES // REPLICATES
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_suite(folder, briefs, REPLICATES)
        models = ",".join(write_texts(folder, briefs))
        environment = environment_of(folder)
        command = [sys.executable, "-m", "bakeoff", "run", "suite.yaml", "--models", models, "--json"]
        run = timed(command, folder, environment)
        (count,) = (
            sqlite3.connect(folder / "home" / "bakeoff.db").execute("select count(*) from generations").fetchone()
        )
        if count != size:
            raise SystemExit(f"{count} texts of {size}: nothing was measured")
        stored = (folder / "home" / "bakeoff.db").stat().st_size
        again = timed([sys.executable, str(Path(__file__).resolve()), "analyse"], folder, environment)
        parts = json.loads((folder / "said.txt").read_text())
    return {
        "size": size,
        "run": run._asdict(),
        "analysis": again._asdict(),
        "parts": parts,
        "store_bytes": stored,
    }


def measure_stored(size: int) -> dict[str, Any]:
    """Put so many texts and scores straight into a store, by the same writer, then read and analyse them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_suite(folder, size // CANDIDATES // REPLICATES, REPLICATES)
        environment = environment_of(folder)
        filling = timed([sys.executable, str(Path(__file__).resolve()), "fill"], folder, environment)
        filled = json.loads((folder / "said.txt").read_text())
        if filled["texts"] != size:
            raise SystemExit(f"{filled['texts']} texts of {size}: nothing was measured")
        stored = (folder / "home" / "bakeoff.db").stat().st_size
        again = timed([sys.executable, str(Path(__file__).resolve()), "analyse"], folder, environment)
        parts = json.loads((folder / "said.txt").read_text())
    row = {"size": size, "fill": filling._asdict(), **filled, "analysis": again._asdict(), "parts": parts}
    return row | {"store_bytes": stored}


def plan_here(texts: list[str]) -> Plan:
    """Return the plan of a run over the suite in this folder."""
    from bakeoff.library.planning import Design, Load, What, Where, make_plan

    for candidate in range(CANDIDATES):
        Path(f"c{candidate}.jsonl").write_text(json.dumps({"brief_id": "b0", "text": texts[candidate]}) + "\n")
    models = ",".join(f"recorded:c{candidate}.jsonl" for candidate in range(CANDIDATES))
    what = What.named("suite.yaml", models, allow_code=False)
    return make_plan(
        what, Design(None, race=False, strict=False), Load(CONCURRENCY, None), 0, Where((), allow_fallback=False)
    )


def fill() -> None:
    """Fill the workspace with a run over the suite in this folder; its texts repeat, and are scored once each."""
    from bakeoff.core.records import Generation, Score, Timings
    from bakeoff.library.workspace import open_store
    from bakeoff.score.composite import score_generation
    from bakeoff.study.plan import trials_of
    from bakeoff.study.scorers import scorers_for, scoring_version

    made = random.Random(1)
    texts = [" ".join(made.choices(WORDS, k=60)).capitalize() + "." for _ in range(1000)]
    plan, store = plan_here(texts), open_store()
    store.add_run(plan.run_id, plan.suite.name, datetime.now(UTC).isoformat(), plan.model_dump(mode="json"))
    briefs, scorers, kept_as = (
        {brief.id: brief for brief in plan.suite.briefs},
        scorers_for(plan),
        scoring_version(plan),
    )
    known: dict[tuple[str, str], Score] = {}

    def score(generation: Generation) -> Score:
        brief = briefs[generation.brief]
        key = (generation.text or "", brief.content_type)
        if key not in known:
            known[key] = score_generation(generation, plan.suite.checks(brief), plan.suite.weights, scorers)
        return known[key].model_copy(update={"trial": generation.trial})

    count, spent_s = 0, 0.0
    trials = (trial for candidate in plan.candidates for trial in trials_of(plan, candidate))
    while some := list(islice(trials, CONCURRENCY)):
        batch = []
        for trial in some:
            told = {"timings": Timings(latency_s=1.0 + count % 7), "recorded": True, "window": 0}
            batch.append(trial.generation(text=texts[count % len(texts)], finish_reason="stop", **told))
            count += 1
        scores = [score(generation) for generation in batch]
        begun = time.process_time()
        store.add_generations(plan.run_id, batch)
        spent_s += time.process_time() - begun
        store.add_scores(plan.run_id, kept_as, scores)
    store.set_state(plan.run_id, "interrupted")
    print(json.dumps({"texts": count, "storing_cpu_s": spent_s}))


def analyse() -> None:
    """Conclude the newest run of the workspace, and print what that took beyond what every command takes."""
    from bakeoff.library.workspace import open_store
    from bakeoff.study.conclude import conclude_scored
    from bakeoff.study.scoring import Scored
    from bakeoff.study.stored_plan import load_plan

    def peak() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    store = open_store()
    plan = load_plan(store, "latest")
    begun, before = time.process_time(), peak()
    scored = Scored.of(plan, store)
    halfway = time.process_time()
    reading = {"texts": len(scored), "read_cpu_s": halfway - begun, "start_bytes": before, "read_bytes": peak()}
    conclude_scored(plan, store, scored, complete=True)
    print(json.dumps({**reading, "conclude_cpu_s": time.process_time() - halfway, "peak_bytes": peak()}))


# Tables


def keep(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    """Keep rows for `write`, with what they were measured on."""
    folder.mkdir(parents=True, exist_ok=True)
    about = f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {len(os.sched_getaffinity(0))} cores"
    about += f", Python {platform.python_version()}"
    (folder / f"{name}.json").write_text(json.dumps({"about": about, "rows": rows}, indent=1))


def workers_table(kept: Mapping[str, Any]) -> list[str]:
    """Return the rows of a table of workers."""
    lines = [
        "| workers | texts/s | of one worker's | CPU s of the command | peak RSS of the command, MB |",
        "|---|---|---|---|---|",
    ]
    base = None
    for count in sorted({row["workers"] for row in kept["rows"]}):
        own = [row for row in kept["rows"] if row["workers"] == count]
        found = statistics.median(row["texts_per_s"] for row in own)
        base = base or found
        low, high = min(row["texts_per_s"] for row in own), max(row["texts_per_s"] for row in own)
        cpu = statistics.median(row["cpu_s"] for row in own)
        peak = max(row["peak_bytes"] for row in own) / 1e6
        lines.append(f"| {count} | {found:.1f} ({low:.1f}-{high:.1f}) | {found / base:.2f} | {cpu:.1f} | {peak:.0f} |")
    return lines


def size_table(kept: Mapping[str, Any]) -> list[str]:
    """Return the rows of the table of sizes."""
    lines = [
        "| texts | run: CPU s | us a text | peak RSS, MB | store, MB | analysis again: CPU s | us a text | peak RSS, MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for size in sorted({row["size"] for row in kept["rows"]}):
        own = [row for row in kept["rows"] if row["size"] == size]
        run, again = (statistics.median(row[part]["cpu_s"] for row in own) for part in ("run", "analysis"))
        peaks = [max(row[part]["peak_bytes"] for row in own) / 1e6 for part in ("run", "analysis")]
        cells = [f"{size:,}", f"{run:.1f}", f"{run / size * 1e6:.0f}", f"{peaks[0]:.0f}"]
        cells += [f"{own[0]['store_bytes'] / 1e6:.0f}", f"{again:.1f}", f"{again / size * 1e6:.0f}", f"{peaks[1]:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def stored_table(kept: Mapping[str, Any]) -> list[str]:
    """Return the rows of the table of what was put straight into a store."""
    lines = [
        "| texts | storing: CPU us a text | store, MB | reading and analysis: CPU s | us a text | peak RSS, MB |",
        "|---|---|---|---|---|---|",
    ]
    for row in sorted(kept["rows"], key=lambda row: row["size"]):
        size, again = row["size"], row["analysis"]
        cells = [f"{size:,}", f"{row['storing_cpu_s'] / size * 1e6:.0f}", f"{row['store_bytes'] / 1e6:.0f}"]
        cells += [f"{again['cpu_s']:.1f}", f"{again['cpu_s'] / size * 1e6:.0f}", f"{again['peak_bytes'] / 1e6:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def write(folder: Path) -> None:
    """Put the tables between their marks in the results page."""
    page = RESULT.read_text()
    tables = {"workers": workers_table, "size": size_table, "stored": stored_table}
    for name, table in tables.items():
        file = folder / f"{name}.json"
        if file.exists():
            kept = json.loads(file.read_text())
            begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
            before, _, rest = page.partition(begin)
            _, _, after = rest.partition(end)
            body = "\n".join([f"{kept['about']}.", "", *table(kept)])
            page = f"{before}{begin}{body}\n{end}{after}"
    RESULT.write_text(page)


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("workers", "real", "size", "stored", "write", "fill", "analyse"))
    parser.add_argument("--counts", default="1,2,4")
    parser.add_argument("--sizes", default="10000,100000")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=HERE.parent / "build" / "scale")
    options = parser.parse_args()
    if options.what == "write":
        write(options.folder)
    elif options.what in {"analyse", "fill"}:
        {"analyse": analyse, "fill": fill}[options.what]()
    elif options.what in {"size", "stored"}:
        measure = {"size": measure_size, "stored": measure_stored}[options.what]
        file = options.folder / f"{options.what}.json"
        rows = json.loads(file.read_text())["rows"] if file.exists() else []
        sizes = [int(size) for size in options.sizes.split(",")]
        rows = [row for row in rows if row["size"] not in sizes]
        for size in sizes:
            for _ in range(options.rounds):
                rows.append(measure(size))
                print(json.dumps(rows[-1]), flush=True)
                keep(options.folder, options.what, rows)
    else:
        from bakeoff.catalog.references import bundled_folder

        folder = bundled_folder() / "technical"
        model = f"pause+{folder}" if options.what == "workers" else "bundled:technical"
        counts = [int(count) for count in options.counts.split(",")]
        keep(options.folder, options.what, measure_workers(model, counts, options.rounds))


if __name__ == "__main__":
    main()
