"""Which device torch computes on, and whether it really did.

What is asked for is not believed: every parameter, buffer and cached key must lie on the device, and the device's own
allocator must have grown by the weights; after each generation that is looked at again. On a Mac two more things could go wrong unseen, and are prevented:

- Operators that Metal lacks can run on the CPU in silence. `PYTORCH_ENABLE_MPS_FALLBACK` stays 0 unless a fallback was
  allowed; then torch's warnings name the operators (it warns once a process unless told to warn always). Read from
  aten/src/ATen/mps/MPSFallback.mm, which reads the variable once, when the library is loaded.
- Its allocator goes to 1.7 times the memory that Metal recommends, which is deep in swap. The engine sets the limit to
  1.0 before torch is loaded, and the low watermark with it, since torch refuses one above the other ("invalid low watermark ratio 1.4").

Nothing of `mps` has been run by the authors; see `tests/unit/test_engines_torch_devices.py` for what it was tested against.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from bakeoff.core.errors import UnsupportedModel
from bakeoff.engines.base import ALLOW_HINT
from bakeoff.machine.accelerators import CUDA_CONTEXT_BYTES

_T = TypeVar("_T")
_MOVES = "fall back"
_FELL_BACK = re.compile(r"operator '([^']+)' is not current(?:ly)? (?:implemented|supported)", re.IGNORECASE)


def choose_device(asked: str | None, torch: Any) -> str:
    """Return the device asked for, or the best there is.

    Raises:
        UnsupportedModel: what was asked for is not here; nothing else is used in its place.
    """
    here = ["cpu"]
    if torch.backends.mps.is_available():
        here.insert(0, "mps")
    if torch.cuda.is_available():
        here.insert(0, "cuda")
    chosen = here[0] if asked in {None, "auto"} else str(asked)
    kind, _, index = chosen.partition(":")
    known = kind in here and (not index or (kind == "cuda" and index.isdecimal()))
    if not known or (kind == "cuda" and index and int(index) >= torch.cuda.device_count()):
        raise UnsupportedModel(f"the device {chosen!r} is not here for torch", f"devices: {', '.join(here)}")
    return chosen


class DeviceWitness:
    """What a device's allocator says, before and after. `torch` is the library, or in tests what stands for it."""

    def __init__(self, device: str, torch: Any) -> None:
        self.device = device
        self._kind = device.partition(":")[0]
        self._torch = torch
        if self._kind == "mps":
            torch.mps.set_per_process_memory_fraction(1.0)
        self._before = self.allocated() or 0
        self._given = 0

    def allocated(self) -> int | None:
        """Bytes that the device's allocator has given out; None on the CPU, where nobody counts."""
        if self._kind == "cuda":
            return int(self._torch.cuda.memory_allocated(self.device))
        if self._kind == "mps":
            return int(self._torch.mps.driver_allocated_memory())
        return None

    def held(self) -> int | None:
        """Bytes that the process holds on the device, what is cached for reuse included; None on the CPU.

        On CUDA the allocator's and `CUDA_CONTEXT_BYTES`, which it does not know of; on Metal what the driver counts.
        """
        if self._kind == "cuda":
            return int(self._torch.cuda.memory_reserved(self.device)) + CUDA_CONTEXT_BYTES
        return self.allocated()

    def peak(self) -> int | None:
        """Most bytes that were held at once, counted as by `held`; None where the allocator does not remember.

        Not what was given out of them at once: what is cached for reuse is nobody else's either.
        """
        if self._kind == "cuda":
            return int(self._torch.cuda.max_memory_reserved(self.device)) + CUDA_CONTEXT_BYTES
        return None

    def wait(self) -> None:
        """Wait until the device has done all it was given: a clock that is read before shows nothing."""
        if self._kind == "cuda":
            self._torch.cuda.synchronize(self.device)
        elif self._kind == "mps":
            self._torch.mps.synchronize()

    def idle(self, weight_bytes: int) -> str:
        """Say that the device's allocator shows no work since the last look; "" where it shows some, or nobody counts.

        CUDA counts what it ever gave out, which every operator adds to. Metal does not: there the weights must still be held.
        """
        if self._kind == "cuda":
            given = int(self._torch.cuda.memory_stats(self.device)["allocation.all.allocated"])
            before, self._given = self._given, given
            return "" if given > before else f"{self.device} gave out no memory for it"
        held = self.allocated()
        if held is None or held >= weight_bytes:
            return ""
        return f"{self.device} holds {held} bytes, and the weights have {weight_bytes}"

    def confirm(self, tensors: Iterable[tuple[str, Any]], weight_bytes: int) -> str:
        """Return the one kind of device that all of `tensors` (what they are, and where) lie on.

        To be called after a generation.

        Raises:
            UnsupportedModel: they lie elsewhere, or the allocator has not grown by the weights.
        """
        found: dict[str, str] = {}
        for what, tensor in tensors:
            found.setdefault(tensor.device.type, what)
        if set(found) != {self._kind}:
            where = ", ".join(f"{what} on {kind}" for kind, what in sorted(found.items()))
            raise UnsupportedModel(f"the model was to run on {self.device}, and parts lie elsewhere: {where}")
        now = self.allocated()
        if now is not None and now - self._before < weight_bytes:
            raise UnsupportedModel(
                f"the model was to run on {self.device}, but that device's memory grew by {now - self._before} bytes "
                f"and the weights have {weight_bytes}: something else did the work in silence",
                "take --device cpu, or another engine",
            )
        return self._kind


class FallbackWatch:
    """Collects which operators torch moves to the CPU, for the rest of the process; other warnings are shown as ever."""

    def __init__(self) -> None:
        self._operators: dict[str, None] = {}

    @property
    def operators(self) -> tuple[str, ...]:
        """Their names, once each, in the order in which they were met."""
        return tuple(self._operators)

    def listen(self, torch: Any) -> None:
        """Begin. Unless told to warn always, torch would tell the first fallback of a process only."""
        torch.set_warn_always(True)
        warnings.filterwarnings("always", message=f".*{_MOVES}")
        shown = warnings.showwarning

        def take(message: Warning | str, *where: Any, **more: Any) -> None:
            names, others = read_fallbacks([str(message)])
            self._operators |= dict.fromkeys(names)
            if others:
                shown(message, *where, **more)

        warnings.showwarning = take


def read_fallbacks(messages: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return the operators that torch's warnings name, in order and once each, and the other messages."""
    names: dict[str, None] = {}
    others = []
    for message in messages:
        found = _FELL_BACK.search(message)
        if found and _MOVES in message:
            names[found[1]] = None
        else:
            others.append(message)
    return tuple(names), others


def explain_missing_operator(run: Callable[[], _T], device: str) -> _T:
    """Return what something gives that is run on a device for the first time; an operator that is missing is the user's own error.

    Raises:
        UnsupportedModel: torch has no such operator there, and moving to the CPU was not allowed.
    """
    try:
        return run()
    except NotImplementedError as error:
        found = _FELL_BACK.search(str(error))
        operator = found[1] if found else str(error).partition("\n")[0]
        raise UnsupportedModel(
            f"torch cannot compute {operator} on {device}",
            ALLOW_HINT,
        ) from error
