"""Which engines there are, which of them work here, and how to add the others.

A table of names and import paths, resolved at use, never at import: naming an engine costs nothing, and only a worker
program ever loads one. Packages add engines through the entry point group `bakeoff.engines` (see `core.plugins`), whose
value is a `base.LoadModel`, written the same way ("module:function").
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import platform
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, cast

from bakeoff.core.errors import MissingDependency, UnsupportedModel, UsageError
from bakeoff.core.installing import install_command
from bakeoff.core.plugins import list_plugins
from bakeoff.core.spec import ModelSpec, Source

if TYPE_CHECKING:
    from bakeoff.engines.base import LoadModel

GROUP = "bakeoff.engines"
DEFAULT_ENGINE = "onnx"
"""What runs model folders where no GPU would: it is always there."""

_ON_A_MAC = ("mlx", "transformers")
_ON_A_CARD = ("transformers",)
"""What runs them on this machine's GPU, the first that is installed."""

_BEYOND_CPU = "transformers"
"""What runs them where another device than the CPU is asked for."""

_DEFAULTS: dict[Source, str] = {"folder": DEFAULT_ENGINE, "gguf": "llamacpp"}


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine by name: `load` is the import path of a `LoadModel`; `needs` are the modules it imports.

    `version_of` is the distribution whose version is the engine's; `install` is the command that adds what is missing;
    `reads` is what a model may be (an engine of another package says itself what it cannot load). `program` is the module
    that is run as the worker. An engine that is a server of its own has no `load`: its `program` starts the `command`,
    which may be installed anywhere. `ready_within_s` is how long a start may take, in seconds.
    """

    name: str
    load: str
    needs: tuple[str, ...]
    version_of: str
    install: str
    reads: tuple[Source, ...] = ("folder", "gguf")
    program: str = "bakeoff.engines.worker"
    command: str = ""
    ready_within_s: float = 300.0


@dataclass(frozen=True, slots=True)
class EngineState:
    """Whether an engine works here: its version, or the reason and the command that would add it."""

    name: str
    available: bool
    version: str | None
    reason: str
    install: str


BUILT_IN = {
    engine.name: engine
    for engine in (
        Engine(
            name="onnx",
            load="bakeoff.engines.onnx_model:load",
            needs=("onnx", "onnxruntime", "tokenizers"),
            version_of="onnxruntime",
            install="pip install --force-reinstall bakeoff",
            reads=("folder",),
        ),
        Engine(
            name="transformers",
            load="bakeoff.engines.transformers_model:load",
            needs=("torch", "transformers", "safetensors"),
            version_of="transformers",
            install=install_command("transformers"),
            reads=("folder",),
        ),
        Engine(
            name="llamacpp",
            load="bakeoff.engines.llamacpp_model:load",
            needs=("llama_cpp",),
            version_of="llama-cpp-python",
            install=install_command("llamacpp"),
            reads=("gguf",),
        ),
        Engine(
            name="mlx",
            load="bakeoff.engines.mlx_model:load",
            needs=("mlx", "mlx_lm"),
            version_of="mlx-lm",
            install=install_command("mlx"),
            reads=("folder",),
        ),
        Engine(
            name="vllm",
            load="",
            needs=(),
            version_of="vllm",
            install="pip install vllm",
            reads=("folder",),
            program="bakeoff.engines.vllm_launcher",
            command="vllm",
            ready_within_s=1200.0,  # it compiles, and captures graphs
        ),
    )
}


def list_engines() -> dict[str, Engine]:
    """Return every engine by name, the built-in ones first; an entry point never replaces a built-in one."""
    found = dict(BUILT_IN)
    for plugin in list_plugins(GROUP):
        module = plugin.target.partition(":")[0]
        package = plugin.distribution or module
        added = Engine(plugin.name, plugin.target, (module.partition(".")[0],), package, f"pip install {package}")
        found.setdefault(plugin.name, added)
    return found


def find_engine(name: str) -> Engine:
    """Return the engine called `name`.

    Raises:
        UsageError: there is none.
    """
    engines = list_engines()
    if name in engines:
        return engines[name]
    near = get_close_matches(name, engines, n=1)
    guess = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"there is no engine called {name!r}", f"{guess}engines: {', '.join(engines)}")


def choose_engine(model: ModelSpec, forced: str | None, devices: Sequence[str] = (), *, elsewhere: bool = False) -> str:
    """Return the engine that runs a model that is ours to run: the one that was forced, if it reads such, or the usual.

    `devices` are those that were asked for, all for one engine: the default one for folders knows none but the CPU. Where none was,
    a folder is computed on this machine's GPU by what is installed for it, unless it is `elsewhere` that it runs.

    Raises:
        UsageError: there is no such engine.
        UnsupportedModel: it reads models of another kind.
    """
    # A folder has a quantisation only where MLX made it, in a format of its own.
    only_mlx = model.source == "folder" and model.quantisation is not None
    usual = "mlx" if only_mlx else _DEFAULTS[model.source]
    # The bundled ones have a few MB, and write the same texts everywhere.
    if usual == DEFAULT_ENGINE and not (devices or elsewhere or model.reference.startswith("bundled:")):
        usual = engine_of_gpu() or usual
    if usual == DEFAULT_ENGINE and any(device.partition(":")[0] != "cpu" for device in devices):
        usual = _BEYOND_CPU
    if forced is None:
        return usual
    if only_mlx and forced in BUILT_IN and forced != usual:
        raise UnsupportedModel(
            f"{model.reference}: its weights are quantised by MLX, which the engine {forced!r} cannot read",
            f"write {model.reference}, or the folder that it was made of",
        )
    if model.source in find_engine(forced).reads:
        return forced
    if model.source == "gguf":
        raise UnsupportedModel(
            f"{model.reference}: the engine {forced!r} reads model folders, and this is a GGUF file",
            f"write {usual}+{model.reference}, or leave the engine out",
        )
    raise UnsupportedModel(
        f"{model.reference}: the engine {forced!r} reads GGUF files, and this is a model folder",
        f"make one, then use it:  bakeoff convert {shlex.quote(model.reference)} --to gguf --out {shlex.quote(model.name)}.gguf",
    )


def engine_of_gpu() -> str | None:
    """Return the engine that computes folders on this machine's GPU; None where there is no GPU, or nothing is installed for it."""
    if sys.platform == "darwin":
        wanted = _ON_A_MAC if platform.machine() == "arm64" else ()
    else:
        wanted = _ON_A_CARD if shutil.which("nvidia-smi") and not _torch_is_for_cpus() else ()
    return next((name for name in wanted if inspect_engine(BUILT_IN[name]).available), None)


