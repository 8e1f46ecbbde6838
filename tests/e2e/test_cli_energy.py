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

# The meter was opened when the first worker's log is there.
BREAKER = """
import pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
deadline = time.monotonic() + 300
while time.monotonic() < deadline and not any(folder.glob("home/runs/*/logs/*")):
    time.sleep(0.05)
(folder / "watts.csv").write_text("5,x\\n6,1\\n")
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
            "run", "s.yaml", "--models", "bundled:social,bundled:technical", "--fixed-n", "60", "--json", timeout_s=400
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


def test_a_log_that_breaks_costs_the_figure_and_not_the_run(tmp_path: Path) -> None:
    """It is whole when the run begins, and nonsense from then on: energy is assumed, and the run ends as ever."""
    log = tmp_path / "watts.csv"
    log.write_text("1000,40\n")
    write_suite(tmp_path / "s.yaml", 4)
    workspace = Workspace(tmp_path)
    workspace.environment["BAKEOFF_WATTS_CSV"] = str(log)
    breaker = subprocess.Popen([sys.executable, "-c", BREAKER, str(tmp_path)])
    done = workspace.call("run", "s.yaml", "--models", "bundled:social", "--fixed-n", "4", "--json", timeout_s=300)
    breaker.wait()
    assert log.read_text().startswith("5,x")
    energy = one_document(done.stdout)["candidates"][0]["energy_j_per_generation"]
    assert energy["provenance"] == "assumed"
    assert "not measured (the counters could not be read)" in energy["reason"]


@pytest.mark.parametrize(("content", "said"), [(None, "is no file"), ("nonsense,1\nx,y\n1,2\n", "watts.csv:2")])
def test_a_log_that_is_none_is_told_before_anything_runs(tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / "watts.csv").write_text(content)
    write_suite(tmp_path / "s.yaml", 1)
    workspace = Workspace(tmp_path)
    workspace.environment["BAKEOFF_WATTS_CSV"] = str(tmp_path / "watts.csv")
    done = workspace.call("run", "s.yaml", "--models", "bundled:social", "--fixed-n", "1")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
