"""Examples by number: `example(seed, index)` is always the same text, on every machine.

The stream of an example is seeded by the text "seed/index/split", which Python hashes with SHA-512 (documented for
`random.seed` version 2), so nothing depends on hash randomisation or on the order of generation.
"""

import random
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from . import docs, emails, free_types, noise, open_stories, open_types, posts, warmup
from .templates import Writer

WRITERS = {
    "linkedin_post": posts.linkedin,
    "tweet": posts.tweet,
    "business_email": emails.email,
    "technical_doc": docs.document,
    "marketing_copy": posts.advert,
    "warmup": warmup.exercise,
}
CONTENT_TYPES = tuple(WRITERS)[:5]
_SYSTEM = [
    "You are a helpful assistant.",
    "You write short business texts.",
    "You are a careful copywriter.",
    "Write the text that is asked for and nothing else.",
    "You are a writing assistant for small companies.",
]
_LINE = re.compile(r"^(?:\d+\. |> \*\*Warning:\*\* |- )(.+?)[:.]?$", re.MULTILINE)  # what a document takes over whole
_TICKED = re.compile(r"`([^`]+)`")


class Example(NamedTuple):
    """One training or test example; `slots` are the strings that stand in both prompt and answer."""

    content_type: str
    prompt: str
    answer: str
    slots: list[str]
    system: str


def example(  # noqa: PLR0913  one keyword a stage of training
    seed: int,
    index: int,
    *,
    held: bool = False,
    rich: bool = False,
    free: float = 0.0,
    open_share: float = 0.0,
    stories: float = 0.0,
    mix: Mapping[str, float] | None = None,
) -> Example:
    """Example number `index` of the stream `seed`.

    Args:
        seed: the stream; training and test use different ones.
        index: the number of the example, from 0.
        held: use the prompt patterns that training never sees.
        rich: more prompt patterns and disturbed wording, as in the second stage of training.
        free: the share of examples made of free sentences, as in the third stage of training.
        open_share: the share of examples that are open briefs, before `free` applies to the others.
        stories: the share of the open briefs that tell a story.
        mix: weight of each content type (and of "warmup"); all five types alike by default.
    """
    rng = random.Random(f"{seed}/{index}/{held}")  # "rich" shares the stream
    weights = dict(mix) if mix else dict.fromkeys(CONTENT_TYPES, 1.0)
    content_type = rng.choices(list(weights), list(weights.values()))[0]
    writer = Writer(rng, held=held, rich=rich)
    if open_share > 0 and content_type in open_types.WRITERS and rng.random() < open_share:
        told = stories > 0 and rng.random() < stories
        return _open_example(content_type, writer, open_stories.WRITERS if told else open_types.WRITERS)
    freely = free > 0 and content_type in free_types.WRITERS and rng.random() < free
    prompt, answer = (free_types.WRITERS if freely else WRITERS)[content_type](writer)
    if content_type == "tweet" and len(answer) > 280:
        return example(seed, index + 1_000_000_007, held=held, rich=rich, free=free, mix={"tweet": 1.0})
    values = {v for k, v in writer.facts.items() if len(v) > 1 and k not in {"product_noun", "a_role", "trade"}} | set(
        _TICKED.findall(prompt)
    )
    if content_type == "business_email":
        values |= {v.split()[0] for v in [writer.facts["recipient"]] if v[0].isupper()}
    if rich and content_type != "warmup":
        lines = {t[0].lower() + t[1:] for t in _LINE.findall(answer)}
        prompt = noise.disturb(prompt, values | {writer.facts["trade"]} | lines, rng)
    low = answer.lower()
    slots = sorted(v for v in values if v in prompt and v.lower() in low)
    system = rng.choice(_SYSTEM) if rng.random() < 0.15 else ""
    return Example(content_type, prompt, answer, slots, system)


def _open_example(
    content_type: str, writer: Writer, writers: Mapping[str, Callable[[Writer], tuple[str, str]]]
) -> Example:
    """An open brief: worded in many ways already, so nothing disturbs it."""
    rng = writer.rng
    prompt, answer = writers[content_type](writer)
    while content_type == "tweet" and len(answer) > 280:
        writer = Writer(rng, held=writer.held, rich=writer.rich)
        prompt, answer = writers[content_type](writer)
    low = answer.lower()
    values = {v for v in writer.facts.values() if len(v) > 1} | set(_TICKED.findall(prompt))
    slots = sorted(v for v in values if v in prompt and v.lower() in low)
    return Example(content_type, prompt, answer, slots, rng.choice(_SYSTEM) if rng.random() < 0.15 else "")
