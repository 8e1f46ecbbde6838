"""llama.cpp as this process has it: the library, what it says of itself, its devices, a model loaded from a file.

llama.cpp tells what it does in log lines only: which buffer lies on which device, whether attention is fused, why a file
is refused. They are kept here and read, and never printed.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

# Read while the library is loaded, hence before it. Its OpenMP threads meet some two hundred times a token. GNU's runtime lets
# them spin for milliseconds while they wait, which beside a busy neighbour is a catastrophe, and waking them each time is
# slow: a few microseconds of spinning cost next to nothing either way (docs/llamacpp-engine.md, "How threads wait").
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "300")
# Where it aborts, it would start a debugger and print pages; the line that says why is enough.
os.environ.setdefault("GGML_NO_BACKTRACE", "1")

import llama_cpp

from bakeoff.core.errors import InvalidFile, Problem, UnsupportedModel

_INFO, _WARNING, _ERROR = 2, 3, 4
_KEPT_LINES = 1000
_BUFFER = re.compile(r"(\S+) +(\w+) +buffer size = +([0-9.]+) MiB")
_GPU_TYPES = {1, 2}  # ggml_backend_dev_type: a GPU of its own, or one that shares the machine's memory


class Buffer(NamedTuple):
    """A piece of memory that llama.cpp took: its backend's name for it ("CPU_Mapped"), what for ("model"), bytes."""

    name: str
    use: str
    size: int


class _Log:
    """The lines of llama.cpp's log that have not been taken yet, debugging left out."""

    def __init__(self) -> None:
        self._lines: deque[tuple[int, str]] = deque(maxlen=_KEPT_LINES)
        # The library keeps an address, not a reference.
        self._callback = llama_cpp.llama_log_callback(self._take_line)
        llama_cpp.llama_log_set(self._callback, ctypes.c_void_p(0))

    def _take_line(self, level: int, text: bytes, _user_data: int | None) -> None:
        if _INFO <= level <= _ERROR:
            self._lines.append((level, text.decode("utf-8", errors="replace").strip()))

    def take(self) -> list[tuple[int, str]]:
        """Return the lines since the last call, each with its level."""
        lines = list(self._lines)
        self._lines.clear()
        return lines


LOG = _Log()


class ModelFile(NamedTuple):
    """A loaded model: llama.cpp's handle, where its weights lie, and how many layers of how many a GPU has."""

    handle: Any
    buffers: tuple[Buffer, ...]
    offloaded: tuple[int, int] | None


def version() -> str:
    """Return the version of the Python package and of the library in it."""
    return f"{llama_cpp.__version__} (llama.cpp {llama_cpp.llama_version().decode()})"


def best_device() -> str:
    """Return the device that llama.cpp puts weights on where none is asked for: a GPU that it was built for, or the CPU."""
    return next(iter(gpu_devices()), "cpu")


def gpu_devices() -> list[str]:
    """Return the kind of each GPU that llama.cpp was built for and finds here, in its own order."""
    library = llama_cpp.llama_cpp._lib  # noqa: SLF001 - the package binds llama.h only, and these are in ggml-backend.h
    library.ggml_backend_dev_count.restype = ctypes.c_size_t
    for name, result in (("get", ctypes.c_void_p), ("type", ctypes.c_int), ("name", ctypes.c_char_p)):
        function = getattr(library, f"ggml_backend_dev_{name}")
        function.restype = result
        function.argtypes = [ctypes.c_size_t if name == "get" else ctypes.c_void_p]
    devices = map(library.ggml_backend_dev_get, range(library.ggml_backend_dev_count()))
    return [
        name_device(library.ggml_backend_dev_name(device).decode())
        for device in devices
        if library.ggml_backend_dev_type(device) in _GPU_TYPES
    ]


def find_gpu(asked: str | None, gpus: Sequence[str]) -> int | None:
    """Return which of the GPUs is asked for ("cuda:1" is the second of its kind, None the first of all); None for the CPU.

    Raises:
        UnsupportedModel: llama.cpp has no such GPU here.

    >>> [find_gpu(asked, ["cuda", "cuda", "vulkan"]) for asked in (None, "cuda:1", "vulkan", "cpu")]
    [0, 1, 2, None]
    """
    kind, _, number = (asked or "").partition(":")
    if kind == "cpu" or (asked is None and not gpus):
        return None
    of_kind = [index for index, gpu in enumerate(gpus) if kind in {"", gpu}]
    wanted = int(number) if number.isdecimal() else 0
    if wanted >= len(of_kind):
        raise UnsupportedModel(
            f"llama.cpp was built here for {', '.join(gpus) or 'cpu'}, and the device asked for is {asked}",
            "leave the device out, or build llama-cpp-python for it",
        )
    return of_kind[wanted]


