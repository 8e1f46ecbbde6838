"""The command on a report's page that makes such a run again."""

import shlex

import pytest

from bakeoff.library.page import _command
from bakeoff.library.planning import Design, Load, What, Where, make_plan
from tiny_model import make_tiny_model

SUITE = "version: 1\nname: mine\nbriefs:\n" + "".join(
    f"  - {{id: b{number}, content_type: tweet, prompt: Write about {number} birds.}}\n" for number in range(4)
)


def plan_of(folder, models, suite, devices=()):
    what = What.named(suite, models, allow_code=False)
    return make_plan(
        what,
        Design(4, race=False, strict=False),
        Load(2, None, None),
        0,
        Where(devices, allow_fallback=False),
        folder / "home",
    )


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "mine.yaml").write_text(SUITE)
    make_tiny_model(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_names_the_suite_where_it_lies_and_the_engines_that_ran(here):
    plan = plan_of(here, "onnx+model,transformers+model", "sub/mine.yaml")
    program, run, suite, *options = shlex.split(_command(plan))
    assert (program, run, suite) == ("bakeoff", "run", "sub/mine.yaml")
    models = options[options.index("--models") + 1]
    again = plan_of(here, models, suite)
    ran = [(candidate.model.digest, candidate.engine) for candidate in plan.candidates]
    assert [(candidate.model.digest, candidate.engine) for candidate in again.candidates] == ran
    assert len(ran) == 2


def test_an_engine_that_is_chosen_anyway_is_not_named(here):
    plan = plan_of(here, "model", "sub/mine.yaml", ("cpu",))
    options = shlex.split(_command(plan))
    assert options[options.index("--models") + 1] == "model"
