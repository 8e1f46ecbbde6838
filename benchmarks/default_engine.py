"""Which engine should run a local model where nothing else is installed? Four candidates, side by side.

    python benchmarks/default_engine.py --models DIR            # speed, start-up, agreement; DIR is filled if empty
    python benchmarks/default_engine.py --install DIR           # size and seconds of a fresh environment each

Needs onnxruntime, onnx, ctranslate2, torch and transformers in one environment. Every engine runs in a process of its
own, once a round, rounds interleaved; the table shows medians and, for speed, the range. Greedy, prompts of 64 tokens,
128 new tokens, none skipped. Rates count decode steps only, the time to the first token is a batch of one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

PROMPT, NEW, BATCHES = 64, 128, (1, 8, 32)
SIZES: dict[str, dict[str, Any]] = {
    "m4": {"vocab_size": 4096, "hidden_size": 192, "intermediate_size": 512, "num_hidden_layers": 6, "heads": (6, 3)},
    "m25": {
        "vocab_size": 16384,
        "hidden_size": 384,
        "intermediate_size": 1024,
        "num_hidden_layers": 8,
        "heads": (6, 2),
    },
}
PACKAGES = {
    "onnx": ["onnxruntime>=1.20,<2", "onnx>=1.17,<2", "numpy"],
    "ctranslate2": ["ctranslate2==4.8.5", "numpy"],
    "torch": ["torch>=2.6,<2.14", "transformers>=5,<6", "safetensors>=0.5"],
    "numpy": ["numpy"],
}


class Runner(Protocol):
    """One engine with one model loaded."""

    def generate(self, prompts: Sequence[Sequence[int]], new: int) -> float:
        """Decode greedily; return the seconds that the steps after the first token took."""
        ...

    def logits(self, prompt: Sequence[int]) -> Any:
        """Return the logits after the prompt."""
        ...


class StepRunner:
    """Greedy decoding for engines that give logits step by step."""

    def __init__(self, prefill: Callable[[Any], Any], decode: Callable[[Any], Any], clear: Callable[[], None]) -> None:
        self.prefill, self.decode, self.clear = prefill, decode, clear

    def generate(self, prompts: Sequence[Sequence[int]], new: int) -> float:
        """See `Runner`."""
        self.clear()
        chosen = self.prefill(prompts).argmax(-1)
        started = time.perf_counter()
        for _ in range(new - 1):
            chosen = self.decode([int(token) for token in chosen]).argmax(-1)
        return time.perf_counter() - started

    def logits(self, prompt: Sequence[int]) -> Any:
        """See `Runner`."""
        self.clear()
        return self.prefill([prompt])[0]


def import_onnx(threads: int) -> Callable[[Path], Runner]:
    """Candidate: onnxruntime with bakeoff's own graph."""
    from bakeoff.engines.onnx_model import OnnxModel

    def load(folder: Path) -> Runner:
        model = OnnxModel.load(folder, threads)
        return StepRunner(model.prefill, model.decode, lambda: model.keep([]))

    return load


