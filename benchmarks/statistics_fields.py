"""Scores to try the statistics on: made ones whose truth is known, and real tables."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
SD = 1.8
MODELS = 6


def populations(generator: np.random.Generator, size: int) -> dict[str, Array]:
    """Scores of one model: what a mean is taken of. Each of shape (size,), 0 to 10."""
    normal = generator.normal
    usual = np.clip(normal(6.5, SD, size), 0, 10)
    ceiling = np.clip(normal(9.3, SD, size), 0, 10)
    rare = np.where(generator.random(size) < 0.03, generator.uniform(0, 2, size), np.clip(normal(9, 0.7, size), 0, 10))
    failing = np.where(generator.random(size) < 0.1, 0.0, np.clip(normal(8.5, 0.6, size), 0, 10))
    skewed = 10.0 * (1.0 - generator.beta(0.6, 4.0, size))
    return {
        "in the middle": usual,
        "at the ceiling": ceiling,
        "3 % catastrophes": rare,
        "fails in one of ten": failing,
        "skewed": skewed,
    }


def draw_field(name: str, generator: np.random.Generator, races: int) -> Array:
    """Latent means, shape (races, models)."""
    if name == "random":
        return generator.normal(7.0, 0.9, (races, MODELS))
    steps = {
        "easy": (8.4, 7.7, 7.0, 6.6, 6.2, 5.8),
        "close": (7.8, 7.4, 7.0, 6.6, 6.2, 5.8),
        "tie of two": (7.8, 7.8, 7.0, 6.6, 6.2, 5.8),
        "all equal": (7.0,) * MODELS,
    }
    return np.tile(np.array(steps[name]), (races, 1))


def draw_scores(generator: np.random.Generator, means: Array, rounds: int, fails: Sequence[float] = ()) -> Array:
    """Scores of shape (races, rounds, models): prompts 24 % of the variance, prompt x model 16 %, the rest noise.

    3 % are catastrophes between 0.25 and 2; with `fails`, a model's texts fail at that rate, and score 0.
    """
    races, models = means.shape
    variance = SD**2
    prompt = generator.normal(0, np.sqrt(0.24 * variance), (races, rounds, 1))
    own = generator.normal(0, np.sqrt(0.16 * variance), (races, rounds, models))
    noise = generator.normal(0, np.sqrt(0.60 * variance), (races, rounds, models))
    scores = means[:, None, :] + prompt + own + noise
    bad = generator.random(scores.shape) < 0.03
    scores = np.where(bad, generator.uniform(0.25, 2, scores.shape), scores)
    scores = np.round(np.clip(scores, 0.25, 10) * 4) / 4
    if len(fails):
        scores = np.where(generator.random(scores.shape) < np.asarray(fails), 0.0, scores)
    return scores


def true_means(latent: Array, fails: Sequence[float] = ()) -> Array:
    """What a model of this latent mean scores on average, from 200,000 draws at each of 400 values between."""
    generator = np.random.default_rng(7)
    grid = np.linspace(2.0, 12.0, 200)
    noise = generator.normal(0, SD, 20_000)
    regular = np.array([np.mean(np.round(np.clip(value + noise, 0.25, 10) * 4) / 4) for value in grid])
    means = np.interp(latent, grid, 0.97 * regular + 0.03 * 1.125)
    return means * (1.0 - np.asarray(fails)) if len(fails) else means


def latent_for(target: float) -> float:
    """The latent mean whose average score is `target`."""
    grid = np.linspace(2.0, 14.0, 400)
    return float(np.interp(target, true_means(grid), grid))


def read_tables(folder: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Real scores, 0 to 10, by table, model and prompt (replicates averaged); empty where the folder is not there."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    if not folder.is_dir():
        return found
    alpaca = _read(folder / "alpaca_eval_winrate.csv", "instance", lambda row: float(row["score"]))
    ratings = ("RE", "CH", "EM", "SU", "EG", "CX")
    hanna = _read(
        folder / "hanna_human.csv", "prompt", lambda row: (sum(float(row[name]) for name in ratings) / 6 - 1) * 2.5
    )
    bench = _read(folder / "mt_bench_single_gpt4.csv", "question_id", lambda row: float(row["score"]))
    return {"AlpacaEval": alpaca, "HANNA, mean of raters": hanna, "MT-bench": bench}


def _read(path: Path, prompt: str, score_of: object) -> dict[str, dict[str, float]]:
    values: dict[str, dict[str, list[float]]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            values.setdefault(row["model"], {}).setdefault(row[prompt], []).append(score_of(row))  # type: ignore[operator]
    return {model: {key: float(np.mean(found)) for key, found in by.items()} for model, by in values.items()}
