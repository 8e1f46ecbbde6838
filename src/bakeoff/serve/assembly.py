"""One whole completion out of the chunks of a stream, for clients that did not ask for a stream. Pure.

Whatever a server adds to its chunks stays: unknown fields of a chunk end up beside the choices, unknown texts of a delta
are joined as the content is, and calls of tools are put together by their index.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_ONE_PIECE = frozenset({"role", "id", "type", "name"})
"""Texts of a delta that come whole, and are never joined."""


def assemble(kept: Sequence[bytes], *, chat: bool) -> dict[str, Any]:
    """Return the completion that the data of a stream's events make; `chat` tells which endpoint's.

    Raises:
        ValueError: the events are no completion.
    """
    chunks = json.loads(b"[" + b",".join(kept) + b"]")
    whole: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        if not isinstance(chunk, dict):
            raise ValueError("a chunk is no object")  # noqa: TRY004 - of the data, not of the program
        for name, value in chunk.items():
            if name != "choices" and (value is not None or name not in whole):
                whole[name] = value
        _add_choices(choices, chunk.get("choices"), chat=chat)
    if not choices:
        raise ValueError("no chunk holds a choice")
    whole["object"] = "chat.completion" if chat else "text_completion"
    whole["choices"] = [choices[index] for index in sorted(choices)]
    return whole


def _add_choices(choices: dict[int, dict[str, Any]], added: object, *, chat: bool) -> None:
    for choice in added if isinstance(added, list) else ():
        if not isinstance(choice, dict):
            raise ValueError("a choice is no object")  # noqa: TRY004 - of the data, not of the program
        index = choice.get("index")
        index = index if isinstance(index, int) else 0
        _add_choice(choices.setdefault(index, _empty(index, chat=chat)), choice, chat=chat)


def _empty(index: int, *, chat: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {"message": {"role": "assistant", "content": None}} if chat else {"text": ""}
    return {"index": index, **answer, "logprobs": None, "finish_reason": None}


def _add_choice(whole: dict[str, Any], choice: Mapping[str, Any], *, chat: bool) -> None:
    for name, value in choice.items():
        if name == "delta" and isinstance(value, dict):
            _add_delta(whole["message"] if chat else whole, value)
        elif name == "text" and isinstance(value, str) and not chat:
            whole["text"] += value
        elif name == "logprobs" and isinstance(value, dict):
            whole["logprobs"] = _joined_lists(whole["logprobs"] or {}, value)
        elif name not in {"index", "delta", "logprobs"} and value is not None:
            whole[name] = value


def _add_delta(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for name, value in delta.items():
        before = message.get(name)
        if name == "tool_calls" and isinstance(value, list):
            message[name] = _joined_calls(before or [], value)
        elif isinstance(value, str) and isinstance(before, str) and name not in _ONE_PIECE:
            message[name] = before + value
        elif isinstance(value, dict) and isinstance(before, dict):
            _add_delta(before, value)
        elif value is not None or name not in message:
            message[name] = value


def _joined_calls(calls: list[dict[str, Any]], pieces: Iterable[object]) -> list[dict[str, Any]]:
    """Return calls of tools with pieces added: each piece names the call by its index."""
    for piece in pieces:
        if not isinstance(piece, dict):
            raise ValueError("a call of a tool is no object")  # noqa: TRY004 - of the data, not of the program
        index = piece.get("index")
        place = index if isinstance(index, int) and 0 <= index < len(calls) else len(calls)
        if place == len(calls):
            calls.append({})
        _add_delta(calls[place], {name: value for name, value in piece.items() if name != "index"})
    return calls


def _joined_lists(before: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    joined = dict(before)
    for name, value in added.items():
        known = joined.get(name)
        joined[name] = known + value if isinstance(known, list) and isinstance(value, list) else value
    return joined


def as_chunk(whole: Mapping[str, Any], *, chat: bool) -> dict[str, Any]:
    """Return a whole completion as the one chunk of a stream, for a client that asked for one and a server that has none."""
    choices = []
    for choice in whole.get("choices") or ():
        moved = {name: value for name, value in choice.items() if name != "message"}
        choices.append({**moved, "delta": choice.get("message", {})} if chat else moved)
    return {**whole, "object": "chat.completion.chunk" if chat else "text_completion", "choices": choices}
