"""Server-sent events, as bytes come in: feed chunks of any size, get the data of every finished event.

After the WHATWG HTML standard, section 9.2.6: lines end in LF, CRLF or CR; `:` begins a comment; the `data` lines of an
event are joined with LF; an empty line ends it; an event without data is none. Names, ids and retry times mean nothing
to completion APIs and are left out, but `event: error` is kept, since some servers say so only there.
"""

from __future__ import annotations

MAX_EVENT_BYTES = 4 * 2**20


class ErrorEvent(str):
    """The data of an event that is named `error`."""

    __slots__ = ()


class EventTooLong(ValueError):
    """An event larger than any completion: the bytes are not what they claim to be."""


class EventParser:
    """An incremental parser. Bytes that are not UTF-8 become replacement characters."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[bytes] = []
        self._name = ""
        self._size = 0
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[str]:
        """Take bytes; return the data of the events that they complete.

        Raises:
            EventTooLong: an event has grown past `MAX_EVENT_BYTES`.
        """
        if self._is_plain(chunk):
            self._at_start = False
            return chunk.decode(errors="replace")[6:-2].split("\n\ndata: ")
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        self._after_cr = self._after_cr or chunk.endswith(b"\r")
        self._line += chunk
        if b"\n" not in chunk and b"\r" not in chunk:
            self._check_size()
            return []
        *lines, rest = bytes(self._line).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._line = bytearray(rest)
        events = [event for line in lines if (event := self._take(line)) is not None]
        self._check_size()
        return events

    def close(self) -> list[str]:
        """Return the data of the event that the end of the stream completes, where a server left out the last empty line."""
        events = [self._take(bytes(self._line))] if self._line else []
        self._line.clear()
        events.append(self._take(b""))
        return [event for event in events if event is not None]

    def _is_plain(self, chunk: bytes) -> bool:
        """Whether a chunk holds whole, unnamed events of one `data: ` line each and nothing else.

        Nearly every chunk of nearly every server does, and need not be read line by line.
        """
        if self._line or self._data or self._name or self._after_cr or b"\r" in chunk:
            return False
        if not (chunk.startswith(b"data: ") and chunk.endswith(b"\n\n")):
            return False
        # Every line feed there is stands between two such events, or behind the last one.
        return chunk.count(b"\n") == 2 * chunk.count(b"\n\ndata: ") + 2

    def _check_size(self) -> None:
        if len(self._line) + self._size > MAX_EVENT_BYTES:
            raise EventTooLong(f"an event of more than {MAX_EVENT_BYTES} bytes")

    def _take(self, line: bytes) -> str | None:
        """Take one line without its end; return the data of the event that it ends."""
        if self._at_start:
            line = line.removeprefix(b"\xef\xbb\xbf")
            self._at_start = False
        if not line:
            return self._end_event()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._size += len(value) + 1
        elif name == b"event":
            self._name = value.decode(errors="replace")
        return None

    def _end_event(self) -> str | None:
        lines, name = self._data, self._name
        self._data, self._name, self._size = [], "", 0
        if not lines:
            return None
        data = b"\n".join(lines).decode(errors="replace")
        return ErrorEvent(data) if name == "error" else data
