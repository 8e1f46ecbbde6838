"""`/openapi.json`: what the gateway takes and answers, as an OpenAPI 3.2 document; checked against a gateway that runs.

Only what the gateway itself looks at in a request is described: all else passes on to the model's server, which may refuse it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bakeoff.core.version import __version__
from bakeoff.serve.api_errors import CHALLENGES

JSON = "application/json"
SSE = "text/event-stream"
Schema = dict[str, Any]

_PASSED_ON = ("406", "409", "415", "422", "451")
"""What a model's server may say of a request that is wrong, beside 400 and 413 (`upstream`)."""

ERRORS: Mapping[str, str] = {
    "400": "The request is no HTTP, cut off, no JSON, or wrong in the field that `param` names.",
    "401": "The API key is missing or wrong.",
    "403": "The Host header is not one of the gateway's names, or a web page of another origin sent this.",
    "404": "There is no such model, or no such path.",
    "405": "This path knows no such method; the header Allow names those that it knows.",
    "408": "The request did not come in time.",
    "413": "The body is larger than the gateway takes, or than the model's server does.",
    **dict.fromkeys(_PASSED_ON, "The model's server says that the request is wrong."),
    "431": "The head of the request is larger than the gateway takes.",
    "429": "As many requests wait as may, or a limit of the API key is reached; Retry-After says when to come again.",
    "500": "A fault of the gateway.",
    "502": "No model of the route gave an answer.",
    "503": "No model of the route is to be had now, or the gateway ends; Retry-After says when to come again.",
}
_OPEN = ("400", "403", "405", "408", "431", "500", "503")
_EVERYWHERE = (*_OPEN, "401")
_WITH_BODY = (*_EVERYWHERE, "404", "413", "429", "502")

_HEADERS: Mapping[str, str] = {
    "x-bakeoff-candidate": "Who answered.",
    "x-bakeoff-route": "The content type, `general`, or `named` where the request names a candidate.",
    "x-bakeoff-routed-by": "`model`, `route`, `metadata`, `classifier`, `unsure` or `unrouted`, with the classifier's confidence.",
    "x-bakeoff-run": "The run behind it; none without a run.",
    "x-bakeoff-fallback": "1 where it stands in for the route's own model, else 0.",
    "x-bakeoff-evidence": "Outcome, score, interval and briefs behind the model that answered.",
    "x-bakeoff-cache": "`hit` or `miss`, where the cache is on and takes such requests; with a hit the others are the first answer's.",
    "x-bakeoff-pending": "1 where a stream was opened before it was known who answers; comments in it then say the rest.",
}


def document(*, locked: bool) -> dict[str, Any]:
    """Return the document, as plain JSON values; `locked` tells whether an API key must be shown."""
    return {
        "openapi": "3.2.0",
        "info": {
            "title": "bakeoff serve",
            "version": __version__,
            "summary": "One OpenAI-compatible URL over the models that a bake-off chose.",
            "description": "Fields that are not described pass on to the model's server.",
        },
        "security": [{"key": []}] if locked else [],
        "paths": {
            "/v1/chat/completions": {"post": _completion("chat", "Complete a conversation.")},
            "/v1/completions": {"post": _completion("text", "Complete a text.")},
            "/v1/embeddings": {"post": _embeddings()},
            "/v1/models": {
                "get": _get("listModels", "Routes and candidates, with evidence and state.", _ref("ModelList"))
            },
            "/v1/models/{name}": {"get": _model()},
            "/health": {"get": _get("health", "Whether the process answers.", _ref("State"), open_to_all=True)},
            "/ready": {"get": _ready()},
            "/status": {"get": _get("status", "All that `bakeoff top` shows.", _ref("Status"))},
            "/alerts": {"get": _get("alerts", "What fires, what was told last, and every rule.", _ref("Alerts"))},
            "/quality/acknowledge": {"post": _acknowledge()},
            "/openapi.json": {"get": _get("openapi", "This document.", _ref("Document"))},
            "/metrics": {"get": _get_text("metrics", "Numbers for Prometheus.", "text/plain")},
            "/": {"get": _get_text("page", "The status page.", "text/html")},
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
            "responses": {status: _error(status, said) for status, said in ERRORS.items()},
        },
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _error(status: str, said: str) -> dict[str, Any]:
    found: dict[str, Any] = {"description": said, "content": {JSON: {"schema": _ref("Error")}}}
    if status in {"429", "502", "503"}:
        found["headers"] = {"retry-after": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}}
    if status == "401":
        found["headers"] = {"www-authenticate": {"required": True, "schema": {"enum": list(CHALLENGES)}}}
    return found


