"""A stand-in for the command `vllm`, written where a test wants it: it takes vLLM's command line, logs as vLLM 0.32 does,
and serves by our own onnx worker. What it shows is how the launcher treats a server; nothing of vLLM runs in it.
"""

import sys
from pathlib import Path

LINE = (
    "(EngineCore pid=7) INFO 11-24 04:55:08 [core.py:133] Initializing a V1 LLM engine (v0.32.0) with config: "
    "model='/models/m', dtype=torch.float32, max_seq_len=2048, quantization=None, kv_cache_dtype=auto, device_config=cpu, "
)
SCRIPT = """#!{python}
import argparse, json, os, signal, sys, time
if sys.argv[1:] == ["--version"]:
    print("0.32.0")
    sys.exit(0)
with open({arguments!r}, "w") as file:
    json.dump(sys.argv[1:], file)
parser = argparse.ArgumentParser()
parser.add_argument("command", choices=["serve"])
parser.add_argument("model")
parser.add_argument("--host")
parser.add_argument("--port")
parser.add_argument("--served-model-name")
options, _ = parser.parse_known_args()
print({line!r}, flush=True)
if {fault!r} == "exits":
    sys.stderr.write("(EngineCore pid=7) ERROR 11-24 04:55:09 [core.py:9] ValueError: No available memory for the cache\\n")
    sys.stderr.write("RuntimeError: Engine core initialization failed. See root cause above.\\n")
    sys.exit(3)
if {fault!r} == "never healthy":
    signal.pause()
os.execv(sys.executable, [
    sys.executable, "-m", "bakeoff.engines.worker", "--engine", "onnx", "--threads", "1", "--model", options.model,
    "--name", options.served_model_name, "--host", options.host, "--port", options.port])
"""


def write_vllm(folder: Path, *, fault: str = "", line: str = LINE) -> Path:
    """Write the command `vllm` into `folder`, which is to be put on PATH; return the file with what it was called with.

    `fault` is "exits", "never healthy" or nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arguments = folder / "arguments.json"
    script = folder / "vllm"
    script.write_text(SCRIPT.format(python=sys.executable, arguments=str(arguments), line=line, fault=fault))
    script.chmod(0o755)
    return arguments
