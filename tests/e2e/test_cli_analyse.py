"""`bakeoff analyse`, `plan` and `compare`: anyone's scores, real files, and everything that can be wrong with them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from inside import InsideWorkspace
from recorded_texts import write_texts
from sample_runs import suite_text

MODELS = {"fine": 7.5, "good": 7.0, "weak": 4.0}


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InsideWorkspace:
    return InsideWorkspace(tmp_path, monkeypatch, capsys)


def draw(briefs: int = 60, seed: int = 1) -> list[dict[str, object]]:
    generator = np.random.default_rng(seed)
    hard = generator.normal(0, 1, briefs)
    return [
        {
            "model": model,
            "brief": f"b{i}",
            "score": round(float(np.clip(mean + hard[i] + generator.normal(0, 1), 0, 10)), 2),
            "content_type": ("tweet", "email")[i % 2],
        }
        for model, mean in MODELS.items()
        for i in range(briefs)
    ]


def write_csv(path: Path, rows: list[dict[str, object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def analysed(space: InsideWorkspace, *arguments: str) -> dict[str, object]:
    done = space.call("analyse", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_the_same_scores_in_three_formats_say_the_same(space: InsideWorkspace) -> None:
    import pyarrow as pa
    from pyarrow.parquet import write_table

    rows = draw()
    write_csv(space.folder / "t.csv", rows)
    (space.folder / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_table(pa.Table.from_pylist(rows), space.folder / "t.parquet")
    first, *others = (analysed(space, f"t.{kind}") for kind in ("csv", "jsonl", "parquet"))
    assert all(other == first for other in others)
    assert first["schema"] == "bakeoff.analysis/1"
    assert first["decision"]["choice"] == "fine"
    assert [model["model"] for model in first["models"]] == list(MODELS)
    for model in first["models"]:
        assert model["quality"]["low"] < model["t_interval"]["low"] < model["quality"]["estimate"]
        assert (model["quality"]["briefs"], model["pilot"]) == (60, False)
    assert set(first["by_content_type"]) == {"tweet", "email"}
    assert first["by_content_type"]["tweet"]["level"] == pytest.approx(0.975)
    assert first["replay"] is None


def test_the_order_of_rows_changes_nothing(space: InsideWorkspace) -> None:
    rows = draw()
    write_csv(space.folder / "a.csv", rows)
    write_csv(space.folder / "b.csv", [rows[i] for i in np.random.default_rng(0).permutation(len(rows))])
    one, other = analysed(space, "a.csv"), analysed(space, "b.csv")
    assert one["decision"]["choice"] == other["decision"]["choice"]
    for model in one["models"]:
        (same,) = (found for found in other["models"] if found["model"] == model["model"])
        for name in ("estimate", "low", "high"):
            assert same["quality"][name] == pytest.approx(model["quality"][name], abs=1e-12)


def test_another_scale_gives_the_same_on_its_scale(space: InsideWorkspace) -> None:
    rows = draw()
    write_csv(space.folder / "ten.csv", rows)
    write_csv(space.folder / "one.csv", [{**row, "score": row["score"] / 10} for row in rows])
    ten, one = analysed(space, "ten.csv"), analysed(space, "one.csv", "--bounds", "0,1")
    assert one["eps"] == pytest.approx(0.03)
    assert one["decision"]["outcome"] == ten["decision"]["outcome"]
    for small, large in zip(one["models"], ten["models"], strict=True):
        assert small["quality"]["low"] * 10 == pytest.approx(large["quality"]["low"])


def test_a_race_in_replay_needs_less_and_is_as_right(space: InsideWorkspace) -> None:
    write_csv(space.folder / "t.csv", draw(120))
    replay = analysed(space, "t.csv", "--replay-race", "40")["replay"]
    assert replay["orderings"] == 40
    assert replay["scores_used"]["race"]["p50"] < replay["scores_used"]["fixed"] == 3 * 120
    assert replay["bad_choice_rate"]["race"] <= 0.05
    assert 0 <= replay["certified_rate"]["race"] <= 1
    shown = space.call("analyse", "t.csv", "--replay-race", "10").stdout
    assert "A race on these scores" in shown
    assert "Decision" in shown


def test_replicates_and_clusters_are_no_extra_evidence(space: InsideWorkspace) -> None:
    rows = draw(20)
    twice = [{**row, "replicate": r} for row in rows for r in (0, 1)]
    write_csv(space.folder / "once.csv", rows)
    write_csv(space.folder / "twice.csv", twice)
    assert analysed(space, "once.csv")["models"] == analysed(space, "twice.csv")["models"]
    write_csv(space.folder / "families.csv", [{**row, "cluster": int(str(row["brief"])[1:]) // 2} for row in rows])
    found = analysed(space, "families.csv")
    assert (found["briefs"], found["families"]) == (20, 10)
    assert all(model["pilot"] for model in found["models"])


def test_missing_scores_leave_the_brief_out_for_all_and_are_told(space: InsideWorkspace) -> None:
    rows = draw(40)
    for row in rows[:4]:
        row["score"] = ""
    write_csv(space.folder / "t.csv", rows)
    found = analysed(space, "t.csv")
    assert (found["briefs"], len(found["left_out"])) == (36, 4)
    (missing,) = found["missing"]
    assert (missing["model"], missing["briefs"]) == ("fine", 4)
    assert missing["mean_if_worst"] < missing["mean_if_best"]
    assert any("more than 5 %" in note for note in found["notes"])


def test_columns_of_other_names(space: InsideWorkspace) -> None:
    rows = [{"system": row["model"], "prompt": row["brief"], "grade": row["score"]} for row in draw()]
    write_csv(space.folder / "t.csv", rows)
    found = analysed(space, "t.csv", "--columns", "model=system,brief=prompt,score=grade")
    assert found["decision"]["choice"] == "fine"


HEAD = "model,brief,score\n"
WRONG = {
    "nan": (HEAD + "a,b1,5\na,b2,nan\n", "t.csv:3: score: 'nan' is no finite number"),
    "text": (HEAD + "a,b1,good\n", "t.csv:2: score: 'good' is no number"),
    "comma": (HEAD + 'a,b1,"7,5"\n', "write decimals with a point"),
    "outside": (HEAD + "a,b1,10.5\n", "t.csv:2: score: '10.5' is outside the scale"),
    "twice": (HEAD + "a,b1,5\na,b2,5\na,b1,6\n", "a has a score for brief b1 on line 2 already"),
    "no model": (HEAD + ",b1,5\n", "t.csv:2: model: is empty"),
    "no column": ("model,prompt,score\na,b1,5\n", "there is no column brief; there are: model, prompt, score"),
    "column twice": ("model,brief,score,score\na,b1,5,5\n", "score: is a column twice"),
    "fields": (HEAD + "a,b1,5,6\n", "t.csv:2: 4 fields, and the header has 3"),
    "empty": ("", "the file is empty"),
    "header only": (HEAD, "there is no score in it"),
    "quote": (HEAD + 'a,"b1,5\n', "t.csv:"),
    "nothing in common": (HEAD + "a,b1,5\nb,b2,5\n", "no brief has a score of every model"),
    "type": ("model,brief,score,content_type\na,b1,5,tweet\nb,b1,5,email\n", "another content_type or cluster than on"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_table_is_told_with_its_place(space: InsideWorkspace, name: str) -> None:
    text, said = WRONG[name]
    (space.folder / "t.csv").write_text(text)
    refused = space.call("analyse", "t.csv")
    assert refused.returncode == 2
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
    assert refused.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere.csv",), "nowhere.csv cannot be read"),
        (("t.xlsx",), "a table of scores is .csv"),
        (("t.csv", "--bounds", "10,0"), "--bounds 10,0"),
        (("t.csv", "--bounds", "x"), "--bounds x"),
        (("t.csv", "--eps", "0"), "--eps 0"),
        (("t.csv", "--columns", "modell=x"), "--columns modell=x"),
        (("t.csv", "--columns", "cluster=family"), "there is no column family"),
        (("t.jsonl",), "t.jsonl:2: is no JSON"),
        (("t.parquet",), "t.parquet"),
        (("latin.csv",), "is not UTF-8"),
    ],
)
def test_wrong_arguments_and_files_are_told(space: InsideWorkspace, arguments: tuple[str, ...], said: str) -> None:
    write_csv(space.folder / "t.csv", draw(5))
    (space.folder / "t.jsonl").write_text('{"model": "a", "brief": "b", "score": 5}\n{oops\n')
    (space.folder / "t.parquet").write_bytes(b"not parquet at all")
    (space.folder / "t.xlsx").write_bytes(b"PK")
    (space.folder / "latin.csv").write_bytes("model,brief,score\nmüller,b1,5\n".encode("latin-1"))
    refused = space.call("analyse", *arguments)
    assert refused.returncode == 2
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr


def test_one_model_alone_is_described(space: InsideWorkspace) -> None:
    write_csv(space.folder / "t.csv", [row for row in draw() if row["model"] == "fine"])
    found = analysed(space, "t.csv", "--replay-race", "5")
    assert found["comparisons"] == []
    assert found["replay"] is None
    shown = space.call("analyse", "t.csv").stdout
    assert "nobody to compare it with" in shown
    assert "beats every" not in shown


def test_a_plan_is_the_reference_value(space: InsideWorkspace) -> None:
    found = json.loads(space.call("plan", "--sd", "2", "--difference", "1", "--json").stdout)
    assert found["schema"] == "bakeoff.plan/1"
    assert found["briefs"] == 34
    assert found["minimum_detectable_difference"] <= 1.0
    curve = {point["briefs"]: point["difference"] for point in found["curve"]}
    assert curve[15] == pytest.approx(2 * 0.778, abs=0.002)
    assert list(curve.values()) == sorted(curve.values(), reverse=True)
    more = json.loads(space.call("plan", "--sd", "2", "--difference", "1", "--models", "6", "--json").stdout)
    assert more["briefs"] > 34
    shown = space.call("plan", "--sd", "2", "--difference", "1").stdout
    assert "34 briefs show a difference of 1 points" in shown
    assert "<- this plan" in shown


def test_a_level_near_one_is_told_as_it_was_stated(space: InsideWorkspace) -> None:
    shown = space.call("plan", "--sd", "2", "--difference", "1", "--level", "0.999", "--power", "0.999").stdout
    assert "99.9 % power at level 99.9 %" in " ".join(shown.split())
    write_csv(space.folder / "t.csv", draw())
    page = " ".join(space.call("analyse", "t.csv", "--level", "0.9995").stdout.split())
    assert "with 99.95 % intervals" in page


def test_a_plan_from_a_pilot_uses_the_upper_end_of_its_spread(space: InsideWorkspace) -> None:
    write_csv(space.folder / "pilot.csv", draw(12))
    found = json.loads(space.call("plan", "--from", "pilot.csv", "--difference", "1", "--json").stdout)
    space.environment["COLUMNS"] = "80"
    shown = space.call("plan", "--from", "pilot.csv", "--difference", "0.001").stdout
    assert "planned with its upper end" in " ".join(shown.split())
    assert max(map(len, shown.splitlines())) <= 80
    pilot = found["pilot"]
    assert pilot["sd_low"] < pilot["sd"] < pilot["sd_high"] == found["sd"]
    assert pilot["briefs"] == 12


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--difference", "1"), "either by --sd or by --from"),
        (("--sd", "2", "--from", "x", "--difference", "1"), "either by --sd or by --from"),
        (("--sd", "2", "--difference", "0"), "difference must be positive"),
        (("--sd", "2", "--difference", "inf"), "error: the difference must be a finite number: inf"),
        (("--sd", "nan", "--difference", "1"), "error: the sd must be a finite number: nan"),
        (("--sd", "-1", "--difference", "1"), "must be finite and not negative"),
        (("--sd", "2", "--difference", "1", "--power", "2"), "power must be between"),
        (("--from", "nothing", "--difference", "1"), "there is no run 'nothing'"),
    ],
)
def test_a_plan_of_nonsense_is_refused(space: InsideWorkspace, arguments: tuple[str, ...], said: str) -> None:
    refused = space.call("plan", *arguments)
    assert refused.returncode == 2
    assert said in refused.stderr


def test_two_candidates_of_a_run_are_compared(space: InsideWorkspace) -> None:
    from bakeoff.study.suite import parse_suite

    text = suite_text(40)
    (space.folder / "suite.yaml").write_text(text)
    kinds = {brief.id: brief.content_type for brief in parse_suite(text, "s").briefs}
    write_texts(space.folder / "good.jsonl", kinds)
    write_texts(space.folder / "poor.jsonl", kinds, good=False)
    ran = space.call("run", "suite.yaml", "--models", "recorded:good.jsonl,recorded:poor.jsonl", "--json")
    (pair,) = json.loads(ran.stdout)["comparisons"]
    found = json.loads(space.call("compare", "latest", "good.jsonl", "poor.jsonl", "--json").stdout)
    assert found["schema"] == "bakeoff.compare/1"
    assert found["overall"]["difference"] == pytest.approx(pair["difference"])
    assert found["overall"]["low"] == pytest.approx(pair["low"])
    assert found["a_better"] + found["level_briefs"] + found["b_better"] == 40
    assert sum(part["briefs"] for part in found["histogram"]) == 40
    turned = json.loads(space.call("compare", "latest", "poor.jsonl", "good.jsonl", "--json").stdout)
    assert turned["overall"]["difference"] == pytest.approx(-found["overall"]["difference"])
    assert turned["overall"]["low"] == pytest.approx(-found["overall"]["high"])
    shown = space.call("compare", "latest", "good.jsonl", "poor.jsonl").stdout
    assert "recorded:good.jsonl is better than recorded:poor.jsonl by" in shown
    assert "█" in shown
    assert "●" in shown
    for a, b, said in (
        ("good.jsonl", "x", "x is not a candidate of this run"),
        ("jsonl", "good.jsonl", "is the end of several"),
        ("good.jsonl", "good.jsonl", "cannot be compared with itself"),
    ):
        refused = space.call("compare", "latest", a, b)
        assert refused.returncode == 2
        assert said in refused.stderr
        assert "recorded:poor.jsonl" in refused.stderr


def test_a_plan_under_fifteen_briefs_says_that_nothing_is_claimed(space: InsideWorkspace) -> None:
    few = space.call("plan", "--sd", "1", "--difference", "2").stdout
    assert "under 15 families of briefs no difference is claimed" in few
    assert "no difference is claimed" not in space.call("plan", "--sd", "2", "--difference", "0.5").stdout


def test_results_of_another_harness_get_the_same_statistics(space: InsideWorkspace) -> None:
    data = Path(__file__).parents[1] / "data" / "harnesses"
    found = analysed(space, str(data / "inspect_ann.eval"), str(data / "inspect_bob.eval"), "--metric", "parts/date")
    assert found["bounds"] == [0, 1]
    assert found["eps"] == pytest.approx(0.03)
    assert [one["errors"] for one in found["taken"]] == [0, 2]
    assert found["missing"][0]["model"] == "openai-api/stub/bob"
    assert found["left_out"] == ["opening/b4"]
    shown = space.call("analyse", str(data / "promptfoo.json"), "--errors", "floor").stdout
    assert "11 answers, 1 error: counted as 0" in " ".join(shown.split())
    assert "scores are taken to be from 0 to 1" in shown
    refused = space.call("analyse", str(data / "promptfoo.json"), "--metric", "nope")
    assert refused.returncode == 2
    assert "there are: score, pass, date, length" in refused.stderr
