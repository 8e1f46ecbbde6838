"""A brief's checks survive being written as JSON, which is how the process that scores gets them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from bakeoff.score.brief import BriefChecks
from bakeoff.study.suite import load_suite

SUITES = sorted(Path(str(files("bakeoff.bundled"))).glob("suites/*.yaml"))


@pytest.mark.parametrize("file", SUITES, ids=lambda file: file.stem)
def test_those_of_every_built_in_brief(file: Path) -> None:
    suite = load_suite(file)
    for brief in suite.briefs:
        checks = suite.checks(brief)
        assert BriefChecks.model_validate_json(checks.model_dump_json()) == checks


@pytest.mark.parametrize(("given", "meant"), [("en_GB", "en"), ("DE", "de"), ("x-pirate", "x-pirate"), ("fil", "fil")])
def test_those_of_any_language(given: str, meant: str) -> None:
    checks = BriefChecks(prompt="Hi", content_type="tweet", language=given)
    assert checks.language == meant
    assert BriefChecks.model_validate_json(checks.model_dump_json()) == checks
