"""docs/engines.md names what there is, and what it links to is there."""

import re
from pathlib import Path

from bakeoff.core.installing import command_for, install_command
from bakeoff.engines.local import BUILT_IN, DEFAULT_ENGINE
from bakeoff.engines.vllm_launcher import ARGUMENTS_VARIABLE

PAGE = Path(__file__).parents[2] / "docs" / "engines.md"


def test_every_engine_is_named_with_the_command_that_adds_it():
    text = PAGE.read_text()
    for engine in BUILT_IN.values():
        assert f"| `{engine.name}` |" in text
        if engine.name != DEFAULT_ENGINE:
            # The page is for a checkout; the engine's own command names where this bakeoff was installed from.
            is_ours = engine.install == install_command(engine.name)
            assert (command_for(engine.name, {"url": "file:.", "dir_info": {}}) if is_ours else engine.install) in text
    assert ARGUMENTS_VARIABLE in text


def test_every_link_leads_somewhere():
    for link in re.findall(r"\]\(([^)#]+)\)", PAGE.read_text()):
        assert (PAGE.parent / link).exists(), link


def test_the_example_is_shown_as_it_is():
    shown = re.search(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert shown is not None
    assert shown[1] in (PAGE.parent / "examples" / "engine" / "pyproject.toml").read_text()
