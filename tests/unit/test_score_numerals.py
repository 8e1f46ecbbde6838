"""The same amount, time of day or number of millions in other notation is the same; another one is not."""

from __future__ import annotations

import pytest

from bakeoff.score.brief import make_checks
from bakeoff.score.compliance import brief_compliance, check_facts, contradictions
from bakeoff.score.numerals import known_numbers, number_values
from bakeoff.score.text import Text


@pytest.mark.parametrize(
    ("numeral", "values"),
    [
        ("1,250", {1250.0}),
        ("1.250", {1250.0, 1.25}),
        ("1,250.00", {1250.0}),
        ("1.250,00", {1250.0}),
        ("1,250,000.5", {1250000.5}),
        ("1.250.000", {1250000.0}),
        ("12.5", {12.5}),
        ("15:30", {15.3}),
        ("2.4.1", {241.0}),
    ],
)
def test_what_a_numeral_may_stand_for(numeral: str, values: set[float]) -> None:
    assert number_values(numeral) == values


def test_times_and_millions_are_known_in_either_notation() -> None:
    assert {15.3, 3.3, 3.0} <= known_numbers("at 15:30")
    assert {3.3, 15.3, 15.0} <= known_numbers("at 3:30 pm")
    assert {2.5, 2_500_000.0} <= known_numbers("2.5 million euros")
    assert {1_100_000.0, 2e6, 250_000.0} <= known_numbers("1.1 million, two million and 250k")


SAME = [
    ("Say that it costs $1,250.", "It costs $1,250.00 in all."),
    ("Say that it costs $1,250.00.", "It costs $1,250 in all."),
    ("Say that it costs $1,250.", "It costs $1250 in all."),
    ("Doors open at 15:30.", "Doors open at 3:30 pm."),
    ("Doors open at 3:30 pm.", "Doors open at 15:30."),
    ("Doors open at 12:30 pm.", "Doors open at 12:30."),
    ("Doors open at 9:30.", "Doors open at 9:30am."),
    ("We raised 2.5 million euros.", "We raised 2,500,000 euros."),
    ("We raised $2,500,000.", "We raised $2.5 million."),
    ("We raised $250,000.", "We raised $250k."),
    ("We raised $250k.", "We raised $250,000."),
    ("We have 2.5 million users.", "We have 2,500,000 users."),
    ("We have two million users.", "We have 2,000,000 users."),
]


@pytest.mark.parametrize(("prompt", "text"), SAME)
def test_the_same_in_other_notation_is_neither_absent_nor_invented(prompt: str, text: str) -> None:
    checks = make_checks(prompt, "note")
    assert brief_compliance(Text(text), checks, check_facts(Text(text), checks)) == (10.0, ())


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("Say that it costs $1,250.", "It costs $1,520.00 in all."),
        ("Say that it costs $1,250.", "It costs $125,000 in all."),
        ("Doors open at 15:30.", "Doors open at 4:30 pm."),
        ("Doors open at 3:30 pm.", "Doors open at 15:45."),
        ("We raised 2.5 million euros.", "We raised 25 million euros."),
        ("We have two million users.", "We have 200,000 users."),
    ],
)
def test_another_amount_or_time_contradicts(prompt: str, text: str) -> None:
    checks = make_checks(prompt, "note")
    assert contradictions(Text(text), checks)
    assert brief_compliance(Text(text), checks, check_facts(Text(text), checks)).value <= 2


def test_declared_amounts_are_found_as_they_are_written_elsewhere() -> None:
    checks = make_checks(
        "Schreib.", "note", language="de", must_include=["1.250 Euro", "15:30", "2,5 Millionen", "$40"]
    )
    assert check_facts(Text("Ab 15.30 Uhr für 1.250,00 €, 40.00 USD von 2,5 Millionen"), checks).missing == ()
    assert len(check_facts(Text("Ab 15.45 Uhr für 1.520,00 €, $400 von 25 Millionen"), checks).missing) == 4
