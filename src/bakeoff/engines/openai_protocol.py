"""The OpenAI completion protocol as data: requests read strictly where they matter, answers and errors written.

It knows nothing of sockets, tokens or models. A field that would change the result and that is not supported is
refused, never ignored (`NEUTRAL` lists the values that change nothing); fields it has never heard of are ignored,
as OpenAI's clients expect.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bakeoff.core.spec import MAX_TOKENS, Sampling
from bakeoff.engines.requests import TokenLogprobs

MAX_STOPS = 16
MAX_TOP_LOGPROBS = 20
ROLES = ("system", "developer", "user", "assistant")

# Fields that would change the result, with the values that ask for nothing.
NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "n": (None, 1),
    "best_of": (None, 1),
    "tools": (None, []),
    "tool_choice": (None, "none", "auto"),
    "functions": (None, []),
    "function_call": (None, "none", "auto"),
    "logit_bias": (None, {}),
    "response_format": (None, {"type": "text"}),
    "presence_penalty": (None, 0),
    "frequency_penalty": (None, 0),
    "repetition_penalty": (None, 1),
    "repeat_penalty": (None, 1),
    "length_penalty": (None, 1),
    "typical_p": (None, 1),
    "use_beam_search": (None, False),
    "min_p": (None, 0),
    "echo": (None, False),
    "suffix": (None, ""),
    "prompt_logprobs": (None,),
    "ignore_eos": (None, False),
    "min_tokens": (None, 0),
    "modalities": (None, ["text"]),
    "reasoning_effort": (None,),
    "chat_template": (None,),
    "chat_template_kwargs": (None, {}),
    "grammar": (None, ""),
    "json_schema": (None, {}),
    "structured_outputs": (None,),
    "guided_json": (None,),
    "guided_regex": (None,),
    "guided_choice": (None,),
    "guided_grammar": (None,),
    "stop_token_ids": (None, []),
    "bad_words": (None, []),
}
# The same of a message.
NEUTRAL_IN_MESSAGES: Mapping[str, tuple[Any, ...]] = {"tool_calls": (None, []), "function_call": (None,)}


class ApiError(Exception):
    """An error as OpenAI's clients know it: an HTTP status and the body's four fields."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None, kind: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "error": {
                "message": message,
                "type": kind or ("invalid_request_error" if status < 500 else "server_error"),
                "param": param,
                "code": code,
            }
        }


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """What a client asked for. Exactly one of `messages` (chat) and `prompt` (text or token ids) is set."""

    model: str
    messages: tuple[Mapping[str, str], ...] | None
    prompt: str | tuple[int, ...] | None
    sampling: Sampling
    seed: int
    stream: bool
    include_usage: bool
    top_logprobs: int | None = None


