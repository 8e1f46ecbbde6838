"""An answer as it is read: from the events of a stream, or from one JSON body. Pure; knows no connection and no clock.

Peers differ in harmless ways, all accepted: a first chunk with only a role, `finish_reason` in a chunk of its own, no
`[DONE]` after it, no `finish_reason` before `[DONE]`, one in every chunk, a content of typed parts, usage in a chunk without
choices, unknown keys anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bakeoff.core.errors import (
    AnswerEmpty,
    AnswerNull,
    AnswerRefused,
    EndpointBusy,
    EndpointFailed,
    EndpointGarbage,
)
from bakeoff.core.records import MOST_TOKENS, FinishReason
from bakeoff.core.thoughts import after_thoughts, answer_start, thought_length
from bakeoff.engines.sse import ErrorEvent

# What servers call an ending, beside OpenAI's own "stop" and "length", in whatever case.
FINISH: Mapping[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
}
# Endings by which a server says that the model declined, or that a filter took the text away.
DECLINED = frozenset({"content_filter", "refusal", "safety", "recitation", "blocklist", "prohibited_content"})
# Where models that think first put their thoughts, which are no text and show that they are alive.
_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
# What no event begins with: a carriage return ends its line.
_NO_FRAME = ("\r", "\r")


class _Token(NamedTuple):
    """A token as it is spelt, and token -> log-probability of the likeliest that it might have been; None where not told."""

    text: str
    likeliest: Mapping[str, float] | None


@dataclass(slots=True)
class Answer:
    """What has been read so far. `where` names the endpoint in errors.

    `thoughts` counts the pieces of a model's thinking, `has_text` tells that a text came, were it of no characters.
    `in_doubt` tells that the ending came with a piece of the text, from a server of which it is not known that it says so at the
    end alone: some say "stop" in every event.
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
    in_doubt: bool = False
    _spelt: list[_Token] = field(default_factory=list)
    _ends_early: bool = False
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
        texts, others = len(self.texts), self._beside()
        settled = self._settled()
        self._take(value, "delta", required=False)
        if self._settled() != settled:  # an event such as those before would change it back
            self._frame = _NO_FRAME
        if self.finish_reason is not None and not self.in_doubt:  # another such event would put it in doubt
            return
        if len(self.texts) > texts and self._beside() == others:
            self._frame = _frame_around(self.texts[-1], data)

    def _beside(self) -> int:
        """Return how much has come that an event adds to beside the text."""
        return self.thoughts + len(self.refusals) + len(self._spelt)

    def _settled(self) -> tuple[object, ...]:
        """Return all that an event sets and does not add to."""
        return self.finish_reason, self.in_doubt, self.declined, self.usage, self.timings, self.model

    def take_body(self, body: str) -> None:
        """Take the body of a plain answer.

        Raises:
            EndpointBusy: it is an error whose code is 429 or 503.
            EndpointFailed: it is another error, or an ending that is none.
            EndpointGarbage: it is not a completion.
        """
        self._take(self._parse(body), "message", required=True)
        self.done = True

    @property
    def first_logprobs(self) -> Mapping[str, float] | None:
        """Token -> log-probability of the likeliest tokens where the answer's first that is no blank was chosen, thoughts passed over.

        None where they were not given, or where the tokens that were are not those of the answer; empty where no answer
        came after the thoughts.
        """
        if not self._spelt:
            return None
        answer = "".join(after_thoughts(self.text).split())
        if not answer:
            return {}
        spelt = "".join(token.text for token in self._spelt)
        begin = answer_start(spelt)
        if begin is None or not _agree(answer, "".join(spelt[begin:].split())):
            return None
        at = 0
        for token in self._spelt:
            if at >= begin and token.text.strip():
                return token.likeliest
            at += len(token.text)
        return None

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
        content, thought = self._read_content(inner.get("content"))
        thought = thought or any(inner.get(name) for name in _THOUGHTS)
        came, is_first = bool(content) or thought, not self.tokens
        if content:
            self.texts.append(content)
        self.has_text = self.has_text or content is not None
        self.thoughts += thought
        if isinstance(inner.get("refusal"), str) and inner["refusal"]:
            self.refusals.append(inner["refusal"])
        self._spelt += _tokens(choice.get("logprobs"))
        if came and self.finish_reason is not None:  # an ending that was none
            self.finish_reason, self._ends_early = None, True
        self._end(choice.get("finish_reason"))
        if came or choice.get("finish_reason"):
            self.in_doubt = came and self.finish_reason is not None and (is_first or self._ends_early)

    def _read_content(self, content: object) -> tuple[str | None, bool]:
        """Return the text of a content, and whether there are thoughts in it: a text, or Mistral's list of typed parts."""
        if content is None or isinstance(content, str):
            return content, False
        if not isinstance(content, list) or not all(isinstance(part, dict) and "type" in part for part in content):
            raise EndpointGarbage(f"{self.where} sent content that is no text: {excerpt(json.dumps(content))}")
        thoughts = [part for part in content if part["type"] in _THOUGHTS]
        texts = [part["text"] for part in content if part not in thoughts and isinstance(part.get("text"), str)]
        return "".join(texts), bool(thoughts)

    def _end(self, reason: object) -> None:
        if reason is None or reason == "":
            return
        if not isinstance(reason, str):
            raise EndpointGarbage(f"{self.where} sent a finish_reason that is no text: {excerpt(json.dumps(reason))}")
        if reason.lower() in DECLINED:
            self.declined = reason
            self.finish_reason = "stop"
        elif reason.lower() in FINISH:
            self.finish_reason = FINISH[reason.lower()]
        else:
            raise EndpointFailed(f"{self.where} ended with finish_reason {reason!r}, which is no finished text")


