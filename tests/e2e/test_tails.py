"""A 95th percentile is told where there are texts beyond it, and of how many texts a time is stands beside it everywhere."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from inside import InsideWorkspace
from made_store import NAMES, make_plan, make_suite, store_in, write_run


@pytest.mark.parametrize(("briefs", "told"), [(30, False), (90, True)])
def test_tails_of_few_texts_stand_nowhere(
    briefs: int, told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    space = InsideWorkspace(tmp_path, monkeypatch, capsys)
    monkeypatch.setenv("BAKEOFF_HOME", str(space.home))
    plan = make_plan(make_suite(briefs), NAMES[:2])
    store = store_in(space.home)
    write_run(store, plan, failing=0.0)  # every third text is written alone
    store.close()
    count, folder = briefs // 3, space.home / "runs" / plan.run_id
    one = json.loads((folder / "result.json").read_text(encoding="utf-8"))["candidates"][0]
    assert one["latency_s"]["count"] == count
    assert one["latency_s"]["p50"] < one["latency_s"]["p95"] <= one["latency_s"]["p99"]  # the document has them always

    page = (folder / "report.html").read_text(encoding="utf-8")
    assert f"median of {count} texts" in page
    assert ("p95 " in page.split('<section id="money"')[0].split("<body>")[1]) == told
    assert ('class="p95"' in page) == told
    terminal = " ".join((folder / "report.txt").read_text(encoding="utf-8").split())
    assert (f"Of {count} texts each." if told else f"Of {count} texts each; p95 takes 20.") in terminal

    assert space.call("export", "latest", "--to", "csv", "-o", "out").returncode == 0
    with next((space.folder / "out").rglob("candidates.csv")).open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file))
    assert (row["latency_texts"], bool(row["latency_p50_s"])) == (str(count), True)
    assert (bool(row["latency_p95_s"]), bool(row["latency_p99_s"])) == (told, False)
