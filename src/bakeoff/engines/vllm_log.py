"""What vLLM's log tells of itself: device, arithmetic, version, and what it died of.

vLLM has no interface that names its device or dtype; it writes both into one line when its engine begins ("Initializing
a V1 LLM engine (v0.32.0) with config: ... dtype=torch.float16, ... quantization=None, ... device_config=cpu, ...").
Checked against the log of vLLM 0.32.0 on a CPU (`tests/data/vllm`); what a later version words otherwise stays unknown.
"""

from __future__ import annotations

import re
from collections import deque

TAIL_LINES = 6
_ENGINE_LINE = re.compile(r"Initializing an? .*LLM engine(?: \(v(?P<version>[^)]+)\))?")
_DEVICE = re.compile(r"\bdevice_config=(?:torch\.device\('|DeviceConfig\(device=)?([a-z]+)")
_DTYPE = re.compile(r"(?<![\w])dtype=torch\.(\w+)")
_QUANTISATION = re.compile(r"\bquantization='?([\w-]+)")
# At the beginning of a line, bare or logged as an error: warnings speak of errors too.
_PREFIX = r"(?:\([\w -]+ pid=\d+\) )?(?:ERROR \S+ \S+ \[[^\]]*\] )?"
_ERROR = re.compile(_PREFIX + r"((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception): \S.*|vllm[\w -]*: error: \S.*)")
# vLLM's own last word on every failure, which names none.
_NO_CAUSE = "Engine core initialization failed"


class VllmLog:
    """Reads line after line. What was not told is None; `error` is the first error's line, the root of those behind it."""

    def __init__(self) -> None:
        self.device: str | None = None
        self.dtype: str | None = None
        self.version: str | None = None
        self.error: str | None = None
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)

    def read(self, line: str) -> None:
        """Take one line."""
        text = line.rstrip()
        if text:
            self._tail.append(text)
        if (engine := _ENGINE_LINE.search(text)) is not None:
            self.version = engine["version"]
            self.device = _first(_DEVICE, text)
            self.dtype = _first(_DTYPE, text)
            how = _first(_QUANTISATION, text)
            if self.dtype is not None and how not in {None, "None"}:
                self.dtype = f"{self.dtype} ({how} weights)"
        if self.error is None and (error := _ERROR.match(text)) is not None and _NO_CAUSE not in text:
            self.error = error[1]

    def unknown(self) -> tuple[str, ...]:
        """Return what the log did not tell, and so nobody knows."""
        told = {"device": self.device, "dtype": self.dtype}
        return tuple(f"{name}: vLLM's log did not name it" for name, value in told.items() if value is None)

    def last_words(self) -> str:
        """Return the error if one was seen, and the last lines, to be put behind a message."""
        lines = list(self._tail)
        cause = f": {self.error}" if self.error else ""
        return cause + "".join(f"\n  | {line}" for line in lines)


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found[1] if found else None
