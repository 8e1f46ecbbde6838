"""Train one model, from scratch or from a checkpoint, with one thread a process and any number of processes.

Two processes of one thread each are robust on a shared machine where one process of two threads is not. Each takes its
own steps, and every few steps their weights are averaged (local SGD, Stich 2019), so that neither waits long for the other. The text is generated on the fly and never repeats. Loss is taken on the answer alone, and twice
on what the answer copies from the prompt.
"""

import argparse
import csv
import logging
import math
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from tokenizers import Tokenizer
from torch import Tensor
from transformers import AttentionInterface, LlamaConfig, LlamaForCausalLM

from corpus.sample import CONTENT_TYPES, Example, example
from tokenizer import END, PAD, START

log = logging.getLogger("training.train")

SIZES = {
    "small": {"hidden_size": 128, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 320},
    "medium": {"hidden_size": 192, "num_hidden_layers": 6, "num_attention_heads": 6, "intermediate_size": 512},
}
MIXES = {
    "all": dict.fromkeys(CONTENT_TYPES, 1.0),
    "social": {"linkedin_post": 1.0, "tweet": 1.0, "marketing_copy": 1.0},
    "technical": {"business_email": 1.1, "technical_doc": 1.0},
}
SLOT_WEIGHT = 2.0
Encoded = tuple[list[int], list[float]]
"""Token ids of an example, and the loss weight of each as a target."""


@dataclass
class Batch:
    """Token ids, targets and loss weights, each of shape (rows, tokens)."""

    ids: Tensor
    targets: Tensor
    weights: Tensor


def plain_causal(
    _module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    _mask: Tensor | None,
    scaling: float,
    **_options: object,
) -> tuple[Tensor, None]:
    """Causal attention by two matrix products; tensors are (rows, heads, tokens, head size).

    On a CPU the fused kernel's backward pass took 40 percent of a step at these sizes, and a softmax in float32 another
    20 percent; this makes a step 1.7 times faster (0.35 against 0.62 s, one core of an AMD EPYC, 2026-11).
    """
    scores = query @ key.transpose(2, 3)
    bias = torch.full(scores.shape[-2:], -1e4, dtype=scores.dtype).triu(1)
    with torch.autocast("cpu", enabled=False):
        shares = torch.softmax(torch.add(bias, scores, alpha=scaling), -1)
        return (shares @ value).transpose(1, 2).contiguous(), None


AttentionInterface.register("plain_causal", plain_causal)


def config(size: str, vocabulary: int) -> LlamaConfig:
    """The architecture `size` for a vocabulary of `vocabulary` tokens."""
    shape = SIZES[size]
    return LlamaConfig(
        **shape,
        vocab_size=vocabulary,
        num_key_value_heads=shape["num_attention_heads"],
        max_position_embeddings=2048,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        attn_implementation="plain_causal",
    )


def encode(tokenizer: Tokenizer, item: Example) -> Encoded:
    """Token ids of one example in the chat format, and the loss weight of each token as a target."""
    system = f"{START}system\n{item.system}{END}\n" if item.system else ""
    head = tokenizer.encode(f"{system}{START}user\n{item.prompt}{END}\n{START}assistant\n").ids
    encoding, end_id = tokenizer.encode(item.answer), tokenizer.token_to_id(END)
    if end_id is None:
        raise SystemExit(f"the tokenizer has no token {END}: make it anew with tokenizer.py")
    low = item.answer.lower()
    copied = bytearray(len(low) + 1)
    for slot in item.slots:
        start = low.find(slot.lower())
        while start >= 0:
            copied[start : start + len(slot)] = b"\1" * len(slot)
            start = low.find(slot.lower(), start + 1)
    weights = [SLOT_WEIGHT if copied[end - 1] else 1.0 for _, end in encoding.offsets]
    return [*head, *encoding.ids, end_id], [*([0.0] * len(head)), *weights, 1.0]