def read_request(body: bytes, *, chat: bool) -> CompletionRequest:
    """Read the body of `/v1/chat/completions` or `/v1/completions`.

    Raises:
        ApiError: 400, naming the field.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:  # ValueError: JSONDecodeError and UnicodeDecodeError
        raise ApiError(400, f"the body is not JSON: {error}", code="invalid_json") from error
    if not isinstance(value, dict):
        raise ApiError(400, "the body must be a JSON object", code="invalid_json")
    _refuse_unsupported(value, NEUTRAL)
    options = _field(value, "stream_options", _is_object, "an object") or {}
    return CompletionRequest(
        model=_required(value, "model", lambda v: isinstance(v, str), "a string"),
        messages=_messages(value) if chat else None,
        prompt=None if chat else _prompt(value),
        sampling=_sampling(value),
        seed=_seed(value),
        stream=bool(_field(value, "stream", _is_bool, "true or false")),
        include_usage=bool(_field(options, "include_usage", _is_bool, "true or false")),
        top_logprobs=_top_logprobs(value, chat=chat),
    )


def _top_logprobs(value: Mapping[str, Any], *, chat: bool) -> int | None:
    """Return how many of the likeliest tokens are asked for, None for no log-probabilities at all."""
    wanted = _field(value, "logprobs", _is_bool, "true or false") if chat else value.get("logprobs")
    top = _field(value, "top_logprobs", lambda v: _is_int(v) and 0 <= v <= MAX_TOP_LOGPROBS, "an integer from 0 to 20")
    if not chat and wanted not in (None, False):
        raise ApiError(
            400, "logprobs is supported in chat completions only", param="logprobs", code="unsupported_parameter"
        )
    if not wanted:
        if top:
            raise ApiError(400, "top_logprobs needs logprobs=true", param="top_logprobs", code="invalid_value")
        return None
    if value.get("stream"):
        raise ApiError(
            400, "logprobs with stream=true is not supported", param="logprobs", code="unsupported_parameter"
        )
    return top or 0


def _refuse_unsupported(value: Mapping[str, Any], all_neutral: Mapping[str, tuple[Any, ...]], within: str = "") -> None:
    for name, neutral in all_neutral.items():
        given = value.get(name)
        # 1 == True and 0 == False in Python: compare types of booleans too.
        if not any(given == same and isinstance(given, bool) == isinstance(same, bool) for same in neutral):
            param = within + name
            raise ApiError(
                400, f"{param}={json.dumps(given)} is not supported", param=param, code="unsupported_parameter"
            )


def _messages(value: Mapping[str, Any]) -> tuple[Mapping[str, str], ...]:
    messages = _required(value, "messages", lambda v: isinstance(v, list), "a list of messages")
    if not messages:
        raise ApiError(400, "messages must hold at least one message", param="messages", code="empty_array")
    return tuple(_message(message, f"messages[{index}]") for index, message in enumerate(messages))


def _message(message: object, param: str) -> dict[str, str]:
    if not isinstance(message, dict):
        raise ApiError(400, f"{param} must be an object", param=param, code="invalid_type")
    role = message.get("role")
    if role not in ROLES:
        raise ApiError(400, f"{param}.role must be one of {', '.join(ROLES)}", param=f"{param}.role")
    _refuse_unsupported(message, NEUTRAL_IN_MESSAGES, f"{param}.")
    return {
        "role": "system" if role == "developer" else role,
        "content": _content(message.get("content"), f"{param}.content"),
    }


def _content(content: object, param: str) -> str:
    """Return a message's text: a string, or the joined text parts."""
    if isinstance(content, str):
        return _well_formed(content, param)
    if not isinstance(content, list):
        raise ApiError(400, f"{param} must be a string or a list of text parts", param=param, code="invalid_type")
    texts = []
    for index, part in enumerate(content):
        text = part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None
        if not isinstance(text, str):
            raise ApiError(400, f"{param}[{index}] is not a text part", param=f"{param}[{index}]", code="invalid_type")
        texts.append(text)
    return _well_formed("".join(texts), param)


def _well_formed(text: str, param: str) -> str:
    """Return `text` if it is Unicode: JSON can spell half of a surrogate pair, which no tokenizer takes."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ApiError(400, f"{param} holds half of a surrogate pair", param=param, code="invalid_type") from error
    return text


def _prompt(value: Mapping[str, Any]) -> str | tuple[int, ...]:
    """Return the prompt of `/v1/completions`: a string, a list of one string, or a list of token ids."""
    prompt = value.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str):
        prompt = prompt[0]
    if isinstance(prompt, str) and prompt:
        return _well_formed(prompt, "prompt")
    if isinstance(prompt, list) and prompt and all(_is_int(id_) and id_ >= 0 for id_ in prompt):
        return tuple(prompt)
    raise ApiError(
        400, "prompt must be one string that is not empty, or token ids", param="prompt", code="invalid_type"
    )


def _sampling(value: Mapping[str, Any]) -> Sampling:
    temperature = _field(value, "temperature", _between(0, 5), "a number from 0 to 5")
    top_p = _field(value, "top_p", lambda v: _between(0, 1)(v) and v > 0, "a number above 0, at most 1")
    top_k = _field(value, "top_k", lambda v: _is_int(v) and v >= -1, "an integer, at least 1; 0 or -1 for no limit")
    return Sampling(
        temperature=1.0 if temperature is None else temperature,
        top_p=1.0 if top_p is None else top_p,
        top_k=top_k if top_k and top_k > 0 else None,
        max_tokens=_max_tokens(value),
        stop=_stop(value),
    )


def _max_tokens(value: Mapping[str, Any]) -> int:
    """Return the smaller of the two names' values; without any, as much as the context holds."""
    given = [
        limit
        for name in ("max_tokens", "max_completion_tokens")
        if (limit := _field(value, name, _is_limit, f"an integer from 1 to {MAX_TOKENS}")) is not None
    ]
    return min(given, default=MAX_TOKENS)