def _tokens(value: object) -> list[_Token]:
    """Return the tokens that a choice's log-probabilities tell of, up to one that is none."""
    content = value.get("content") if isinstance(value, dict) else None
    found: list[_Token] = []
    for entry in content if isinstance(content, list) else ():
        if not isinstance(entry, dict) or not isinstance(entry.get("token"), str):
            break
        found.append(_Token(entry["token"], _likeliest(entry.get("top_logprobs"))))
    return found


def _likeliest(top: object) -> Mapping[str, float] | None:
    if not isinstance(top, list):
        return None
    pairs = [(found.get("token"), found.get("logprob")) for found in top if isinstance(found, dict)]
    return {token: float(known) for token, known in pairs if isinstance(token, str) and isinstance(known, int | float)}


def _agree(answer: str, spelt: str) -> bool:
    """Whether tokens spell the answer, as far as both go: a server that takes thoughts out of the text may leave their tokens in."""
    whole = spelt.partition("\ufffd")[0]  # a token may be a part of a character
    return whole.startswith(answer) or answer.startswith(whole)


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
    if isinstance(value, list) and len(value) == 1:  # Gemini's
        value = value[0]
    inner = value.get("error", value) if isinstance(value, dict) else None
    if isinstance(inner, str):
        return inner
    for name in ("message", "detail", "error"):
        said = inner.get(name) if isinstance(inner, dict) else None
        if isinstance(said, dict):  # Mistral's: a "detail" within a "message"
            said = said.get("detail")
        words = said if isinstance(said, str) else _fields_refused(said)
        if words and isinstance(inner, dict):
            field = inner.get("param")  # OpenAI's, for those who do not name it in words
            return f"{words} ({field})" if isinstance(field, str) and field not in words else words
    return excerpt(json.dumps(value))


def _fields_refused(said: object) -> str:
    """Return what FastAPI's list of fields says, "" where it is none."""
    fields = [each for each in said if isinstance(each, dict)] if isinstance(said, list) else []
    return "; ".join(
        f"{'.'.join(map(str, each['loc']))}: {each['msg']}"
        for each in fields
        if isinstance(each.get("loc"), list) and isinstance(each.get("msg"), str)
    )


def excerpt(text: str, width: int = 120) -> str:
    """Return the beginning of `text` on one line."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"
