"""What an engine is: something that turns tokens into logits, a ragged batch at a time.

Sampling, stop strings, streaming and batching are bakeoff's own and the same for every engine (`batching`), so that
two engines differ in their arithmetic only, and a seed means the same everywhere. A third-party engine is a function
`load(folder, device, threads) -> TokenModel` named by an entry point in the group `bakeoff.engines`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What was loaded, found by looking: `device` and `dtype` are those of the tensors, not those asked for.

    `kernels` names the arithmetic where an engine has a choice, `kernels_reason` what was measured to choose it, and
    `fallbacks` the operators that ran on the CPU although `device` is another. Of the seconds that loading took, `import_s`
    went into code that was imported on the way, and `calibration_s` into the choice of the arithmetic: neither is a load of weights.
    """

    engine: str
    engine_version: str
    device: str
    dtype: str
    context_length: int
    vocab_size: int
    parameters: int
    weight_bytes: int
    kernels: str | None = None
    kernels_reason: str | None = None
    fallbacks: tuple[str, ...] = ()
    import_s: float = 0.0
    calibration_s: float = 0.0


ALLOW_HINT = (
    "take --device cpu, or --allow-fallback to let another device do that part (it is said beside every figure)"
)


class Sight(NamedTuple):
    """What does the work now, found by looking: where tensors lie and what is in them, and what is computed elsewhere."""

    device: str
    dtype: str
    fallbacks: tuple[str, ...] = ()


class TokenModel(Protocol):
    """A causal language model with a KV cache of `rows` sequences, each of its own length, in a fixed order."""

    @property
    def rows(self) -> int:
        """Sequences now in the KV cache."""
        ...

    def prefill(self, prompts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Append a row per prompt; return logits at each prompt's last position, shape (len(prompts), vocab)."""
        ...

    def decode(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Append one token to every row; return logits, shape (rows, vocab)."""
        ...

    def keep(self, rows: Sequence[int]) -> None:
        """Keep only these rows (indices), in this order; the others' cache is dropped."""
        ...

    def facts(self) -> ModelFacts:
        """Return what was loaded."""
        ...

    def memory_bytes(self) -> int | None:
        """Bytes held by weights and KV cache as the engine's allocator knows them, None where it does not say."""
        ...

    def close(self) -> None:
        """Give everything back. The model is not used afterwards."""
        ...


@runtime_checkable
class KnowsPeak(Protocol):
    """A loaded model whose device has an allocator that remembers the most it ever held."""

    def peak_memory_bytes(self) -> int | None:
        """Most bytes that the device's allocator has held, None where it does not say. Safe from any thread."""
        ...


@runtime_checkable
class LooksAgain(Protocol):
    """A loaded model that can tell at any time, in far less than a token takes, what does the work.

    Of one that cannot, what was found when it was loaded holds.
    """

    def look(self) -> Sight:
        """Look, in the thread that generates and after it has generated; `facts` as ever where nothing has changed."""
        ...


class LoadModel(Protocol):
    """How an engine is entered: `device` is None for the engine's own choice, `threads` None for all allowed cores."""

    def __call__(self, folder: Path, device: str | None, threads: int | None) -> TokenModel:
        """Load the model in `folder`.

        Raises:
            UnsupportedModel: the engine cannot run this architecture or file.
            InvalidFile: a file in the folder is not what it should be.
        """
        ...
