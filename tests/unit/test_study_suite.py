"""Suite files: what is read, and that every kind of wrong file is told with file, line, field and what would be right."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bakeoff.core.errors import InvalidFile, Problem, UsageError
from bakeoff.core.spec import content_hash
from bakeoff.study.suite import Suite, find_suite, load_suite, parse_suite
from sample_runs import make_suite, suite_text

HEAD = "version: 1\nname: t\n"
BRIEF = "briefs:\n  - id: a\n    content_type: tweet\n    prompt: Write.\n"


def problems_of(text: str) -> tuple[Problem, ...]:
    with pytest.raises(InvalidFile) as caught:
        parse_suite(text, "f.yaml")
    for problem in caught.value.problems:
        assert problem.file == "f.yaml"
        assert problem.expected
        assert len(str(problem).splitlines()) <= 5
    assert list(caught.value.problems) == sorted(caught.value.problems, key=lambda problem: problem.line or 0)
    return caught.value.problems


def only_problem(text: str) -> Problem:
    (problem,) = problems_of(text)
    return problem


# (what follows the brief's prompt, line of the problem, field, part of what is wrong, part of what would be right)
WRONG_IN_BRIEF = [
    ("    promt: x\n", 7, "briefs[0].promt", "not a known key", "did you mean prompt?"),
    ("    limits:\n      max_word: 3\n", 8, "briefs[0].limits.max_word", "not a known key", "did you mean max_words?"),
    ("    limits: {max_words: true}\n", 7, "briefs[0].limits.max_words", "true", "a whole number"),
    ("    limits: {max_words: '5'}\n", 7, "briefs[0].limits.max_words", "'5'", "a whole number"),
    ("    limits: {max_words: 2.5}\n", 7, "briefs[0].limits.max_words", "2.5", "a whole number"),
    ("    limits: {max_words: 0}\n", 7, "briefs[0].limits.max_words", "is 0", "greater than or equal to 1"),
    (
        "    limits: {min_words: 9, max_words: 3}\n",
        7,
        "briefs[0].limits",
        "min_words 9 is above max_words 3",
        "at most its maximum",
    ),
    ("    limits: [3]\n", 7, "briefs[0].limits", "[3]", "a mapping"),
    ("    must_include: text\n", 7, "briefs[0].must_include", "'text'", "a list"),
    ("    must_include: [320]\n", 7, "briefs[0].must_include[0]", "is 320", "text (put it in quotes"),
    ("    must_include: [1.10]\n", 7, "briefs[0].must_include[0]", "is 1.10", "text (put it in quotes"),
    ("    must_include:\n      - ok\n      - Price: 5\n", 9, "briefs[0].must_include[1]", "Price", "in quotes"),
    ("    must_include: [a, []]\n", 7, "briefs[0].must_include[1]", "is empty", "at least one"),
    ("    must_include: [[a, 5]]\n", 7, "briefs[0].must_include[0][1]", "is 5", "text"),
    ("    must_include: ['  ']\n", 7, "briefs[0].must_include[0]", "is empty", "some text"),
    ("    must_not_include: [x, true]\n", 7, "briefs[0].must_not_include[1]", "true", "text"),
    ("    parts: [hok]\n", 7, "briefs[0].parts[0]", "'hok'", "did you mean hook?"),
    ("    language: e\n", 7, "briefs[0].language", "'e'", "at least 2"),
    ("    difficulty: hrd\n", 7, "briefs[0].difficulty", "'hrd'", "did you mean hard?"),
    ("    source: ''\n", 7, "briefs[0].source", "is empty", "some text"),
    ("    cluster: 7\n", 7, "briefs[0].cluster", "is 7", "text"),
    ("    prompt: again\n", 7, "briefs[0].prompt", "given twice, first on line 6", "each key once"),
    ("    on: x\n", 7, "briefs[0].on", "not a known key", "known here"),
    ("    1: x\n", 7, "briefs[0].1", "not a known key", "known here"),
    ("    ? [a]\n    : x\n", 7, "briefs[0]", "a key that is not text", "plain keys"),
    ("    source: !!binary aGk=\n", 7, "briefs[0].source", "tag !!binary", "no tags"),
    ("    source: !shell rm\n", 7, "briefs[0].source", "tag !shell", "no tags"),
]
WRONG_AT_TOP = [
    ("brifs: []\n", "brifs", "not a known key", "did you mean briefs?"),
    ("replicates: 0\n", "replicates", "is 0", "greater than or equal to 1"),
    ("replicates: yes\n", "replicates", "'yes'", "a whole number"),
    ("replicates: true\n", "replicates", "true", "a whole number"),
    ("eps: .nan\n", "eps", ".nan", "finite"),
    ("eps: -.inf\n", "eps", "-.inf", "finite"),
    ("eps: '0.3'\n", "eps", "'0.3'", "a number"),
    ("eps: 0\n", "eps", "is 0", "greater than 0"),
    ("threshold: 11\n", "threshold", "11", "less than or equal to 10"),
    ("description: 3\n", "description", "is 3", "text"),
    ("sampling: {temprature: 1}\n", "sampling.temprature", "not a known key", "did you mean temperature?"),
    ("sampling: {temperature: true}\n", "sampling.temperature", "true", "a number"),
    ("sampling: {temperature: hot}\n", "sampling.temperature", "'hot'", "a number"),
    ("sampling: {max_tokens: 12.5}\n", "sampling.max_tokens", "12.5", "a whole number"),
    ("sampling: {stop: END}\n", "sampling.stop", "'END'", "a list"),
    ("sampling: {stop: ['']}\n", "sampling.stop[0]", "is empty", "some text"),
    ("sampling: 0.7\n", "sampling", "0.7", "a mapping"),
    ("content_types: {press: {hard_limi: 9}}\n", "content_types.press.hard_limi", "not a known key", "hard_limit"),
    ("content_types: {press: {soft_words: [6]}}\n", "content_types.press.soft_words", "too few", "at least 2"),
    ("content_types: {press: {soft_words: [9, 6]}}\n", "content_types.press.soft_words", "9, is above", "lowest first"),
    ("content_types: {press: {markdown: maybe}}\n", "content_types.press.markdown", "'maybe'", "true or false"),
    ("content_types: {press: 5}\n", "content_types.press", "is 5", "a mapping"),
    ("content_types: {'-': {}}\n", "content_types.-", "is no name", "press_release"),
    ("content_types: {X: {}, tweet: {}}\n", "content_types.tweet", "same type as 'X'", "once"),
    ("content_types: [press]\n", "content_types", "press", "a mapping"),
    ("weights: {length_qualty: 1}\n", "weights.length_qualty", "neither a dimension", "did you mean length_quality?"),
    ("weights: {tweet: {length: 1}}\n", "weights.tweet.length", "neither a dimension", "one of"),
    ("weights: {twet: {length_quality: 1}}\n", "weights.twet", "no content type", "did you mean tweet?"),
    ("weights: {length_quality: -1}\n", "weights.length_quality", "-1", "greater than or equal to 0"),
    ("weights: {length_quality: '1'}\n", "weights.length_quality", "'1'", "a number"),
    ("weights: {length_quality: .nan}\n", "weights.length_quality", ".nan", "finite"),
    ("weights: 3\n", "weights", "is 3", "a mapping"),
    ("tracking: {uri: 5}\n", "tracking.uri", "is 5", "text"),
    ("tracking: mlfow\n", "tracking", "'mlfow'", "did you mean mlflow?"),
    ("tracking: {experimnt: a}\n", "tracking.experimnt", "not a known key", "did you mean experiment?"),
    ("tracking: {requests_per_day: 0}\n", "tracking.requests_per_day", "is 0", "greater than 0"),
    ("<<: {eps: 1}\n", "<<", "merge keys are not read", "written out"),
    ("eps: 0.1\neps: 0.2\n", "eps", "given twice, first on line 3", "once"),
    ("eps: 1" + "0" * 60 + "\n", "eps", "is 1", "at most 40 digits"),
]  # fmt: skip


@pytest.mark.parametrize(("added", "line", "field", "wrong", "expected"), WRONG_IN_BRIEF)
def test_a_wrong_brief_is_told(added: str, line: int, field: str, wrong: str, expected: str) -> None:
    found = problems_of(HEAD + BRIEF + added)
    assert [(p.line, p.field) for p in found if p.field == field] == [(line, field)]
    problem = next(p for p in found if p.field == field)
    assert wrong in problem.wrong
    assert expected in problem.expected
    # A value that YAML refuses may be refused by the schema as well, and nothing else may be.
    assert len(found) <= 2


@pytest.mark.parametrize(("added", "field", "wrong", "expected"), WRONG_AT_TOP)
def test_a_wrong_setting_is_told(added: str, field: str, wrong: str, expected: str) -> None:
    found = problems_of(HEAD + added + BRIEF)
    problem = next(p for p in found if p.field == field)
    assert problem.line == 2 + added.count("\n")
    assert wrong in problem.wrong
    assert expected in problem.expected
    assert {p.field for p in found} == {field}


@pytest.mark.parametrize(
    ("text", "line", "field", "wrong"),
    [
        ("", None, "", "is empty"),
        ("# nothing\n---\n", None, "", "is empty"),
        ("- a\n- b\n", 1, "", "is not a mapping"),
        ("just text\n", 1, "", "is not a mapping"),
        ("name: x\n" + BRIEF, 1, "version", "is missing"),
        ("version: 2\nname: x\n" + BRIEF, 1, "version", "is 2"),
        ("version: '1'\nname: x\n" + BRIEF, 1, "version", "is '1'"),
        ("version: true\nname: x\n" + BRIEF, 1, "version", "is True"),
        ("version: 1\n" + BRIEF, 1, "name", "is missing"),
        ("version: 1\nname: ' '\n" + BRIEF, 2, "name", "is empty"),
        ("version: 1\nname: " + "x" * 201 + "\n" + BRIEF, 2, "name", "xxx"),
        (HEAD, 1, "briefs", "is missing"),
        (HEAD + "briefs: []\n", 3, "briefs", "is empty"),
        (HEAD + "briefs: {a: b}\n", 3, "briefs", "is {"),
        (HEAD + "briefs:\n", 3, "briefs", "is empty"),
        (HEAD + "briefs:\n  - just text\n", 4, "briefs[0]", "is 'just text'"),
        (HEAD + "briefs:\n  - id: a\n    content_type: tweet\n", 4, "briefs[0].prompt", "is missing"),
        (HEAD + "briefs:\n  - id: a\n    content_type: tweet\n    prompt: '  '\n", 6, "briefs[0].prompt", "is empty"),
        (HEAD + "briefs:\n  - id: a\n    content_type: tweet\n    prompt:\n", 6, "briefs[0].prompt", "is empty"),
        (HEAD + BRIEF + "    limits:\n\t  max_words: 3\n", 8, "", "\\t"),
        (HEAD + "\tx: 1\n", 3, "", "\\t"),
        (HEAD + "a: [1, 2\n", 4, "", "while parsing"),
        (HEAD + "a: 'open\n", 4, "", "end of stream"),
        (HEAD + BRIEF + "    source: a\x07b\n", 7, "", "character"),
        (HEAD + BRIEF + "    source: *nobody\n", 7, "", "undefined alias"),
        (HEAD + BRIEF + "---\nversion: 1\n", 7, "", "single document"),
        ("%YAML 3.0\n---\n" + HEAD + BRIEF, 1, "", "incompatible"),
    ],
)
def test_a_wrong_file_is_told(text: str, line: int | None, field: str, wrong: str) -> None:
    problem = only_problem(text)
    assert (problem.line, problem.field) == (line, field)
    assert wrong in problem.wrong


def test_tabs_are_told_what_to_do() -> None:
    assert "not tabs" in only_problem(HEAD + "\tx: 1\n").expected


def test_everything_is_told_at_once() -> None:
    text = (
        "version: 1\nnaem: x\nsampling: {top_p: 2}\nbriefs:\n"
        "  - {id: a, content_type: twet, prompt: ''}\n  - {id: a, content_type: tweet, promt: x}\n"
        "weights: {nothing: 1}\n"
    )
    assert [(p.line, p.field) for p in problems_of(text)] == [
        (1, "name"),
        (2, "naem"),
        (3, "sampling.top_p"),
        (5, "briefs[0].prompt"),
        (5, "briefs[0].content_type"),
        (6, "briefs[1].prompt"),
        (6, "briefs[1].promt"),
        (6, "briefs[1].id"),
        (7, "weights.nothing"),
    ]


@pytest.mark.parametrize("second", ["a", "' a '", '"a"'])
def test_ids_are_unique_after_trimming(second: str) -> None:
    text = f"{HEAD}{BRIEF}  - {{id: {second}, content_type: tweet, prompt: p}}\n"
    problem = only_problem(text)
    assert (problem.line, problem.field) == (7, "briefs[1].id")
    assert "line 4" in problem.wrong


def test_unknown_content_type_names_the_nearest_and_the_way_out() -> None:
    problem = only_problem(HEAD + BRIEF.replace("tweet", "linkedin-pots"))
    assert (problem.line, problem.field) == (5, "briefs[0].content_type")
    assert "did you mean linkedin_post?" in problem.expected
    assert "declare it under content_types" in problem.expected


@pytest.mark.parametrize(
    ("written", "meant"),
    [("LinkedIn", "linkedin_post"), ("X", "tweet"), ("E-Mail", "business_email"), ("Tech docs", "technical_doc")],
)
def test_aliases_of_content_types(written: str, meant: str) -> None:
    suite = parse_suite(HEAD + BRIEF.replace("tweet", written), "f.yaml")
    assert suite.used_content_types() == [meant]


def test_own_content_types_have_their_norms() -> None:
    own = "content_types:\n  Press release: {soft_words: [100, 400], hard_limit: 5000, default_parts: [title]}\n"
    suite = parse_suite(HEAD + own + BRIEF.replace("tweet", "press-release"), "f.yaml")
    norms = suite.checks(suite.briefs[0]).norms
    assert suite.used_content_types() == ["press_release"]
    assert (norms.soft_words, norms.hard_limit, norms.default_parts) == ((100, 400), 5000, ("title",))


def test_a_built_in_type_can_be_overridden_in_part() -> None:
    suite = parse_suite(HEAD + "content_types: {X: {soft_max_hashtags: 0}}\n" + BRIEF, "f.yaml")
    norms = suite.checks(suite.briefs[0]).norms
    assert (norms.soft_max_hashtags, norms.hard_limit, norms.hard_unit) == (0, 280, "weighted")


def test_weights_flat_and_by_type() -> None:
    flat = parse_suite(HEAD + "weights: {length_quality: 2}\n" + BRIEF, "f.yaml")
    assert flat.weights == {"*": {"length_quality": 2.0}}
    by_type = parse_suite(HEAD + "weights: {X: {length_quality: 2}, '*': {business_quality: 0}}\n" + BRIEF, "f.yaml")
    assert set(by_type.weights) == {"X", "*"}


def test_weights_that_are_all_zero_are_told() -> None:
    dimensions = ["brief", "structure", "length", "language", "business", "technical", "substance"]
    zero = ", ".join(f"{name}_{'compliance' if name == 'brief' else 'quality'}: 0" for name in dimensions)
    assert "all are 0" in only_problem(f"{HEAD}weights: {{{zero}}}\n{BRIEF}").wrong


def test_words_that_other_yaml_readers_change_stay_as_typed() -> None:
    typed = ["no", "Yes", "on", "12:30", "0450", "1_000", "2026-03-14", "=", "0x1F"]
    facts = "".join(f"      - {word}\n" for word in typed)
    suite = parse_suite(f"{HEAD}{BRIEF}    must_include:\n{facts}    language: no\n", "f.yaml")
    assert suite.briefs[0].must_include == typed
    assert suite.briefs[0].language == "no"


def test_aliases_of_values_are_read_and_told_at_the_anchor() -> None:
    text = (
        HEAD
        + BRIEF
        + "    must_include: &facts [a, b]\n  - {id: b, content_type: tweet, prompt: p, must_include: *facts}\n"
    )
    suite = parse_suite(text, "f.yaml")
    assert suite.briefs[1].must_include == ["a", "b"]
    wrong = text.replace("[a, b]", "[a, 5]")
    assert {(p.line, p.field) for p in problems_of(wrong)} == {
        (7, "briefs[0].must_include[1]"),
        (7, "briefs[1].must_include[1]"),
    }


def _bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        _bomb(12),
        "a: &a [*a, *a]\n",
        "a: &a {b: *a}\n",
        "a: " + "[" * 100_000,
        "a: " + "{a: " * 20_000,
        "- " * 5_000 + "x\n",
        "a: &a '" + "y" * 500_000 + "'\nb: [" + "*a," * 1000 + "]\n",
    ],
    ids=["bomb", "self", "self-mapping", "brackets", "braces", "dashes", "long-text"],
)
def test_small_files_cannot_fill_the_memory(text: str) -> None:
    begun = time.perf_counter()
    problem = only_problem(text)
    assert problem.field == ""
    assert problem.expected == "well-formed YAML"
    assert time.perf_counter() - begun < 10


def test_keys_and_values_of_any_length_are_told_briefly() -> None:
    text = f'{HEAD}"{"k" * 100_000}\\n\\n\\n\\n\\n\\nk": 1\nname2: "{"v" * 100_000}"\n{BRIEF.replace("tweet", "t" * 90_000)}'
    for problem in problems_of(text):
        assert len(str(problem)) < 700


def test_a_key_with_line_feeds_is_told_on_one_line() -> None:
    assert only_problem(f'{HEAD}"a\\nb": 1\n{BRIEF}').field == "a\\nb"


def test_files_that_are_no_text(tmp_path: Path) -> None:
    cases = {
        "missing.yaml": None,
        "latin.yaml": "name: café".encode("latin-1"),
        "huge.yaml": b"#" * 20_000_001,
        "utf16.yaml": "version: 1".encode("utf-16"),
    }
    wrong = {}
    for name, content in cases.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(InvalidFile) as caught:
            load_suite(tmp_path / name)
        (problem,) = caught.value.problems
        assert problem.file == str(tmp_path / name)
        wrong[name] = problem.wrong
    assert "No such file" in wrong["missing.yaml"]
    assert wrong["latin.yaml"] == "byte 9 is not UTF-8"
    assert wrong["huge.yaml"] == "is larger than 20 MB"
    assert wrong["utf16.yaml"] == "byte 0 is not UTF-8"


def test_a_folder_is_no_suite(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile):
        load_suite(tmp_path)


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("\ufeff" + suite_text(), encoding="utf-8")
    assert len(load_suite(tmp_path / "s.yaml").briefs) == 3


def test_windows_line_ends_keep_their_lines() -> None:
    problem = only_problem((HEAD + BRIEF + "    promt: x\n").replace("\n", "\r\n"))
    assert (problem.line, problem.field) == (7, "briefs[0].promt")


def test_a_folder_is_named_as_one_and_so_is_what_lies_in_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder, and a suite is a file") as caught:
        find_suite(str(tmp_path))
    assert "business" in caught.value.hint
    (tmp_path / "mine.yml").write_text(suite_text())
    with pytest.raises(UsageError) as caught:
        find_suite(str(tmp_path))
    assert caught.value.hint == f"name the file: {tmp_path / 'mine.yml'}"


@pytest.mark.parametrize("name", ["busines", "nowhere/suite.yaml", "x" * 5000, "~nosuchuser/s.yaml", ""])
def test_a_suite_that_is_not_there(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_suite(name)
    assert "business" in caught.value.hint
    assert ("did you mean business?" in caught.value.hint) == (name == "busines")


def test_the_built_in_suite_loads_quickly() -> None:
    load_suite(find_suite(None))
    begun = time.process_time()
    suite = load_suite(find_suite("business"))
    assert time.process_time() - begun < 1.5
    assert len(suite.briefs) >= 120
    assert len(suite.used_content_types()) == 5


def test_the_hash_is_of_the_content_not_the_layout() -> None:
    text = suite_text()
    assert parse_suite("# a comment\n" + text.replace("name: small", "name:   'small'"), "f").hash == make_suite().hash
    assert parse_suite(text.replace("number 1", "number 9"), "f").hash != make_suite().hash
    assert make_suite().hash == content_hash(make_suite().model_dump(mode="json"))
    assert Suite.model_validate_json(make_suite().model_dump_json()) == make_suite()


def test_a_content_type_without_briefs_is_told() -> None:
    problem = only_problem(f"{HEAD}content_types: {{twete: {{hard_limit: 9}}}}\n{BRIEF}")
    assert (problem.field, problem.wrong) == ("content_types.twete", "is the type of no brief")
    assert "did you mean tweet?" in problem.expected


def test_norms_that_no_brief_uses_are_no_mistake() -> None:
    """A block of norms may serve several suites; what looks like none of the used types is kept, and noted."""
    own = "content_types: {press: {hard_limit: 9}, note: {}, X: {soft_max_emoji: 1}}\n"
    assert parse_suite(HEAD + own + BRIEF, "f.yaml").unused_content_types() == ["press", "note"]
    both = "content_types: {tweeet: {}, X: {}}\n"
    assert parse_suite(HEAD + both + BRIEF, "f.yaml").unused_content_types() == ["tweeet"]


@pytest.mark.parametrize("facts", ["[Harlow, Pike]", "[[Harlow], Pike]", "[Pike, [cheap, Harlow]]"])
def test_what_must_and_must_not_be_there_is_told(facts: str) -> None:
    added = f"    must_include: {facts}\n    must_not_include: [cheap, ' harlow ']\n"
    problem = only_problem(HEAD + BRIEF + added)
    assert problem.field.startswith("briefs[0].must_not_include[")
    assert problem.line == 8
    assert "is in must_include as well" in problem.wrong


def test_a_fact_that_can_be_told_otherwise_contradicts_nothing() -> None:
    added = "    must_include: [[Harlow, the office]]\n    must_not_include: [Harlow]\n"
    assert parse_suite(HEAD + BRIEF + added, "f.yaml").briefs[0].must_not_include == ["Harlow"]


@pytest.mark.parametrize("id_", ['"a\\0b"', '"a\\x1b[31mb"', '"a\\nb"', '"a\\u202eb"'])
def test_control_characters_in_ids_are_told(id_: str) -> None:
    problem = only_problem(HEAD + BRIEF.replace("id: a", f"id: {id_}"))
    assert problem.field == "briefs[0].id"
    assert "control character" in problem.wrong
    assert problem.expected == "printable characters on one line"


def test_names_may_hold_any_space_and_any_script() -> None:
    names = ["Prix\u00a0: 5", "家族 👩‍👩‍👧", "é"]
    briefs = [parse_suite(HEAD + BRIEF.replace("id: a", f"id: '{name}'"), "f.yaml").briefs[0] for name in names]
    assert [brief.id for brief in briefs] == names


def test_a_fact_of_emphasis_marks_is_told_what_would_do() -> None:
    problem = only_problem(HEAD + BRIEF + "    must_include: ['**']\n")
    assert "emphasis marks" in problem.wrong
    assert problem.expected == "words or numbers to look for"


def test_more_tokens_than_any_context_holds_are_told() -> None:
    problem = only_problem(f"{HEAD}sampling: {{max_tokens: 99999999999}}\n{BRIEF}")
    assert problem.field == "sampling.max_tokens"


@pytest.mark.parametrize(
    ("written", "to", "uri"),
    [
        ("mlflow", "mlflow", None),
        ("{}", None, None),
        ("{uri: 'http://127.0.0.1:5000'}", "mlflow", "http://127.0.0.1:5000"),
    ],
)
def test_who_says_where_to_track_means_it(written: str, to: str | None, uri: str | None) -> None:
    tracking = make_suite(top=f"tracking: {written}\n").tracking
    assert (tracking.to, tracking.uri) == (to, uri)