def import_torch(threads: int) -> Callable[[Path], Runner]:
    """Candidate: transformers, a plain loop with its own cache."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)

    def load(folder: Path) -> Runner:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        state: dict[str, Any] = {}

        def step(tokens: Any) -> Any:
            out = model(torch.tensor(tokens), past_key_values=state.get("past"), use_cache=True, logits_to_keep=1)
            state["past"] = out.past_key_values
            return out.logits[:, -1].numpy()

        return StepRunner(step, lambda tokens: step([[token] for token in tokens]), state.clear)

    return load


def import_numpy(threads: int) -> Callable[[Path], Runner]:
    """Candidate: no runtime at all."""
    import numpy as np

    from bakeoff.engines.safetensors_file import map_tensors

    del threads  # numpy's BLAS reads it from the environment

    def load(folder: Path) -> Runner:
        config = json.loads((folder / "config.json").read_text())
        model = NumpyLlama(np, config, {name: tensor.data for name, tensor in map_tensors(folder).items()})
        return StepRunner(model.step, lambda tokens: model.step([[token] for token in tokens]), model.past.clear)

    return load


class NumpyLlama:
    """The plainest Llama: prompts of equal length, caches concatenated at every step."""

    def __init__(self, np: Any, config: dict[str, Any], weights: dict[str, Any]) -> None:
        self.np, self.config, self.weights = np, config, weights
        self.past: dict[int, tuple[Any, Any]] = {}
        self.size = config["head_dim"]
        self.frequencies = 10000.0 ** -(np.arange(0, self.size, 2, dtype=np.float32) / self.size)

    def norm(self, x: Any, name: str) -> Any:
        """Root mean square normalisation over the last axis."""
        scale = self.np.sqrt((x * x).mean(-1, keepdims=True) + self.np.float32(self.config["rms_norm_eps"]))
        return x / scale * self.weights[f"{name}.weight"]

    def rotate(self, x: Any, start: int) -> Any:
        """Rotary positions from `start` on; x is (rows, heads, length, head size)."""
        angles = self.np.arange(start, start + x.shape[2], dtype=self.np.float32)[:, None] * self.frequencies
        cos, sin = self.np.cos(angles), self.np.sin(angles)
        left, right = x[..., : self.size // 2], x[..., self.size // 2 :]
        return self.np.concatenate([left * cos - right * sin, right * cos + left * sin], -1)

    def attend(self, x: Any, layer: int) -> Any:
        """Causal attention over the cache and x, which joins the cache."""
        np, name = self.np, f"model.layers.{layer}.self_attn"
        rows, length, _ = x.shape
        q, k, v = (
            (x @ self.weights[f"{name}.{part}_proj.weight"].T).reshape(rows, length, -1, self.size).swapaxes(1, 2)
            for part in "qkv"
        )
        start = self.past[layer][0].shape[2] if layer in self.past else 0
        q, k = self.rotate(q, start), self.rotate(k, start)
        if layer in self.past:
            k, v = (np.concatenate(pair, 2) for pair in zip(self.past[layer], (k, v), strict=True))
        self.past[layer] = (k, v)
        grouped = q.reshape(rows, k.shape[1], -1, length, self.size)
        scores = grouped @ k[:, :, None].swapaxes(-1, -2) / np.float32(self.size**0.5)
        scores += np.triu(np.full((length, start + length), -np.inf, np.float32), start + 1)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (weights / weights.sum(-1, keepdims=True)) @ v[:, :, None]
        mixed = mixed.reshape(rows, -1, length, self.size).swapaxes(1, 2).reshape(rows, length, -1)
        return mixed @ self.weights[f"{name}.o_proj.weight"].T

    def step(self, tokens: Any) -> Any:
        """Append tokens (rows, length); return logits at the last position."""
        x = self.weights["model.embed_tokens.weight"][self.np.asarray(tokens)]
        for layer in range(self.config["num_hidden_layers"]):
            name = f"model.layers.{layer}"
            x = x + self.attend(self.norm(x, f"{name}.input_layernorm"), layer)
            h = self.norm(x, f"{name}.post_attention_layernorm")
            gate = h @ self.weights[f"{name}.mlp.gate_proj.weight"].T
            up = h @ self.weights[f"{name}.mlp.up_proj.weight"].T
            x = x + (gate / (1 + self.np.exp(-gate)) * up) @ self.weights[f"{name}.mlp.down_proj.weight"].T
        head = self.weights.get("lm_head.weight", self.weights["model.embed_tokens.weight"])
        return self.norm(x[:, -1], "model.norm") @ head.T


class Ctranslate2Runner:
    """Takes and gives token strings; no step by step logits with a cache."""

    def __init__(self, ctranslate2: Any, folder: Path, threads: int) -> None:
        self.ctranslate2 = ctranslate2
        self.generator = ctranslate2.Generator(
            str(folder / "ctranslate2"), device="cpu", compute_type="float32", intra_threads=threads
        )

    def generate(self, prompts: Sequence[Sequence[int]], new: int) -> float:
        """See `Runner`."""
        return self._seconds(prompts, new) - self._seconds(prompts, 1) if new > 1 else self._seconds(prompts, 1)

    def _seconds(self, prompts: Sequence[Sequence[int]], new: int) -> float:
        texts = [[f"t{token}" for token in prompt] for prompt in prompts]
        started = time.perf_counter()
        found = self.generator.generate_batch(
            texts, max_length=new, min_length=new, sampling_topk=1, include_prompt_in_result=False
        )
        seconds = time.perf_counter() - started
        if any(len(each.sequences_ids[0]) != new for each in found):
            raise RuntimeError("another number of tokens than asked for")
        return seconds

    def logits(self, prompt: Sequence[int]) -> Any:
        """See `Runner`."""
        import numpy as np

        return np.asarray(self.generator.forward_batch([[f"t{token}" for token in prompt]]))[0, -1]


def import_ctranslate2(threads: int) -> Callable[[Path], Runner]:
    """Candidate: CTranslate2, from a converted copy of the model."""
    import ctranslate2

    return lambda folder: Ctranslate2Runner(ctranslate2, folder, threads)


IMPORTS: dict[str, Callable[[int], Callable[[Path], Runner]]] = {
    "onnx": import_onnx,
    "ctranslate2": import_ctranslate2,
    "torch": import_torch,
    "numpy": import_numpy,
}


def measure(engine: str, folder: Path, threads: int) -> dict[str, Any]:
    """Run one engine in this process; seconds, tokens/s by batch, and the difference from the stored logits."""
    started = time.perf_counter()
    load = IMPORTS[engine](threads)
    imported = time.perf_counter()
    runner = load(folder)
    loaded = time.perf_counter()
    import numpy as np

    rng = np.random.default_rng(0)
    prompts = rng.integers(3, 4000, (max(BATCHES), PROMPT)).tolist()
    runner.generate(prompts[:1], 2)
    began = time.perf_counter()
    runner.generate(prompts[:1], 1)
    result: dict[str, Any] = {
        "import_s": imported - started,
        "load_s": loaded - imported,
        "ttft_s": time.perf_counter() - began,
    }
    for batch in BATCHES:
        result[f"b{batch}"] = batch * (NEW - 1) / runner.generate(prompts[:batch], NEW)
    difference = np.abs(runner.logits(prompts[0]) - np.load(folder / "logits.npy"))
    result["logit_difference"] = float(difference.max())
    return result


def make_models(root: Path) -> list[Path]:
    """Write the random models, the logits of transformers in float32, and their CTranslate2 twins."""
    folders = [root / name for name in SIZES]
    if all((folder / "logits.npy").exists() for folder in folders):
        return folders
    import numpy as np
    import torch
    from ctranslate2.converters import TransformersConverter
    from tokenizers import Tokenizer, models
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    for folder, sizes in zip(folders, SIZES.values(), strict=True):
        torch.manual_seed(0)
        heads, kv_heads = sizes["heads"]
        config = LlamaConfig(
            **{key: value for key, value in sizes.items() if key != "heads"},
            num_attention_heads=heads,
            num_key_value_heads=kv_heads,
            tie_word_embeddings=sizes["vocab_size"] < 10_000,
            max_position_embeddings=1024,
            initializer_range=0.05,
        )
        model = LlamaForCausalLM(config).eval()
        model.save_pretrained(folder)
        vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2} | {f"t{index}": index for index in range(3, sizes["vocab_size"])}
        PreTrainedTokenizerFast(
            tokenizer_object=Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>")),
            unk_token="<unk>",
            bos_token="<s>",
            eos_token="</s>",
        ).save_pretrained(folder)
        TransformersConverter(str(folder)).convert(str(folder / "ctranslate2"))
        prompt = np.random.default_rng(0).integers(3, 4000, (max(BATCHES), PROMPT))[0]
        with torch.no_grad():
            np.save(folder / "logits.npy", model(torch.from_numpy(prompt[None])).logits[0, -1].numpy())
    return folders


def compare(root: Path, rounds: int, threads: int) -> None:
    """Print a table for each model."""
    folders = make_models(root)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    environment |= {"HF_HUB_OFFLINE": "1"}
    for folder in folders:
        found: dict[str, list[dict[str, float]]] = {engine: [] for engine in IMPORTS}
        for _ in range(rounds):
            for engine in IMPORTS:
                command = [
                    sys.executable,
                    __file__,
                    "--one",
                    engine,
                    "--models",
                    str(folder),
                    "--threads",
                    str(threads),
                ]
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                found[engine].append(json.loads(done.stdout.splitlines()[-1]))
        print(f"\n{folder.name}, {threads} threads, {rounds} rounds, load average {os.getloadavg()[0]:.1f}")
        print("| engine | import s | load s | first token ms | tok/s b1 | b8 | b32 | max logit difference |")
        print("|---|---|---|---|---|---|---|---|")
        for engine, results in found.items():
            print(_row(engine, results))


def _row(engine: str, results: list[dict[str, float]]) -> str:
    def median(key: str) -> float:
        return statistics.median(result[key] for result in results)

    rates = [
        f"{median(f'b{batch}'):.0f} ({min(r[f'b{batch}'] for r in results):.0f}-{max(r[f'b{batch}'] for r in results):.0f})"
        for batch in BATCHES
    ]
    cells = [engine, f"{median('import_s'):.2f}", f"{median('load_s'):.2f}", f"{1e3 * median('ttft_s'):.1f}", *rates]
    return f"| {' | '.join(cells)} | {median('logit_difference'):.1e} |"


def install(root: Path) -> None:
    """Make a fresh environment for each engine; print what came down and what it takes on disk."""
    print("| engine | packages | downloaded MB | installed MB | install s |\n|---|---|---|---|---|")
    for engine, packages in PACKAGES.items():
        venv, wheels = root / engine, root / f"{engine}-wheels"
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        before = _bytes(venv)
        pip = [str(venv / "bin" / "pip"), "--disable-pip-version-check", "-q"]
        subprocess.run([*pip, "download", "-d", str(wheels), *packages], check=True)
        started = time.perf_counter()
        subprocess.run([*pip, "install", "--no-index", "--find-links", str(wheels), *packages], check=True)
        seconds = time.perf_counter() - started
        sizes = f"{_bytes(wheels) / 1e6:.0f} | {(_bytes(venv) - before) / 1e6:.0f}"
        print(f"| {engine} | {len(list(wheels.iterdir()))} | {sizes} | {seconds:.1f} |", flush=True)


def _bytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Run what the flags ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, help="folder for the test models")
    parser.add_argument("--install", type=Path, help="folder for the fresh environments")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--one", choices=list(IMPORTS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.models, arguments.threads)))
    elif arguments.install:
        install(arguments.install)
    elif arguments.models:
        compare(arguments.models, arguments.rounds, arguments.threads)
    else:
        parser.error("give --models or --install")


if __name__ == "__main__":
    main()
