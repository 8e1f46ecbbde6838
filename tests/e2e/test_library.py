"""`import bakeoff`: the same figures as the commands', typed errors with their messages, and what a notebook needs."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import bakeoff
from bakeoff_command import write_suite
from inside import InsideWorkspace
from recorded_texts import write_texts
from sample_runs import suite_text

ROOT = Path(__file__).parents[2]


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InsideWorkspace:
    """A workspace for commands and library alike."""
    made = InsideWorkspace(tmp_path, monkeypatch, capsys)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BAKEOFF_HOME", str(made.home))
    monkeypatch.delenv("BAKEOFF_STORE", raising=False)
    text = suite_text(40)
    (tmp_path / "suite.yaml").write_text(text)
    kinds = {brief.id: brief.content_type for brief in bakeoff.load_suite("suite.yaml").briefs}
    write_texts(tmp_path / "good.jsonl", kinds)
    write_texts(tmp_path / "poor.jsonl", kinds, good=False)
    return made


def test_nothing_heavy_is_imported_before_it_is_asked_for():
    code = (
        "import sys, bakeoff; names = dir(bakeoff); "
        "heavy = {'numpy', 'pydantic', 'sqlalchemy', 'rich', 'click', 'aiohttp'} & set(sys.modules); "
        "assert not heavy, heavy; "
        "[getattr(bakeoff, name) for name in names]; "
        "assert set(bakeoff.__all__) == set(names)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        bakeoff.nothing  # noqa: B018


def test_figures_are_those_of_the_commands(space: InsideWorkspace) -> None:
    ran = space.call("run", "suite.yaml", "--models", "recorded:good.jsonl,recorded:poor.jsonl", "--json")
    document = json.loads(ran.stdout)
    run = bakeoff.open_run()
    assert run.document == json.loads(space.call("show", "latest", "--json").stdout)
    assert run.decision.model_dump(mode="json") == document["decision"]
    assert run.id == document["run_id"]
    for found in document["candidates"]:
        assert run.quality(found["id"]).model_dump(mode="json") == found["quality"]
        assert run.quality(found["id"], "tweet").model_dump(mode="json") == found["by_content_type"]["tweet"]
    assert [found.model_dump(mode="json") for found in run.comparisons] == document["comparisons"]
    for name, route in run.routes.items():
        assert route.candidate == document["routes"][name]["candidate"]
        assert run.route(name) is route
    compared = run.compare("good.jsonl", "poor.jsonl")
    told = json.loads(space.call("compare", run.id[:15], "good.jsonl", "poor.jsonl", "--json").stdout)
    assert compared.duel.model_dump(mode="json") == {name: told[name] for name in compared.duel.model_dump()}
    assert compared.run_comparison.model_dump(mode="json") == told["run_comparison"]
    assert str(run) == (space.home / "runs" / run.id / "report.txt").read_text()
    assert {text.candidate for text in run.texts()} == set(run.candidates)
    (both,) = {text.brief for text in run.texts("good.jsonl", brief="b3")}
    assert both == "b3"
    assert len(run.scores()) == 80
    assert [found.run_id for found in bakeoff.list_runs()] == [run.id]
    assert run.write_report("page.html").read_text().startswith("<!doctype html>")
    with pytest.raises(AttributeError):
        run.plan = None  # type: ignore[misc]


def test_a_run_from_python_is_one_that_the_commands_know(space: InsideWorkspace) -> None:
    told: list[str] = []
    suite = bakeoff.load_suite("suite.yaml")
    models = ["recorded:good.jsonl", "recorded:poor.jsonl"]
    run = bakeoff.run(suite, models, on_text=lambda text: told.append(text.trial))
    assert len(told) == len(set(told)) == 80
    assert json.loads(space.call("show", run.id, "--json").stdout) == run.document
    by_command = json.loads(space.call("run", "suite.yaml", "--models", ",".join(models), "--json").stdout)
    assert by_command["comparisons"] == run.document["comparisons"]
    assert (space.home / "runs" / run.id / "result.json").is_file()
    assert run.compare("good.jsonl", "poor.jsonl").not_worse_by(0.3)
    assert run.compare("poor.jsonl", "good.jsonl").not_worse_by(0.3).verdict == "worse"

    elsewhere = bakeoff.run(suite, models[:1], workspace=space.folder / "elsewhere")
    assert bakeoff.open_run(elsewhere.id[:17], workspace=space.folder / "elsewhere").id == elsewhere.id

    async def in_a_notebook() -> bakeoff.Run:
        return bakeoff.run(suite, models, fixed_n=20)  # a loop runs already

    assert asyncio.run(in_a_notebook()).decision.leader == "recorded:good.jsonl"


def test_errors_are_typed_and_say_what_the_commands_say(space: InsideWorkspace) -> None:
    (space.folder / "wrong.yaml").write_text("version: 1\nname: x\nbrief: []\n")
    with pytest.raises(bakeoff.InvalidFile) as invalid:
        bakeoff.load_suite("wrong.yaml")
    assert any(problem.line == 3 and problem.field == "brief" for problem in invalid.value.problems)
    assert invalid.value.message in space.call("run", "wrong.yaml").stderr
    with pytest.raises(bakeoff.UsageError) as model:
        bakeoff.run("suite.yaml", ["bundeld:x"])
    assert model.value.message in space.call("run", "suite.yaml", "--models", "bundeld:x").stderr
    for said, call in {
        "there is no run 'nothing'": lambda: bakeoff.open_run("nothing"),
        "send=True": lambda: bakeoff.run("suite.yaml", ["openai:m@http://models.example/v1"]),
        "give a list": lambda: bakeoff.run("suite.yaml", "bundled:social"),  # type: ignore[arg-type]
        "fixed_n is no race": lambda: bakeoff.run("suite.yaml", fixed_n=3, race=True),
        "fixed_n is 0": lambda: bakeoff.run("suite.yaml", fixed_n=0),
        "fixed_n is 1.5": lambda: bakeoff.run("suite.yaml", fixed_n=1.5),  # type: ignore[arg-type]
        "fixed_n is [5]": lambda: bakeoff.run("suite.yaml", fixed_n=[5]),  # type: ignore[arg-type]
        "seed is -1": lambda: bakeoff.run("suite.yaml", seed=-1),
        "seed is None": lambda: bakeoff.run("suite.yaml", seed=None),  # type: ignore[arg-type]
        "models is 5": lambda: bakeoff.run("suite.yaml", 5),  # type: ignore[arg-type]
        "models is [None]": lambda: bakeoff.run("suite.yaml", [None]),  # type: ignore[list-item]
        "name at least one model": lambda: bakeoff.run("suite.yaml", []),
        "devices is one text": lambda: bakeoff.run("suite.yaml", devices="cpu"),
        "41 briefs are asked for": lambda: bakeoff.run("suite.yaml", ["recorded:good.jsonl"], fixed_n=41),
        "concurrency is 0": lambda: bakeoff.run("suite.yaml", concurrency=0),
        "outside 0 to 10": lambda: bakeoff.analyse([bakeoff.ScoreRow("a", "b", 11.0, "", None)]),
        "level is 1": lambda: bakeoff.analyse([], level=1.0),
        "eps is 10": lambda: bakeoff.analyse([bakeoff.ScoreRow("a", "b", 1.0, "", None)], eps=10),
    }.items():
        with pytest.raises(bakeoff.UsageError) as error:
            call()
        told = f"{error.value.message} {error.value.hint}"
        assert said in told
        assert "--models" not in told
        assert error.value.exit_code == 2
    assert bakeoff.list_runs() == ()  # nothing of that was stored
    run = bakeoff.run("suite.yaml", ["recorded:good.jsonl"])
    for call in (
        lambda: run.quality("x"),
        lambda: run.quality("good.jsonl", "poem"),
        lambda: run.route("poem"),
        lambda: run.compare("good.jsonl", "good.jsonl"),
        lambda: next(run.texts("x")),
        lambda: run.compare(None, "good.jsonl"),  # type: ignore[arg-type]
        lambda: run.compare("good.jsonl", "good.jsonl", base="latest"),  # type: ignore[arg-type]
        lambda: run.quality(["good.jsonl"]),  # type: ignore[arg-type]
        lambda: run.route([]),  # type: ignore[arg-type]
    ):
        with pytest.raises(bakeoff.UsageError) as error:
            call()
        assert error.value.hint


def test_scores_of_anybody_are_what_the_command_says(space: InsideWorkspace) -> None:
    rows = [
        bakeoff.ScoreRow(model, f"b{n}", base + n % 3, "", None)
        for model, base in (("a", 6.0), ("b", 3.0))
        for n in range(20)
    ]
    table = "model,brief,score\n" + "".join(f"{row.model},{row.brief},{row.score}\n" for row in rows)
    (space.folder / "t.csv").write_text(table)
    told = json.loads(space.call("analyse", "t.csv", "--json").stdout)
    for found in (bakeoff.analyse(rows), bakeoff.analyse("t.csv")):
        assert found.decision.model_dump(mode="json") == told["decision"]
        (pair,) = found.analysis.overall.comparisons
        assert pair.model_dump(mode="json") == told["comparisons"][0]


def test_a_change_of_prompt_is_compared_across_runs(space: InsideWorkspace) -> None:
    text = (space.folder / "suite.yaml").read_text()
    (space.folder / "changed.yaml").write_text(text.replace("version: 1\n", "version: 1\nsystem_prompt: Be brief.\n"))
    old = bakeoff.run("suite.yaml", ["recorded:good.jsonl"])
    new = bakeoff.run("changed.yaml", ["recorded:poor.jsonl"])
    again = bakeoff.run("suite.yaml", ["recorded:good.jsonl"])
    found = new.compare("poor.jsonl", "good.jsonl", base=old)
    assert (found.base_run_id, found.b, len(found.pairs)) == (old.id, f"recorded:good.jsonl of {old.id}", 40)
    in_one = bakeoff.run("suite.yaml", ["recorded:good.jsonl", "recorded:poor.jsonl"])
    alike = in_one.compare("poor.jsonl", "good.jsonl").duel.overall
    assert found.duel.overall.difference == pytest.approx(alike.difference)
    assert found.not_worse_by(0.3).verdict == "worse"
    assert old.compare("good.jsonl", "poor.jsonl", base=new).not_worse_by(0.3)
    unchanged = again.compare("good.jsonl", "good.jsonl", base=old).not_worse_by(0.3)
    assert unchanged
    assert "nothing has changed" in unchanged.why

    told = space.call(
        "compare", new.id, "poor.jsonl", "good.jsonl", "--base", old.id, "--not-worse-by", "0.3", "--json"
    )
    assert told.returncode == 1
    assert json.loads(told.stdout)["not_worse_by"]["difference"] == pytest.approx(alike.difference)
    fine = space.call("compare", old.id, "good.jsonl", "poor.jsonl", "--base", new.id, "--not-worse-by", "0.3")
    assert fine.returncode == 0
    assert "is not worse than" in " ".join(fine.stdout.split())
    few = bakeoff.run("changed.yaml", ["recorded:poor.jsonl"], fixed_n=10)
    undecided = space.call("compare", few.id, "poor.jsonl", "good.jsonl", "--base", old.id, "--not-worse-by", "0.3")
    assert undecided.returncode == 3
    assert 'Undecided is not "not worse".' in " ".join(undecided.stdout.split())
    nonsense = space.call("compare", in_one.id, "poor.jsonl", "good.jsonl", "--not-worse-by", "-1")
    assert nonsense.returncode == 2
    assert "the margin must be above 0" in nonsense.stderr

    (space.folder / "other.yaml").write_text(text.replace("must_include:", "must_not_include:", 1))
    other = bakeoff.run("other.yaml", ["recorded:poor.jsonl"])
    with pytest.raises(bakeoff.UsageError, match="graded differently"):
        other.compare("poor.jsonl", "good.jsonl", base=old)


@pytest.mark.timeout(200)
def test_the_notebook_runs(tmp_path: Path) -> None:
    """`docs/examples/first_steps.py`, on bundled models."""
    environment = {
        "BAKEOFF_HOME": str(tmp_path / "home"),
        "BRIEFS": "3",
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ROOT / "src"),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", str(ROOT / "docs/examples/first_steps.py")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    assert "no-such-suite.yaml: there is no such suite file" in done.stdout
    assert "outcome: insufficient_data" in done.stdout
    assert "\nundecided\n" in done.stdout


INTERRUPTED = """
import asyncio, sys
import bakeoff