def batches(
    tokenizer: Tokenizer,
    seed: int,
    rank: int,
    ranks: int,
    mixes: Iterator[dict[str, float]],
    budget: int,
    stage: argparse.Namespace,
) -> Iterator[Batch]:
    """Endless batches of about `budget` tokens, rows of similar length together.

    Args:
        tokenizer: the shared tokenizer.
        seed: the corpus stream.
        rank: this process; it takes every `ranks`-th example.
        ranks: the number of processes.
        mixes: the mixture of content types, asked for once a pool.
        budget: tokens in a batch, padding included.
        stage: `rich`, `free`, `open` and `stories`, how the corpus is worded, and `longest`, tokens in a row.
    """
    index, order = rank, random.Random(f"order/{seed}/{rank}")
    while True:
        mix = next(mixes)
        pool: list[Encoded] = []
        while len(pool) < 480:
            item = example(
                seed, index, rich=stage.rich, free=stage.free, open_share=stage.open, stories=stage.stories, mix=mix
            )
            ids, weights = encode(tokenizer, item)
            index += ranks
            if len(ids) <= stage.longest:
                pool.append((ids, weights))
        pool.sort(key=lambda row: len(row[0]))
        groups: list[list[Encoded]] = [[]]
        for row in pool:
            if groups[-1] and len(row[0]) * (len(groups[-1]) + 1) > budget:
                groups.append([])
            groups[-1].append(row)
        order.shuffle(groups)
        yield from map(collate, groups)