def _errors(statuses: Sequence[str]) -> dict[str, Any]:
    return {status: {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)}


def _get(name: str, summary: str, schema: Schema, *, open_to_all: bool = False) -> dict[str, Any]:
    responses = {"200": {"description": summary, "content": {JSON: {"schema": schema}}}}
    found = {"operationId": name, "summary": summary, "responses": responses | _errors(_EVERYWHERE)}
    return found | {"security": [], "responses": responses | _errors(_OPEN)} if open_to_all else found


def _acknowledge() -> dict[str, Any]:
    """It takes no body: none of the errors of one."""
    summary = "Say that drops of quality were dealt with: grades are held anew against the run there."
    found = _get("acknowledgeQuality", summary, _ref("Acknowledged"))
    return found | {"responses": found["responses"] | _errors(["429"])}


def _get_text(name: str, summary: str, kind: str) -> dict[str, Any]:
    responses = {"200": {"description": summary, "content": {kind: {"schema": {"type": "string"}}}}}
    return {"operationId": name, "summary": summary, "responses": responses | _errors(_EVERYWHERE)}


def _ready() -> dict[str, Any]:
    found = _get("ready", "Whether requests are taken: 503 once the gateway ends.", _ref("State"), open_to_all=True)
    shapes = {"anyOf": [_ref("State"), _ref("Error")]}
    found["responses"]["503"] = {"description": "The gateway ends.", "content": {JSON: {"schema": shapes}}}
    return found


def _model() -> dict[str, Any]:
    found = _get("getModel", "One of them.", _ref("Model"))
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    return found | {"parameters": [name], "responses": found["responses"] | _errors(["404"])}


def _completion(kind: str, summary: str) -> dict[str, Any]:
    chat = kind == "chat"
    whole, chunk = ("ChatCompletion", "ChatCompletionChunk") if chat else ("Completion", "CompletionChunk")
    stream = f"With `stream`: events whose data is a {chunk} each, `[DONE]` at the end; an error's data is an Error."
    answer = {
        "description": f"The completion. {stream}",
        "headers": {name: {"description": said, "schema": {"type": "string"}} for name, said in _HEADERS.items()},
        "content": {JSON: {"schema": _ref(whole)}, SSE: {"itemSchema": _ref("Event")}},
    }
    return {
        "operationId": "createChatCompletion" if chat else "createCompletion",
        "summary": summary,
        "requestBody": _body("ChatRequest" if chat else "TextRequest"),
        "responses": {"200": answer} | _errors((*_WITH_BODY, *_PASSED_ON)),
    }


def _embeddings() -> dict[str, Any]:
    answer = {"description": "What the configured endpoint answers.", "content": {JSON: {"schema": {"type": "object"}}}}
    return {
        "operationId": "createEmbeddings",
        "summary": "Passed on to the endpoint that is configured; 404 without one. bakeoff measures no embeddings.",
        "requestBody": _body("EmbeddingsRequest"),
        "responses": {"200": answer} | _errors((*_WITH_BODY, "422")),
    }


def _body(name: str) -> dict[str, Any]:
    return {"required": True, "content": {JSON: {"schema": _ref(name)}}}


