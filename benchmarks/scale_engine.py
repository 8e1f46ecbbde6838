"""An engine with nothing behind it but time: each step of each text takes `BAKEOFF_SCALE_STEP_MS`, however many texts there are.

`scale.py` installs it as a package of its own: so a worker is a worker in everything but its arithmetic, and costs hardly
any CPU.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bakeoff.engines.base import ModelFacts


class Pause:
    """A `bakeoff.engines.base.TokenModel` that waits, and then says a letter that depends on the row's length."""

    def __init__(self, vocab: int, context: int) -> None:
        self._vocab, self._context = vocab, context
        self._lengths: list[int] = []
        self._step_s = float(os.environ.get("BAKEOFF_SCALE_STEP_MS", "25")) / 1000

    @property
    def rows(self) -> int:
        """Sequences there are."""
        return len(self._lengths)

    def prefill(self, prompts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Add rows, at once: only steps take time."""
        self._lengths += [len(prompt) for prompt in prompts]
        return self._logits(self._lengths[-len(prompts) :])

    def decode(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Wait, and go on."""
        time.sleep(self._step_s)
        self._lengths = [length + 1 for length in self._lengths]
        del tokens
        return self._logits(self._lengths)

    def keep(self, rows: Sequence[int]) -> None:
        """Keep these."""
        self._lengths = [self._lengths[row] for row in rows]

    def facts(self) -> ModelFacts:
        """Say what it is."""
        return ModelFacts("pause", "0", "cpu", "none", self._context, self._vocab, 0, 0)

    def memory_bytes(self) -> int:
        """Nothing is held."""
        return 0

    def close(self) -> None:
        """Nothing is given back."""

    def _logits(self, lengths: Sequence[int]) -> NDArray[np.float32]:
        logits = np.full((len(lengths), self._vocab), -30.0, dtype=np.float32)
        for row, length in enumerate(lengths):
            logits[row, 300 + length % 50] = 30.0
        return logits


def load(folder: Path, device: str | None, threads: int | None) -> Pause:
    """The entry point."""
    del device, threads
    config = json.loads((folder / "config.json").read_text())
    return Pause(config["vocab_size"], config["max_position_embeddings"])
