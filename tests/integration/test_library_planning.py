"""What planning a run asks the machine for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bakeoff.library.planning import Design, Load, What, Where, make_plan
from tiny_model import make_tiny_model

SUITE = "version: 1\nname: mine\nbriefs:\n  - {id: a, content_type: tweet, prompt: Write about birds.}\n"


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac has no such driver")
@pytest.mark.parametrize("ours", [False, True])
def test_the_driver_of_a_card_is_asked_where_a_model_of_ours_may_use_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ours: bool
) -> None:
    driver, asked = tmp_path / "bin" / "nvidia-smi", tmp_path / "asked"
    driver.parent.mkdir()
    driver.write_text(f"#!/bin/sh\ntouch {asked}\necho '0, GPU-1, Tesla, 16384, 16000'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", str(driver.parent), prepend=":")
    (tmp_path / "mine.yaml").write_text(SUITE)
    make_tiny_model(tmp_path / "model")
    models = str(tmp_path / "model") if ours else "openai:theirs@http://127.0.0.1:9/v1"
    what = What.named(str(tmp_path / "mine.yaml"), models, allow_code=False)
    where = Where((), allow_fallback=False)
    make_plan(what, Design(None, race=False, strict=False), Load(2, None), 0, where, tmp_path / "home")
    assert asked.exists() is ours
