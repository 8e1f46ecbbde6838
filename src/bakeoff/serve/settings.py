"""What a gateway may be told: where it listens, what it takes, how long it waits, how models are kept, who serves what."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bakeoff.core.spec import Record
from bakeoff.serve.cost_terms import CostSettings
from bakeoff.serve.keeping import Keeping

Seconds = Annotated[float, Field(gt=0, le=86_400, strict=True)]
Name = Annotated[str, Field(min_length=1, strict=True)]

DEFAULT_PORT = 8080


class ServerSettings(Record):
    """Where it listens, and what a connection may do. `allowed_hosts` are further names for the Host header.

    `key_file` holds clients' keys, hashed; seen from the settings file's folder. None for the workspace's own, if it is there.
    Seconds: for a request's head, for its body, for one write to a client, for what is under way when the gateway ends.
    """

    host: Name = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535, strict=True)] = DEFAULT_PORT
    allowed_hosts: tuple[Name, ...] = ()
    key_file: Name | None = None
    max_body_bytes: Annotated[int, Field(ge=1024, le=1 << 30, strict=True)] = 8 * 2**20
    max_connections: Annotated[int, Field(ge=1, le=100_000, strict=True)] = 1000
    head_s: Seconds = 10.0
    body_s: Seconds = 60.0
    write_s: Seconds = 60.0
    drain_s: Annotated[float, Field(ge=0, le=86_400, strict=True)] = 30.0


class WaitingSettings(Record):
    """How long a request waits, in seconds: for a model that is ready, for a first token, for a further one, for all of it.

    The first token of a request of n characters is due after `first_token_s` + n / 1000 x `first_token_per_1000_s`. A stream
    that waits is sent a comment after `comment_every_s`, and again.
    """

    model_s: Seconds = 300.0
    comment_every_s: Seconds = 3.0
    first_token_s: Seconds = 60.0
    first_token_per_1000_s: Annotated[float, Field(ge=0, le=3600, strict=True)] = 5.0
    stall_s: Seconds = 30.0
    total_s: Seconds = 1800.0


class EndpointSettings(Record):
    """How endpoints of others are asked for an answer that is to come in one piece.

    `streamed`: for a stream that the gateway puts together, so that a stall is seen, and a server that only looks up when it
    writes stops at the next token once the client has hung up. `as_asked`: for one piece, which is quicker where the server's
    tokens are; only the whole answer's deadline is watched then.
    """

    plain: Literal["streamed", "as_asked"] = "streamed"


class CacheSettings(Record):
    """Whether answers to greedy or seeded requests are kept and given again, and how many of them at most."""

    enabled: Annotated[bool, Field(strict=True)] = False
    max_bytes: Annotated[int, Field(ge=1 << 16, le=1 << 34, strict=True)] = 64 * 2**20
    max_entries: Annotated[int, Field(ge=1, le=10_000_000, strict=True)] = 10_000


class EmbeddingsSettings(Record):
    """Where requests for embeddings go: a base URL (`http://host/v1`). The key is in the environment variable `key_env`."""

    endpoint: Annotated[str, Field(pattern=r"^https?://[^/@]+(/[^@]*)?$", strict=True)]
    model: Name | None = None
    key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", strict=True)] = "OPENAI_API_KEY"


class QualitySettings(Record):
    """Which `share` of the answers is graded against the run; 0 for none.

    `expected_grades` is the least expected number of graded answers until a false alarm, for each model and content type. No
    more than `backlog` answers wait to be graded: further ones are not. `judge` is one that was asked about the run (its name as
    `bakeoff judge` was given it): it is sent each of these answers with its request. None unless somebody names it.
    """

    share: Annotated[float, Field(ge=0, le=1, strict=True)] = 0.05
    expected_grades: Annotated[float, Field(ge=100, le=1e9, strict=True)] = 10_000.0
    backlog: Annotated[int, Field(ge=1, le=10_000, strict=True)] = 100
    judge: Name | None = None


class AlertSettings(Record):
    """How often the rules are looked at, in seconds, and who is told: an URL, a program with its arguments, both or nobody.

    What rises within a window is seen between two looks in it; the shortest window is 300 s, so that a minute leaves five.
    """

    every_s: Annotated[float, Field(ge=1, le=60, strict=True)] = 15.0
    webhook: Annotated[str, Field(pattern=r"^https?://[^/]+", strict=True)] | None = None
    command: tuple[Name, ...] = ()


class ServeSettings(Record):
    """All of it. `routes` override those of the run: a content type (or `general`) and its models, first to last."""

    server: ServerSettings = ServerSettings()
    waiting: WaitingSettings = WaitingSettings()
    keeping: Keeping = Keeping()
    endpoints: EndpointSettings = EndpointSettings()
    cache: CacheSettings = CacheSettings()
    embeddings: EmbeddingsSettings | None = None
    quality: QualitySettings = QualitySettings()
    alerts: AlertSettings = AlertSettings()
    cost: CostSettings = CostSettings()
    routes: dict[str, Annotated[tuple[Name, ...], Field(min_length=1)]] = Field(default_factory=dict)
