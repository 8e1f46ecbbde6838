"""Results of other harnesses: real files of theirs, and what can be odd about such files."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bakeoff.core.errors import BakeoffError, InvalidFile, MissingDependency, UsageError
from bakeoff.decide.score_analysis import Scored
from bakeoff.study.importers.recognise import Reading, Scores, read_files

DATA = Path(__file__).parents[1] / "data" / "harnesses"
INSPECT = [DATA / "inspect_ann.eval", DATA / "inspect_bob.eval"]
LM_EVAL = sorted((DATA / "lm_eval").glob("*/samples_*.jsonl"))
ANN, BOB = "openai-api/stub/ann", "openai-api/stub/bob"


def read(*paths: Path, **how: Any) -> Scores:
    return read_files(paths, Reading(**how))


def means(scores: Scores) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for row in scores.rows:
        if row.score is not None:
            found.setdefault(row.model, []).append(row.score)
    return {model: sum(values) / len(values) for model, values in found.items()}


def test_inspects_own_totals_come_out_of_its_logs() -> None:
    scores = read(*INSPECT)
    assert means(scores) == pytest.approx({ANN: 0.667, BOB: 0.4}, abs=0.001)  # as `inspect eval` printed them
    ann, bob = scores.taken
    assert (ann.harness, ann.metric, ann.other_metrics) == (
        "Inspect",
        "includes",
        ("length", "parts/date", "parts/call"),
    )
    assert (ann.scored, ann.errors, ann.unscored) == (12, 0, 0)
    assert (bob.scored, bob.errors) == (10, 2)
    assert [row for row in scores.rows if row.score is None] == [Scored(BOB, "opening/b4", None, "opening", None)] * 2
    assert scores.bounds == (0, 1)
    assert means(read(*INSPECT, metric="length")) == pytest.approx({ANN: 0.7, BOB: 0.54})
    assert means(read(*INSPECT, metric="parts/call")) == pytest.approx({ANN: 2 / 3, BOB: 0.4})


def test_errors_count_as_the_floor_where_that_is_asked_for() -> None:
    scores = read(*INSPECT, errors="floor")
    assert means(scores)[BOB] == pytest.approx(4 / 12)
    assert scores.taken[1].errors == 2
    assert scores.taken[1].errors_are == "floor"


def test_a_json_log_says_what_an_eval_log_says() -> None:
    (taken,) = read(DATA / "inspect_bob_small.json").taken
    assert (taken.models, taken.scored, taken.errors) == ((BOB,), 1, 1)


def test_a_log_that_was_cut_short_is_read_from_its_journal(tmp_path: Path) -> None:
    document = json.loads((DATA / "inspect_bob_small.json").read_text())
    path = tmp_path / "cut.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_journal/start.json", json.dumps({"version": 2, "eval": document["eval"]}))
        archive.writestr("_journal/summaries/1.json", json.dumps(document["samples"][:1]))
        archive.writestr("_journal/summaries/2.json", json.dumps(document["samples"][1:]))
    (taken,) = read(path).taken
    assert (taken.scored, taken.errors) == (1, 1)
    assert "it may lack samples" in taken.notes[0]


def test_zstandard_without_pyarrow_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    if sys.version_info >= (3, 14):
        pytest.skip("Python unpacks Zstandard itself from 3.14 on")
    with pytest.raises(MissingDependency, match="Zstandard"):
        read(*INSPECT)


def test_lm_evals_own_totals_come_out_of_its_samples() -> None:
    scores = read(*LM_EVAL)
    for path, model in zip(LM_EVAL, ("ann", "bob"), strict=True):
        (totals,) = path.parent.glob("results_*.json")
        own = json.loads(totals.read_text())["results"]["opening"]["exact_match,none"]
        assert means(scores)[model] == pytest.approx(own)
    assert scores.taken[0].metric == "exact_match,none"
    assert {row.brief for row in scores.rows} == {f"opening/{i}" for i in range(6)}


def changed(tmp_path: Path, name: str, **fields: Any) -> Path:
    """A copy of ann's samples with other fields, in a folder of that name, without a file of totals."""
    path = tmp_path / name / LM_EVAL[0].name
    path.parent.mkdir()
    lines = [json.loads(line) | fields for line in LM_EVAL[0].read_text().splitlines()]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_model_without_totals_is_called_after_its_folder(tmp_path: Path) -> None:
    (taken,) = read(changed(tmp_path, "org__name")).taken
    assert taken.models == ("org__name",)
    assert "after its folder" in taken.notes[0]


def test_filters_are_metrics_of_one_answer(tmp_path: Path) -> None:
    path = changed(tmp_path, "m")
    strict = changed(tmp_path, "n", filter="strict", exact_match=1.0)
    path.write_text(path.read_text() + strict.read_text())
    scores = read(path)
    assert len(scores.rows) == 6
    assert scores.taken[0].other_metrics == ("exact_match,strict",)
    assert means(read(path, metric="exact_match,strict")) == {"m": 1.0}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (["ref", "text"], "is no score"),
        ("excellent", "is no score"),
        (7.5, "7.5 is outside the scale"),
        ({}, "is no score"),
    ],
)
def test_what_is_no_score_is_refused(tmp_path: Path, value: object, said: str) -> None:
    with pytest.raises(InvalidFile, match=said):
        read(changed(tmp_path, "m", exact_match=value))


