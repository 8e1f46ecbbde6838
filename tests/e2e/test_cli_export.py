"""`bakeoff export --to csv` and `--to parquet`: everything, as it was, and nothing that nobody knows."""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path

import pytest

from bakeoff.core.spec import Candidate
from bakeoff.decide.labelling import Label, LabelPair
from bakeoff.report.run_columns import COLUMNS
from bakeoff.store.db import Store
from bakeoff.study.asking import Judgement
from bakeoff.study.judging import KnownJudge, checks_by_brief, questions_for
from bakeoff.study.labelling import read_written
from bakeoff.study.stored_plan import load_plan
from bakeoff.study.suite import parse_suite
from inside import InsideWorkspace
from recorded_texts import write_texts
from sample_runs import suite_text

ODD = [
    '=HYPERLINK("http://example.invalid")',
    "+1 opens on 14 March",
    "-1",
    "@all come",
    "'tis on 14 March",
    'She said "14 March",\nand\r\nleft.\n',
    "\ttab",
    "＝1+1",
    " =1+1",
    "\ufeff=1+1",
    "\u200b\u00a0@all come",
    "naïve café, 東京 \U0001f600",
]


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InsideWorkspace:
    made = InsideWorkspace(tmp_path, monkeypatch, capsys)
    text = suite_text(18)
    (tmp_path / "suite.yaml").write_text(text)
    kinds = {brief.id: brief.content_type for brief in parse_suite(text, "s").briefs}
    write_texts(tmp_path / "good.jsonl", kinds, leave_out={"b17"})
    lines = [{"brief_id": brief, "text": ODD[i % len(ODD)]} for i, brief in enumerate(kinds)]
    (tmp_path / "odd.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    ran = made.call("run", "suite.yaml", "--models", "recorded:good.jsonl,recorded:odd.jsonl", "--json")
    assert ran.returncode == 0, ran.stderr
    return made


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def test_texts_come_back_as_they_were_and_are_no_formulas(space: InsideWorkspace) -> None:
    assert space.call("export", "latest", "--to", "csv", "-o", "out").returncode == 0
    rows = read(space.folder / "out/generations.csv")
    stored = space.generations(space.run_id())
    assert len(rows) == len(stored) == 36
    for row in rows:
        assert row["text"].removeprefix("'") == (stored[row["trial"]]["text"] or "")
        assert not row["text"].startswith(("=", "+", "-", "@", "\t", "＝", " =", "\ufeff", "\u200b"))
    plain = space.call("export", "--to", "csv", "--no-guard", "-o", "raw", "latest")
    assert plain.returncode == 0
    assert {row["text"] for row in read(space.folder / "raw/generations.csv")} >= set(ODD)


def test_what_nobody_knows_is_empty_and_never_0(space: InsideWorkspace) -> None:
    space.call("export", "latest", "--to", "csv", "-o", "out")
    rows = read(space.folder / "out/generations.csv")
    assert {row["latency_s"] for row in rows} == {""}  # recorded texts were never timed
    assert {row["completion_tokens"] for row in rows} == {""}
    (failed,) = [row for row in rows if row["finish_reason"] == "error"]
    assert failed["brief"] == "b17"
    assert failed["text"] == ""
    assert failed["error_kind"]
    scores = {row["trial"]: row for row in read(space.folder / "out/scores.csv")}
    assert float(scores[failed["trial"]]["score_points"]) == 0  # that is its score, by the declared rule
    lines = (space.folder / "out/generations.csv").read_text(encoding="utf-8")
    assert ',"error",' in lines
    candidates = read(space.folder / "out/candidates.csv")
    assert {row["peak_memory_bytes"] for row in candidates} == {""}
    assert {row["tokens_per_s"] for row in candidates} == {""}


def test_csv_and_parquet_say_the_same_and_every_column_is_described(space: InsideWorkspace) -> None:
    from pyarrow.parquet import read_table

    told = json.loads(space.call("export", "latest", "--to", "csv", "-o", "c", "--json").stdout)
    assert told["schema"] == "bakeoff.export/1"
    assert space.call("export", "latest", "--to", "parquet", "-o", "p").returncode == 0
    for table in told["tables"]:
        name = table["table"]
        rows, typed = read(space.folder / f"c/{name}.csv"), read_table(space.folder / f"p/{name}.parquet")
        assert typed.schema.names == [column.name for column in COLUMNS[name]]
        assert all(field.metadata[b"meaning"] for field in typed.schema)
        assert len(rows) == len(typed) == table["rows"]
        for row, known in zip(rows, typed.to_pylist(), strict=True):
            for column, value in known.items():
                shown = row[column].removeprefix("'")
                if value is None:
                    assert shown == ""
                elif isinstance(value, bool):
                    assert shown == str(value).lower()
                elif isinstance(value, float):
                    assert float(shown) == value
                else:
                    assert (json.loads(shown) if isinstance(value, list) else type(value)(shown)) == value


def test_labels_and_judgements_go_out_too(space: InsideWorkspace) -> None:
    store = Store.open_folder(space.home)
    plan = load_plan(store, "latest")
    texts = read_written(plan, store)
    pair = LabelPair(number=0, brief="b0", content_type="tweet", left=texts[0].trial, right=texts[1].trial)
    label = Label(pair=pair, choice="tie", at="2026-01-01T00:00:00+00:00")
    store.add_label(plan.run_id, 0, label.model_dump_json())
    judge = Candidate.model_validate(plan.candidates[0].model_dump() | {"id": "some judge"})
    known = KnownJudge(judge=judge, kinds=("pairs",))
    store.add_judge(plan.run_id, judge.id, known.model_dump_json())
    asked = questions_for(judge, ("pairs",), texts, checks_by_brief(plan))
    store.add_judgements({asked[0].key: Judgement(value=None, answer="-0.5").model_dump_json()})
    store.close()
    space.call("export", "latest", "--to", "csv", "-o", "out")
    (row,) = read(space.folder / "out/labels.csv")
    assert (row["choice"], row["left_trial"], row["repeats"]) == ("tie", texts[0].trial, "")
    (row,) = read(space.folder / "out/judgements.csv")
    assert (row["judge"], row["kind"], row["value"], row["answer"]) == ("some judge", "pairs", "", "'-0.5")
    assert {row["first_trial"], row["second_trial"]} == set(asked[0].trials)


def test_nothing_is_replaced_unasked_and_foreign_files_stay(space: InsideWorkspace) -> None:
    folder = space.folder / "out"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    refused = space.call("export", "latest", "--to", "csv", "-o", "out")
    assert refused.returncode == 2
    assert "not empty" in refused.stderr
    assert [file.name for file in folder.iterdir()] == ["mine.txt"]
    assert space.call("export", "latest", "--to", "csv", "-o", "out", "--replace").returncode == 0
    assert (folder / "mine.txt").read_text() == "mine"
    assert (folder / "run.csv").exists()
    assert not [file for file in space.folder.iterdir() if file.name.startswith(".export-")]
    (space.folder / "file").write_text("")
    assert "is a file" in space.call("export", "latest", "--to", "csv", "-o", "file").stderr


def test_a_run_that_was_cut_short_goes_out_as_far_as_it_got(space: InsideWorkspace) -> None:
    connection = sqlite3.connect(space.home / "bakeoff.db")
    with connection:
        connection.execute("update runs set result = null, state = 'interrupted'")
        connection.execute("delete from generations where brief = 'b3'")
    connection.close()
    said = space.call("export", "latest", "--to", "csv", "-o", "out")
    assert said.returncode == 0, said.stderr
    assert "the run is interrupted" in said.stdout
    assert len(read(space.folder / "out/generations.csv")) == 34
    assert read(space.folder / "out/comparisons.csv") == []
    first = read(space.folder / "out/candidates.csv")[0]
    assert (first["candidate"], first["quality_points"]) == ("recorded:good.jsonl", "")
    (run,) = read(space.folder / "out/run.csv")
    assert (run["mode"], run["outcome"]) == ("fixed", "")


def test_a_write_that_fails_leaves_nothing(space: InsideWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bakeoff.report.table_files.os.fsync", full)
    failed = space.call("export", "latest", "--to", "csv", "-o", "out")
    assert failed.returncode == 1
    assert "No space left on device" in failed.stderr
    assert not (space.folder / "out").exists()
    assert not [file for file in space.folder.iterdir() if file.name.startswith(".export-")]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 0, "parquet"),
        (("--help",), 0, "Targets:"),
        (("--to", "csv", "--help"), 0, "--no-guard"),
        (("latest",), 2, "say what to make"),
        (("latest", "--to", "cvs"), 2, "Did you mean csv?"),
        (("--to", "csv"), 2, "Missing argument 'RUN'"),
        (("latest", "--to", "csv", "--oops"), 2, "--oops"),
        (("nothing", "--to", "csv"), 2, "there is no run"),
    ],
)
def test_usage(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    done = InsideWorkspace(tmp_path, monkeypatch, capsys).call("export", *arguments)
    assert done.returncode == code
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
