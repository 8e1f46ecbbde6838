"""Small suites, plans and candidates without any model behind them, for tests of the study."""

from __future__ import annotations

from collections.abc import Sequence

from bakeoff.core.spec import Candidate, ModelSpec
from bakeoff.machine.budget import Budget
from bakeoff.machine.detect import Machine
from bakeoff.study.plan import Plan, choose_briefs
from bakeoff.study.suite import Suite, parse_suite

TYPES = ("tweet", "business_email", "technical_doc")
MACHINE = Machine(
    system="Linux",
    release="6.1",
    architecture="x86_64",
    chip=None,
    cores=2,
    allowed_cores=2,
    ram_bytes=None,
    available_bytes=None,
    memory_limit_bytes=None,
    python="3.11.0",
    load_average=None,
)


def suite_text(briefs: int = 3, top: str = "") -> str:
    """A valid suite; brief `b0` is a tweet, `b1` a mail, `b2` a document, and so on; two briefs a family."""
    body = "".join(
        f"  - id: b{i}\n    content_type: {TYPES[i % 3]}\n    cluster: f{i // 2}\n"
        f"    prompt: Write about the opening number {i} on 14 March.\n    must_include: ['14 March']\n"
        for i in range(briefs)
    )
    return f"version: 1\nname: small\n{top}briefs:\n{body}"


def make_suite(briefs: int = 3, top: str = "") -> Suite:
    return parse_suite(suite_text(briefs, top), "small.yaml")


def make_candidate(name: str, suite: Suite, digest: str = "d1") -> Candidate:
    """Each at a server of its own."""
    spec = ModelSpec(
        reference=name, name=name, source="endpoint", location=f"http://{name}.invalid:9/v1", digest=digest
    )
    return Candidate(id=name, model=spec, engine="endpoint", sampling=suite.sampling)


def make_plan(
    briefs: int = 3, names: Sequence[str] = ("ann", "bob"), *, top: str = "", seed: int = 0, concurrency: int = 4
) -> Plan:
    suite = make_suite(briefs, top)
    return Plan(
        run_id="20260101-000000-aaaa",
        suite=suite,
        suite_file="small.yaml",
        candidates=tuple(make_candidate(name, suite) for name in names),
        brief_ids=choose_briefs(suite.briefs, None, seed),
        seed=seed,
        concurrency=concurrency,
        machine=MACHINE,
        budget=Budget(value=None, source="not known"),
        version="0.1.0",
    )
