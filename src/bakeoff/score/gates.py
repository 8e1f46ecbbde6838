"""Gates: defects that make a text unfit to publish, whatever else is good about it.

Each gate answers yes or no and shows the span that made it say so. They are tuned to leave good text alone: what a
gate lets through may still be bad, what it stops is broken. `docs/scoring/gates.md` lists what each one misses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

from bakeoff.core.records import GateHit
from bakeoff.score.brief import BriefChecks
from bakeoff.score.chatter import find_judge_injection, find_meta_chatter
from bakeoff.score.facts import contains_fact, prompt_facts
from bakeoff.score.garbage import find_garbage, find_hidden
from bakeoff.score.kind import find_other_kind
from bakeoff.score.language import (
    FUNCTION_WORDS,
    LANGUAGE_NAMES,
    detect_other_language,
    english_share,
    other_script_share,
    words_in,
)
from bakeoff.score.normal import normalise
from bakeoff.score.norms import weighted_length
from bakeoff.score.refusal import find_refusal
from bakeoff.score.repetition import duplicate_sentences, immediate_loop, only_word
from bakeoff.score.scant import find_scant
from bakeoff.score.text import Text, brief_words, is_listing, may_link, parsed
from bakeoff.score.truncation import find_truncation

Finding = tuple[str, str]

_LATIN = frozenset(
    str.split("en de fr es it nl pt sv da no nb fi pl cs sk sl hr hu ro tr vi id ms et lv lt sq is ga cy eu ca gl af")
)
_OTHER_SCRIPT = frozenset(str.split("ja zh ko ru uk bg mk el ar fa he hi th ka hy bn ta"))
_SQUARE = re.compile(r"(?<!!)\[(?!\s?[xX]?\s?\])([^\W\d_][\w'’ /.-]{1,48})\](?![(\[:])")
_CURLY = re.compile(r"\{\{ ?([^{}\n]{1,60}) ?\}\}|(?<![{$\w])\{([a-z][a-z_ ]{1,40})\}(?!\})")
_ANGLE = re.compile(
    r"<((?:your|insert|the|company|client|customer|recipient|sender|product|brand|date|time|name|link|url|price|phone|address|city|title|location|amount)"
    r"[a-z _-]{0,40})>",
    re.IGNORECASE,
)
_GAP_WORDS = frozenset(
    str.split(
        "name company client customer recipient sender product brand date time link url price phone address city title location amount number"
    )
)
_REMARKS = frozenset(
    str.split(
        "note warning tip important caution sic optional required recommended beta deprecated experimental new info error danger"
    )
)
_INSTRUCTION_START = re.compile(
    r"(?:please )?(?:write|draft|compose|create|mention|include|keep it|use at most|end with|make it|tweet for|ad copy for|say that|do not mention|no hashtags|facts:|steps:)\b"
)
_INSTRUCTION_WORDS = frozenset(
    [
        "write",
        "draft",
        "compose",
        "mention",
        "include",
        "words",
        "characters",
        "hashtag",
        "hashtags",
        "tone",
        "linkedin",
        "tweet",
        "post",
        "emoji",
        "prompt",
        "brief",
    ]
)
_TOPIC_STOP = (
    FUNCTION_WORDS["en"]
    | _INSTRUCTION_WORDS
    | frozenset(
        [
            "email",
            "e-mail",
            "mail",
            "copy",
            "short",
            "long",
            "people",
            "must",
            "should",
            "could",
            "would",
            "like",
            "make",
            "keep",
            "using",
            "used",
            "give",
            "most",
            "least",
            "under",
            "over",
            "at",
            "end",
            "start",
            "call",
            "action",
            "section",
            "article",
            "text",
            "document",
            "docs",
            "guide",
            "how-to",
            "friendly",
            "professional",
            "formal",
            "casual",
            "company",
            "readers",
            "audience",
            "say",
            "says",
            "said",
            "tell",
            "telling",
            "asks",
            "ask",
            "about",
            "explain",
            "describe",
            "announcing",
            "announce",
            "first",
            "last",
            "also",
            "each",
            "every",
            "three",
            "four",
            "five",
            "more",
            "less",
        ]
    )
)


def run_gates(text: Text, finish_reason: str, checks: BriefChecks) -> tuple[GateHit, ...]:
    """Return the gates that `text` does not pass, at most one hit a gate; `empty` alone where there is hardly any text.

    `finish_reason` is `stop`, `length` or `error`, as stored with a generation.
    """
    scant = find_scant(text, checks)
    if scant is not None:
        return (GateHit(gate="empty", rule=scant[0], evidence=scant[1]),)
    hits: list[GateHit] = []
    for name, gate in GATES.items():
        finding = gate(text, finish_reason, checks)
        if finding is not None:
            rule, evidence = finding
            hits.append(GateHit(gate=name, rule=rule, evidence=evidence))
    return tuple(hits)


def _refusal(text: Text, _finish: str, checks: BriefChecks) -> Finding | None:
    span = find_refusal(text, checks)
    return ("an assistant refuses", span) if span is not None else None


def _meta_chatter(text: Text, _finish: str, checks: BriefChecks) -> Finding | None:
    return find_meta_chatter(text, checks)


_ECHO_OF_ALL = 0.7


def _prompt_echo(text: Text, _finish: str, checks: BriefChecks) -> Finding | None:
    """The instruction given back. Facts are meant to be taken over, so shared wording alone is no echo."""
    prompt = parsed(checks.prompt)
    if checks.source is not None or not (may_link(checks.prompt) or _may_share_run(text, prompt.words, 6)):
        return None
    flat = f" {' '.join(text.words)} "
    for sentence in prompt.sentences:
        words = words_in(sentence.lower().replace("’", "'"))
        run = " ".join(words)
        if len(words) >= 6 and _INSTRUCTION_START.match(run) and f" {run} " in flat:
            return "an instruction of the brief is repeated word for word", sentence[:160]
    start = list(prompt.words[:7])
    if len(start) == 7 and _INSTRUCTION_START.match(" ".join(start)) and list(text.words[:7]) == start:
        return "starts with the words of the brief", " ".join(start)
    if _gives_back(text.words, prompt.words):
        return "the brief is given back nearly whole", " ".join(prompt.words)[:160]
    share, instructed = _echo_share(text.words, prompt.words)
    if share > 0.4 and instructed:
        return f"{share:.0%} of the words are runs of six from the brief, instructions among them", text.raw[:120]
    return None


def _gives_back(words: tuple[str, ...], prompt: tuple[str, ...]) -> bool:
    """Whether the brief stands in the text from its first word on: what was asked for ("Memo: ..."), and not its facts alone."""
    part = prompt[: max(12, round(_ECHO_OF_ALL * len(prompt)))]
    return len(part) >= 12 and f" {' '.join(part)} " in f" {' '.join(words)} "


def _may_share_run(text: Text, words: tuple[str, ...], size: int) -> bool:
    """Whether `text` holds that many words in a row of `words`, be it in another order."""
    known = text.word_set
    return "1" * size in "".join(["1" if word in known else "0" for word in words])


def _echo_share(words: tuple[str, ...], prompt: tuple[str, ...]) -> tuple[float, bool]:
    """Share of `words` inside six-word runs of `prompt`, and whether those runs hold instruction words."""
    size = 6
    runs = set(zip(*(prompt[start:] for start in range(size)), strict=False))
    if runs.isdisjoint(zip(*(words[start:] for start in range(size)), strict=False)):
        return 0.0, False
    covered = bytearray(len(words))
    for index, run in enumerate(zip(*(words[start:] for start in range(size)), strict=False)):
        if run in runs:
            covered[index : index + size] = b"\x01" * size
    instructed = sum(flag and word in _INSTRUCTION_WORDS for flag, word in zip(covered, words, strict=True))
    return (sum(covered) / len(words) if words else 0.0), instructed >= 2


_REPEATS = 0.25
# Rows of a table and questions of a list begin alike, and none of them is said twice.
_LIST_REPEATS = 0.5


def _repetition(text: Text, _finish: str, checks: BriefChecks) -> Finding | None:
    words = text.words
    # Where the brief itself says "location, location, location", the text may.
    if (word := only_word(words)) is not None and f" {' '.join(words)} " not in f" {' '.join(_asked(checks))} ":
        return "says one word over and over", word[:120]
    # A phrase that stands three times in a row repeats a run of four words.
    if text.repeated_share > 0 and (loop := immediate_loop(_outside_tables(text))) is not None:
        return "a phrase stands three times in a row", loop[:120]
    share = text.repeated_share
    if len(words) >= 40 and share > _REPEATS and share > (_LIST_REPEATS if is_listing(text) else _REPEATS):
        return f"{share:.0%} of four-word runs are repeated", " ".join(words[:12])
    if len(text.sentences) >= 4:
        share, sentence = duplicate_sentences(text.lowered_sentence_words)
        if share > 0.3:
            return f"{share:.0%} of sentences are repeated", sentence[:120]
    return None


def _outside_tables(text: Text) -> Sequence[str]:
    """The words of the text without those in rows of a table, where cells side by side may well say the same."""
    if not any(line.startswith("|") for line in text.lines):
        return text.words
    return Text("\n".join(line for line in text.lines if not line.startswith("|"))).words


def _asked(checks: BriefChecks) -> tuple[str, ...]:
    return brief_words(checks.prompt, checks.source)


def _truncated(text: Text, finish: str, checks: BriefChecks) -> Finding | None:
    if finish == "length":
        return "stopped at the token limit", text.raw.rstrip()[-80:]
    return find_truncation(text, checks)


def _platform_limit(text: Text, _finish: str, checks: BriefChecks) -> Finding | None:
    limit = checks.norms.hard_limit
    if limit is None:
        return None
    raw = text.raw.strip()
    length = weighted_length(raw) if checks.norms.hard_unit == "weighted" else len(raw)
    if length <= limit:
        return None
    return (
        f"{length} {checks.norms.hard_unit}{' characters' if checks.norms.hard_unit == 'weighted' else ''}, limit {limit}",
        raw[-60:],
    )


def _wrong_language(text: Text, _finish: str, checks: BriefChecks) -> Finding | None:
    other = detect_other_language(text.words, checks.language)
    if other is not None and LANGUAGE_NAMES[other] not in checks.prompt.casefold():
        return f"function words of {other}, asked for {checks.language}", " ".join(text.words[:12])
    if checks.language not in FUNCTION_WORDS and (share := english_share(text.words)) >= 0.3:
        return f"{share:.0%} of the words are English function words, asked for {checks.language}", " ".join(
            text.words[:12]
        )
    if checks.language in _OTHER_SCRIPT and len(text.prose) >= 20 and (share := other_script_share(text.prose)) < 0.2:
        return f"{1 - share:.0%} of the letters are Latin, asked for {checks.language}", text.prose[:60]
    if checks.language in _LATIN and len(text.prose) >= 20 and (share := other_script_share(text.prose)) > 0.4:
        return f"{share:.0%} of the letters are not Latin, asked for {checks.language}", text.prose[:60]
    return None


def _wrong_kind(text: Text, _finish: str, checks: BriefChecks) -> Finding | None:
    return find_other_kind(text, checks)


def _placeholder(text: Text, _finish: str, checks: BriefChecks) -> Finding | None:
    """A gap where the brief gave the value. A template that the brief asks for, and code, are left alone."""
    if not any(mark in text.no_code for mark in "[{<"):
        return None
    wanted = f"{checks.prompt}\n{checks.source or ''}".casefold()
    patterns = (_SQUARE,) if checks.content_type == "technical_doc" else (_SQUARE, _CURLY, _ANGLE)
    gaps = [match.group() for pattern in patterns for match in pattern.finditer(text.no_code)]
    gaps = [
        gap
        for gap in gaps
        if gap.casefold() not in wanted
        and (" " in gap or gap[1:2].isupper() or gap[0] != "[" or gap[1:-1] in _GAP_WORDS)
    ]
    gaps = [gap for gap in gaps if gap.strip("[]").lower() not in _REMARKS]
    if not gaps or "template" in wanted:
        return None
    # Where facts are not declared, one gap may be a value that the brief does not give: readers prefer a marked gap.
    if checks.must_include or (len(set(gaps)) >= 2 and len(prompt_facts(checks.prompt)) >= 2):
        return "a gap where the brief gives the value", ", ".join(dict.fromkeys(gaps))[:120]
    return None


_SAY_ANEW = re.compile(r"rewrit|rephras|paraphras|simplif|translat|own words|plain|child|beginner", re.IGNORECASE)


def _off_topic(text: Text, _finish: str, checks: BriefChecks) -> Finding | None:
    """No declared fact and (nearly) no content word of the brief. Abstains for short texts and other languages."""
    topic = _topic(checks.prompt, checks.source)
    abstains = checks.language != "en" or len(text.words) < 15 or len(topic) < 6
    if abstains or detect_other_language(text.words, "en") is not None:
        return None
    shared = topic & {word[:_STEM] for word in text.word_set}
    rewrites = checks.source is not None and _SAY_ANEW.search(checks.prompt) is not None
    if len(shared) > (0 if rewrites else max(1, 0.06 * len(topic))):
        return None
    normalised = normalise(text.raw)
    if any(contains_fact(alternatives, normalised) for alternatives in checks.must_include):
        return None
    if not checks.must_include and len(topic) < 12 and len(prompt_facts(checks.prompt)) < 4:
        return None  # a request in a few general words can be answered in others
    if (
        not checks.must_include
        and len(shared) == 1
        and any(contains_fact(fact, normalised) for fact in prompt_facts(checks.prompt))
    ):
        return None
    return f"{len(shared)} of {len(topic)} content words of the brief, and none of its facts", text.raw[:120]


_STEM = 5


@lru_cache(maxsize=256)
def _topic(prompt: str, source: str | None) -> frozenset[str]:
    """The beginnings of a brief's content words."""
    words = brief_words(prompt, source)
    return frozenset(word[:_STEM] for word in words if len(word) > 3 and word not in _TOPIC_STOP)


def _judge_injection(text: Text, _finish: str, checks: BriefChecks) -> Finding | None:
    span = find_judge_injection(text, f"{checks.prompt}\n{checks.source or ''}")
    return ("addresses whoever grades the text", span) if span is not None else None


def _invisible_characters(text: Text, _finish: str, _checks: BriefChecks) -> Finding | None:
    return find_hidden(text.raw)


def _garbage(text: Text, _finish: str, checks: BriefChecks) -> Finding | None:
    return find_garbage(text, checks)


GATES: Mapping[str, Callable[[Text, str, BriefChecks], Finding | None]] = MappingProxyType(
    {
        "refusal": _refusal,
        "meta_chatter": _meta_chatter,
        "prompt_echo": _prompt_echo,
        "repetition": _repetition,
        "truncated": _truncated,
        "platform_limit": _platform_limit,
        "wrong_language": _wrong_language,
        "wrong_kind": _wrong_kind,
        "placeholder": _placeholder,
        "off_topic": _off_topic,
        "judge_injection": _judge_injection,
        "invisible_characters": _invisible_characters,
        "garbage": _garbage,
    }
)
