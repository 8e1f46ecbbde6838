"""Events are the same however the bytes are cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.engines.sse import MAX_EVENT_BYTES, ErrorEvent, EventParser, EventTooLong

LINES = st.sampled_from(
    [
        b"",
        b": comment",
        b"data: one",
        b"data:two",
        b"data",
        b"data:  x ",
        b"event: error",
        b"id: 3",
        b"nonsense",
        b"data: \xc3\xa9\xf0\x9f\x8e\x89",
    ]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


def parse(chunks):
    """Return the data of each event, and whether it is named an error."""
    parser = EventParser()
    events = [event for chunk in chunks for event in parser.feed(chunk)] + parser.close()
    return [(event, isinstance(event, ErrorEvent)) for event in events]


@settings(max_examples=400, deadline=None)
@given(st.lists(LINES, max_size=12), ENDS, st.lists(st.integers(0, 200), max_size=8))
def test_splits_change_nothing(lines, end, cuts):
    stream = b"".join(line + end for line in lines)
    places = sorted({min(cut, len(stream)) for cut in cuts})
    chunks = [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]
    assert parse(chunks) == parse([stream]) == parse([bytes([byte]) for byte in stream])


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from([b"data: a", b"data: \xc3", b"data:  ", b"data: b\n", b": c", b"data: d\rid: 1"]), max_size=6
    )
)
def test_chunks_of_whole_events_give_what_single_bytes_give(blocks):
    stream = b"".join(block + b"\n\n" for block in blocks)
    whole = [block + b"\n\n" for block in blocks]
    assert parse(whole) == parse([stream]) == parse([bytes([byte]) for byte in stream])


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_the_standards_cases(end):
    stream = end.join(
        [
            b"\xef\xbb\xbf: hello",
            b"data: a",
            b"data:b",
            b"",
            b"event: error",
            b"data: {}",
            b"",
            b"event: lost",
            b"",
            b"data",
            b"",
            b"data: last",
        ]
    )
    assert parse([stream]) == [
        ("a\nb", False),
        ("{}", True),
        ("", False),
        ("last", False),
    ]


def test_an_endless_event_is_refused():
    parser = EventParser()
    chunk = b"x" * 65536
    for _ in range(MAX_EVENT_BYTES // len(chunk)):
        parser.feed(chunk)
    with pytest.raises(EventTooLong):
        parser.feed(chunk)
