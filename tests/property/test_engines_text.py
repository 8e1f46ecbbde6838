"""Streamed pieces join to the whole, whatever the tokens; stop strings are cut whatever the pieces."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers

from bakeoff.engines.chat_template import ChatTemplate
from bakeoff.engines.text import StopStrings, TextCodec, TokenizerFile
from tiny_model import SPECIAL, TEXT, make_tokenizer


def sentencepiece_like():
    """A Llama-2 style tokenizer: metaspaces, and byte tokens for what is not in the vocabulary."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces += ["▁", "▁the", "▁a", "b", "c", "é", "▁▁", "中", "."]
    tokenizer = Tokenizer(models.BPE({piece: id_ for id_, piece in enumerate(pieces)}, [], byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens(["<s>", "</s>"])
    return tokenizer


def codec_of(tokenizer):
    from pathlib import Path

    return TextCodec(TokenizerFile(tokenizer), ChatTemplate.load(Path("nowhere"), {}, {}), frozenset({0}), None)


BYTE_LEVEL = codec_of(make_tokenizer())
METASPACE = codec_of(sentencepiece_like())
CODECS = {"byte level": (BYTE_LEVEL, 400), "metaspace": (METASPACE, 3 + 256 + 9)}


@pytest.mark.parametrize("kind", CODECS)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_pieces_join_to_the_decode_of_the_whole(kind, data):
    codec, vocab = CODECS[kind]
    ids = data.draw(st.lists(st.integers(0, vocab - 1), max_size=40))
    stream = codec.stream()
    pieces = [stream.push(id_) for id_ in ids] + [stream.finish()]
    assert "".join(pieces) == codec.decode(ids)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_text_survives_and_no_piece_ends_inside_a_character(text):
    ids = BYTE_LEVEL.encode(text)
    stream = BYTE_LEVEL.stream()
    pieces = [stream.push(id_) for id_ in ids] + [stream.finish()]
    expected = text if not any(special in text for special in SPECIAL) else "".join(pieces)
    assert "".join(pieces) == expected
    if "\ufffd" not in text:
        assert not any("\ufffd" in piece for piece in pieces)


def cut_slowly(text, stops):
    """The definition: read character by character, stop when any stop string is complete, longest first."""
    for end in range(1, len(text) + 1):
        found = [stop for stop in stops if text[:end].endswith(stop)]
        if found:
            return text[: end - max(map(len, found))], True
    return text, False


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.text("ab\n", max_size=4), max_size=12),
    st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3),
)
def test_stop_strings_do_not_depend_on_where_pieces_end(pieces, stops):
    strings = StopStrings(stops)
    out = [strings.push(piece) for piece in pieces]
    met = strings.met
    out.append("" if met else strings.rest())
    assert ("".join(out), met) == cut_slowly("".join(pieces), stops)


@settings(max_examples=200, deadline=None)
@given(st.text("abc", max_size=30), st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=3))
def test_no_more_is_held_back_than_could_become_a_stop_string(text, stops):
    strings = StopStrings(stops)
    out = "".join(strings.push(char) for char in text)
    if not strings.met:
        held = text[len(out) :]
        assert held == "" or any(stop.startswith(held) and stop != held for stop in stops)


def test_tokens_of_real_text_stream_without_delay():
    ids = BYTE_LEVEL.encode(TEXT[0])
    stream = BYTE_LEVEL.stream()
    assert sum(bool(stream.push(id_)) for id_ in ids) >= 0.95 * len(ids)
