"""What spares a pattern its search never hides a match of it; what is faster than a pattern finds the same."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.score import (
    chatter,
    dimensions,
    facts,
    figures,
    lexicon,
    names,
    normal,
    norms,
    opposites,
    polarity,
    refusal,
    telltales,
)
from bakeoff.score.brief import make_checks
from bakeoff.score.facts import _fact_pattern, _forbidden_pattern, _may_occur, _occurs
from bakeoff.score.gates import run_gates
from bakeoff.score.language import WORD, words_in
from bakeoff.score.normal import normalise
from bakeoff.score.odd_words import EDGES, QUOTES, is_odd_token, may_be_odd
from bakeoff.score.repetition import immediate_loop
from bakeoff.score.text import URL, Text, _pieces, without_links

LISTS = [lexicon.CLICHES, lexicon.BUZZWORDS, lexicon.SLANG, lexicon.HOSTILE, lexicon.CTA_PHRASES]
PHRASES = [part for each in LISTS for parts in each._by_word.values() for part in parts]
PIECES = st.one_of(
    st.sampled_from(PHRASES),
    st.sampled_from([" ", " ", " ", "-", "'", ".", "s", "in", "the", "é", "\n", "_"]),
    st.text(max_size=3),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join), st.sampled_from(LISTS))
def test_phrases_are_found_as_their_pattern_finds_them(text, phrases):
    assert phrases.findall(text) == phrases._pattern.findall(text)
    assert phrases.occur(text) == (phrases._pattern.search(text) is not None)


TELLTALES = [*refusal._OF_A_MODEL, *refusal._OF_A_TASK, *refusal._AT_START, refusal._MUST_DECLINE, *chatter._JUDGE]


@pytest.mark.parametrize("telltale", TELLTALES, ids=lambda each: each._needs[0])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_match_of_a_telltale_is_found(telltale, data):
    text = data.draw(st.from_regex(telltale._pattern))
    expected = telltale._pattern.search(text)
    assert expected is not None
    assert telltales.first_of((telltale,), text, telltales.lowered_for(text)) == expected.group()[:160]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(["21", "3471", "1", ".", ",", ":", " ", "a", "٣", "²", "$", "%"]), max_size=12).map(
        "".join
    ),
    st.sampled_from(["21", "3471", "34", "100", "0021", "20", "7", "007"]),
)
def test_a_numeral_is_found_as_its_pattern_finds_it(text, numeral):
    prepared = normalise(text)
    assert _occurs(numeral, prepared) == (_fact_pattern(numeral).search(prepared) is not None)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(["see", "a", ".", "com", "://", "http", "s", "/x", " ", "K", "-", "1"]), max_size=10))
def test_links_are_taken_out_wherever_there_are_any(pieces):
    text = "".join(pieces)
    assert without_links(text) == URL.sub(" ", text)


@pytest.mark.parametrize("raw", ["plain", "**b** and `c`\n```\nx\n```\n> q\n# H", "a\n~~~\nopen", "` # __", "#tag 🚀"])
def test_parts_of_a_text_without_marks_are_what_the_patterns_give(raw):
    from bakeoff.score.norms import EMOJI
    from bakeoff.score.text import _INLINE_CODE, _MARKS, HASHTAG

    text = Text(raw)
    assert text.no_code == _INLINE_CODE.sub(" ", text.without_blocks)
    assert text.prose == _MARKS.sub("", _INLINE_CODE.sub(r"\1", text.without_blocks))
    assert text.hashtags == tuple(HASHTAG.findall(text.no_code))
    assert text.emoji == tuple(match.group() for match in EMOJI.finditer(text.without_blocks))


SCRAPS = st.lists(
    st.sampled_from(
        ["a", "A", "an", "An", "i", "I", "is", "am", "pm", "p.m.", "no", "Mr", "Kiln Cafe", "of", "well-known", "it's", "’s", "3",
         "21", "é", "ß", "İ", "ſ", "Σ", "_", " ", " ", " ", "\n", "\n\n", "\x0b", "\u2028", ".", ".", "?", "!", "…", "。", ",", ";",
         ":", "-", "‑", "'", '"', "”", ")", "(", "*", "#", "@", "$", "/", ".com", "apple", "horse", "ONE", "xkcdfgh", "aaaa", "🚀"]
    ),
    max_size=30,
).map("".join)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(SCRAPS)
def test_words_are_found_as_their_pattern_finds_them(text):
    assert words_in(text) == WORD.findall(text)
    parsed = Text(text)
    assert list(parsed.words) == WORD.findall(without_links(parsed.prose).lower().replace("’", "'"))
    assert parsed.word_count == sum(any(map(str.isalnum, token)) for token in text.split())


@settings(max_examples=500, deadline=None)
@given(SCRAPS)
def test_sentences_are_cut_behind_their_stops(text):
    cut = re.split(r"(?<=[.!?…])[\"'”’»)\]*_]{0,4}\s+|(?<=[。！？])", text)
    assert list(_pieces(text)) == [piece.strip() for piece in cut if piece.strip()]


BEFORE_FIRST = [
    (
        dimensions._ARTICLE,
        (
            r"(?:(?<![\w'’.-])a|(?<![\w,;:)] )(?<![\w'’.-])A) (?=[aeio][a-z])(?!(?:one|once|eu|ewe)[a-z]{0,12}|(?:uni|use|usu)[a-z]{0,12})[a-z]+"
            r"|(?<![\w'’.-])[Aa]n (?=[bcdfgjklmnpqrstvwxz][a-z]{2})[a-z]+"
        ),
    ),
    (dimensions._SMALL_I, r"(?<![\w.'’/-])i(?=[ '’](?!\.e)\w)"),
    (normal._AM_PM, r"(?<![a-z])([ap])\.? ?m\b\.?"),
    (
        facts._NAME,
        r"(?<![.!?:] )(?<!^)(?<![\w'’#@./-])([A-Z][\w'’]{1,30}(?: (?:& |of |and )?[A-Z][\w'’]{1,30}){0,3})",
    ),
]


@pytest.mark.parametrize(("pattern", "plainly"), BEFORE_FIRST, ids=["a/an", "i", "am/pm", "names"])
@settings(max_examples=300, deadline=None)
@given(text=SCRAPS)
def test_looking_behind_a_letter_finds_what_looking_before_it_does(pattern, plainly, text):
    assert [match.span() for match in pattern.finditer(text)] == [match.span() for match in re.finditer(plainly, text)]


@pytest.mark.parametrize("beginnings", [chatter._OPENINGS, chatter._CLOSINGS], ids=["openings", "closings"])
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_every_beginning_is_found(beginnings, data):
    line = data.draw(st.sampled_from(beginnings.patterns).flatmap(st.from_regex))
    expected = next((found for pattern in beginnings.patterns if (found := pattern.match(line))), None)
    found = beginnings.match(line)
    assert (found and found.group()) == (expected and expected.group())


@settings(max_examples=300, deadline=None)
@given(SCRAPS)
def test_no_odd_word_is_passed_over(text):
    tokens = text.split()
    odd = {token for token in tokens if is_odd_token(token.strip(EDGES)) or is_odd_token(token.strip(QUOTES))}
    assert may_be_odd(tokens) == odd
    assert may_be_odd(tokens) == odd  # once more, with what was remembered


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(["monday", "14", "fourteen", "march", "mar", "th", "th of", "10", ":00", "am", "Kiln", "&", "and", "%", "percent",
                              "2.4", "the", "s", " ", " ", ",", "é", "x"]), max_size=14).map("".join),
    st.sampled_from(["14 March", "Monday, 14 March 10", "10 am", "10:00 am", "Kiln & Co", "kiln", "2.4", "14", "x 2.4", "14 march ten", "10%", "é"]),
)  # fmt: skip
def test_a_fact_that_may_not_occur_does_not(text, fact):
    prepared = normalise(text)
    if not _may_occur(fact, prepared):
        assert _fact_pattern(fact).search(prepared) is None
        assert _forbidden_pattern(fact).search(prepared) is None


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(["go", "on", "1"]), max_size=24))
def test_a_loop_repeats_a_run_of_four_words(words):
    if immediate_loop(words) is not None:
        assert Text(" ".join(words)).repeated_share > 0


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("a é語🚀—’\u200d\u2030\n"), max_size=20))
def test_weights_of_characters_add_up(text):
    light = ((0x0000, 0x10FF), (0x2000, 0x200D), (0x2010, 0x201F), (0x2032, 0x2037))
    without = norms.EMOJI.sub("", text)
    each = [1 if any(low <= ord(one) <= high for low, high in light) else 2 for one in without]
    assert norms.weighted_length(text) == sum(each) + 2 * len(norms.EMOJI.findall(text))


def test_an_instruction_with_a_link_is_still_an_echo():
    prompt = "Write a tweet about example.com and its new opening hours."
    echo = "Write a tweet about example com and its new opening hours. We open at nine."
    assert "prompt_echo" in {hit.gate for hit in run_gates(Text(echo), "stop", make_checks(prompt, "tweet"))}


@pytest.mark.parametrize("place", range(len(opposites._sides())))
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_every_side_of_a_pair_is_looked_for_where_one_of_its_words_stands(place, data):
    own, _ = opposites._sides()[place]
    lowered = data.draw(st.from_regex(own)).replace("’", "'").lower()
    if own.search(lowered) is not None:
        assert place in opposites._may_be_claimed(lowered)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(["no", "not", "no-one", "nothing", "noon", "don't", "don’t", "Without", "nut-free", "free of", "x", ".", "\n"]), max_size=6))  # fmt: skip
def test_what_may_not_deny_does_not(words):
    text = " ".join(words)
    if not polarity._may_deny(text):
        for of_brief in (True, False):
            uses = polarity._uses(text, of_brief=of_brief)
            assert not uses.negated
            assert not uses.at_once


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(["two", "seventeen", "TEN", "one", "Twice a day", "12", "days", "hours", "noon", "%"]), max_size=6))  # fmt: skip
def test_what_may_not_count_does_not(words):
    text = " ".join(words)
    if not figures._may_count(text):
        assert not list(figures._bound_numbers(figures._lowered(text)))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(names._DAYS | names._MONTHS)), st.sampled_from(["", "s", "'s", "s's", "'", "ly"]))
def test_days_and_months_are_known_as_they_are_written(name, ending):
    word = f"{name}{ending}"
    stripped = {word.removesuffix("'s").removesuffix("s")}
    assert names._calendar(frozenset({word}), names._DAYS) == stripped & names._DAYS
    assert names._calendar(frozenset({word}), names._MONTHS) == stripped & names._MONTHS


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_refusal_by_a_model_is_looked_for_in_other_languages(data):
    text = data.draw(st.from_regex(refusal._MODEL_ELSEWHERE._pattern))
    assert refusal._MODEL_ELSEWHERE.search(text, telltales.lowered_for(text)) is not None
