"""Scorers that a suite brings as Python files: only when allowed, checked, shown, weighed, and never another version of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inside import InsideWorkspace
from recorded_texts import write_texts
from sample_runs import suite_text

TONE = """
class Tone:
    name = "tone"
    value_range = (0.0, 1.0)

    def score(self, text, checks):
        return 1.0 if "!" in text else 0.25

scorer = Tone
"""


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InsideWorkspace:
    made = InsideWorkspace(tmp_path, monkeypatch, capsys)
    (tmp_path / "plain.yaml").write_text(suite_text(6), encoding="utf-8")
    from bakeoff.study.suite import load_suite

    kinds = {brief.id: brief.content_type for brief in load_suite(tmp_path / "plain.yaml").briefs}
    write_texts(tmp_path / "good.jsonl", kinds)
    write_texts(tmp_path / "poor.jsonl", kinds, good=False)
    return made


def run(
    space: InsideWorkspace, *more: str, top: str = "scorers: [tone.py]\n", code: str = TONE
) -> tuple[int, str, str]:
    (space.folder / "tone.py").write_text(code, encoding="utf-8")
    (space.folder / "suite.yaml").write_text(suite_text(6, top=top), encoding="utf-8")
    done = space.call("run", "suite.yaml", "--models", "recorded:good.jsonl,recorded:poor.jsonl", "--json", *more)
    return done.returncode, done.stdout, done.stderr


def test_nothing_of_it_runs_unasked(space: InsideWorkspace) -> None:
    returned, _, said = run(space, code="open('ran', 'w').close()")
    assert returned == 2
    assert "tone.py" in said
    assert "--allow-code" in said
    assert not (space.folder / "ran").exists()


def test_allowed_it_is_a_dimension_and_counts_once_it_has_a_weight(space: InsideWorkspace) -> None:
    returned, out, said = run(space, "--allow-code")
    assert returned in {0, 3}, said
    without = json.loads(out)
    good = without["candidates"][0]
    assert 2.5 <= good["dimensions"]["tone"] < 10
    assert "tone" not in without["weights"]["tweet"]
    weights = "scorers: [tone.py]\nweights: {tone: 0.5}\n"
    _, out, _ = run(space, "--allow-code", top=weights)
    weighed = json.loads(out)
    assert weighed["weights"]["tweet"]["tone"] == 0.5
    assert weighed["candidates"][0]["quality"]["estimate"] < good["quality"]["estimate"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("1/0", "ZeroDivisionError"),
        ("x = 1", "defines no `scorer`"),
        ("scorer = 5", "has no name"),
        (TONE.replace('"tone"', '"other"'), "'other'"),
        (TONE.replace("0.25", "7"), "outside its range"),
        (TONE.replace("return", "raise OSError('no'); return"), "OSError"),
    ],
)
def test_one_that_is_none_is_told_before_the_first_text(space: InsideWorkspace, code: str, said: str) -> None:
    returned, _, errors = run(space, "--allow-code", code=code)
    assert returned == 2
    assert said in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("name", "said"), [("gone.py", "no file gone.py"), ("../tone.py", "scorers"), ("tone.txt", "scorers")]
)
def test_a_file_that_is_not_in_the_suites_folder_is_told(space: InsideWorkspace, name: str, said: str) -> None:
    returned, _, errors = run(space, "--allow-code", top=f"scorers: ['{name}']\n")
    assert returned == 2
    assert said in errors


def test_another_version_of_it_is_never_mixed_in(space: InsideWorkspace) -> None:
    run(space, "--allow-code")
    (space.folder / "tone.py").write_text(TONE + "\n# changed\n", encoding="utf-8")
    done = space.call("run", "--resume", "latest")
    assert done.returncode == 2
    assert "tone.py has changed" in done.stderr