def tell(text):
    print(text.trial, flush=True)

def go():
    bakeoff.run("s.yaml", ["bundled:social"], concurrency=1, on_text=tell)

async def in_a_notebook():
    go()

try:
    if sys.argv[1] == "script":
        go()
    else:
        asyncio.new_event_loop().run_until_complete(in_a_notebook())  # without asyncio.run's own handling of signals
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("where", ["script", "notebook"])
def test_an_interrupted_run_can_be_gone_on_with(space: InsideWorkspace, where: str) -> None:
    write_suite(space.folder / "s.yaml", 80)
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, where],
        cwd=space.folder,
        env=space.environment | {"PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read().split()
    assert process.returncode == 0
    assert rest[-1] == "interrupted"
    (listed,) = json.loads(space.call("runs", "--json").stdout)["runs"]
    assert listed["state"] == "interrupted"
    assert len(rest) <= space.count() < 80
    assert space.workers() == []
    with pytest.raises(bakeoff.UsageError, match="has no result yet"):
        bakeoff.open_run()


def gate(space: InsideWorkspace, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "docs/examples/quality_gate.py"), *arguments],
        cwd=space.folder,
        env=space.environment
        | {"PYTHONPATH": str(ROOT / "src"), "GITHUB_STEP_SUMMARY": str(space.folder / "summary.md")},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


