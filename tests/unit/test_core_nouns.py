"""Units, hashes, clocks, errors and strings fit for a terminal."""

from __future__ import annotations

import importlib
import math
import re
import traceback
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.core import errors
from bakeoff.core.clock import HandClock, SystemClock
from bakeoff.core.errors import BakeoffError, Problem
from bakeoff.core.plain import printable
from bakeoff.core.spec import Candidate, Sampling, content_hash
from bakeoff.core.units import bytes_text, percent_text, seconds_text
from sample_runs import make_candidate, make_suite


@given(st.integers(0, 2**50))
def test_bytes_are_told_within_a_twentieth(count: int) -> None:
    number, unit = bytes_text(count).split()
    size = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}[unit]
    assert math.isclose(float(number) * size, count, rel_tol=0.05, abs_tol=0.5)


@given(st.floats(0, 1e7))
def test_durations_have_a_number_and_a_unit(seconds: float) -> None:
    words = seconds_text(seconds).split()
    size = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
    told = sum(float(number) * size[unit] for number, unit in zip(words[::2], words[1::2], strict=True))
    assert math.isclose(told, seconds, rel_tol=0.05, abs_tol=0.001)


@given(st.floats(0, 1))
def test_shares_are_told_in_percent(share: float) -> None:
    said = percent_text(share).removesuffix(" %")
    if said[0] in "<>":  # nearer to none, or to all, than the digits tell
        assert (0 < share < 0.001) if said == "<0.1" else (said == ">99.9" and 0.999 < share < 1)
    else:
        assert abs(float(said) - 100 * share) <= 0.051
        assert (float(said) in {0.0, 100.0}) == (share in {0.0, 1.0})


def test_equal_content_equal_hash() -> None:
    assert content_hash({"b": 1, "a": [1, None]}) == content_hash({"a": [1, None], "b": 1})
    assert content_hash([1, 2]) != content_hash([2, 1])
    assert content_hash("1") != content_hash(1)
    assert content_hash({"a": "é"}) == "b3a092a6af48807f"  # sha256sum of {"a":"é"}


def test_a_candidates_digest_is_of_what_it_is_not_of_its_name() -> None:
    suite = make_suite()
    ann = make_candidate("ann", suite)
    assert make_candidate("bob", suite).digest == ann.digest
    assert make_candidate("ann", suite, digest="d2").digest != ann.digest
    hotter = ann.model_copy(update={"sampling": Sampling(temperature=0)})
    assert hotter.digest != ann.digest
    assert Candidate.model_validate_json(ann.model_dump_json()) == ann


def test_clocks() -> None:
    hand = HandClock(datetime(2026, 1, 1, tzinfo=UTC))
    hand.advance(90)
    assert hand.monotonic_s() == 90
    assert hand.now() == datetime(2026, 1, 1, 0, 1, 30, tzinfo=UTC)
    real = SystemClock()
    assert real.monotonic_s() <= real.monotonic_s()
    assert real.now().tzinfo is UTC


def test_problems_say_where_and_what() -> None:
    assert str(Problem("f", 3, "a.b", "is x", "y")) == "f:3: a.b: is x\n  expected: y"
    assert str(Problem("f", None, "", "is empty", "")) == "f: is empty"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07", "\ufffd[2J\ufffd]0;title\ufffd"),
        ("a\rb\x08c\x00", "a\ufffdb\ufffdc\ufffd"),
        ("\x9b31m", "\ufffd31m"),
        ("left\u202eright\u2066", "left\ufffdright\ufffd"),
        ("one\r\ntwo\tthree\n", "one\ntwo\tthree\n"),
        ("👩‍👩‍👧 ❤️ 10\u202f% «\u00a0oui\u00a0»", "👩‍👩‍👧 ❤️ 10\u202f% «\u00a0oui\u00a0»"),
        ("[red]no markup[/red] <script>", "[red]no markup[/red] <script>"),
        ("\ud800", "\ufffd"),
    ],
)
def test_what_a_terminal_may_see(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_nothing_that_a_terminal_obeys_gets_through(text: str) -> None:
    assert not any(ord(character) < 32 and character not in "\n\t" for character in printable(text))
    assert "\x7f" not in printable(text)
    assert printable(printable(text)) == printable(text)


def _drawn() -> list[tuple[str, str | None, int]]:
    """The tree at the top of `core.errors`: name, name of the parent, exit code."""
    above: dict[int, str] = {}
    drawn = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"([│├└─ ]*)(\w+) +exit (\d)  ", line)
        if found:
            depth, name = len(found[1]) // 4, found[2]
            above[depth] = name
            drawn.append((name, above.get(depth - 1), int(found[3])))
    return drawn


def test_the_tree_of_errors_is_drawn_as_it_is() -> None:
    """Whatever is raised to people: a model's worker has a few of its own, which it turns into answers."""
    others = ("bakeoff.core.plugins", "bakeoff.score.base", "bakeoff.engines.conformance")
    modules = [errors, *map(importlib.import_module, others)]
    defined = {
        (name, None if name == "BakeoffError" else found.__mro__[1].__name__, found.exit_code)
        for module in modules
        for name, found in vars(module).items()
        if isinstance(found, type) and issubclass(found, BakeoffError)
    }
    assert set(_drawn()) == defined
    assert len(_drawn()) == len(defined)


def test_a_traceback_shows_the_hint_and_the_text_of_an_error_does_not() -> None:
    error = BakeoffError("it broke", "mend it")
    assert str(error) == "it broke"
    assert "it broke\nhint: mend it\n" in "".join(traceback.format_exception(error))
    error.add_note("seen at noon")
    error.hint = "mend it, or buy another"
    shown = "".join(traceback.format_exception(error))
    assert shown.count("hint:") == 1
    assert "hint: mend it, or buy another\n" in shown
    assert "seen at noon" in shown
    error.hint = ""
    assert "hint" not in "".join(traceback.format_exception(error))
    assert "hint" not in "".join(traceback.format_exception(BakeoffError("it broke")))
