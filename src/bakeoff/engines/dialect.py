"""What a server takes of OpenAI's protocol, found out by its refusals, and the request in those terms."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bakeoff.core.spec import Sampling

_DISPENSABLE = ("seed", "top_p", "temperature")
"""What can be left out, first the one that is missed least: of two that exclude each other, temperature stays."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the server takes; each field changes once, when the server refuses. `left_out` are names in `_DISPENSABLE`."""

    stream: bool = True
    usage_option: bool = True
    logprobs: bool = True
    max_tokens_field: str = "max_tokens"
    left_out: frozenset[str] = frozenset()

    def after_refusal(self, said: str, body: Mapping[str, Any]) -> Dialect | None:
        """Return what to try next after `body` was refused, None when this refusal is not about the protocol."""
        said = said.lower()
        if self.max_tokens_field == "max_tokens" and "max_completion_tokens" in said:
            return replace(self, max_tokens_field="max_completion_tokens")
        if self.logprobs and "logprobs" in said:
            return replace(self, logprobs=False)
        if self.stream and self.usage_option and ("stream_options" in said or "include_usage" in said):
            return replace(self, usage_option=False)
        for name in _DISPENSABLE:
            if name in body and re.search(rf"(?<![\w-]){name}(?![\w-])", said):
                return replace(self, left_out=self.left_out | {name})
        if self.stream and re.search(r"\bstream(ing)?\b", said):
            return replace(self, stream=False)
        return None

    def joined(self, other: Dialect) -> Dialect:
        """Return what is left of both."""
        renamed = self if self.max_tokens_field != "max_tokens" else other
        return Dialect(
            stream=self.stream and other.stream,
            usage_option=self.usage_option and other.usage_option,
            logprobs=self.logprobs and other.logprobs,
            max_tokens_field=renamed.max_tokens_field,
            left_out=self.left_out | other.left_out,
        )

    def body(
        self,
        model: str,
        messages: Sequence[Mapping[str, str]],
        sampling: Sampling,
        seed: int | None,
        top_logprobs: int | None,
    ) -> dict[str, Any]:
        """Return the body of a request."""
        body: dict[str, Any] = {
            "model": model,
            "messages": [dict(message) for message in messages],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,  # were it 1: left out, llama-server and vLLM take 0.95, or what the model's folder says
            self.max_tokens_field: sampling.max_tokens,
        }
        if sampling.top_k is not None:  # not OpenAI's: only for those who ask for it
            body["top_k"] = sampling.top_k
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if seed is not None:
            body["seed"] = seed
        if top_logprobs is not None:
            body |= {"logprobs": True, "top_logprobs": top_logprobs} if self.logprobs else {}
        elif self.stream:
            body["stream"] = True
            if self.usage_option:
                body["stream_options"] = {"include_usage": True}
        return {name: value for name, value in body.items() if name not in self.left_out}
