"""A run beside a meter: what it drew is measured, told with its scope, and is what `bakeoff cost` counts with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bakeoff_command import Workspace, write_suite
from contracts import one_document
from waiting import wait_until

METER = """
import sys, time
with open(sys.argv[1], "a", buffering=1) as log:
    while True:
        log.write(f"{time.time():.3f},42.0\\n")
        time.sleep(0.05)
"""


def test_a_run_beside_a_wall_meter(tmp_path: Path) -> None:
    log = tmp_path / "watts.csv"
    write_suite(tmp_path / "s.yaml", 60, max_tokens=400)
    workspace = Workspace(tmp_path)
    workspace.environment["BAKEOFF_WATTS_CSV"] = str(log)
    meter = subprocess.Popen([sys.executable, "-c", METER, str(log)])
    try:
        wait_until(lambda: log.exists() and len(log.read_text().splitlines()) > 3, "the meter writes")
        done = workspace.call(
            "run", "s.yaml", "--models", "bundled:social,bundled:technical", "--fixed-n", "60", "--json"
        )
    finally:
        meter.kill()
        meter.wait()
    document = one_document(done.stdout)
    measured = [each["energy_j_per_generation"] for each in document["candidates"]]
    for energy in measured:
        assert energy["provenance"] in {"measured", "assumed"}
        if energy["provenance"] == "measured":
            assert energy["scope"] == "wall"
            assert energy["watts"] == pytest.approx(42.0, rel=1e-3)
            assert energy["idle_watts"] == pytest.approx(42.0, rel=1e-3)
            assert energy["net"] == pytest.approx(0.0, abs=1e-2)  # it drew no more than idling
        else:  # written too fast to be measured, which is said
            assert "not measured (" in energy["reason"]
    assert any(energy["provenance"] == "measured" for energy in measured)
    cost = one_document(workspace.call("cost", "latest", "--json").stdout)
    told = {each["candidate"]: each["local"]["energy_provenance"] for each in cost["candidates"]}
    assert told == {each["id"]: each["energy_j_per_generation"]["provenance"] for each in document["candidates"]}
