"""Whatever is done to the characters of a suite file, the answer is a suite or an `InvalidFile`."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.core.errors import InvalidFile, Problem
from bakeoff.study.suite import Suite, parse_suite
from bakeoff.study.yaml_lines import read_yaml
from bakeoff.study.yaml_plain import NotPlain, read_plain
from sample_runs import suite_text

TEXT = (
    suite_text(2, top="sampling: {temperature: 0.5, stop: ['END']}\nweights: {tweet: {length_quality: 2}}\n")
    + "    limits: {min_words: 3, max_words: 40}\n    parts: [hook]\n    language: en\n"
    + "content_types:\n  press: &p {soft_words: [10, 20], markdown: true}\n  note: *p\n"
)
PIECES = st.one_of(
    st.sampled_from([*list("[]{}:,-&*!|>'\"#%@`?~=<\t\n \\/"), "<<: ", "- ", "!!int ", ".nan", "&p ", "*p ", "\ud800"]),
    st.characters(),
    st.integers().map(str),
)
EDITS = st.lists(st.tuples(st.integers(0, len(TEXT)), st.integers(0, 6), PIECES), min_size=1, max_size=8)


LINE_ENDS = ("\n", "\r", "\x85", "\u2028", "\u2029")


def is_accepted(text: str) -> bool:
    """Check the answer to `text`, whichever it is, and say which."""
    suite, problems = read(text)
    lines = sum(text.count(end) for end in LINE_ENDS) + 1
    for problem in problems:
        assert len(str(problem).splitlines()) <= 5
        assert problem.line is None or 1 <= problem.line <= lines
    if suite is None:
        assert problems
    else:
        # What is accepted can be planned and scored.
        assert all(suite.checks(brief).prompt for brief in suite.briefs)
        assert len({brief.id for brief in suite.briefs}) == len(suite.briefs)
    return suite is not None


def read(text: str) -> tuple[Suite | None, tuple[Problem, ...]]:
    try:
        return parse_suite(text, "f.yaml"), ()
    except InvalidFile as error:
        return None, error.problems


def test_deletions_and_insertions() -> None:
    answers = set()

    @settings(max_examples=300, deadline=None)
    @given(EDITS)
    def edit(edits: list[tuple[int, int, str]]) -> None:
        text = TEXT
        for at, removed, inserted in edits:
            text = text[:at] + inserted + text[at + removed :]
        answers.add(is_accepted(text))

    edit()
    # Not one answer to everything: the edits reach suites and problems.
    assert answers == {True, False}


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [
    "version", "name", "description", "content_types", "sampling", "replicates", "baseline", "weights", "eps", "threshold",
    "system_prompt", "tracking", "briefs",
]  # fmt: skip


def test_any_value_in_any_field() -> None:
    answers = set()

    @settings(max_examples=200, deadline=None)
    @given(st.dictionaries(st.sampled_from(FIELDS), JSON_LIKE, max_size=4), st.booleans())
    def fill(fields: dict[str, object], in_brief: bool) -> None:
        data: dict[str, object] = {
            "version": 1,
            "name": "n",
            "briefs": [{"id": "a", "content_type": "tweet", "prompt": "p"}],
        }
        if in_brief:
            names = [
                "limits", "parts", "must_include", "must_not_include", "source", "language", "cluster", "prompt", "id",
            ]  # fmt: skip
            brief = dict(zip(names, fields.values(), strict=False))
            data["briefs"] = [{"id": "a", "content_type": "tweet", "prompt": "p", **brief}]
        else:
            data |= fields
        answers.add(is_accepted(yaml.safe_dump(data, allow_unicode=True)))

    fill()
    assert answers == {True, False}


PLAIN = suite_text(2, top="sampling: {temperature: 0.5, stop: ['END', \"a\\n\\u00e9\"]}\neps: .5\nthreshold: 1e0\n") + (
    "    source: |\n      a: b\n       # c\n    language: no\n    limits: {min_words: 3, max_words: 0450}\n    x: ~\n    y:\n"
)
PLAIN_EDITS = st.lists(st.tuples(st.integers(0, len(PLAIN)), st.integers(0, 6), PIECES), min_size=1, max_size=4)


@settings(max_examples=1000, deadline=None)
@given(PLAIN_EDITS)
def test_the_quick_reading_is_the_careful_one(edits: list[tuple[int, int, str]]) -> None:
    text = PLAIN
    for at, removed, inserted in edits:
        text = text[:at] + inserted + text[at + removed :]
    try:
        data = read_plain(text)
    except NotPlain:
        return
    lined = read_yaml(text, "f.yaml")
    # libyaml reads a few things that the careful reader refuses, such as "?" within braces; it reads nothing otherwise.
    assert lined.problems or repr(data) == repr(lined.data)


def test_the_quick_reading_reads_suites_and_leaves_what_is_unusual() -> None:
    assert read_plain(PLAIN) == read_yaml(PLAIN, "f.yaml").data
    for unusual in (
        "a: &x 1",
        "a: *x",
        "a: !!str 1",
        "a: 1\na: 2",
        "<<: {}",
        "[1]: 2",
        "a: 1\n---\nb: 2",
        "",
        "\ta: 1",
    ):
        with pytest.raises(NotPlain):
            read_plain(unusual)
    for large in ("[" * 60 + "]" * 60, "[" + "1," * 200_001 + "]", "a: " + "9" * 60):
        with pytest.raises(NotPlain):
            read_plain(large)
