"""The classifier that ships: what it promises on requests that it has not seen, and its way with odd ones."""

import time

import pytest
from training.content_types.train import CLASSES, as_json, make_phrasings, read_held_out

from bakeoff.serve.classifier import OTHER, Classifier, features

CLASSIFIER = Classifier.load()
HELD_OUT = read_held_out()


def test_what_nothing_is_for_falls_to_the_general_route():
    wrong = [each.text for each in HELD_OUT if each.label == OTHER and CLASSIFIER(each.text).content_type is not None]
    assert len([each for each in HELD_OUT if each.label == OTHER]) >= 40
    assert len(wrong) <= 2, wrong


def test_what_is_routed_is_routed_rightly():
    routed = [(each, found) for each in HELD_OUT if (found := CLASSIFIER(each.text).content_type) is not None]
    right = sum(each.label == found for each, found in routed)
    assert right / len(routed) >= 0.95
    assert len(routed) >= 0.75 * sum(each.label != OTHER for each in HELD_OUT)


def test_no_held_out_request_is_in_the_training_texts():
    phrasings = {each.text.casefold() for each in make_phrasings()}
    assert not phrasings & {each.text.casefold() for each in HELD_OUT}
    assert set(CLASSES) == {each.label for each in HELD_OUT}


@pytest.mark.parametrize("text", ["", " ", "\x00", "🎉", "1" * 10_000, "a " * 500_000, "\ud800", "推文"])
def test_odd_texts_are_unsure_and_quick(text):
    begun = time.process_time()
    assert CLASSIFIER(text).content_type is None
    assert time.process_time() - begun < 1


def test_probabilities_sum_to_one():
    assert sum(CLASSIFIER.probabilities("Write a tweet").values()) == pytest.approx(1)


def test_material_in_the_middle_does_not_change_the_kind():
    material = "def parse(line): return line.split() # compiler, kernel, segfault. " * 200
    assert (
        CLASSIFIER(f"Write a tweet about this.\n{material}\nThe tweet must fit 280 characters.").content_type == "tweet"
    )


def test_the_model_file_is_what_training_writes():
    assert Classifier.of(__import__("json").loads(as_json(CLASSIFIER))) == CLASSIFIER


def test_features_leave_case_and_numbers_out():
    assert features("Tweet 12!") == features("tweet 7")
