"""How far the statistics can be trusted: coverage, false alarms, and the race against a fixed number of briefs.

    python benchmarks/statistics_evidence.py                        all tables, about 8 minutes on 2 cores
    python benchmarks/statistics_evidence.py --rounds 50            a quick look, too few for the third digit
    python benchmarks/statistics_evidence.py --out benchmarks/results/statistics.md

Everything is seeded. Real score tables are read from `$BAKEOFF_DATA/statistics` (default `../shared/data`), which is no part
of this repository; without them those tables are left out, and the page says so. They are: AlpacaEval 2 annotations of
tatsu-lab/alpaca_eval, human ratings of dig-team/hanna-benchmark-asg, GPT-4 grades of MT-bench from lm-sys/RouteLLM.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy.special import stdtrit
from statistics_fields import MODELS, Array, draw_field, draw_scores, latent_for, populations, read_tables, true_means

from bakeoff.decide.replay import replay_race
from bakeoff.decide.score_analysis import Scored, analyse_scores, table_of
from bakeoff.stats.intervals import Interval, interval
from bakeoff.stats.paired import paired_difference
from bakeoff.stats.race import Race
from bakeoff.stats.sloppier import pooled_t
from bakeoff.stats.verdicts import RaceMode, Verdict

EPS = 0.3
FIELDS = ("random", "easy", "close", "tie of two", "all equal")
DESIGNS = ((115, 100), (230, 200))
SIZES = (5, 15, 40, 100)


def main() -> None:
    """Measure everything and print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=400, help="simulated races a field; other tables scale with it")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("BAKEOFF_DATA", "../shared/data")))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    tables = read_tables(given.data / "statistics")
    parts = [
        "# How far the statistics can be trusted",
        (
            f"By `python benchmarks/statistics_evidence.py --rounds {given.rounds}`, {dt.datetime.now(tz=dt.UTC).date().isoformat()}, Python "
            f"{platform.python_version()}, numpy {np.__version__}. Monte Carlo error: a share p of R draws has a standard error "
            "of sqrt(p (1 - p) / R)."
        ),
    ]
    measured: tuple[tuple[str, Callable[[], list[str]]], ...] = (
        ("Coverage of 95 % intervals, made scores", lambda: coverage(2 * given.rounds)),
        ("Coverage of 95 % intervals, real scores", lambda: real_coverage(tables, 2 * given.rounds)),
        (
            "Two models of the same mean: how often a difference is claimed at 5 %",
            lambda: false_alarms(5 * given.rounds),
        ),
        ("The race against a fixed number of briefs, six models", lambda: races(given.rounds)),
        ("Texts that fail: wrong claims where all means are equal", lambda: failures(given.rounds)),
        ("What the race's intervals cover", lambda: race_intervals(given.rounds)),
        ("Replays on real scores", lambda: replays(tables, given.rounds // 2)),
        ("Speed", speed),
    )
    for title, table in measured:
        begun = time.perf_counter()
        parts.append("\n".join([f"## {title}", "", *table(), "", f"({time.perf_counter() - begun:.0f} s)"]))
        print(parts[-1], flush=True)
    if given.out is not None:
        given.out.write_text("\n\n".join(parts) + "\n")


def row(*values: object) -> str:
    """One line of a table."""
    return "| " + " | ".join(str(value) for value in values) + " |"


def head(*names: str) -> list[str]:
    """The first lines of a table."""
    return [row(*names), row(*["---"] * len(names))]


def coverage(draws: int) -> list[str]:
    """Share of intervals that hold the mean: bounded / t / bca / z; bca from a quarter of the draws."""
    generator = np.random.default_rng(1)
    lines = [
        f"{draws} draws a cell; bounded (the default) / t / BCa / z.",
        "",
        *head("scores", *(f"n = {n}" for n in SIZES)),
    ]
    for name, values in populations(generator, 1_000_000).items():
        cells = [_covered(values, float(values.mean()), n, draws, generator) for n in SIZES]
        lines.append(row(name, *cells))
    return lines


def _share_holding(found: Sequence[Interval], truth: float) -> float:
    return float(np.mean([f.low is not None and f.high is not None and f.low <= truth <= f.high for f in found]))


def _covered(values: Array, truth: float, n: int, draws: int, generator: np.random.Generator) -> str:
    samples = generator.choice(values, (draws, n))
    shares = []
    for method in ("bounded", "t", "bca", "z"):
        some = samples[: draws // 4] if method == "bca" else samples
        found = [interval(sample, method=method) for sample in some]
        shares.append(_share_holding(found, truth))
    return " / ".join(f"{share:.3f}" for share in shares)


def real_coverage(tables: dict[str, dict[str, dict[str, float]]], draws: int) -> list[str]:
    """The same for every model of the real tables, resampled; the lowest and the mean over its models."""
    if not tables:
        return ["The tables are not on this machine."]
    generator = np.random.default_rng(2)
    lines = [
        f"{draws} draws a model and size; bounded / t, lowest over the models.",
        "",
        *head("table", *map(str, SIZES)),
    ]
    for name, models in tables.items():
        cells = []
        for n in SIZES:
            shares = []
            for by_prompt in models.values():
                values = np.array(list(by_prompt.values()))
                truth = float(values.mean())
                samples = generator.choice(values, (draws, n))
                shares.append(
                    [_share_holding([interval(s, method=m) for s in samples], truth) for m in ("bounded", "t")]
                )
            lowest = np.array(shares).min(axis=0)
            cells.append(f"{lowest[0]:.3f} / {lowest[1]:.3f}")
        lines.append(row(f"{name} ({len(models)} models)", *cells))
    return lines


def false_alarms(draws: int) -> list[str]:
    """Rejections at 5 % where both means are equal; the pooled test and the unclustered one are what others do."""
    generator = np.random.default_rng(3)
    lines = [
        f"{draws} draws; briefs n, replicates k.",
        "",
        *head("n x k", "paired t", "sign flip", "t on n x k", "pooled t"),
    ]
    latent = np.full((1, 2), 7.0)
    for n, k in ((15, 1), (15, 5), (30, 1), (30, 3), (100, 1)):
        counts = np.zeros(4)
        for _ in range(draws):
            base = draw_scores(generator, latent, n)[0]
            again = base[:, None, :] + generator.normal(0, 1.2, (n, k, 2)) if k > 1 else base[:, None, :]
            a, b = np.clip(again[..., 0], 0, 10), np.clip(again[..., 1], 0, 10)
            pair = paired_difference(a.mean(axis=1), b.mean(axis=1))
            flat = paired_difference(a.ravel(), b.ravel(), method="t")
            counts += [
                (pair.p or 0) < 0.05,
                (pair.p_sign_flip or 0) < 0.05,
                (flat.p or 0) < 0.05,
                (pooled_t(a.ravel(), b.ravel()).p or 1) < 0.05,
            ]
        lines.append(row(f"{n} x {k}", *(f"{share:.3f}" for share in counts / draws)))
    return lines


def drive(scores: Array, cap: int, mode: RaceMode = "standard", eps: float = EPS) -> tuple[Race, Verdict, int]:
    """Run one race; return it, how it ended, and how many texts it took."""
    names = [str(i) for i in range(scores.shape[1])]
    race = Race(names, cap=cap, eps=eps, mode=mode)
    used = 0
    for values in scores[:cap]:
        survivors = race.survivors
        used += len(survivors)
        race.add({name: float(values[int(name)]) for name in survivors})
        if race.verdict is not None:
            break
    return race, race.stop(), used


def fixed(scores: Array, n: int) -> tuple[Array, Array]:
    """After n briefs for everybody, by one-sided t bounds at alpha / (K - 1): who is shown within eps of all; the means."""
    first = scores[:, :n]
    critical = float(stdtrit(n - 1, 1.0 - 0.05 / (scores.shape[2] - 1)))
    difference = first[:, :, :, None] - first[:, :, None, :]
    lower = difference.mean(axis=1) - critical * difference.std(axis=1, ddof=1) / np.sqrt(n)
    lower[:, range(scores.shape[2]), range(scores.shape[2])] = 0.0
    return (lower >= -EPS).all(axis=2), first.mean(axis=1)


def races(count: int) -> list[str]:
    """Texts, certificates and bad choices (worse than the best by more than eps) in five fields, two designs."""
    lines = [
        (
            f"{count} races a field. Bad: somebody was chosen who is worse than the best by more than {EPS}. Shown: somebody was "
            "shown to be best or within eps of it. Led: the leader at the end, chosen or not, is worse by more than eps."
        ),
        "",
        *head(
            "field", "design", "texts", "against fixed", "shown", "fixed shows", "bad", "fixed bad", "led", "fixed led"
        ),
    ]
    fields = [(name, ()) for name in FIELDS] + [
        ("random", (0.0, 0.02, 0.05, 0.1, 0.1, 0.2)),
        ("all equal", (0.03,) * MODELS),
    ]
    for name, fails in fields:
        generator = np.random.default_rng(4)
        latent = draw_field(name, generator, count)
        truth = true_means(latent, fails)
        short = truth.max(axis=1, keepdims=True) - truth > EPS + 1e-9
        scores = draw_scores(generator, latent, 230, fails)
        label = f"{name}, texts fail" if fails else name
        for cap, n in DESIGNS:
            shown, means = fixed(scores, n)
            leaders = np.where(shown.any(axis=1), np.where(shown, means, -1).argmax(axis=1), means.argmax(axis=1))
            fixed_led = short[range(count), leaders]
            for mode in ("standard", "strict"):
                ended = [drive(scores[i], cap, mode) for i in range(count)]
                texts = float(np.mean([used for _, _, used in ended]))
                chosen = np.array([bool(verdict.equivalent) for _, verdict, _ in ended])
                led = np.array([short[i, int(_choice(verdict))] for i, (_, verdict, _) in enumerate(ended)])
                lines.append(
                    row(
                        label,
                        f"{mode}, cap {cap}; fixed {n}",
                        f"{texts:.0f} / {n * MODELS}",
                        f"{100 * (texts / (n * MODELS) - 1):+.0f} %",
                        f"{chosen.mean():.3f}",
                        f"{shown.any(axis=1).mean():.3f}",
                        f"{(chosen & led).mean():.3f}",
                        f"{(shown.any(axis=1) & fixed_led).mean():.3f}",
                        f"{led.mean():.3f}",
                        f"{fixed_led.mean():.3f}",
                    )
                )
    return lines


def _choice(verdict: Verdict) -> str:
    if not verdict.equivalent or verdict.leader in verdict.equivalent:
        return verdict.leader
    return verdict.equivalent[0]


def failures(count: int) -> list[str]:
    """Claims that a rival is better than model 0, where all means are equal and the rivals fail rarely and wholly."""
    base = 7.0
    lines = [
        (
            f"{2 * count} races a cell; all of {base:g} in the mean, the rivals failing in a share of their texts. Wrong: model 0 is "
            "eliminated, or somebody wins against it. Plain: the look at the cap by plain t, without the floored observation."
        ),
        "",
        *head("models", "rivals fail in", "cap 15: race, plain", "cap 75: race, plain", "cap 200: race, plain"),
    ]
    for models in (2, 6):
        for share in (0.0, 0.02, 0.05, 0.1, 0.2):
            generator = np.random.default_rng(5)
            latent = np.full((2 * count, models), latent_for(base / (1.0 - share)))
            latent[:, 0] = latent_for(base)
            fails = [0.0] + [share] * (models - 1)
            scores = draw_scores(generator, latent, 200, fails if share else ())
            cells = []
            for cap in (15, 75, 200):
                ended = [drive(found, cap)[1] for found in scores]
                wrong = np.mean(["0" not in verdict.survivors for verdict in ended])
                cells.append(f"{wrong:.3f}, {_plain(scores[:, :cap]):.3f}")
            lines.append(row(models, f"{100 * share:.0f} %", *cells))
    return lines


def _plain(scores: Array) -> float:
    n, models = scores.shape[1:]
    difference = scores[:, :, 1:] - scores[:, :, :1]
    critical = float(stdtrit(n - 1, 1.0 - 0.05 / (models - 1)))
    lower = difference.mean(axis=1) - critical * difference.std(axis=1, ddof=1) / np.sqrt(n)
    return float((lower > 0).any(axis=1).mean())


def race_intervals(count: int) -> list[str]:
    """Whether intervals hold though the race chose when to stop: pairs' own, and bounded ones of the models' scores."""
    lines = [
        (
            f"{count} races a field, cap 115, standard. Pair: the interval of a difference when the race stopped. Score: the bounded "
            "interval of a model's mean over the rounds that it was in, all models and the one chosen or leading; fresh: that one "
            "on 30 briefs that had no part in it; curse: its mean in the race less its true mean."
        ),
        "",
        *head("field", "pair", "score, all", "score, chosen", "score, chosen, fresh", "curse"),
    ]
    for name in FIELDS:
        generator = np.random.default_rng(6)
        latent = draw_field(name, generator, count)
        truth = true_means(latent)
        scores = draw_scores(generator, latent, 145)
        pairs: list[bool] = []
        own: list[bool] = []
        chosen: list[bool] = []
        fresh: list[bool] = []
        curse: list[float] = []
        for i in range(count):
            race, verdict, _ = drive(scores[i, :115], 115)
            for pair in race.evidence():
                gap = truth[i, int(pair.a)] - truth[i, int(pair.b)]
                pairs.append(pair.low <= gap <= pair.high)
            out = {found.model: found.round_number for found in race.eliminations}
            own += [
                _holds(scores[i, : out.get(str(model), verdict.briefs), model], truth[i, model])
                for model in range(MODELS)
            ]
            best = int(_choice(verdict))
            chosen.append(_holds(scores[i, : verdict.briefs, best], truth[i, best]))
            fresh.append(_holds(scores[i, 115:, best], truth[i, best]))
            curse.append(float(scores[i, : verdict.briefs, best].mean() - truth[i, best]))
        shares = [f"{np.mean(found):.3f}" for found in (pairs, own, chosen, fresh)]
        lines.append(row(name, *shares, f"{np.mean(curse):+.2f}"))
    return lines


def _holds(values: Array, truth: float) -> bool:
    found = interval(values)
    return found.low is not None and found.high is not None and found.low <= truth <= found.high


def replays(tables: dict[str, dict[str, dict[str, float]]], orderings: int) -> list[str]:
    """Races on real scores: briefs drawn with replacement, the table's means the truth."""
    if not tables:
        return ["The tables are not on this machine."]
    lines = [
        f"{orderings} orderings a table, the six best models (MT-bench: its two).",
        "",
        *head("table", "cap", "texts: race, p90", "fixed", "against fixed", "shown", "fixed shows", "bad", "fixed bad"),
    ]
    for name, models in tables.items():
        best = sorted(models, key=lambda model: -np.mean(list(models[model].values())))[:6]
        rows = [Scored(model, prompt, value, "", None) for model in best for prompt, value in models[model].items()]
        found = replay_race(table_of(rows, (0.0, 10.0))[0], orderings, eps=EPS)
        if found is None:
            continue
        race, usual = found.race, found.fixed
        lines.append(
            row(
                name,
                found.cap,
                f"{race.scores_p50:.0f}, {race.scores_p90:.0f}",
                f"{usual.scores_p50:.0f}",
                f"{100 * (race.scores_p50 / usual.scores_p50 - 1):+.0f} %",
                f"{race.certified:.2f}",
                f"{usual.certified:.2f}",
                f"{race.bad:.3f}",
                f"{usual.bad:.3f}",
            )
        )
    return lines


def speed() -> list[str]:
    """Medians of repeated calls, in milliseconds; targets beside them."""
    generator = np.random.default_rng(8)
    few, many = (np.clip(generator.normal(7, 2, n), 0, 10) for n in (40, 1000))

    def fresh(values: Array) -> Callable[[], object]:
        return lambda: interval(np.clip(values + generator.normal(0, 0.01, values.size), 0, 10))

    race = Race([str(i) for i in range(6)], cap=10_000)
    draws = iter(np.clip(generator.normal(7, 2, (400, 6)), 0.1, 10))
    rows = [
        Scored(f"m{model}", f"b{brief}", float(np.clip(generator.normal(7, 2), 0, 10)), "", None)
        for model in range(20)
        for brief in range(1000)
    ]
    lines = head("what", "ms", "target ms")
    lines.append(row("bounded interval, n = 40", f"{_median_ms(fresh(few), 30):.1f}", 5))
    lines.append(row("bounded interval, n = 1,000", f"{_median_ms(fresh(many), 15):.1f}", 50))
    step = _median_ms(lambda: race.add({str(i): float(v) for i, v in enumerate(next(draws))}), 200)
    lines.append(row("a round of a race of six", f"{step:.2f}", 10))
    for models, briefs in ((20, 1000), (10, 1000), (20, 500)):
        some = [found for found in rows if int(found.model[1:]) < models and int(found.brief[1:]) < briefs]
        spent = _median_ms(lambda some=some: analyse_scores(some), 1)  # type: ignore[misc]
        lines.append(row(f"analyse {models} models x {briefs:,} briefs", f"{spent:.0f}", 10_000))
    return lines


def _median_ms(call: Callable[[], object], times: int) -> float:
    taken: list[float] = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - begun))
    return float(np.median(taken))


if __name__ == "__main__":
    main()
