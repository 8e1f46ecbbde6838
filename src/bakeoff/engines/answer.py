"""An answer as it is read: from the events of a stream, or from one JSON body. Pure; knows no connection and no clock.

Peers differ in harmless ways, all accepted: a first chunk with only a role, `finish_reason` in a chunk of its own, no
`[DONE]` after it, no `finish_reason` before `[DONE]`, usage in a chunk without choices, unknown keys anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bakeoff.core.errors import (
    AnswerEmpty,
    AnswerNull,
    AnswerRefused,
    EndpointBusy,
    EndpointFailed,
    EndpointGarbage,
)
from bakeoff.core.records import MOST_TOKENS, FinishReason
from bakeoff.engines.sse import ErrorEvent
from bakeoff.engines.thoughts import thought_length

# What servers call an ending, beside OpenAI's own "stop" and "length".
FINISH: Mapping[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
}
# Endings by which a server says that the model declined, or that a filter took the text away.
DECLINED = frozenset({"content_filter", "refusal", "safety", "recitation", "blocklist", "prohibited_content"})
# Where models that think first put their thoughts, which are no text and show that they are alive.
_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
# What no event begins with: a carriage return ends its line.
_NO_FRAME = ("\r", "\r")


@dataclass(slots=True)
class Answer:
    """What has been read so far. `where` names the endpoint in errors.

    `thoughts` counts the pieces of a model's thinking, `has_text` tells that a text came, were it of no characters.
    `first_logprobs` are those of the tokens that the first one might have been.
    """

    where: str
    texts: list[str] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    done: bool = False
    usage: Mapping[str, Any] = field(default_factory=dict)
    timings: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None
    thoughts: int = 0
    has_text: bool = False
    refusals: list[str] = field(default_factory=list)
    declined: str | None = None
    first_logprobs: Mapping[str, float] | None = None
    # Around the text of a plain event: what every further event of most servers repeats.
    _frame: tuple[str, str] = _NO_FRAME

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self.texts)

    @property
    def complete(self) -> bool:
        """Whether the server has said that the text is finished."""
        return self.done or self.finish_reason is not None

    @property
    def tokens(self) -> int:
        """How many pieces of text and of thoughts came. Not a count of tokens: a piece may hold several."""
        return len(self.texts) + self.thoughts

    def set_thoughts_apart(self) -> int:
        """Take the thoughts at the head of the finished text out of it; return how many pieces of text were nothing else."""
        length = thought_length(self.text)
        if not length:
            return 0
        whole = 0
        while whole < len(self.texts) and len(self.texts[whole]) <= length:
            length -= len(self.texts[whole])
            whole += 1
        self.texts = self.texts[whole:]
        if length:
            self.texts[0] = self.texts[0][length:]
        self.thoughts += whole + (length > 0)
        return whole

    def require_text(self) -> None:
        """Make sure that the finished answer holds a text.

        Raises:
            AnswerWithoutText: it is of one of the kinds that hold none.
        """
        if self.declined is not None or self.refusals:
            words = "".join(self.refusals) or f"finish_reason {self.declined}"
            raise AnswerRefused(f"{self.where} declined to answer: {excerpt(words)}")
        text = self.text
        if text and not text.isspace():
            return
        why = " before its limit of tokens, of which a model that thinks first needs more" * (
            self.finish_reason == "length"
        )
        if self.has_text or text:
            raise AnswerEmpty(f"{self.where} answered with an empty text{why}")
        raise AnswerNull(f"{self.where} answered without any text{why}")

    def take(self, events: Sequence[str]) -> None:
        """Take the data of events of a stream, in order.

        An event that differs from an earlier one in nothing but a plain text is not parsed: equal bytes around a JSON string
        that needs no escapes parse to equal values around that string, so reading the event as a whole would append the
        text, and set all else to what it is already.

        Raises:
            EndpointBusy: one is an error whose code is 429 or 503.
            EndpointFailed: one is another error, or an ending that is none.
            EndpointGarbage: one is not a completion chunk.
        """
        before, after = self._frame
        for data in events:
            if data.startswith(before) and data.endswith(after) and len(data) > len(before) + len(after):
                text = data[len(before) : -len(after)]
                if _is_plain(text) and not isinstance(data, ErrorEvent):
                    self.texts.append(text)
                    continue
            self._take_event(data)
            before, after = self._frame

    def _take_event(self, data: str) -> None:
        if data.strip() == "[DONE]":
            self.done = True
            return
        value = self._parse(data)
        if isinstance(data, ErrorEvent) and "error" not in value:
            raise EndpointFailed(f"{self.where} failed in the middle of its answer: {excerpt(data)}")
        texts, others = len(self.texts), self.thoughts + len(self.refusals)
        settled = self._settled()
        self._take(value, "delta", required=False)
        if self._settled() != settled:  # an event such as those before would change it back
            self._frame = _NO_FRAME
        if len(self.texts) > texts and self.thoughts + len(self.refusals) == others:
            self._frame = _frame_around(self.texts[-1], data)

    def _settled(self) -> tuple[object, ...]:
        """Return all that an event sets and does not add to."""
        return self.finish_reason, self.declined, self.usage, self.timings, self.model

    def take_body(self, body: str) -> None:
        """Take the body of a plain answer.

        Raises:
            EndpointBusy: it is an error whose code is 429 or 503.
            EndpointFailed: it is another error, or an ending that is none.
            EndpointGarbage: it is not a completion.
        """
        self._take(self._parse(body), "message", required=True)
        self.done = True

    def count(self, name: str) -> int | None:
        """Return a token count as the server reported it, None where it did not, or where it cannot be one."""
        value = self.usage.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            return None
        return value if 0 <= value <= MOST_TOKENS else None

    @property
    def reasoning_tokens(self) -> int:
        """How many of the tokens the server says were thoughts, 0 where it does not say."""
        details = self.usage.get("completion_tokens_details")
        value = details.get("reasoning_tokens") if isinstance(details, dict) else None
        return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS else 0

    def seconds(self, name: str) -> float | None:
        """Return one of a worker's own timings, None where the server gives none."""
        value = self.timings.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None

    def told(self, name: str) -> str | None:
        """Return a word of a worker's own, None where the server gives none."""
        value = self.timings.get(name)
        return value if isinstance(value, str) and value else None

    def fallbacks(self) -> tuple[str, ...]:
        """Return what a worker saw computed elsewhere than on its device; nothing where the server tells nothing."""
        value = self.timings.get("fallbacks")
        return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()

    def gaps_s(self) -> tuple[float, ...] | None:
        """Return a worker's times between tokens, None where the server gives none."""
        value = self.timings.get("itl_s")
        if not isinstance(value, list) or not all(isinstance(gap, int | float) and gap >= 0 for gap in value):
            return None
        return tuple(float(gap) for gap in value)

    def _parse(self, data: str) -> Mapping[str, Any]:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as error:  # the latter: arrays within arrays, thousands deep
            raise EndpointGarbage(f"{self.where} sent something that is not JSON: {excerpt(data)}") from error
        if not isinstance(value, dict):
            raise EndpointGarbage(f"{self.where} sent JSON that is no completion: {excerpt(data)}")
        return value

    def _take(self, value: Mapping[str, Any], part: str, *, required: bool) -> None:
        if value.get("error"):
            failed = EndpointBusy if _says_busy(value["error"]) else EndpointFailed
            raise failed(f"{self.where} failed in the middle of its answer: {error_message(value)}")
        for name in ("usage", "timings"):
            if isinstance(value.get(name), dict):
                setattr(self, name, value[name])
        if isinstance(value.get("model"), str) and value["model"]:
            self.model = value["model"]
        choices = value.get("choices")
        if choices is None and isinstance(value.get("usage"), dict) and not required:
            return
        if not isinstance(choices, list) or (required and not choices):
            raise EndpointGarbage(f"{self.where} sent JSON without choices: {excerpt(json.dumps(value))}")
        for choice in choices[:1]:
            self._take_choice(choice, part, required=required)

    def _take_choice(self, choice: object, part: str, *, required: bool) -> None:
        inner = choice.get(part) if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or not (isinstance(inner, dict) or (inner is None and not required)):
            raise EndpointGarbage(f"{self.where} sent a choice that is none: {excerpt(json.dumps(choice))}")
        inner = inner or {}
        content = inner.get("content")
        if content is not None and not isinstance(content, str):
            raise EndpointGarbage(f"{self.where} sent content that is no text: {excerpt(json.dumps(content))}")
        if content:
            self.texts.append(content)
        self.has_text = self.has_text or content is not None
        self.thoughts += any(inner.get(name) for name in _THOUGHTS)
        if isinstance(inner.get("refusal"), str) and inner["refusal"]:
            self.refusals.append(inner["refusal"])
        if self.first_logprobs is None:
            self.first_logprobs = _first_logprobs(choice.get("logprobs"))
        self._end(choice.get("finish_reason"))

    def _end(self, reason: object) -> None:
        if reason is None or reason == "":
            return
        if not isinstance(reason, str):
            raise EndpointGarbage(f"{self.where} sent a finish_reason that is no text: {excerpt(json.dumps(reason))}")
        if reason.lower() in DECLINED:
            self.declined = reason
            self.finish_reason = "stop"
        elif reason in FINISH:
            self.finish_reason = FINISH[reason]
        else:
            raise EndpointFailed(f"{self.where} ended with finish_reason {reason!r}, which is no finished text")


