"""Which route a request takes: by the model's name in it, by its `metadata.content_type`, or by what it asks to be written.

| model                    | route                                                                                       |
|--------------------------|---------------------------------------------------------------------------------------------|
| a candidate's name       | that candidate and no other                                                                 |
| `bakeoff/<content type>` | that content type's, under any of its names                                                 |
| `auto`, `bakeoff/auto`   | that of `metadata.content_type`, or of what the classifier takes the last user message for  |

Where there is no route for a content type, or the classifier is not sure, the general route serves. The name of a type that is neither
built in nor has a route is no model. Pure.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from bakeoff.core.plain import printable
from bakeoff.score.norms import NORMS, canonical_content_type
from bakeoff.serve.plan import AUTO, PREFIX, ServingPlan

GENERAL = "general"
NAMED = "named"
"""The route's name where the client names a candidate."""

How = Literal["model", "route", "metadata", "classifier", "unsure", "unrouted"]
"""By what a request found its route; `unsure` and `unrouted` end at the general one."""


class Guess(NamedTuple):
    """A content type and its probability; None where a request is of no known one, or it is not clear of which."""

    content_type: str | None
    confidence: float


class NoSuchModel(Exception):
    """The request names nothing that is served."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The route of one request: `order` is who is tried, first to last."""

    route: str
    order: tuple[str, ...]
    how: How
    confidence: float | None = None


class Router:
    """Routes over a plan. `classify` takes the last user message's text."""

    def __init__(self, plan: ServingPlan, classify: Callable[[str], Guess]) -> None:
        self._plan = plan
        self._classify = classify
        self._named = {model.id: Chosen(NAMED, (model.id,), "model") for model in plan.models}

    @property
    def names(self) -> tuple[str, ...]:
        """Every model name that a request may use, as they are listed."""
        routes = (f"{PREFIX}{name}" for name in (AUTO, *self._plan.routes, GENERAL))
        return (*routes, AUTO, *self._named)

    def choose(self, body: Mapping[str, Any]) -> Chosen:
        """Return the route of a request.

        Raises:
            NoSuchModel: with what exists in its message.
        """
        name = body["model"]
        if name in self._named:
            return self._named[name]
        asked = name.removeprefix(PREFIX)
        if asked != AUTO and name.startswith(PREFIX):
            return self._by_route(asked, name)
        if asked != AUTO:
            raise self._unknown(name)
        metadata = body.get("metadata")
        said = metadata.get("content_type") if isinstance(metadata, dict) else None
        if isinstance(said, str) and said.strip():
            return self._of_type(canonical_content_type(said), "metadata", None)
        guess = self._classify(last_request(body))
        if guess.content_type is None:
            return Chosen(GENERAL, self._plan.general.order, "unsure", guess.confidence)
        return self._of_type(guess.content_type, "classifier", guess.confidence)

    def _by_route(self, asked: str, name: str) -> Chosen:
        if asked == GENERAL:
            return Chosen(GENERAL, self._plan.general.order, "route")
        content_type = canonical_content_type(asked)
        if content_type not in self._plan.routes and content_type not in NORMS:
            raise self._unknown(name)
        return self._of_type(content_type, "route", None)

    def _of_type(self, content_type: str, how: How, confidence: float | None) -> Chosen:
        route = self._plan.routes.get(content_type)
        if route is None:
            return Chosen(GENERAL, self._plan.general.order, "unrouted", confidence)
        return Chosen(content_type, route.order, how, confidence)

    def _unknown(self, name: str) -> NoSuchModel:
        near = difflib.get_close_matches(name[:200], self.names, n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        shown = printable(name[:80])
        return NoSuchModel(f"the model {shown!r} does not exist here.{meant} Served: {', '.join(self.names)}")


def last_request(body: Mapping[str, Any]) -> str:
    """Return the text of the last user message, or the prompt of a plain completion; empty where there is none."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        prompt = body.get("prompt")
        return prompt if isinstance(prompt, str) else ""
    for message in reversed(messages):
        if isinstance(message, dict) and message.get("role") == "user":
            return _text(message.get("content"))
    return ""


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return " ".join(text for text in texts if isinstance(text, str))