@pytest.mark.timeout(240)
def test_the_gate_of_a_pull_request(space: InsideWorkspace) -> None:
    """A change that is worse, one that is not, none at all, too little to say anything, and a file that is wrong; bundled models."""
    write_suite(space.folder / "s.yaml", 40)
    suites = ("--suite", "s.yaml", "--base-suite", "s.yaml")
    worse = gate(space, *suites, "--model", "recorded:empty.jsonl", "--base-model", "recorded:full.jsonl")
    assert worse.returncode == 2  # no such files: nothing is claimed
    assert "Traceback" not in worse.stderr
    away = gate(space, *suites, "--model", "openai:m@http://127.0.0.1:9/v1")
    assert away.returncode == 4  # the job is right, and nobody answers
    assert "does not answer" in away.stderr
    kinds = {brief.id: brief.content_type for brief in bakeoff.load_suite("s.yaml").briefs}
    (space.folder / "full.jsonl").write_text(
        "".join(
            json.dumps({"brief_id": name, "text": f"Our shop opens on 14 March, number {name.split('-')[1]}."}) + "\n"
            for name in kinds
        )
    )
    real = ("--model", "bundled:social", "--base-model", "recorded:full.jsonl")
    worse = gate(space, *suites, *real)
    assert worse.returncode == 1, worse.stdout + worse.stderr
    assert worse.stdout.startswith("::error::bundled:social is worse than")
    assert "### Texts: worse" in (space.folder / "summary.md").read_text()
    better = gate(space, *suites, "--model", "recorded:full.jsonl", "--base-model", "bundled:social")
    assert better.returncode == 0, better.stdout + better.stderr
    unchanged = gate(space, *suites, "--model", "bundled:social", "--briefs", "2")
    assert unchanged.returncode == 0
    assert "nothing has changed" in unchanged.stdout
    unclear = gate(space, *suites, *real, "--briefs", "6")
    assert unclear.returncode == 3
    assert unclear.stdout.startswith("::warning::undecided")
    assert gate(space, *suites, "--model", "x", "--margin", "0").returncode == 2
