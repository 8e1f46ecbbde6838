"""What every engine must do, as a check that its author can run: `check_engine(load, folder)`.

It generates with any Llama-sized toy in `folder` and compares the engine with itself: rows together against rows alone.
What the right logits are it does not know; compare with another engine for that (`ENGINE+MODEL` beside `MODEL` in one
bake-off). Speed and memory are not looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bakeoff.core.errors import UnsupportedModel, UsageError
from bakeoff.engines.base import LoadModel, ModelFacts, TokenModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Rows together may add up in another order than alone, in 16 bits too; a row that is mistaken for another, or one that
# sees its padding, is off by as much as logits differ among themselves.
TOLERANCE = 0.05


class EngineBroken(UsageError):
    """An engine does not keep the protocol; the message says where."""


def check_engine(load: LoadModel, folder: Path, device: str | None = None) -> ModelFacts:
    """Run an engine on the model in `folder` and return what it says of itself.

    Raises:
        EngineBroken: it does not do what `base.TokenModel` says; the message names the first thing found.
        UsageError: as `load` raises it.
    """
    _expect_refusal(load, folder)
    model, alone = load(folder, device, None), load(folder, device, None)
    facts = model.facts()
    _check_facts(facts)
    held = model.memory_bytes()
    _require(held is None or held > 0, f"memory_bytes() is {held}: bytes, or None where nobody knows")
    _require(model.rows == 0, f"{model.rows} rows before anything was asked for")
    _check_traffic(model, alone, facts)
    _check_refusals(model, facts)
    for each in (model, alone):
        each.close()
    return facts


def _expect_refusal(load: LoadModel, folder: Path) -> None:
    try:
        load(folder, "no-such-device", None).close()
    except UnsupportedModel:
        return
    raise EngineBroken("a device that is not there was taken: raise UnsupportedModel, never use another in silence")


def _check_facts(facts: ModelFacts) -> None:
    for name in ("engine", "engine_version", "device", "dtype"):
        value = getattr(facts, name)
        _require(isinstance(value, str) and value != "", f"facts().{name} is {value!r}: not empty")
    for name in ("context_length", "vocab_size", "parameters", "weight_bytes"):
        value = getattr(facts, name)
        _require(isinstance(value, int) and value > 0, f"facts().{name} is {value!r}: a whole number above 0")


def _check_traffic(model: TokenModel, alone: TokenModel, facts: ModelFacts) -> None:
    """Let rows of different length join, grow, change places and leave; each must stay as it is alone."""
    first, second, third = (
        [(7 * step + start) % facts.vocab_size for step in range(length)] for start, length in _TEXTS
    )
    rows = [list(first), list(second), list(first)]
    _compare(model.prefill(rows), rows, model, alone, "three prompts at once")
    rows = _grow(model, alone, rows, "after one more token")
    model.keep([2, 1])
    rows = [rows[2], rows[1]]
    _require(model.rows == len(rows), f"{model.rows} rows after keep([2, 1])")
    rows = _grow(model, alone, rows, "after rows left and changed places")
    _compare(model.prefill([third, first]), [third, first], model, alone, "prompts that join rows", known=len(rows))
    rows = _grow(model, alone, [*rows, list(third), list(first)], "after others joined")
    model.keep([])
    _require(model.rows == 0, f"{model.rows} rows after keep([])")
    _compare(model.prefill([third]), [third], model, alone, "a prompt after all rows had left")


_TEXTS = ((3, 41), (5, 3), (11, 17))


def _grow(model: TokenModel, alone: TokenModel, rows: list[list[int]], when: str) -> list[list[int]]:
    """Append a token to every row, each another one."""
    tokens = [2 + row for row in range(len(rows))]
    grown = [[*row, token] for row, token in zip(rows, tokens, strict=True)]
    _compare(model.decode(tokens), grown, model, alone, when)
    return grown


def _compare(
    logits: NDArray[np.float32],
    rows: Sequence[Sequence[int]],
    model: TokenModel,
    alone: TokenModel,
    when: str,
    *,
    known: int = 0,
) -> None:
    """Hold logits of `rows` against those of each row by itself; `known` rows lie before them."""
    shape = (len(rows), model.facts().vocab_size)
    _require(logits.shape == shape, f"{when}: logits have the shape {logits.shape}, not {shape}")
    _require(bool(np.isfinite(logits).all()), f"{when}: logits are not finite")
    _require(model.rows == known + len(rows), f"{when}: {model.rows} rows, not {known + len(rows)}")
    for number, row in enumerate(rows):
        expected = alone.prefill([row])[0]
        alone.keep([])
        off = float(np.abs(expected - logits[number]).max() / np.ptp(expected))
        _require(
            off <= TOLERANCE, f"{when}: row {number} differs from what it is alone by {off:.0%} of its logits' range"
        )


def _check_refusals(model: TokenModel, facts: ModelFacts) -> None:
    """Ask for what cannot be; the row that is there must outlive it."""
    before = model.rows
    wrong = {"an empty prompt": [[5], []], "a token outside the vocabulary": [[5], [facts.vocab_size]]}
    for what, prompts in wrong.items():
        try:
            model.prefill(prompts)
        except (ValueError, IndexError):
            _require(model.rows == before, f"{what} was refused, and left {model.rows - before} rows behind")
        else:
            raise EngineBroken(f"{what} was taken: raise ValueError")
    try:
        model.keep([before])
    except IndexError:
        return
    raise EngineBroken(f"keep([{before}]) of {before} rows was taken: raise IndexError")


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise EngineBroken(message)
