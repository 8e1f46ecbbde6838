"""docs/faults.md says what the code does: every setting with its default, every kind, every number of tries."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bakeoff.cli.tracking import LIMIT_S
from bakeoff.core import errors
from bakeoff.engines.deadlines import Deadlines
from bakeoff.study.placed import ROOM_WITHIN_S
from bakeoff.study.retries import TRIES, Patience

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
DEFAULTS = {
    "CONNECT": Deadlines().connect_s,
    "FIRST_TOKEN": Deadlines().first_token_s,
    "STALL": Deadlines().stall_s,
    "TOTAL": Deadlines().total_s,
    "BACKOFF": Patience().backoff_s,
    "LONGEST_WAIT": Patience().longest_wait_s,
    "GIVE_UP": Patience().give_up_s,
    "PLACE_WITHIN": ROOM_WITHIN_S,
    "TRACKING": LIMIT_S,
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_each_setting_stands_there_with_its_default(name: str) -> None:
    assert f"| `BAKEOFF_{name}_S` | {DEFAULTS[name]:g} |" in PAGE


def test_no_setting_is_missing() -> None:
    used = {
        name
        for file in (ROOT / "src").rglob("*.py")
        for name in re.findall(r"BAKEOFF_[A-Z_]+_S\b", file.read_text(encoding="utf-8"))
    }
    assert used == set(re.findall(r"^\| `(BAKEOFF_[A-Z_]+_S)`", PAGE, re.MULTILINE))


def test_each_kind_stands_there_with_its_number_of_requests() -> None:
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.EndpointError)
    ]
    for kind in kinds:
        if kind in {errors.EndpointError, errors.AnswerWithoutText}:
            continue
        row = re.search(rf"^\| `{kind.kind}` \|[^|]*\| (\S+)", PAGE, re.MULTILINE)
        assert row is not None, kind
        assert row[1] in {"-", str(TRIES.get(kind, 1))}, kind
