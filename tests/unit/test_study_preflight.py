"""Before the first generation: what is wrong with the candidates, all of it, and whether they fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from bakeoff.core.errors import UsageError
from bakeoff.core.spec import Sampling
from bakeoff.study.candidates import make_candidates
from bakeoff.study.preflight import is_remote

TINY = str(Path(__file__).parents[1] / "data" / "tiny_llama")
SAMPLING = Sampling()


def refused(*references: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        make_candidates(references, SAMPLING)
    return caught.value


def test_every_candidate_that_cannot_run_is_told() -> None:
    lines = refused("bundeld:x", TINY, "recorded:nowhere.jsonl", "openai:m", f"nonsense+{TINY}").message.splitlines()
    assert [line.split(":")[0] for line in lines[:3]] == ["bundeld", "recorded", "openai"]
    assert "no engine called 'nonsense'" in lines[3]
    assert len(lines) == 4


def test_every_hint_says_whose_it_is() -> None:
    hint = refused("bundled:nobody", TINY, "a.jsonl", "openai:m@http://me:secret@host/v1").hint.split("\n      ")
    assert [line.split(": ")[0] for line in hint] == ["bundled:nobody", "a.jsonl", "openai:m@http://***@host/v1"]
    assert "generalist" in hint[0]
    assert "did you mean recorded:a.jsonl?" in hint[1]
    both = refused("no/where", "no/such").hint
    assert both.startswith("no/where, no/such: write one of:")
    assert refused("no/where").hint.startswith("write one of:")


def test_a_candidate_is_named_once_and_at_least_one() -> None:
    assert "named twice" in refused(TINY, TINY).message
    assert "no candidates" in refused().message


def test_the_same_model_in_two_engines_is_two_candidates() -> None:
    one, two = make_candidates([TINY, f"onnx+{TINY}"], SAMPLING)
    assert one.id != two.id
    assert one.digest == two.digest


def test_an_engine_is_forced_for_folders_only() -> None:
    assert "model folder or file only" in refused("onnx+openai:m@http://127.0.0.1:9/v1").message


@pytest.mark.parametrize(
    ("url", "remote"),
    [
        ("http://127.0.0.1:8080/v1", False),
        ("http://localhost:8080/v1", False),
        ("http://[::1]:8080/v1", False),
        ("http://192.168.0.7/v1", True),
        ("https://api.models.example/v1", True),
        ("http://localhost.models.example/v1", True),
        ("http://127.0.0.1.models.example/v1", True),
    ],
)
def test_what_leaves_this_machine(url: str, remote: bool) -> None:
    (candidate,) = make_candidates([f"openai:m@{url}"], SAMPLING)
    assert is_remote(candidate) == remote


def test_folders_do_not_leave_this_machine() -> None:
    assert not is_remote(make_candidates([TINY], SAMPLING)[0])
