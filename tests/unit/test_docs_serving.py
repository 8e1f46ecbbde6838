"""docs/serving.md says what the code does: every setting in its example with its default, every header, every metric."""

import re
import tomllib
from pathlib import Path

from training.content_types.train import THRESHOLD

from bakeoff.serve.evidence import EvidenceHeaders
from bakeoff.serve.router import Chosen
from bakeoff.serve.settings import CacheSettings, EndpointSettings, ServerSettings, ServeSettings, WaitingSettings
from gateways import make_plan

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")
EXAMPLE = tomllib.loads(re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1])


def test_the_example_is_valid_and_its_seconds_and_sizes_are_the_defaults():
    ServeSettings.model_validate(EXAMPLE)
    for name, record in (
        ("server", ServerSettings()),
        ("waiting", WaitingSettings()),
        ("cache", CacheSettings()),
        ("endpoints", EndpointSettings()),
    ):
        for field, value in EXAMPLE[name].items():
            assert field == "allowed_hosts" or getattr(record, field) == value, field
        for field in type(record).model_fields:
            assert field in PAGE, field


def test_every_header_is_told():
    headers = EvidenceHeaders(make_plan("a")).of(Chosen("general", ("a",), "unsure", 0.5), "a")
    for name, _ in headers:
        assert f"`{name.decode()}`" in PAGE


def test_the_threshold_is_told():
    assert f"From a probability of {THRESHOLD:g} on" in PAGE