def collate(rows: list[Encoded]) -> Batch:
    """Rows padded on the right; causal attention never looks at what comes later, so no mask is needed."""
    width = max(len(ids) for ids, _ in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    weights = torch.zeros(len(rows), width)
    for number, (row, weight) in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
        weights[number, : len(row)] = torch.tensor(weight)
    return Batch(ids[:, :-1], ids[:, 1:], weights[:, 1:])


def loss_sum(model: LlamaForCausalLM, batch: Batch) -> tuple[Tensor, Tensor]:
    """(weighted sum of the negative log likelihood in nats, sum of weights), with logits only where weights are."""
    hidden = model.model(input_ids=batch.ids, use_cache=False).last_hidden_state
    chosen = batch.weights > 0
    logits = model.lm_head(hidden[chosen])
    nll = torch.nn.functional.cross_entropy(logits.float(), batch.targets[chosen], reduction="none")
    weights = batch.weights[chosen]
    return (nll * weights).sum(), weights.sum()


def optimizers(model: LlamaForCausalLM, lr: float) -> list[torch.optim.Optimizer]:
    """Muon (K. Jordan 2024) for the matrices inside the layers, AdamW for embeddings and norms."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    return [
        torch.optim.Muon(matrices, lr=lr, momentum=0.95, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=lr, betas=(0.9, 0.97), weight_decay=0.0),
    ]


def rate(step: int, args: argparse.Namespace) -> float:
    """The learning rate at `step`: linear warm-up, flat, then linear to 2 percent over the last `decay` steps."""
    warm = min(1.0, (step + 1) / args.warmup)
    left = (args.steps - step) / max(1, args.decay)
    return float(args.lr * warm * max(0.02, min(1.0, left)))


def curriculum(
    mix: dict[str, float], share: float, last: float, steps: int, clock: list[int]
) -> Iterator[dict[str, float]]:
    """Mixtures with a share of copying exercises that falls from `share` to `last` over `steps` steps."""
    total = sum(mix.values())
    while True:
        now = max(last, share - (share - last) * clock[0] / max(1, steps))
        yield {**mix, "warmup": total * now / (1 - now)} if now > 0 else mix


def average_weights(model: LlamaForCausalLM, ranks: int) -> None:
    """Make the weights of all processes their mean, as one message."""
    with torch.no_grad():
        weights = list(model.parameters())
        flat = torch.nn.utils.parameters_to_vector(weights)
        dist.all_reduce(flat)
        torch.nn.utils.vector_to_parameters(flat / ranks, weights)


def run(rank: int, args: argparse.Namespace, meeting: str) -> None:
    """One training process."""
    logging.basicConfig(level=logging.INFO if rank == 0 else logging.WARNING, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)  # the same first weights in every process
    if args.ranks > 1:
        dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=args.ranks)
    tokenizer = Tokenizer.from_file(str(args.tokenizer))
    tokenizer_pad = tokenizer.token_to_id(PAD)
    if args.init:
        model = LlamaForCausalLM.from_pretrained(args.init, dtype=torch.float32, attn_implementation="plain_causal")
    else:
        model = LlamaForCausalLM(config(args.size, tokenizer.get_vocab_size()))
    if model.config.pad_token_id != tokenizer_pad:
        raise ValueError(f"pad token of the model {model.config.pad_token_id}, of the tokenizer {tokenizer_pad}")
    clock = [0]
    mixes = curriculum(MIXES[args.mix], args.copy_share, args.copy_last, args.copy_steps, clock)
    train(model, batches(tokenizer, args.seed, rank, args.ranks, mixes, args.budget, args), clock, rank, args)
    if args.ranks > 1:
        dist.destroy_process_group()


def train(
    model: LlamaForCausalLM, stream: Iterator[Batch], clock: list[int], rank: int, args: argparse.Namespace
) -> None:
    """The loop: one batch a step and a process, a checkpoint every `args.save_every` steps and at the end."""
    steppers = optimizers(model, args.lr)
    curve = []
    begin, tokens, summed, weight = time.perf_counter(), 0, 0.0, 0.0
    model.train()
    for step in range(args.steps):
        clock[0] = step
        batch = next(stream)
        for stepper in steppers:
            for group in stepper.param_groups:
                group["lr"] = rate(step, args)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            total, count = loss_sum(model, batch)
        (total / count).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for stepper in steppers:
            stepper.step()
            stepper.zero_grad(set_to_none=True)
        if args.ranks > 1 and ((step + 1) % args.average_every == 0 or step + 1 == args.steps):
            average_weights(model, args.ranks)
        tokens += batch.ids.numel() * args.ranks
        summed, weight = summed + total.item(), weight + count.item()
        if rank == 0 and ((step + 1) % 25 == 0 or step + 1 == args.steps):
            elapsed = time.perf_counter() - begin
            curve.append((step + 1, round(elapsed, 1), tokens, round(summed / weight, 4), round(rate(step, args), 6)))
            log.info("step %d  %.0f s  %d tokens  loss %.3f", step + 1, elapsed, tokens, summed / weight)
            summed = weight = 0.0
            if not math.isfinite(curve[-1][3]):
                raise FloatingPointError(f"loss is {curve[-1][3]} at step {step + 1}")
        if rank == 0 and ((step + 1) % args.save_every == 0 or step + 1 == args.steps):
            save(model, args.out, curve)


def save(model: LlamaForCausalLM, out: Path, curve: list[tuple[int, float, int, float, float]]) -> None:
    """Write weights and the loss curve; the weights appear whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    part = out / "part"
    model.save_pretrained(part)
    for file in part.iterdir():
        file.replace(out / file.name)
    with (out / "loss.csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["step", "seconds", "tokens", "loss_nats", "learning_rate"])
        writer.writerows(curve)


def main() -> None:
    """Command line: see README.md for the four recipes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--init", type=Path, help="a checkpoint to start from")
    parser.add_argument("--size", choices=SIZES, default="medium")
    parser.add_argument("--mix", choices=MIXES, default="all")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument(
        "--average-every", type=int, default=8, help="steps between two averages of the processes' weights"
    )
    parser.add_argument("--budget", type=int, default=3072, help="tokens a step and a process")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--warmup", type=int, default=40)
    parser.add_argument("--decay", type=int, default=0)
    parser.add_argument("--copy-share", type=float, default=0.0)
    parser.add_argument("--copy-last", type=float, default=0.0)
    parser.add_argument("--copy-steps", type=int, default=1)
    parser.add_argument("--save-every", type=int, default=200)
    parser.add_argument("--rich", action="store_true", help="more prompt patterns, and disturbed wording")
    parser.add_argument("--free", type=float, default=0.0, help="share of examples made of free sentences")
    parser.add_argument("--open", type=float, default=0.0, help="share of examples made from open briefs")
    parser.add_argument("--stories", type=float, default=0.0, help="share of the open briefs that tell a story")
    parser.add_argument("--longest", type=int, default=512, help="longer texts are left out (tokens)")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        meeting = str(Path(folder) / "meeting")
        if args.ranks == 1:
            run(0, args, meeting)
        else:
            torch.multiprocessing.spawn(run, (args, meeting), nprocs=args.ranks)


if __name__ == "__main__":
    main()
