"""Which models may compete: criteria, licences, memory, one place each, and an order that favours variety."""

from __future__ import annotations

from typing import Any

import pytest

from bakeoff.catalog.discovery import Criteria, Discovery, Fit, merge, sort_out
from bakeoff.catalog.found import Found
from bakeoff.catalog.licence import Licence

LLAMA = {"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4}


def model(name: str, **more: Any) -> Found:
    plain = {
        "source": "hub",
        "reference": f"hf:{name}",
        "parameters": 3_000_000_000,
        "downloads": 100_000,
        "licence": Licence(tag="apache-2.0"),
        "task": "text-generation",
    }
    return Found(name=name, **plain | more)


def sorted_out(*found: Found, criteria: Criteria | None = None, verdicts: dict[str, Fit] | None = None) -> Discovery:
    return sort_out(
        found, criteria or Criteria(), lambda each: (each, (verdicts or {}).get(each.name, Fit(verdict="fits"))), "B"
    )


def reasons(found: Found, criteria: Criteria | None = None, verdicts: dict[str, Fit] | None = None) -> str:
    discovery = sorted_out(found, criteria=criteria, verdicts=verdicts)
    if discovery.candidates:
        return ""
    (rejected,) = discovery.rejected
    return "; ".join(rejected.reasons)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, ""),
        ({"parameters": None}, "not told"),
        ({"parameters": 559_214_592}, "0.56 billion parameters, under 1"),
        ({"parameters": 70_000_000_000}, "over 10"),
        ({"downloads": 49_999}, "49,999 downloads in 30 days, under 50,000"),
        ({"downloads": None}, "no downloads told"),
        ({"downloads": None, "source": "cache", "local": True}, ""),
        ({"task": "feature-extraction"}, "is for feature-extraction"),
        ({"remote_host": "ollama.com", "source": "ollama"}, "runs on ollama.com, not on this machine"),
        ({"licence": Licence()}, "the licence is not stated"),
        ({"licence": Licence(tag="cc-by-nc-4.0")}, "does not allow commercial use"),
        ({"licence": Licence(tag="other", commercial_use=False)}, "the card says commercial: false"),
        ({"licence": Licence(tag="llama3.1")}, ""),
        ({"base_licences": (Licence(model="a/base", tag="cc-by-nc-4.0"),)}, "inherited from a/base"),
        ({"facts": LLAMA | {"model_type": "brandnew"}}, ""),  # its fit is unknown, and it is none the worse for that
        (
            {"facts": LLAMA | {"model_type": "hears"}, "task": None},
            "nothing says that its architecture hears writes text",
        ),
        ({"facts": LLAMA}, ""),
    ],
)
def test_every_rejection_has_its_reason(more: dict[str, Any], said: str) -> None:
    found = reasons(model("a/b", **more))
    assert (said in found) if said else (found == "")


def test_all_reasons_at_once() -> None:
    found = reasons(model("a/b", parameters=1, downloads=1, licence=Licence()))
    assert found.count(";") == 2


def test_what_is_asked_for_can_be_changed() -> None:
    small = model("a/b", parameters=300_000_000, downloads=5, licence=Licence())
    assert reasons(small, Criteria(min_parameters=1, min_downloads=0, commercial=False)) == ""
    assert "context of 2,048 tokens is under 4,096" in reasons(
        model("a/b", context_length=2048), Criteria(context=4096)
    )
    assert reasons(model("a/b", context_length=4096), Criteria(context=4096)) == ""


def test_what_does_not_fit_is_rejected_and_what_is_not_known_stays() -> None:
    no = {"a/b": Fit(verdict="no", need_bytes=20 << 30)}
    assert reasons(model("a/b"), verdicts=no) == "does not fit: needs 20.0 GiB, and B"
    (kept,) = sorted_out(model("a/b"), verdicts={"a/b": Fit(verdict="unknown")}).candidates
    assert kept.fit is not None
    assert kept.fit.verdict == "unknown"


def names(discovery: Discovery) -> list[str]:
    return [each.model.name for each in discovery.candidates]


def test_the_order_is_fit_then_use_and_relatives_count_less() -> None:
    found = sorted_out(
        model("llama/1", downloads=9_000_000, architecture="llama"),
        model("llama/2", downloads=8_000_000, architecture="llama"),
        model("llama/3", downloads=7_000_000, architecture="llama"),
        model("qwen/1", downloads=900_000, architecture="qwen3"),
        model("tight/1", downloads=90_000_000, architecture="gemma"),
        verdicts={"tight/1": Fit(verdict="tight")},
    )
    # The second Llama counts a tenth: 800,000, less than the first Qwen.
    assert names(found) == ["llama/1", "qwen/1", "llama/2", "llama/3", "tight/1"]
    assert names(sorted_out(model("b"), model("a"))) == ["a", "b"]


def test_one_model_in_two_places_is_one() -> None:
    cached = model("a/b", source="cache", local=True, downloads=None, fingerprint="x", licence=Licence(), task=None)
    listed = model("a/b", downloads=123_456)
    copy = model("b-copy", source="folder", reference="models/b", local=True, fingerprint="x", downloads=None)
    other = model("c/d", fingerprint="y")
    merged = merge([listed, cached, copy, other])
    assert [found.name for found, _ in merged] == ["a/b", "c/d"]
    first, places = merged[0]
    # The one whose weights are here speaks, and the hub adds what only it knows.
    assert (first.source, first.local, first.downloads, first.licence.tag) == ("cache", True, 123_456, "apache-2.0")
    assert sorted(places) == ["folder: models/b", "hub: hf:a/b"]