def _stop(value: Mapping[str, Any]) -> tuple[str, ...]:
    stop = value.get("stop")
    if stop is None:
        return ()
    stops = [stop] if isinstance(stop, str) else stop
    if (
        not isinstance(stops, list)
        or len(stops) > MAX_STOPS
        or not all(isinstance(text, str) and text for text in stops)
    ):
        raise ApiError(
            400,
            f"stop must be a string or a list of at most {MAX_STOPS}, none empty",
            param="stop",
            code="invalid_type",
        )
    return tuple(_well_formed(text, "stop") for text in stops)


def _seed(value: Mapping[str, Any]) -> int:
    seed = _field(value, "seed", _is_int, "an integer")
    return secrets.randbits(63) if seed is None else int(seed)


def _required(value: Mapping[str, Any], name: str, is_right: Callable[[Any], bool], expected: str) -> Any:
    if value.get(name) is None:
        raise ApiError(400, f"{name} is missing: it must be {expected}", param=name, code="missing_required_parameter")
    return _field(value, name, is_right, expected)


def _field(value: Mapping[str, Any], name: str, is_right: Callable[[Any], bool], expected: str) -> Any:
    """Return a field, None when it is absent or null."""
    given = value.get(name)
    if given is not None and not is_right(given):
        raise ApiError(400, f"{name} must be {expected}", param=name, code="invalid_type")
    return given


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_limit(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_TOKENS


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _between(low: float, high: float) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


@dataclass(frozen=True, slots=True)
class AnswerShape:
    """Writes one answer in the shape of its endpoint, whole or as chunks of a stream. `created` is a Unix time, in s."""

    id: str
    model: str
    created: int
    chat: bool

    def whole(
        self,
        text: str,
        finish: str,
        usage: Mapping[str, int],
        timings: Mapping[str, Any],
        logprobs: Sequence[TokenLogprobs] | None = None,
    ) -> bytes:
        """Return the body of a plain answer."""
        content = None if logprobs is None else {"content": [_logprob_entry(*found) for found in logprobs]}
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish, "logprobs": content}
        if self.chat:
            choice["message"] = {"role": "assistant", "content": text, "refusal": None}
        else:
            choice["text"] = text
        body = self._frame("chat.completion" if self.chat else "text_completion", [choice])
        return json.dumps(body | {"usage": usage, "timings": timings}).encode()

    def chunk(
        self, text: str, *, first: bool, finish: str | None = None, timings: Mapping[str, Any] | None = None
    ) -> bytes:
        """Return one event of a stream; the one that carries `finish` carries `timings` too."""
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish, "logprobs": None}
        if not self.chat:
            choice["text"] = text
        else:
            delta = {"role": "assistant", "content": text} if first else {"content": text} if text else {}
            choice["delta"] = delta
        body = self._frame("chat.completion.chunk" if self.chat else "text_completion", [choice])
        return as_event(body if timings is None else body | {"timings": timings})

    def usage_chunk(self, usage: Mapping[str, int]) -> bytes:
        """Return the event with no choices that `stream_options.include_usage` asks for."""
        return as_event(self._frame("chat.completion.chunk" if self.chat else "text_completion", []) | {"usage": usage})

    def _frame(self, kind: str, choices: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model, "choices": choices}


def _logprob_entry(token: str, logprob: float, top: Sequence[tuple[str, float]] | None = None) -> dict[str, Any]:
    entry: dict[str, Any] = {"token": token, "logprob": logprob, "bytes": list(token.encode())}
    return entry if top is None else entry | {"top_logprobs": [_logprob_entry(*found) for found in top]}


DONE = b"data: [DONE]\n\n"


def as_event(value: object) -> bytes:
    """Return one server-sent event with `value` as JSON."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"
