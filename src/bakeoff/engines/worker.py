"""The worker program: one model, one engine, one process, speaking OpenAI's HTTP on a Unix socket or a loopback port.

    python -m bakeoff.engines.worker --model FOLDER --name NAME --engine onnx --socket PATH

It loads the model, generates one token, listens, then says so with one line of JSON on stdout: {"ready": true, ...the
facts that `/health` shows}. What stops it before that is one line too, {"ready": false, "error": kind, "message", "hint",
"problems"}, and exit code 2 (the user can fix it) or 1. Nothing else is ever written to stdout; the log is stderr.

SIGTERM: no new connections, what is in flight is cancelled, exit 0 within `STOP_WITHIN_S`. With `--watch-fd N`, end of
file on that descriptor means that the parent is gone, and ends this process at once, whatever it is doing. With
`BAKEOFF_WORKER_KEY` in the environment, only who shows that key as a bearer token is answered.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import io
import json
import logging
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, NoReturn, TextIO

import uvicorn
from starlette.types import ASGIApp

from bakeoff.core.errors import BakeoffError, UnsupportedModel, UsageError
from bakeoff.core.told import tell_error
from bakeoff.engines import local
from bakeoff.engines.base import ALLOW_HINT, ModelFacts, TokenModel
from bakeoff.engines.batching import Batcher, Limits
from bakeoff.engines.process import KEY_VARIABLE
from bakeoff.engines.text import BringsText, TextCodec
from bakeoff.engines.worker_app import Inbox, WorkerApp
from bakeoff.engines.worker_door import for_holders_of
from bakeoff.machine.detect import model_threads

log = logging.getLogger(__name__)

STOP_WITHIN_S = 1.5
# The batcher's thread waits for the interpreter lock after each model call; the default of 5 ms is several tokens long.
SWITCH_INTERVAL_S = 0.0005
# Longer than any client keeps an idle connection, so that none is closed just as a request is sent on it.
KEEP_ALIVE_S = 75


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that has generated its first token.

    Seconds, one after the other: of importing the engine's library, of choosing its arithmetic, of loading proper (weights to
    ready), and of the first token.
    """

    model: TokenModel
    codec: TextCodec
    facts: ModelFacts
    threads: int
    import_s: float
    calibration_s: float
    load_s: float
    first_token_s: float


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the program; ends the process."""
    options = _parse(arguments)
    report = _own_stdout()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    if options.watch_fd is not None:
        watcher = threading.Thread(target=_end_with_parent, args=(options.watch_fd, options.socket), daemon=True)
        watcher.start()
    try:
        # Whatever the user's shell says: operators that run on the CPU unasked would falsify every number.
        os.environ["PYTORCH_ENABLE_MPS_FALLBACK"] = "1" if options.allow_fallback else "0"
        loaded = load_model(options.model, options.engine, options.device, options.threads)
        if not options.allow_fallback:
            refuse_fallbacks(loaded.facts)
        listener = _listen(options)
    except BakeoffError as error:
        _say(report, {"ready": False, **tell_error(error)})
        _leave(error.exit_code)
    except Exception as error:  # the program's outer wall: whatever a runtime raises is told to the parent
        log.exception("the model could not be loaded")
        problem = {"ready": False, "error": type(error).__name__, "message": str(error), "hint": "", "problems": []}
        _say(report, problem)
        _leave(1)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    code = asyncio.run(_serve(options, loaded, listener, lambda facts: _say(report, {"ready": True, **facts})))
    if options.socket is not None:
        options.socket.unlink(missing_ok=True)
    _leave(code)


def load_model(folder: Path, engine: str, device: str | None, threads: int | None) -> LoadedModel:
    """Load a model and its text codec, and generate one token.

    Raises:
        UsageError: the folder, the engine or the model is not what it should be; see `core.errors` for the kinds.
    """
    # Before any runtime is imported: no hub, no fork warnings.
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if not folder.exists():
        raise UsageError(f"there is no model folder or file {folder}")
    started = perf_counter()
    load = local.resolve_engine(engine)
    imported = perf_counter()
    codec = TextCodec.load(folder) if folder.is_dir() else None
    used = threads or model_threads()
    model = load(folder, device, used)
    if codec is None:
        codec = _own_codec(folder, model)
    loaded = perf_counter()
    prompt = codec.encode_chat([{"role": "user", "content": "Hello"}])
    logits = model.prefill([prompt[-model.facts().context_length + 1 :]])
    int(logits[0].argmax())
    model.keep([])
    facts = model.facts()
    import_s = imported - started + facts.import_s
    load_s = loaded - started - import_s - facts.calibration_s
    return LoadedModel(model, codec, facts, used, import_s, facts.calibration_s, load_s, perf_counter() - loaded)


def refuse_fallbacks(facts: ModelFacts) -> None:
    """Stop where something was computed elsewhere than on the device, and nobody allowed it.

    Raises:
        UnsupportedModel: with what it was. (torch moves five operators of Metal whatever it is told.)
    """
    if facts.fallbacks:
        what = ", ".join(facts.fallbacks)
        raise UnsupportedModel(f"{facts.engine} computed {what} elsewhere than on {facts.device}", ALLOW_HINT)


def _own_codec(file: Path, model: TokenModel) -> TextCodec:
    if not isinstance(model, BringsText):
        raise UsageError(f"{file}: this engine reads model folders, and this is a file", "name its folder")
    return model.codec()


def peak_rss_bytes() -> int:
    """Return the most memory this process has had resident, in bytes.

    Linux counts getrusage's from before the program was started: with a large parent that is the parent's size. The mark of
    the program's own memory is VmHWM, in KiB.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


