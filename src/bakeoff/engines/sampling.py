"""From logits to tokens: temperature, then top-k, then top-p, then one draw, for a batch of rows at a time.

A row's token is a function of its own logits, its own settings and its own generator, bit for bit: every operation here
works along the vocabulary axis only, in float64, and a row consumes exactly one number of its own generator per sampled
token (none when greedy). That is what makes a seed mean the same alone and in a batch.

Top-k keeps the k largest logits, top-p the shortest prefix of the sorted rest whose probability reaches p (nucleus
sampling: Holtzman et al., 2020, section 3.1). Ties are broken by token id. Almost every nucleus lies among the 64
largest logits, so these are partitioned out and sorted; a row that needs more is sorted in full, with the same result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEAD = 64
# Rows are taken in blocks whose float64 copy stays in the cache and below malloc's mmap threshold: fresh pages for every
# step cost more than the arithmetic (32 x 4096: 1.3 ms in one piece, 0.7 ms in blocks; Zen 5, 2026-11).
BLOCK_ENTRIES = 32768


class ChoiceSettings(Protocol):
    """How one row's next token is chosen; `core.spec.Sampling` is one."""

    @property
    def temperature(self) -> float:
        """0 is greedy."""
        ...

    @property
    def top_p(self) -> float:
        """In (0, 1]; 1 keeps everything."""
        ...

    @property
    def top_k(self) -> int | None:
        """At least 1; None keeps everything."""
        ...


def seeded_generator(seed: int) -> np.random.Generator:
    """Return the generator that `seed` stands for, the same on every platform. Negative seeds are allowed."""
    return np.random.Generator(np.random.PCG64(seed % 2**64))


def is_finite(logits: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell for each row of `logits` (rows, vocab) whether a token can be chosen from it: no NaN, a finite maximum."""
    finite: NDArray[np.bool_] = np.isfinite(logits.max(axis=1))
    return finite


def choose_tokens(
    logits: NDArray[np.float32], settings: Sequence[ChoiceSettings], generators: Sequence[np.random.Generator]
) -> NDArray[np.int64]:
    """Return one token id per row of `logits` (rows, vocab); see the module for what a row depends on.

    Rows are expected to be finite (`is_finite`); minus infinity stands for a token that cannot be chosen.
    """
    tokens = np.empty(len(settings), dtype=np.int64)
    rows: dict[str, list[int]] = {"greedy": [], "whole": [], "truncated": []}
    for row, how in enumerate(settings):
        rows[_kind(how)].append(row)
    if rows["greedy"]:
        tokens[rows["greedy"]] = logits[rows["greedy"]].argmax(axis=1)
    block = max(1, BLOCK_ENTRIES // logits.shape[1])
    for kind, choose in (("whole", _choose_whole), ("truncated", _choose_truncated)):
        for start in range(0, len(rows[kind]), block):
            some = rows[kind][start : start + block]
            uniforms = np.array([generators[row].random() for row in some])
            tokens[some] = choose(logits[some], [settings[row] for row in some], uniforms)
    return tokens


def top_logprobs(logits: NDArray[np.float32], token: int, top: int) -> list[tuple[int, float]]:
    """Return the log-probability of `token`, then those of the `top` likeliest, by falling probability, then by id.

    Args:
        logits: shape (vocab,), as the model gave them.
        token: the one that was chosen.
        top: how many more.
    """
    values = logits.astype(np.float64)
    values -= values.max()
    values -= np.log(np.exp(values).sum())
    best = np.argsort(-values, kind="stable")[:top]
    return [(token, float(values[token])), *((int(id_), float(values[id_])) for id_ in best)]


def _kind(how: ChoiceSettings) -> str:
    if how.temperature == 0 or how.top_k == 1:
        return "greedy"
    return "whole" if how.top_p >= 1 and how.top_k is None else "truncated"


def _weigh(logits: NDArray[np.float32], settings: Sequence[ChoiceSettings]) -> NDArray[np.float64]:
    """Return the softmax at each row's temperature without its denominator: the largest weight of a row is 1."""
    weights = logits.astype(np.float64)
    weights -= weights.max(axis=1, keepdims=True)
    weights /= np.array([how.temperature for how in settings], dtype=np.float64)[:, None]
    return np.exp(weights, out=weights)


def _choose_whole(
    logits: NDArray[np.float32], settings: Sequence[ChoiceSettings], uniforms: NDArray[np.float64]
) -> NDArray[np.int64]:
    masses = np.cumsum(_weigh(logits, settings), axis=1)
    return _first_above(masses, masses[:, -1] * uniforms)


def _choose_truncated(
    logits: NDArray[np.float32], settings: Sequence[ChoiceSettings], uniforms: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Choose where only a prefix of the tokens, sorted by falling logit, is allowed."""
    vocab = logits.shape[1]
    top_p = np.array([how.top_p for how in settings])
    top_k = np.array([min(how.top_k or vocab, vocab) for how in settings])
    weights = _weigh(logits, settings)
    totals = weights.sum(axis=1)
    tokens, settled = _choose_in(_head_order(logits), logits, weights, totals, top_p, top_k, uniforms)
    rest = np.flatnonzero(~settled)
    if rest.size:
        order = np.argsort(-logits[rest], axis=1, kind="stable")
        tokens[rest], _ = _choose_in(
            order, logits[rest], weights[rest], totals[rest], top_p[rest], top_k[rest], uniforms[rest]
        )
    return tokens


def _choose_in(
    order: NDArray[np.int64],
    logits: NDArray[np.float32],
    weights: NDArray[np.float64],
    totals: NDArray[np.float64],
    top_p: NDArray[np.float64],
    top_k: NDArray[np.int64],
    uniforms: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Choose among the first tokens of `order` (rows, width); tell for each row whether width was enough to know.

    It is when the cut lies inside, and the last kept logit is above the smallest one seen: no token outside can tie.
    """
    vocab, width = logits.shape[1], order.shape[1]
    rows = np.arange(len(order))
    masses = np.cumsum(weights[rows[:, None], order], axis=1)
    by_k = top_k < vocab
    inside_k = np.minimum(top_k, width)
    limits = np.where(by_k, masses[rows, inside_k - 1], totals) * top_p
    kept = np.minimum((masses < limits[:, None]).sum(axis=1) + 1, inside_k)
    last = order[rows, kept - 1]
    cut_inside = np.where(by_k, top_k <= width, masses[:, -1] >= limits)
    settled = cut_inside & (logits[rows, last] > logits[rows, order[:, -1]])
    chosen = np.minimum(_first_above(masses, masses[rows, kept - 1] * uniforms), kept - 1)
    return order[rows, chosen], settled if width < vocab else np.ones_like(settled)


def _first_above(masses: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return for each row the first column whose cumulative mass exceeds the target."""
    return np.asarray((masses <= targets[:, None]).sum(axis=1), dtype=np.int64)


def _head_order(logits: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the ids of the `HEAD` largest logits of each row, by falling logit, then by id."""
    vocab = logits.shape[1]
    if vocab <= HEAD:
        return np.argsort(-logits, axis=1, kind="stable")
    head = np.sort(np.argpartition(logits, vocab - HEAD, axis=1)[:, vocab - HEAD :], axis=1)
    rows = np.arange(len(head))[:, None]
    order = np.argsort(-logits[rows, head], axis=1, kind="stable")
    return head[rows, order]