def _torch_is_for_cpus() -> bool:
    """Whether the torch that is installed was built without CUDA: its version says so."""
    try:
        return importlib.metadata.version("torch").endswith("+cpu")
    except importlib.metadata.PackageNotFoundError:
        return False


def inspect_engine(engine: Engine) -> EngineState:
    """Tell whether an engine's packages are installed, without importing any of them."""
    missing = [module for module in engine.needs if importlib.util.find_spec(module) is None]
    if engine.command and find_command(engine) is None:
        missing.append(f"the command {engine.command}")
    if missing:
        reason = f"not installed: {', '.join(missing)}"
        return EngineState(engine.name, available=False, version=None, reason=reason, install=engine.install)
    try:
        version = importlib.metadata.version(engine.version_of)
    except importlib.metadata.PackageNotFoundError:
        version = None
    return EngineState(engine.name, available=True, version=version, reason="", install=engine.install)


def find_command(engine: Engine) -> str | None:
    """Return the path of an engine's command: on PATH, or beside the Python that runs this."""
    beside = shutil.which(engine.command, path=str(Path(sys.executable).parent))
    return shutil.which(engine.command) or beside


def inspect_engines() -> tuple[EngineState, ...]:
    """Tell about every engine."""
    return tuple(inspect_engine(engine) for engine in list_engines().values())


def require_engine(name: str) -> Engine:
    """Return the engine called `name`, if it can work here.

    Raises:
        UsageError: there is none of that name.
        MissingDependency: its packages are not installed.
    """
    engine = find_engine(name)
    state = inspect_engine(engine)
    if not state.available:
        raise MissingDependency(f"the engine {name!r} cannot run here: {state.reason}", engine.install)
    return engine


def resolve_engine(name: str) -> LoadModel:
    """Import an engine. For worker programs only: this is where torch and its like enter a process.

    Raises:
        UsageError: there is none of that name.
        MissingDependency: its packages are not installed.
    """
    engine = require_engine(name)
    if not engine.load:
        raise UsageError(f"the engine {name!r} is a server of its own, and loads nothing here")
    module, _, function = engine.load.partition(":")
    try:
        return cast("LoadModel", getattr(importlib.import_module(module), function))
    except ImportError as error:
        raise MissingDependency(f"the engine {name!r} cannot be imported: {error}", engine.install) from error