def _first_logprobs(value: object) -> Mapping[str, float] | None:
    """Return token -> log-probability of the likeliest tokens where the first that is no blank was chosen, if given."""
    content = value.get("content") if isinstance(value, dict) else None
    for entry in content if isinstance(content, list) else ():
        top = entry.get("top_logprobs") if isinstance(entry, dict) else None
        if not isinstance(top, list) or not isinstance(entry.get("token"), str):
            return None
        if entry["token"].strip():
            pairs = [(found.get("token"), found.get("logprob")) for found in top if isinstance(found, dict)]
            return {
                token: float(known)
                for token, known in pairs
                if isinstance(token, str) and isinstance(known, int | float)
            }
    return None


def _is_plain(text: str) -> bool:
    """Whether a JSON string of this text is the text between quotation marks."""
    return text.isprintable() and '"' not in text and "\\" not in text


def _frame_around(text: str, data: str) -> tuple[str, str]:
    """Return what stands before and after `text` in an event, what no event has where that is not plain to see."""
    before, quoted, after = data.partition(f'"{text}"')
    if not _is_plain(text) or not before.rstrip().endswith('"content":') or quoted in after:
        return _NO_FRAME
    return f'{before}"', f'"{after}'


def _says_busy(error: object) -> bool:
    """Whether an error object is the one that would come with 429 or 503: proxies pass it on in an answer that has begun."""
    codes = [error.get(name) for name in ("code", "status")] if isinstance(error, dict) else []
    return any(str(code) in {"429", "503"} for code in codes)


def error_message(value: object) -> str:
    """Return the message in a server's error body, in any of the shapes in use."""
    if isinstance(value, dict):
        inner = value.get("error", value)
        if isinstance(inner, str):
            return inner
        if isinstance(inner, dict):
            for name in ("message", "detail", "error"):
                if isinstance(inner.get(name), str):
                    return str(inner[name])
    return excerpt(json.dumps(value))


def excerpt(text: str, width: int = 120) -> str:
    """Return the beginning of `text` on one line."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"
