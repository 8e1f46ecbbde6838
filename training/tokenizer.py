"""Train the byte-level BPE tokenizer that the bundled models share.

Digits stand alone, so that a number is copied digit by digit. Invented names fall into small pieces by themselves:
a merge is learnt only where text repeats.
"""

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from corpus.sample import CONTENT_TYPES, example

END, START, PAD = "<|im_end|>", "<|im_start|>", "<|endoftext|>"
SPECIALS = [PAD, START, END]
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] | trim }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
log = logging.getLogger("training.tokenizer")


def texts(seed: int, number: int) -> Iterator[str]:
    """Prompts and answers of `number` examples, and role names as they stand in the chat template."""
    mix = dict.fromkeys(CONTENT_TYPES, 1.0)
    for index in range(number):
        item = example(seed, index, mix=mix)
        yield f"user\n{item.prompt}"
        yield f"assistant\n{item.answer}"


def train(seed: int, number: int, vocabulary: int) -> Tokenizer:
    """A tokenizer of `vocabulary` tokens from `number` examples."""
    tokenizer = Tokenizer(models.BPE())
    # The pre-tokeniser of SmolLM, so that llama.cpp has its own name for it ("smollm").
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=SPECIALS,
        min_frequency=25,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts(seed, number), trainer)
    return tokenizer


def main() -> None:
    """Command line: python tokenizer.py OUT.json."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--examples", type=int, default=40_000)
    parser.add_argument("--vocabulary", type=int, default=3072)
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    tokenizer = train(args.seed, args.examples, args.vocabulary)
    tokenizer.save(str(args.out))
    log.info("%d tokens in the vocabulary", tokenizer.get_vocab_size())


if __name__ == "__main__":
    main()