async def _serve(
    options: argparse.Namespace,
    loaded: LoadedModel,
    listener: socket.socket,
    announce: Callable[[Mapping[str, Any]], None],
) -> int:
    """Serve until SIGTERM or until the model breaks; return the exit code."""
    loop = asyncio.get_running_loop()
    limits = Limits(options.max_rows, options.max_kv_tokens)
    batcher = Batcher(
        loaded.model,
        loaded.codec,
        limits,
        Inbox(loop).deliver,
        ended=lambda: _call_soon(loop, lambda: setattr(server, "should_exit", True)),
    )

    def read_facts() -> dict[str, Any]:
        return _describe(loaded, batcher, limits, _address(listener))

    app = WorkerApp(options.name, batcher, loaded.codec, read_facts).asgi()
    server = _Server(for_holders_of(os.environ.get(KEY_VARIABLE), app), lambda: announce(read_facts()))

    def stop() -> None:
        _leave_later(STOP_WITHIN_S)
        batcher.close(timeout_s=0)
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    batcher.start()
    await server.serve(sockets=[listener])
    return 0 if batcher.broken is None else 1


class _Server(uvicorn.Server):
    """uvicorn, but signals are the worker's own, and readiness is announced once it listens."""

    def __init__(self, app: ASGIApp, announce: Callable[[], None]) -> None:
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            ws="none",
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=1,
        )
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then announce it."""
        await super().startup(sockets)
        self._announce()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals alone: uvicorn would end the process by the signal instead of with exit code 0."""
        yield


