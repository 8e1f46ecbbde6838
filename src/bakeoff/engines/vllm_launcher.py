"""The program behind the `vllm` engine: starts `vllm serve`, says when it is ready, and goes down with it.

    python -m bakeoff.engines.vllm_launcher --model FOLDER --name NAME --engine vllm --socket PATH --watch-fd N

It takes a worker's command line and says a worker's ready line, whose `address` is where vLLM listens: a free port of
127.0.0.1, or the one of `--port`. Tokens never pass through here. vLLM's output is copied to stderr, and read for the
device and arithmetic that it names. vLLM stays in this program's process group where `process` made one for it, so that
killing the group leaves nothing; else it gets a group of its own, which is killed at the end.

Sampling is vLLM's own: a seed gives another text than on the other engines, and may give another in other company.
`BAKEOFF_VLLM_ARGS` is put behind the command line, for example "--max-model-len 4096 --gpu-memory-utilization 0.7".
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from bakeoff.catalog.headers import read_weights
from bakeoff.core.errors import BakeoffError, UnsupportedModel, WorkerNotStarted
from bakeoff.core.told import tell_error
from bakeoff.engines import local
from bakeoff.engines.chat_template import FALLBACK, ChatTemplate
from bakeoff.engines.text import read_json
from bakeoff.engines.vllm_log import VllmLog

ARGUMENTS_VARIABLE = "BAKEOFF_VLLM_ARGS"
CARDS_VARIABLE = "CUDA_VISIBLE_DEVICES"
POLL_S = 0.2
STOP_WITHIN_S = 4.0
FIRST_TOKEN_WITHIN_S = 300.0
# No hub, no reports to its maker; the log must say what is read from it.
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_LOGGING_LEVEL": "INFO"}


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the program; ends the process."""
    options = _parse(arguments)
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        server = Server.start(options)
    except BakeoffError as error:
        _end(report, error)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.stop)
    if options.watch_fd is not None:
        threading.Thread(target=server.end_with_parent, args=(options.watch_fd,), daemon=True).start()
    try:
        facts = server.wait_until_ready(options.device)
    except BakeoffError as error:
        server.kill()
        _end(report, error)
    facts |= _stored(options.model)
    _say(report, {"ready": True, **facts})
    sys.exit(server.wait())


