"""Which device torch computes on, and whether it really did.

What is asked for is not believed: every parameter, buffer and cached key must lie on the device, and the device's own
allocator must have grown by the weights. On a Mac two more things could go wrong unseen, and are prevented:

- Operators that Metal lacks can run on the CPU in silence. `PYTORCH_ENABLE_MPS_FALLBACK` stays 0 unless a fallback was
  allowed; then torch's warnings name the operators (it warns once a process unless told to warn always). Read from
  aten/src/ATen/mps/MPSFallback.mm, which reads the variable once, when the library is loaded.
- Its allocator goes to 1.7 times the memory that Metal recommends, which is deep in swap. The engine sets the limit to
  1.0 before torch is loaded, and the low watermark with it, since torch refuses one above the other ("invalid low watermark ratio 1.4").

Nothing of `mps` has been run by the authors; see `tests/unit/test_engines_torch_devices.py` for what it was tested against.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Self

from bakeoff.core.errors import UnsupportedModel

FALLBACK_VARIABLE = "PYTORCH_ENABLE_MPS_FALLBACK"
_ALLOW_HINT = "take --device cpu, or --allow-fallback to let the CPU do that part (it is said beside every number)"
_FELL_BACK = re.compile(r"operator '([^']+)' is not currently (?:implemented|supported)", re.IGNORECASE)


def refuse_fallbacks(operators: Sequence[str], device: str) -> None:
    """Stop where operators ran on the CPU and nobody allowed it. (torch moves five of them whatever it is told.)

    Raises:
        UnsupportedModel: with their names.
    """
    if operators and os.environ.get(FALLBACK_VARIABLE) != "1":
        raise UnsupportedModel(f"torch computed {', '.join(operators)} on the CPU instead of {device}", _ALLOW_HINT)


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

    def allocated(self) -> int | None:
        """Bytes that the device's allocator has given out; None on the CPU, where nobody counts."""
        if self._kind == "cuda":
            return int(self._torch.cuda.memory_allocated(self.device))
        if self._kind == "mps":
            return int(self._torch.mps.driver_allocated_memory())
        return None

    def held(self) -> int | None:
        """Bytes that the process holds on the device, what is cached for reuse included; None on the CPU."""
        if self._kind == "cuda":
            return int(self._torch.cuda.memory_reserved(self.device))
        return self.allocated()

    def peak(self) -> int | None:
        """Most bytes that the device's allocator has given out at once; None where it does not remember."""
        return int(self._torch.cuda.max_memory_allocated(self.device)) if self._kind == "cuda" else None

    def wait(self) -> None:
        """Wait until the device has done all it was given: a clock that is read before shows nothing."""
        if self._kind == "cuda":
            self._torch.cuda.synchronize(self.device)
        elif self._kind == "mps":
            self._torch.mps.synchronize()

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


class FallbackWatch(AbstractContextManager["FallbackWatch"]):
    """Collects which operators torch moved to the CPU inside its block; `operators` holds their names, once each.

    Other warnings are shown as ever when the block ends.
    """

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self._catch = warnings.catch_warnings(record=True)
        self._seen: list[warnings.WarningMessage] = []
        self._before = False
        self.operators: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        """Begin to listen. torch would tell the first fallback of a process only."""
        self._before = self._torch.is_warn_always_enabled()
        self._torch.set_warn_always(True)
        self._seen = self._catch.__enter__()
        warnings.simplefilter("always")
        return self

    def __exit__(self, *error: object) -> None:
        """End; keep the names."""
        self._catch.__exit__(*error)  # type: ignore[arg-type] # passed on as they came
        self._torch.set_warn_always(self._before)
        names, others = read_fallbacks([str(seen.message) for seen in self._seen])
        self.operators = names
        for message in others:
            warnings.warn(message, stacklevel=2)


def read_fallbacks(messages: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return the operators that torch's warnings name, in order and once each, and the other messages."""
    names: dict[str, None] = {}
    others = []
    for message in messages:
        found = _FELL_BACK.search(message)
        if found and "fall back" in message:
            names[found[1]] = None
        else:
            others.append(message)
    return tuple(names), others


def explain_missing_operator(run: Callable[[], None], device: str) -> None:
    """Run something on a device for the first time; an operator that it lacks becomes the user's own error.

    Raises:
        UnsupportedModel: torch has no such operator there, and moving to the CPU was not allowed.
    """
    try:
        run()
    except NotImplementedError as error:
        found = _FELL_BACK.search(str(error))
        operator = found[1] if found else str(error).partition("\n")[0]
        raise UnsupportedModel(
            f"torch cannot compute {operator} on {device}",
            _ALLOW_HINT,
        ) from error