@pytest.mark.parametrize("value", [None, float("nan")])
def test_what_was_not_scored_is_missing_and_counted(tmp_path: Path, value: object) -> None:
    scores = read(changed(tmp_path, "m", exact_match=value), LM_EVAL[1])
    assert scores.taken[0].unscored == 6
    assert {row.score for row in scores.rows if row.model == "m"} == {None}


@pytest.mark.parametrize(
    ("value", "score"), [(True, 1.0), ("C", 1.0), ("P", 0.5), ("N", 0.0), ("0.25", 0.25), ("no", 0.0)]
)
def test_grades_in_words_are_numbers(tmp_path: Path, value: object, score: float) -> None:
    assert means(read(changed(tmp_path, "m", exact_match=value))) == {"m": score}


def test_other_questions_are_not_compared(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match="brief opening/0 is not what it is in"):
        read(LM_EVAL[1], changed(tmp_path, "m", doc_hash="another"))


def test_of_what_less_is_better_nothing_is_decided(tmp_path: Path) -> None:
    path = changed(tmp_path, "m")
    totals = {"model_name": "m", "higher_is_better": {"opening": {"exact_match": False}}}
    path.with_name(path.name.replace("samples_opening", "results").replace("jsonl", "json")).write_text(
        json.dumps(totals)
    )
    with pytest.raises(UsageError, match="less is better"):
        read(path)


def test_two_runs_of_one_model_are_two_candidates(tmp_path: Path) -> None:
    again = tmp_path / "again.eval"
    again.write_bytes(INSPECT[0].read_bytes())
    assert set(means(read(INSPECT[0], again))) == {f"{ANN} [inspect_ann.eval]", f"{ANN} [again.eval]"}


def test_promptfoos_own_totals_come_out_of_its_results() -> None:
    path = DATA / "promptfoo.json"
    scores = read(path)
    own = {
        prompt["provider"]: prompt["metrics"]["score"] / (6 if "ann" in prompt["provider"] else 5)
        for prompt in json.loads(path.read_text())["results"]["prompts"]
    }
    assert means(scores) == pytest.approx(own)
    (taken,) = scores.taken
    assert (taken.harness, taken.metric, taken.other_metrics) == ("promptfoo", "score", ("pass", "date", "length"))
    assert (taken.scored, taken.errors) == (11, 1)
    assert means(read(path, metric="pass", errors="floor")) == pytest.approx(
        {"openai:chat:ann": 4 / 6, "openai:chat:bob": 2 / 6}
    )


def test_promptfoos_repeats_are_replicates_and_no_further_tests() -> None:
    scores = read(DATA / "promptfoo_repeated.jsonl")
    assert {row.brief for row in scores.rows} == {"b0", "b1", "b2"}
    assert len(scores.rows) == 12


def test_promptfoos_prompts_compete(tmp_path: Path) -> None:
    document = json.loads((DATA / "promptfoo.json").read_text())
    for result in document["results"]["results"]:
        if result["testIdx"] % 2:
            result["promptId"] = "another"
    path = tmp_path / "two.json"
    path.write_text(json.dumps(document))
    assert len(means(read(path))) == 4
    assert "2 prompts" in read(path).taken[0].notes[0]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", "{oops", "is no JSON"),
        ("a.json", "[]", "is none of the JSON files"),
        ("a.json", '{"n-samples": {}}', "lm-eval's totals"),
        ("a.eval", "PK no archive", "is no log of Inspect"),
        ("a.xlsx", "", "a table of scores is .csv"),
        ("a.jsonl", '{"doc_id": 1, "resps": []}\n{"doc_id": 2}\n', "is no sample of lm-eval"),
        ("a.jsonl", '{"promptIdx": 0, "testIdx": 0, "provider": "x"}\noops\n', "is no result of promptfoo"),
        ("a.jsonl", '{"doc_id": 1, "resps": []}\n', "no answer in it has a score"),
        ("a.json", "\xff", "is not UTF-8"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, name: str, text: str, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(BakeoffError) as told:
        read(path)
    assert told.value.exit_code == 2
    assert said in told.value.message


def test_what_does_not_go_together_is_told(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("model,brief,score\na,b,5\n")
    for paths, how, said in (
        ([*INSPECT, table], {}, "one is read at a time"),
        ([table], {"metric": "x"}, "a table has one score a row"),
        (INSPECT, {"columns": {"model": "x"}}, "these files have none"),
        (INSPECT, {"metric": "x"}, "there is no metric 'x'"),
        ([tmp_path / "nowhere.json"], {}, "cannot be read"),
    ):
        with pytest.raises(UsageError, match=said):
            read(*paths, **how)
    assert read(table).bounds == (0, 10)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"samples": {"a": 1}}, "samples"),
        ({"samples": [{"id": 1, "scores": 7}]}, "samples[0].scores"),
        ({"samples": [{"id": 1}, 5]}, "samples[1]"),
        ({"samples": [{"id": 1, "epoch": "x"}]}, "samples[0].epoch"),
        ({"eval": {"model": ["x"]}}, "eval.model"),
    ],
)
def test_an_inspect_log_of_a_wrong_shape_is_told_with_its_field(
    tmp_path: Path, change: dict[str, Any], field: str
) -> None:
    log = {"eval": {"model": "m", "task": "t"}, "status": "success", "samples": []} | change
    (tmp_path / "log.json").write_text(json.dumps(log))
    with pytest.raises(InvalidFile, match=re.escape(f": {field}")):
        read(tmp_path / "log.json")


def test_folders_and_files_that_are_not_there_are_called_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="it is no file"):
        read(tmp_path)
    with pytest.raises(UsageError, match="no such file"):
        read(tmp_path / "nope.csv")
