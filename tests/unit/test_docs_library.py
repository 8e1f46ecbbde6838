"""The library's pages: every public name is there, and the workflow calls the script as it is."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

import bakeoff

DOCS = Path(__file__).parents[2] / "docs"


def test_every_public_name_is_in_the_reference():
    shown = set(re.findall(r"^::: bakeoff\.[\w.]+\.(\w+)$", (DOCS / "reference/api.md").read_text(), re.MULTILINE))
    public = {getattr(getattr(bakeoff, name), "__name__", name) for name in bakeoff.__all__ if name != "__version__"}
    assert public <= shown


def test_the_workflow_calls_the_script_with_options_that_it_has():
    workflow = yaml.safe_load((DOCS / "examples/github-action.yml").read_text())
    (job,) = workflow["jobs"].values()
    (command,) = [step["run"] for step in job["steps"] if "quality_gate.py" in step.get("run", "")]
    script = (DOCS / "examples/quality_gate.py").read_text()
    options = set(re.findall(r"(--[\w-]+)", command))
    assert options == {"--suite", "--model", "--base-suite", "--base-model", "--margin"}
    assert all(f'add_argument("{option}"' in script for option in options)
    assert '"$code" = 3' in command
    assert '"undecided": 3' in script


def test_the_workflow_asks_for_nothing_where_github_does_not_have_it():
    """A job's `env` is read before there is a runner: with `runner` in it the whole workflow is refused."""
    workflow = yaml.safe_load((DOCS / "examples/github-action.yml").read_text())
    (job,) = workflow["jobs"].values()
    used = re.findall(r"\$\{\{\s*(\w+)", " ".join(map(str, job["env"].values())))
    assert set(used) <= {"github", "needs", "strategy", "matrix", "vars", "secrets", "inputs"}
    (kept,) = [step["with"] for step in job["steps"] if "upload-artifact" in step.get("uses", "")]
    assert job["env"]["BAKEOFF_HOME"].endswith(f"/{kept['path']}")
    assert kept["include-hidden-files"]  # its name begins with a dot, and such are left out


def test_exit_codes_on_the_page_are_those_of_the_command():
    from bakeoff.cli.compare import EXITS

    page = (DOCS / "guides/python.md").read_text()
    for verdict, code in EXITS.items():
        assert re.search(rf"^\| `{verdict}` \|.*\| {code} \|$", page, re.MULTILINE)


def test_the_first_example_can_be_run_as_it_stands():
    """Its suite has as many briefs as it asks for, and the content type that it asks about."""
    (example, *_) = re.findall(r"```python\n(.*?)```", (DOCS / "guides/python.md").read_text(), re.DOTALL)
    suite = bakeoff.load_suite(re.search(r'load_suite\("(.+?)"\)', example)[1])
    assert int(re.search(r"fixed_n=(\d+)", example)[1]) <= len(suite.briefs)
    assert re.search(r'route\("(.+?)"\)', example)[1] in suite.used_content_types()


def test_the_tutorial_names_the_fewest_families_that_the_decisions_ask_for():
    from bakeoff.decide.analysis import PILOT_UNDER
    from bakeoff.decide.decision import FEWEST_CLUSTERS
    from bakeoff.stats.race import FEWEST_FOR_OUTCOME

    assert FEWEST_CLUSTERS == FEWEST_FOR_OUTCOME
    page = " ".join((DOCS / "tutorial.md").read_text().split())
    assert f"Under {FEWEST_CLUSTERS} families nothing is said at all; under {PILOT_UNDER} a race" in page
