"""Where MLX computes, and how much memory it may take there. Thin on purpose: nothing of Metal was run by the authors.

MLX takes the GPU wherever it was built with one, else the CPU, and says nothing. A Mac on which Metal cannot be reached
(under Rosetta, in some virtual machines) would so be measured on its CPU unasked; that is refused here.

**Memory.** Metal recommends a working set (`max_recommended_working_set_size`; not told for a CPU). `mx.set_memory_limit`
keeps to it only while work is under way that can be waited for, then goes on into swap (its docstring: "a guideline";
mlx/transforms.cpp waits, mlx/backend/metal/allocator.cpp does not refuse). So bakeoff compares as well, before each call
of the model, and ends with an error. `mx.set_wired_limit` keeps weights resident; MLX does so on macOS 15 or newer.

`mx` is the module `mlx.core`, or in tests what stands for it.
"""

from __future__ import annotations

from typing import Any

from bakeoff.core.errors import DoesNotFit, UnsupportedModel

_GIB = 1 << 30
# `mps` is torch's name for the same device: one `--device mps,cpu` serves both engines.
_METAL_NAMES = {"metal", "mps", "gpu"}


def available_devices(mx: Any) -> list[str]:
    """Return the kinds of device there are, the best one first: metal or cuda, then cpu."""
    found = ["cpu"]
    if mx.metal.is_available():
        found.insert(0, "metal")
    elif hasattr(mx, "cuda") and mx.cuda.is_available():
        found.insert(0, "cuda")
    return found


def choose_device(asked: str | None, mx: Any, system: str) -> str:
    """Return the device asked for, or the best there is, and make MLX use it; `system` is `platform.system()`.

    Raises:
        UnsupportedModel: what was asked for is not here, or a Mac has only its CPU to offer and nobody asked for that.
    """
    here = available_devices(mx)
    chosen = here[0] if asked in {None, "auto"} else str(asked)
    if chosen in _METAL_NAMES and here[0] != "cpu":
        chosen = here[0]
    if chosen not in here:
        raise UnsupportedModel(f"the device {chosen!r} is not here for MLX", f"devices: {', '.join(here)}")
    if chosen == "cpu" and asked != "cpu" and system == "Darwin":
        raise UnsupportedModel(
            "this Mac's Metal cannot be reached by MLX, which would compute on the CPU instead",
            "use a Python built for arm64 on the Mac itself, or ask for the CPU: --device cpu",
        )
    mx.set_default_device(mx.cpu if chosen == "cpu" else mx.gpu)
    return chosen


def confirm_device(chosen: str, weight_bytes: int, mx: Any) -> str:
    """Return the device that MLX computes on, after a generation: its default device and what its allocator holds.

    MLX's arrays belong to no device; the stream of the computation does, which is the default device's.

    Raises:
        UnsupportedModel: it is not the chosen one, or the allocator holds less than the weights.
    """
    if (mx.default_device().type == mx.cpu) != (chosen == "cpu"):
        raise UnsupportedModel(f"MLX was to compute on {chosen}, and computes on {mx.default_device()}")
    held = int(mx.get_active_memory())
    if held < weight_bytes:
        raise UnsupportedModel(
            f"MLX was to compute on {chosen}, but its allocator holds {held} bytes and the weights have {weight_bytes}"
        )
    return chosen


def look_again(chosen: str, weight_bytes: int, mx: Any) -> tuple[str, tuple[str, ...]]:
    """Return the device that MLX computes on now, and what speaks against the chosen one having done the work."""
    device = chosen if (mx.default_device().type == mx.cpu) == (chosen == "cpu") else str(mx.default_device())
    held = int(mx.get_active_memory())
    return device, () if held >= weight_bytes else (f"MLX holds {held} bytes, and the weights have {weight_bytes}",)


class MemoryLimit:
    """What the device recommends to hold at most, in bytes; `limit` is None where it says nothing (a CPU)."""

    def __init__(self, device: str, mx: Any) -> None:
        self._mx = mx
        found = mx.device_info().get("max_recommended_working_set_size") if device == "metal" else None
        self.limit = int(found) if found else None
        if self.limit is not None:
            mx.set_memory_limit(self.limit)
            mx.set_wired_limit(self.limit)

    def check_weights(self, stored_bytes: int) -> None:
        """Compare with the weights' files before they are read.

        Raises:
            DoesNotFit: they are larger.
        """
        if self.limit is not None and stored_bytes > self.limit:
            raise DoesNotFit(
                f"the weights have {stored_bytes / _GIB:.1f} GiB, and Metal recommends to hold at most "
                f"{self.limit / _GIB:.1f} GiB: the Mac would swap",
                "take a smaller or a quantised model (docs/engines.md, mlx_lm.convert)",
            )

    def check_held(self) -> None:
        """Compare with what is held now.

        Raises:
            MemoryError: it is more; the requests that run end with this.
        """
        if self.limit is None:
            return
        held = int(self._mx.get_active_memory())
        if held > self.limit:
            raise MemoryError(f"MLX holds {held / _GIB:.2f} GiB, and Metal recommends at most {self.limit / _GIB:.2f}")