def _address(listener: socket.socket) -> str:
    """Return where it listens: a path, or the base URL with the port that the system chose."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return str(name)
    host = f"[{name[0]}]" if listener.family == socket.AF_INET6 else name[0]
    return f"http://{host}:{name[1]}/v1"


def _describe(loaded: LoadedModel, batcher: Batcher, limits: Limits, address: str) -> dict[str, Any]:
    """Return the facts of `/health` and of the ready line; durations in seconds, memory in bytes."""
    facts = loaded.facts
    return {
        "engine": facts.engine,
        "version": facts.engine_version,
        "device": facts.device,
        "dtype": facts.dtype,
        "kernels": facts.kernels,
        "kernels_reason": facts.kernels_reason,
        "fallbacks": list(facts.fallbacks),
        "threads": loaded.threads,
        "import_s": loaded.import_s,
        "calibration_s": loaded.calibration_s,
        "load_s": loaded.load_s,
        "first_token_s": loaded.first_token_s,
        "parameters": facts.parameters,
        "weight_bytes": facts.weight_bytes,
        "context_length": batcher.context_length,
        "memory_bytes": batcher.memory_bytes,
        "device_peak_bytes": None if facts.device == "cpu" else batcher.peak_memory_bytes,
        "peak_rss_bytes": peak_rss_bytes(),
        "max_rows": limits.max_rows,
        "address": address,
        "in_flight": batcher.in_flight,
        "generated_tokens": batcher.generated_tokens,
    }


_LISTEN_HINTS = {
    errno.EADDRINUSE: "another program listens there: take another port or path, or stop it",
    errno.EACCES: "ports below 1024 and other people's folders need rights: take another port or path",
    errno.EADDRNOTAVAIL: "no network interface of this machine has that address: leave --host out for 127.0.0.1",
    errno.ENOENT: "the folder of the socket must exist",
}


def _listen(options: argparse.Namespace) -> socket.socket:
    """Bind where the options say. A Unix socket is its owner's alone from the moment it exists.

    Raises:
        UsageError: the address is taken, not ours, or too long.
    """
    family = socket.AF_UNIX if options.socket else socket.AF_INET6 if ":" in options.host else socket.AF_INET
    address = str(options.socket) if options.socket else (options.host, options.port)
    # asyncio looks for TCP by its number before it switches Nagle's algorithm off, which cost 40 ms a first token.
    protocol = 0 if family == socket.AF_UNIX else socket.IPPROTO_TCP
    listener = socket.socket(family, socket.SOCK_STREAM, protocol)
    before = os.umask(0o177)
    try:
        if family != socket.AF_UNIX:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        hint = _LISTEN_HINTS.get(error.errno or 0, "")
        place = options.socket or f"{options.host}:{options.port}"
        raise UsageError(f"cannot listen on {place}: {error.strerror or error}", hint) from error
    finally:
        os.umask(before)
    return listener


def _own_stdout() -> TextIO:
    """Keep stdout for the ready line alone: whatever libraries print, from C too, goes to stderr."""
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Line by line, so that the log has it however the process ends: it ends by os._exit or by a signal.
        sys.stdout.reconfigure(line_buffering=True)
    return report


def _say(report: TextIO, value: Mapping[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody waits any more
        report.write(json.dumps(value) + "\n")
        report.close()


def _end_with_parent(watch_fd: int, socket_path: Path | None) -> None:
    """Wait until the parent's end of the pipe closes, then end at once."""
    while os.read(watch_fd, 1):
        continue
    if socket_path is not None:
        socket_path.unlink(missing_ok=True)
    os._exit(0)


def _call_soon(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed already
        loop.call_soon_threadsafe(act)


def _leave_later(seconds: float) -> None:
    """End the process in `seconds`, should a request or the model not let go."""
    timer = threading.Timer(seconds, _leave, args=(0,))
    timer.daemon = True
    timer.start()


def _leave(code: int) -> NoReturn:
    """End the process without waiting for threads that may sit in a model call."""
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bakeoff-worker", description="Serve one model, one process.")
    parser.add_argument("--model", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--name", required=True, help="the model's name in requests")
    parser.add_argument("--engine", default=local.DEFAULT_ENGINE)
    parser.add_argument("--device", help="default: the engine's own choice")
    parser.add_argument(
        "--allow-fallback", action="store_true", help="let operators that the device lacks run on the CPU, and say so"
    )
    parser.add_argument("--threads", type=_positive, help="default: all allowed cores")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--socket", type=Path, metavar="PATH")
    where.add_argument("--port", type=int)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--watch-fd", type=int, metavar="N", help="end when this descriptor reaches end of file")
    parser.add_argument("--max-rows", type=_positive, default=Limits().max_rows)
    parser.add_argument("--max-kv-tokens", type=_positive, default=Limits().max_kv_tokens)
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value


if __name__ == "__main__":
    main()