def _object(required: Sequence[str], **properties: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": properties}


def _or_null(kind: str) -> Schema:
    return {"type": [kind, "null"]}


def _asked(**more: Schema) -> dict[str, Schema]:
    content_type = {"content_type": {**_or_null("string"), "description": "What is to be written, such as tweet."}}
    return {
        "model": {
            "type": "string",
            "minLength": 1,
            "description": "`bakeoff/auto`, a route such as `bakeoff/tweet`, or a candidate: see /v1/models.",
            "examples": ["bakeoff/auto"],
        },
        "stream": _or_null("boolean"),
        "max_tokens": {**_or_null("integer"), "minimum": 1, "examples": [16], "description": "Passed on."},
        "stream_options": {"type": ["object", "null"], "properties": {"include_usage": _or_null("boolean")}},
        "metadata": {"type": ["object", "null"], "properties": content_type},
        **more,
    }


def _listed(item: Schema) -> Schema:
    return {"type": "array", "minItems": 1, "items": item}


def _answered(choice: Schema, kind: str) -> Schema:
    usage = {"type": ["object", "null"]}
    choices = {**_listed(choice), "minItems": 0} if kind.endswith("chunk") else _listed(choice)
    return _object(("object", "choices"), object={"const": kind}, choices=choices, usage=usage)


def _schemas() -> dict[str, Schema]:
    text, number, finish = {"type": "string"}, {"type": "integer"}, {"finish_reason": _or_null("string")}
    message = _object(("role",), role=text, content=_or_null("string"))
    error = _object(
        ("message", "type", "param", "code"),
        message=text,
        type=text,
        param=_or_null("string"),
        code={"type": ["string", "integer", "null"]},
    )
    entry = _object(
        ("id", "object", "created", "owned_by", "bakeoff"),
        id=text,
        object={"const": "model"},
        created=number,
        owned_by={"const": "bakeoff"},
        bakeoff=_object(("kind", "run"), kind={"enum": ["auto", "route", "candidate"]}, run=_or_null("string")),
    )
    messages = _listed({"type": "object", "examples": [{"role": "user", "content": "Write a tweet."}]})
    anything = {"not": {"type": "null"}, "examples": ["We open on"]}
    return {
        "ChatRequest": _object(("model", "messages"), **_asked(messages=messages)),
        "TextRequest": _object(("model", "prompt"), **_asked(prompt=anything)),
        "EmbeddingsRequest": {"type": "object"},
        "ChatCompletion": _answered(
            _object(("index", "message"), index=number, message=message, **finish), "chat.completion"
        ),
        "ChatCompletionChunk": _answered(_object(("index", "delta"), index=number, **finish), "chat.completion.chunk"),
        "Completion": _answered(_object(("index", "text"), index=number, text=text, **finish), "text_completion"),
        "CompletionChunk": _answered(_object(("index", "text"), index=number, text=text, **finish), "text_completion"),
        "Event": _object(("data",), data={"type": "string", "description": "JSON, or `[DONE]`."}, event=text),
        "Error": _object(("error",), error=error),
        "Model": entry,
        "ModelList": _object(("object", "data"), object={"const": "list"}, data=_listed(_ref("Model"))),
        "State": _object(("status",), status={"enum": ["ok", "ready", "ending"]}, run=_or_null("string")),
        "Status": _object(
            ("schema", "memory", "models", "routes", "quality", "alerts", "cost", "keys", "config"),
            schema={"const": "bakeoff.status/1"},
            memory={
                "type": "object",
                "description": "Budget and what is committed of `host`, and of each card's own memory.",
            },
            models={"type": "object"},
            routes={"type": "object"},
            alerts={"type": "array"},
            keys={"type": "array"},
            config={"type": "object"},
        ),
        "Alerts": _object(
            ("schema", "firing", "recent", "rules"),
            schema={"const": "bakeoff.alerts/1"},
            firing={"type": "array"},
            recent={"type": "array"},
            rules={"type": "array"},
        ),
        "Acknowledged": _object(
            ("acknowledged",),
            acknowledged={
                "type": "array",
                "items": _object(
                    ("candidate", "content_type", "measure"), candidate=text, content_type=text, measure=text
                ),
            },
        ),
        "Document": _object(
            ("openapi", "info", "paths"), openapi=text, info={"type": "object"}, paths={"type": "object"}
        ),
    }
