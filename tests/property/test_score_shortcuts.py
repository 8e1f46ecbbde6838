"""What spares a pattern its search never hides a match of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.score import chatter, lexicon
from bakeoff.score.facts import _fact_pattern, _occurs, normalise
from bakeoff.score.text import URL, Text, without_links

LISTS = [lexicon.CLICHES, lexicon.BUZZWORDS, lexicon.SLANG, lexicon.HOSTILE, lexicon.CTA_PHRASES]
PHRASES = [part for each in LISTS for parts in each._by_first.values() for part in parts]
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


@pytest.mark.parametrize("telltale", [*chatter._REFUSALS, *chatter._JUDGE], ids=lambda each: each._needs[0])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_match_of_a_telltale_is_found(telltale, data):
    text = data.draw(st.from_regex(telltale._pattern))
    expected = telltale._pattern.search(text)
    assert expected is not None
    assert chatter._first((telltale,), text) == expected.group()[:160]


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
