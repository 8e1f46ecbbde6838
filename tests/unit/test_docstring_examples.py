"""Every example in a docstring is true; a room whose examples need an extra is skipped where that is not installed."""

import doctest
import importlib
from pathlib import Path

import pytest

import bakeoff

SOURCE = Path(bakeoff.__file__).parent
ROOMS = sorted(
    ".".join(("bakeoff", *path.relative_to(SOURCE).with_suffix("").parts))
    for path in SOURCE.rglob("*.py")
    if any(">>> " in line and "+SKIP" not in line for line in path.read_text(encoding="utf-8").splitlines())
)


@pytest.mark.parametrize("room", ROOMS)
def test_the_examples_are_true(room):
    try:
        module = importlib.import_module(room.removesuffix(".__init__"))
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("bakeoff"):
            raise
        pytest.skip(f"{missing.name} is not installed")
    outcome = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert outcome.attempted > 0
    assert outcome.failed == 0