class Server:
    """A `vllm serve` process. Made by `start`."""

    def __init__(self, running: subprocess.Popen[str], name: str, port: int, *, own_group: bool) -> None:
        self._running = running
        self._name = name
        self._port = port
        self._own_group = own_group
        self._stopping = False
        self._begun = time.perf_counter()
        self.log = VllmLog()
        self._copier = threading.Thread(target=self._copy_output, daemon=True)
        self._copier.start()

    @classmethod
    def start(cls, options: argparse.Namespace) -> Server:
        """Start vLLM.

        Raises:
            MissingDependency: there is no command `vllm`.
            InvalidFile: the folder's tokenizer_config.json or chat template cannot be read.
        """
        engine = local.require_engine("vllm")
        program = local.find_command(engine) or engine.command
        port = options.port or _free_port(options.host)
        # A group of our own was made for us by whoever watches us: what we start belongs to it.
        own_group = options.watch_fd is None or os.getpgrp() != os.getpid()
        running = subprocess.Popen(
            [program, *vllm_arguments(options, port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **ENVIRONMENT, **one_card(options.device, os.environ.get(CARDS_VARIABLE))},
            start_new_session=own_group,
            text=True,
            errors="replace",
        )
        return cls(running, options.name, port, own_group=own_group)

    def wait_until_ready(self, asked: str | None) -> dict[str, Any]:
        """Return the facts of the ready line; waits as long as vLLM lives, since whoever started us has the deadline.

        Raises:
            WorkerNotStarted: it ended, or gave no first token.
            UnsupportedModel: it does not run on the device that was asked for.
        """
        while self._get("/health") is None:
            if self._running.poll() is not None:
                self._copier.join(timeout=1)
                raise WorkerNotStarted(f"it {_describe_end(self._running)}{self.log.last_words()}")
            time.sleep(POLL_S)
        load_s = time.perf_counter() - self._begun
        if asked is not None and asked.partition(":")[0] != self.log.device:
            found = self.log.device or "a device that it does not name"
            raise UnsupportedModel(f"vLLM runs on {found}, not on {asked}", "leave --device out")
        first_token_s = self._first_token_s()
        version = (self._get("/version") or {}).get("version") or self.log.version
        models = (self._get("/v1/models") or {}).get("data") or [{}]
        memory = "memory: vLLM is several processes, which share some of it"
        return {
            "engine": "vllm",
            "version": str(version or "of an unknown version"),
            "device": self.log.device,
            "dtype": self.log.dtype,
            "threads": None,
            "context_length": models[0].get("max_model_len"),
            "load_s": load_s,
            "first_token_s": first_token_s,
            "memory_bytes": None,
            "peak_rss_bytes": None,
            "address": f"http://127.0.0.1:{self._port}/v1",
            "unknown": [*self.log.unknown(), memory],
        }

    def wait(self) -> int:
        """Wait for its end; return the exit code of this program, 0 only when it was told to end."""
        self._running.wait()
        self._copier.join(timeout=1)
        self.kill()
        if self._stopping:
            return 0
        sys.stderr.write(f"vllm {_describe_end(self._running)}{': ' + self.log.error if self.log.error else ''}\n")
        return 1

    def stop(self, _number: int, _frame: FrameType | None) -> None:
        """Tell it to end, and kill it when it does not."""
        self._stopping = True
        self._running.terminate()
        timer = threading.Timer(STOP_WITHIN_S, self._running.kill)
        timer.daemon = True
        timer.start()

    def kill(self) -> None:
        """Kill it and what it started, as far as that is ours: a group that was made for us is killed by its maker."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says EPERM of a group of zombies
            if self._own_group:
                os.killpg(self._running.pid, signal.SIGKILL)
            else:
                self._running.kill()

    def end_with_parent(self, watch_fd: int) -> None:
        """Wait until the parent's end of the pipe closes, then end everything at once."""
        while os.read(watch_fd, 1):
            continue
        self.kill()
        if not self._own_group:
            os.killpg(0, signal.SIGKILL)
        os._exit(0)

    def _copy_output(self) -> None:
        assert self._running.stdout is not None  # noqa: S101 - piped in `start`
        for line in self._running.stdout:
            self.log.read(line)
            sys.stderr.write(line)
            sys.stderr.flush()

    def _get(self, path: str, body: dict[str, Any] | None = None, timeout_s: float = 5.0) -> dict[str, Any] | None:
        """Return the answer, {} where it has no body, None where there is none."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=timeout_s)
        try:
            method, data = ("POST", json.dumps(body)) if body else ("GET", None)
            connection.request(method, path, data, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
            value = json.loads(content or b"{}")
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()
        return value if answer.status == http.HTTPStatus.OK and isinstance(value, dict) else None

    def _first_token_s(self) -> float:
        begun = time.perf_counter()
        messages = [{"role": "user", "content": "Hello"}]
        asked = {"model": self._name, "messages": messages, "max_tokens": 1}
        if self._get("/v1/chat/completions", asked, FIRST_TOKEN_WITHIN_S) is None:
            raise WorkerNotStarted(f"it was healthy, and gave no first token{self.log.last_words()}")
        return time.perf_counter() - begun


def one_card(device: str | None, visible: str | None) -> dict[str, str]:
    """Return what lets vLLM see the card alone that is asked for, of those that are `visible` now: it takes no device's number.

    >>> one_card("cuda:1", None), one_card("cuda:1", "5,3"), one_card("cuda", "5,3")
    ({'CUDA_VISIBLE_DEVICES': '1'}, {'CUDA_VISIBLE_DEVICES': '3'}, {})
    """
    kind, _, number = (device or "").partition(":")
    if kind != "cuda" or not number.isdecimal():
        return {}
    cards = number if visible is None else ([*visible.split(","), *[""] * int(number)])[int(number)]
    return {CARDS_VARIABLE: cards.strip()}


def vllm_arguments(options: argparse.Namespace, port: int) -> list[str]:
    """Return the command line of vLLM, without the program.

    Raises:
        InvalidFile: the folder's tokenizer_config.json or chat template cannot be read.
    """
    line = ["serve", str(options.model), "--host", options.host, "--port", str(port)]
    line += ["--served-model-name", options.name]
    # Else generation_config.json would add to the sampling that a suite asks for, on this engine alone.
    line += ["--generation-config", "vllm"]
    if ChatTemplate.load(options.model, read_json(options.model / "tokenizer_config.json"), {}).is_fallback:
        line += ["--chat-template", FALLBACK]
    if options.max_rows is not None:
        line += ["--max-num-seqs", str(options.max_rows)]
    return [*line, *shlex.split(os.environ.get(ARGUMENTS_VARIABLE, ""))]


def _stored(folder: Path) -> dict[str, int]:
    """Return the model's size as its files have it."""
    weights = read_weights(folder)
    return {"parameters": weights.parameters, "weight_bytes": weights.data_bytes}


def _free_port(host: str) -> int:
    """Return a port that nobody listens on now. vLLM takes it a while later: should it be taken then, vLLM says so."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _describe_end(process: subprocess.Popen[str]) -> str:
    code = process.returncode
    if code is not None and code < 0:
        return f"was ended by signal {-code} ({signal.Signals(-code).name})"
    return f"ended with exit code {code}"


def _end(report: Any, error: BakeoffError) -> NoReturn:
    """Say what went wrong instead of being ready, and end."""
    kind = "vllm" if isinstance(error, WorkerNotStarted) else type(error).__name__
    _say(report, {"ready": False, **tell_error(error), "error": kind})
    sys.exit(error.exit_code)


def _say(report: Any, value: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody waits any more
        report.write(json.dumps(value) + "\n")
        report.close()


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bakeoff-vllm", description="Serve one model by vLLM.")
    parser.add_argument("--model", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--name", required=True, help="the model's name in requests")
    parser.add_argument("--engine", default="vllm")
    parser.add_argument("--device", help="refused if vLLM runs on another")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, help="default: a free one")
    parser.add_argument("--socket", type=Path, help="not used: vLLM listens on a port")
    parser.add_argument("--watch-fd", type=int, metavar="N", help="end when this descriptor reaches end of file")
    parser.add_argument("--max-rows", type=int, help="texts at once")
    parser.add_argument("--max-kv-tokens", type=int, help="not used: vLLM deals out what memory it has")
    parser.add_argument("--threads", type=int, help="not used: OMP_NUM_THREADS is vLLM's")
    parser.add_argument("--allow-fallback", action="store_true", help="not used: vLLM has no fallback")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
