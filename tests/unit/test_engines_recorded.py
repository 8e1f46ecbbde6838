"""Recorded texts: read as they are meant, refused with everything that is wrong."""

import json

import pytest

from bakeoff.core.errors import InvalidFile
from bakeoff.engines.recorded import read_recorded


def write(tmp_path, *lines):
    path = tmp_path / "texts.jsonl"
    path.write_text(
        "\n".join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines)
    )
    return path


def problems(path):
    with pytest.raises(InvalidFile) as caught:
        read_recorded(path)
    return [(problem.line, problem.field, problem.wrong, problem.expected) for problem in caught.value.problems]


def test_texts_are_found_by_brief_and_replicate(tmp_path):
    texts = read_recorded(
        write(
            tmp_path,
            {"brief_id": "a", "text": "Zürich"},
            "",
            {"brief_id": "a", "text": "two", "replicate": 1, "model": "m", "latency_s": 2, "completion_tokens": 3},
        )
    )
    assert len(texts) == 2
    assert texts.get("a").text == "Zürich"
    assert texts.get("a").latency_s is None
    assert (texts.get("a", 1).latency_s, texts.get("a", 1).completion_tokens) == (2, 3)
    assert texts.get("b") is None
    assert texts.model == "m"


def test_everything_wrong_is_told_at_once(tmp_path):
    found = problems(
        write(
            tmp_path,
            {"brief_id": "a", "text": "one"},
            "{not json",
            "[1]",
            {"brief_id": "b"},
            {"brief_id": "c", "text": "x", "replicat": 1},
            {"brief_id": "a", "text": "again"},
            {"brief_id": "d", "text": 5, "latency_s": -1},
        )
    )
    assert [line for line, *_ in found] == [2, 3, 4, 5, 6, 7, 7]
    assert found[2][1:] == ("text", "is missing", "the text, a string")
    assert found[3] == (5, "replicat", "is no field of a recorded text", "did you mean replicate?")
    assert found[4][2] == "brief 'a', replicate 0, is on line 1 already"
    assert {field for _, field, *_ in found[5:]} == {"text", "latency_s"}


def test_two_models_in_one_file_are_refused(tmp_path):
    path = write(tmp_path, {"brief_id": "a", "text": "x", "model": "m"}, {"brief_id": "b", "text": "y", "model": "n"})
    assert problems(path) == [(2, "model", "'n', while line 1 says 'm'", "one file for each model")]


def test_a_file_that_is_not_there_and_one_that_is_empty(tmp_path):
    assert "No such file" in problems(tmp_path / "nowhere.jsonl")[0][2]
    assert problems(write(tmp_path, ""))[0][2] == "no texts"


def test_ids_of_no_brief_are_told_with_their_lines(tmp_path):
    texts = read_recorded(write(tmp_path, {"brief_id": "opening", "text": "x"}, {"brief_id": "openng", "text": "y"}))
    (problem,) = texts.unknown_briefs(["opening", "closing"])
    assert (problem.line, problem.field, problem.expected) == (2, "brief_id", "did you mean opening?")


def test_a_file_for_another_suite_is_told_briefly(tmp_path):
    texts = read_recorded(write(tmp_path, *({"brief_id": f"x{number}", "text": "x"} for number in range(5000))))
    found = texts.unknown_briefs([f"brief-{number}" for number in range(2000)])
    assert len(found) == 21
    assert found[-1].line == 21
    assert "4980 further lines" in found[-1].wrong


def test_nesting_without_end_is_no_crash(tmp_path):
    ((line, _, wrong, _),) = problems(write(tmp_path, "[" * 200_000))
    assert line == 1
    assert wrong.startswith("not JSON")


def test_what_json_spells_and_no_table_takes_is_told_with_its_line(tmp_path):
    half = r'{"brief_id": "a", "text": "x", "\ud800": 1}'
    found = problems(write(tmp_path, half, {"brief_id": "b", "text": "x", "completion_tokens": 10**23}))
    assert [(line, field) for line, field, *_ in found] == [(1, ""), (2, "completion_tokens")]
    assert "half a character" in found[0][2]
