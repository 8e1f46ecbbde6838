"""Which endpoint is shown which key."""

from __future__ import annotations

import pytest

from bakeoff.catalog.references import resolve
from bakeoff.core.errors import UsageError
from bakeoff.engines.endpoint_keys import EndpointKeys

OPENAI, EUROPE = "openai:gpt@https://api.openai.com/v1", "openai:gpt@https://eu.api.openai.com/v1"
MISTRAL, GROQ = "openai:large@https://api.mistral.ai/v1", "openai:llama@https://api.groq.com/openai/v1"
HERE, BESIDE = "openai:m@http://127.0.0.1:8000/v1", "openai:m@http://localhost:1234/v1"
LAN, DECEIVER = "openai:m@http://box.lan:8000/v1", "openai:m@http://127.0.0.1.example.org/v1"
FALSE = "openai:m@https://api.openai.com.example.org/v1"
OLLAMA = "ollama:llama3.2"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai\n")
    monkeypatch.delenv("OLLAMA_HOST", raising=False)


def shown(*references: str) -> list[str]:
    """Those that are shown OPENAI_API_KEY, named together."""
    models = [resolve(reference) for reference in references]
    keys = EndpointKeys(models)
    found = {reference: keys.key_of(model) for reference, model in zip(references, models, strict=True)}
    assert set(found.values()) <= {"sk-openai", None}
    return [reference for reference, key in found.items() if key is not None]


@pytest.mark.parametrize(
    ("named", "who"),
    [
        ((OPENAI,), [OPENAI]),
        ((MISTRAL,), [MISTRAL]),
        ((HERE,), [HERE]),
        ((HERE, BESIDE), [HERE, BESIDE]),
        ((MISTRAL, HERE, OLLAMA, LAN), [MISTRAL]),
        ((MISTRAL, GROQ), []),
        ((MISTRAL, GROQ, HERE), []),
        ((OPENAI, MISTRAL, HERE), [OPENAI]),
        ((OPENAI, EUROPE, MISTRAL), [OPENAI, EUROPE]),
        ((OPENAI, FALSE), [OPENAI]),
        ((OLLAMA,), []),
        ((LAN,), []),
        ((LAN, HERE), [HERE]),
        ((DECEIVER,), []),
        (("openai:gpt@http://api.openai.com/v1", MISTRAL), [MISTRAL]),
    ],
)
def test_openais_key_goes_to_one_place(named: tuple[str, ...], who: list[str]) -> None:
    assert shown(*named) == who


def test_a_host_has_a_key_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEOFF_KEY_API_MISTRAL_AI", " sk-mistral ")
    monkeypatch.setenv("BAKEOFF_KEY_BOX_LAN", "sk-box")
    monkeypatch.setenv("BAKEOFF_KEY_127_0_0_1", "sk-here")
    models = [resolve(reference) for reference in (MISTRAL, GROQ, LAN, OLLAMA)]
    keys = EndpointKeys(models)
    assert [keys.key_of(model) for model in models] == ["sk-mistral", "sk-openai", "sk-box", "sk-here"]


def test_the_advice_names_the_variable_and_why_the_other_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def advice(reference: str, *others: str) -> str:
        model = resolve(reference)
        return EndpointKeys([model, *map(resolve, others)]).advice(model)

    assert advice(MISTRAL) == "check OPENAI_API_KEY"
    assert advice(MISTRAL, OPENAI) == (
        "put its key into BAKEOFF_KEY_API_MISTRAL_AI: OPENAI_API_KEY is for one of these hosts alone"
    )
    assert advice(LAN).endswith("BAKEOFF_KEY_BOX_LAN: OPENAI_API_KEY is not sent to another machine by plain http")
    assert advice(OLLAMA).endswith("OPENAI_API_KEY is not sent to Ollama")
    monkeypatch.setenv("BAKEOFF_KEY_BOX_LAN", "sk-box")
    assert advice(LAN) == "check BAKEOFF_KEY_BOX_LAN"
    monkeypatch.delenv("OPENAI_API_KEY")
    assert advice(MISTRAL) == "put its key into OPENAI_API_KEY, or into BAKEOFF_KEY_API_MISTRAL_AI"
    assert advice(OLLAMA) == "put its key into BAKEOFF_KEY_127_0_0_1"


def test_what_no_header_can_hold_is_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEOFF_KEY_BOX_LAN", "sk-box\r\nX-Other: 1")
    with pytest.raises(UsageError, match="BAKEOFF_KEY_BOX_LAN holds characters") as caught:
        shown(LAN)
    assert "sk-box" not in str(caught.value)
