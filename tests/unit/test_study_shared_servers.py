"""Which servers may have to load another model when the turn changes."""

from __future__ import annotations

from bakeoff.core.spec import Candidate, ModelSpec, Sampling
from bakeoff.study.shared_servers import SharedServers


def candidate(name: str, location: str, remote: str | None = None, source: str = "endpoint") -> Candidate:
    spec = ModelSpec.model_validate(
        {
            "reference": name,
            "name": name,
            "source": source,
            "location": location,
            "digest": name,
            "remote_model": remote,
        }
    )
    return Candidate(id=name, model=spec, engine="endpoint", sampling=Sampling())


def test_a_model_is_loaded_when_another_one_of_its_server_was_asked_before() -> None:
    servers = SharedServers(
        [candidate("a", "http://localhost:11434/v1"), candidate("b", "http://127.0.0.1:11434/other/v1")]
    )
    assert [servers.changes_model(name) for name in "aabbab"] == [True, False, True, False, True, True]


def test_nothing_is_loaded_by_turns_where_models_or_servers_are_not_shared() -> None:
    alone = [
        candidate("a", "http://127.0.0.1:1/v1"),
        candidate("b", "http://127.0.0.1:2/v1"),
        candidate("cloud-a", "https://api.example.com/v1"),
        candidate("cloud-b", "https://api.example.com/v1"),
        candidate("cool", "http://nas/v1", remote="m"),  # one model, two ways to ask for it
        candidate("warm", "http://nas:80/v1", remote="m"),
        candidate("file", "/texts.jsonl", source="recorded"),
        candidate("folder", "/model", source="folder"),
    ]
    servers = SharedServers(alone)
    assert not any(servers.changes_model(each.id) for each in [*alone, *alone])
