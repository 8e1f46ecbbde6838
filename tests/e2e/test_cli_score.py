"""`bakeoff score`: texts from a file, good and bad lines, streamed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inside import InsideWorkspace

BRIEF = "Tweet that Kiln Cafe opens on 3 May."
FINE = {
    "id": "fine",
    "content_type": "x",
    "brief": BRIEF,
    "text": "Kiln Cafe opens its doors on 3 May. Come and try our first batch of buns!",
}


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InsideWorkspace:
    return InsideWorkspace(tmp_path, monkeypatch, capsys)


def write(space: InsideWorkspace, *lines: object) -> str:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (space.folder / "t.jsonl").write_text("\n".join(texts) + "\n", encoding="utf-8")
    return "t.jsonl"


def test_good_texts_give_one_document_with_what_the_score_is_worth(space: InsideWorkspace) -> None:
    refusal = FINE | {"id": 7, "text": "As an AI language model, I cannot help with that."}
    done = space.call("score", write(space, FINE, refusal), "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == "bakeoff.scores/1"
    assert document["errors"] == []
    fine, refused = document["texts"]
    assert (fine["id"], fine["content_type"], fine["gated"]) == ("fine", "tweet", False)
    assert (refused["id"], refused["gated"], refused["gates"][0]["gate"]) == ("7", True, "refusal")
    assert fine["score"] > 8
    assert refused["score"] <= 4
    assert [line["content_type"] for line in document["validity"]] == ["tweet", "all_business"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "is no JSON"),
        ([1], "is no JSON object"),
        ({"id": "a", "content_type": "tweet", "brief": "b"}, "text: is missing"),
        ({"id": "a", "content_type": "tweet", "prompt": "b", "text": "c", "breif": "x"}, "brief: is missing (breif"),
        (FINE | {"text": 5}, "text: is int"),
        (FINE | {"brief": " "}, "brief: is empty"),
        (FINE | {"must_includ": ["x"]}, "did you mean must_include?"),
        (FINE | {"limits": {"max_word": 3}}, "limits.max_word: is no limit, did you mean max_words?"),
        (FINE | {"limits": {"min_words": 9, "max_words": 3}}, "above max_words"),
        (FINE | {"must_include": [""]}, "must_include"),
        (FINE | {"finish_reason": "eos"}, "finish_reason"),
        (FINE | {"id": "first"}, "id of line 1 already"),
    ],
)
def test_a_bad_line_is_told_with_its_number_and_the_rest_scored(
    space: InsideWorkspace, line: object, said: str
) -> None:
    file = write(space, FINE | {"id": "first"}, line, "", FINE | {"id": "last"})
    done = space.call("score", file, "--json")
    assert done.returncode == 2
    document = json.loads(done.stdout)
    assert [text["id"] for text in document["texts"]] == ["first", "last"]
    assert [error["line"] for error in document["errors"]] == [2]
    assert said in document["errors"][0]["message"]
    assert f"t.jsonl:2: {document['errors'][0]['message']}" in done.stderr


def test_half_a_character_and_markup_do_no_harm(space: InsideWorkspace) -> None:
    odd = '{"id": "[bold]x", "content_type": "[red]kind", "brief": "Say \\ud800", "text": "\\ud83d [link=x]y"}'
    assert space.call("score", write(space, odd)).returncode == 0
    done = space.call("score", "t.jsonl", "--json")
    assert json.loads(done.stdout)["texts"][0]["id"] == "[bold]x"


def test_the_summary_says_what_was_not_measured(space: InsideWorkspace) -> None:
    done = space.call("score", write(space, FINE, FINE | {"id": "b", "content_type": "press release"}))
    assert "not measured" in done.stdout
    assert "It catches broken text" in done.stdout


@pytest.mark.parametrize("content", [None, "", "\n\n"])
def test_no_file_and_no_text_are_told(space: InsideWorkspace, content: str | None) -> None:
    if content is not None:
        (space.folder / "t.jsonl").write_text(content)
    done = space.call("score", "t.jsonl", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "t.jsonl" in done.stderr


def test_a_text_cut_off_at_its_limit_is_truncated(space: InsideWorkspace) -> None:
    cut = FINE | {"id": "cut", "finish_reason": "length"}
    document = json.loads(space.call("score", write(space, FINE, cut), "--json").stdout)
    assert [hit["gate"] for hit in document["texts"][1]["gates"]] == ["truncated"]


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ('"finish_resaon": "length"', "finish_resaon: is no field, did you mean finish_reason?"),
        ('"Must_Include": ["a"]', "Must_Include: is no field, did you mean must_include?"),
        ('"must-include": ["a"]', "must-include: is no field, did you mean must_include?"),
        ('"limits": {"max_words": true}', "limits.max_words: Input should be a valid integer"),
        ('"text": "other"', "text: stands there twice"),
    ],
)
def test_what_would_be_passed_over_in_silence_is_told(space: InsideWorkspace, field: str, said: str) -> None:
    line = '{"id": "a", "content_type": "tweet", "brief": "Write.", "text": "We open on Monday.", %s}'
    (space.folder / "t.jsonl").write_text(line % field + "\n")
    done = space.call("score", "t.jsonl", "--json")
    assert done.returncode == 2
    assert said in json.loads(done.stdout)["errors"][0]["message"]


def test_escapes_in_names_do_not_reach_the_terminal(space: InsideWorkspace) -> None:
    (space.folder / "t.jsonl").write_text(
        '{"id": "a", "content_type": "tweet", "brief": "b", "\\u001b[2Jlimit": 1, "text": 5}\n'
    )
    done = space.call("score", "t.jsonl")
    assert "\x1b" not in done.stderr + done.stdout


def test_a_line_without_an_end_takes_no_memory(space: InsideWorkspace) -> None:
    good = '{"id": "a", "content_type": "tweet", "brief": "Write.", "text": "We open on Monday."}\n'
    (space.folder / "t.jsonl").write_text("x" * 20_000_000 + "\n" + good)
    document = json.loads(space.call("score", "t.jsonl", "--json").stdout)
    assert [error["line"] for error in document["errors"]] == [1]
    assert "is longer than" in document["errors"][0]["message"]
    assert [text["id"] for text in document["texts"]] == ["a"]


def test_a_misspelt_content_type_is_scored_and_told_once(space: InsideWorkspace) -> None:
    lines = [
        FINE | {"id": str(index), "content_type": name} for index, name in enumerate(["x", "twet", "Twet", "memo"])
    ]
    done = space.call("score", write(space, *lines), "--json")
    assert done.returncode == 0
    assert [text["content_type"] for text in json.loads(done.stdout)["texts"]] == ["tweet", "twet", "twet", "memo"]
    said = "content type 'twet' is not one of linkedin_post, tweet, business_email, technical_doc, marketing_copy"
    assert done.stderr.splitlines() == [f"t.jsonl:2: {said}; did you mean tweet?"]


@pytest.mark.parametrize("lines", [["name: mine", "", "briefs:"], [f"- brief {number}" for number in range(60)]])
def test_another_kind_of_file_is_told_once_with_an_example(space: InsideWorkspace, lines: list[str]) -> None:
    done = space.call("score", write(space, *lines), "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("no JSON Lines file") == 1
    assert "t.jsonl:" not in done.stderr
    example = done.stderr[done.stderr.index("{") : done.stderr.rindex("}") + 1]
    assert space.call("score", write(space, " ".join(example.split()))).returncode == 0


def test_lines_that_are_no_json_before_a_text_are_told_one_by_one(space: InsideWorkspace) -> None:
    document = json.loads(space.call("score", write(space, "a", "b", "c", "d", FINE, "e"), "--json").stdout)
    assert [error["line"] for error in document["errors"]] == [1, 2, 3, 4, 6]
    assert [text["id"] for text in document["texts"]] == ["fine"]
