"""A stream of completion chunks on its way through: the bytes pass on unchanged, an event at a time, and what they say is noted.

Only whole events pass: half an event, an event that is no JSON, an error and whatever follows `[DONE]` are kept back, so
that what can still be said after them is understood. Pure; knows no connection and no clock.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bakeoff.engines.answer import error_message, excerpt

MAX_EVENT_BYTES = 4 * 2**20
_END = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")
_LINE = re.compile(rb"\r\n|\n|\r")
_PIECES = ("content", "reasoning_content", "reasoning", "thinking", "refusal", "tool_calls", "function_call")


@dataclass(slots=True)
class Relay:
    """What came so far of one upstream's stream.

    `pieces` counts events that hold some of the answer; `finished` tells that a choice has a finish_reason, `done` that
    `[DONE]` came. `fault` is what makes it no answer, None while nothing does. With `keep` the events' data stay in
    `kept`, to be put together. With `drop_usage` the event that tells the usage and nothing else does not pass: the client
    did not ask for it.
    """

    keep: bool = False
    drop_usage: bool = False
    pieces: int = 0
    finished: bool = False
    done: bool = False
    fault: str | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)
    kept: list[bytes] = field(default_factory=list)
    _tail: bytes = b""
    _after_cr: bool = False
    _only_usage: bool = False
    # Around the text of a plain event: what every further event of most servers repeats.
    _frame: tuple[bytes, bytes] | None = None

    @property
    def complete(self) -> bool:
        """Whether the answer is there as a whole."""
        return self.fault is None and (self.done or self.finished)

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes; return those that may pass on: the whole events that they complete."""
        lead = b""
        if self._after_cr and chunk:  # the line feed of an end that was taken without it
            lead, chunk = chunk[: chunk.startswith(b"\n")], chunk.removeprefix(b"\n")
            self._after_cr = False
        data = self._tail + chunk if self._tail else chunk
        if b"\r" in data:
            return lead + self._feed_any(data)
        return lead + self._feed_plain(data)

    def _feed_plain(self, data: bytes) -> bytes:
        passed, place = [], 0
        while True:
            known = self._take_known(data, place)
            end = data.find(b"\n\n", place + known)
            if known:
                passed.append(data[place : place + known])
                place += known
            if end < 0:
                break
            if self._take(data[place:end]):
                passed.append(data[place : end + 2])
            place = end + 2
        self._tail = data[place:]
        if len(self._tail) > MAX_EVENT_BYTES:
            self._fail(f"sent an event of more than {MAX_EVENT_BYTES} bytes")
        return b"".join(passed)

    def _take_known(self, data: bytes, place: int) -> int:
        """Note the events from `place` on that differ from an earlier one in nothing but a plain text; return their length.

        All of them are looked at at once, as they come dozens at a time from a quick server. Equal bytes around a JSON string
        that needs no escapes mean equal values around that string. What is kept is one event with all their text.
        """
        if self._frame is None or self.done or self.fault is not None:
            return 0
        before, after = self._frame
        head, tail = b"data: " + before, after + b"\n\n"
        if not data.startswith(head, place):
            return 0
        end = data.rfind(tail, place + len(head))
        if end < 0:
            return 0
        texts = data[place + len(head) : end].split(tail + head)
        if not _is_plain(b"".join(texts)):
            odd = next((number for number, text in enumerate(texts) if not _is_plain(text)), len(texts))
            texts = texts[:odd]  # none, where only their sum is no text: half a character each
        if not texts:
            return 0
        self.pieces += len(texts)
        text = b"".join(texts)
        if self.keep:
            self.kept.append(before + text + after)
        return len(text) + len(texts) * (len(head) + len(tail))

    def close(self) -> bytes:
        """The stream has ended; return what may pass on of a last event whose empty line was left out."""
        tail, self._tail = self._tail, b""
        rest = tail.strip(b"\r\n")
        if not rest or self.done:
            return b""
        return rest + b"\n\n" if self._take(rest) else b""

    def _feed_any(self, data: bytes) -> bytes:
        passed, start = [], 0
        for found in _END.finditer(data):
            if self._take(data[start : found.start()]):
                passed.append(data[start : found.end()])
            start = found.end()
        self._tail = data[start:]
        self._after_cr = not self._tail and data.endswith(b"\r")
        if len(self._tail) > MAX_EVENT_BYTES:
            self._fail(f"sent an event of more than {MAX_EVENT_BYTES} bytes")
        return b"".join(passed)

    def _take(self, event: bytes) -> bool:
        """Note what an event says; return whether it passes on."""
        if self.done or self.fault is not None:
            return False
        if event.startswith(b"data: ") and b"\n" not in event and b"\r" not in event:
            return self._take_data(event[6:], b"")
        name, data = b"", []
        for line in _LINE.split(event):
            key, _, value = line.removeprefix(b"\xef\xbb\xbf").partition(b":")
            if key == b"data":
                data.append(value.removeprefix(b" "))
            elif key == b"event":
                name = value.strip()
        return self._take_data(b"\n".join(data), name) if data else True

    def _take_data(self, data: bytes, name: bytes) -> bool:
        if data.strip() == b"[DONE]":
            self.done = True
            return True
        if not self._read(data, name):
            return False
        if self.keep:
            self.kept.append(data)
        return not (self._only_usage and self.drop_usage)

    def _read(self, data: bytes, name: bytes) -> bool:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            return self._fail("sent something that is not JSON in the middle of its answer")
        if not isinstance(value, dict):
            return self._fail("sent JSON that is no completion")
        if value.get("error") or name == b"error":
            return self._fail(f"failed in the middle of its answer: {excerpt(error_message(value))}")
        usage = value.get("usage") or value.get("timings")
        if isinstance(usage, dict):
            self.usage = usage
        choices = value.get("choices")
        self._only_usage = choices == [] and isinstance(value.get("usage"), dict)
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                self._note(choice, data)
        return True

    def _note(self, choice: Mapping[str, Any], data: bytes) -> None:
        if choice.get("finish_reason"):
            self.finished = True
        delta = choice.get("delta")
        inner = delta if isinstance(delta, dict) else {"content": choice.get("text")}
        if not any(inner.get(piece) for piece in _PIECES):
            return
        self.pieces += 1
        text = inner.get("content")
        if isinstance(text, str) and not choice.get("finish_reason"):
            self._frame = _frame_around(text.encode(errors="surrogatepass"), data)

    def _fail(self, what: str) -> bool:
        self.fault = self.fault or what
        return False


def _is_plain(text: bytes) -> bool:
    """Whether a JSON string of this text is the text between quotation marks."""
    if b'"' in text or b"\\" in text:
        return False
    try:
        return text.decode().isprintable()
    except UnicodeDecodeError:
        return False


def _frame_around(text: bytes, data: bytes) -> tuple[bytes, bytes] | None:
    """Return what stands before and after `text` in an event, None where that is not plain to see."""
    before, quoted, after = data.partition(b'"%b"' % text)
    if not text or not _is_plain(text) or quoted in after:
        return None
    if not before.rstrip().endswith((b'"content":', b'"text":')):
        return None
    return before + b'"', b'"' + after