def name_device(backend: str) -> str:
    """Return bakeoff's name for the device of a backend or buffer.

    >>> [name_device(name) for name in ("CPU_REPACK", "Metal_Mapped", "MTL0", "CUDA0", "CUDA_Host", "AMX", "Vulkan1")]
    ['cpu', 'mps', 'mps', 'cuda', 'cpu', 'cpu', 'vulkan']
    """
    plain = backend.partition("_")[0].rstrip("0123456789").lower()
    # "AMX" holds weights as the matrix instructions of Intel's processors read them; "_Host" is memory that a GPU may read.
    if plain in {"cpu", "amx"} or backend.endswith("_Host"):
        return "cpu"
    return {"metal": "mps", "mtl": "mps"}.get(plain, plain)


def find_device(buffers: tuple[Buffer, ...]) -> str:
    """Return the device that holds most of the weights."""
    held: dict[str, int] = {}
    for buffer in buffers:
        device = name_device(buffer.name)
        held[device] = held.get(device, 0) + buffer.size
    return max(held, key=lambda device: held[device], default="cpu")


def open_model(file: Path, device: str | None) -> ModelFile:
    """Load a GGUF file; with `device` "cpu" no GPU has a part in it, and else one alone: budgets are of one card.

    Raises:
        InvalidFile: llama.cpp refuses the file.
        UnsupportedModel: this version of llama.cpp does not know the architecture, or it is no decoder of text; or there is no such GPU.
    """
    settings = llama_cpp.llama_model_default_params()
    gpu = find_gpu(device, gpu_devices())
    if gpu is not None:
        settings.split_mode, settings.main_gpu = llama_cpp.LLAMA_SPLIT_MODE_NONE, gpu
    else:
        settings.n_gpu_layers = 0
        # A mapped file would stay resident beside the weights that llama.cpp arranges anew for this processor.
        _read_instead_of_mapping(settings)
    LOG.take()
    handle = llama_cpp.llama_model_load_from_file(os.fsencode(file), settings)
    lines = LOG.take()
    if not handle:
        raise _refusal(file, [line for level, line in lines if level == _ERROR])
    if llama_cpp.llama_model_has_encoder(handle) or not llama_cpp.llama_model_has_decoder(handle):
        llama_cpp.llama_model_free(handle)
        raise UnsupportedModel(f"{file}: no decoder-only model, which is what the llamacpp engine runs")
    offloaded = next((found for _, line in lines if (found := re.search(r"offloaded (\d+)/(\d+) layers", line))), None)
    return ModelFile(
        handle,
        tuple(buffer for buffer in read_buffers(lines) if buffer.use == "model"),
        (int(offloaded[1]), int(offloaded[2])) if offloaded else None,
    )


def read_buffers(lines: list[tuple[int, str]]) -> tuple[Buffer, ...]:
    """Return the buffers that log lines tell of; sizes are to a hundredth of a MiB."""
    found = (_BUFFER.search(line) for _, line in lines)
    return tuple(Buffer(each[1], each[2], round(float(each[3]) * 2**20)) for each in found if each)


def describe_errors(lines: list[tuple[int, str]]) -> str:
    """Return what llama.cpp complained of, empty where it did not."""
    return "; ".join(line for level, line in lines if level >= _WARNING)


def _read_instead_of_mapping(settings: Any) -> None:
    if hasattr(settings, "load_mode"):
        settings.load_mode = llama_cpp.LLAMA_LOAD_MODE_NONE
    else:  # until llama.cpp of 2026
        settings.use_mmap = False


def _refusal(file: Path, errors: list[str]) -> InvalidFile | UnsupportedModel:
    # "llama_model_load: error loading model: unknown model architecture: 'x'", then two lines that say less.
    reasons = [line.partition("error loading model: ")[2] for line in errors if "error loading model: " in line]
    reason = reasons[0] if reasons else "; ".join(errors) or "llama.cpp gives no reason"
    if "architecture" in reason:
        return UnsupportedModel(
            f"{file}: this version of llama.cpp does not run it: {reason}",
            "a newer one may:  pip install --upgrade llama-cpp-python",
        )
    problem = Problem(str(file), None, "", f"llama.cpp cannot load it: {reason}", "a complete GGUF file of one model")
    return InvalidFile((problem,))
