"""A server-sent event stream comes out the same however the network cut it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.errors import BackendBroken
from arena.providers.event_stream import EventStream

RECORDED = (
    'data: {"delta":"Grüße, 世界 🦜"}\n\n'
    ": keep-alive\n\n"
    'event: message\nid: 7\nretry: 10\ndata: {"delta":\ndata: "two lines"}\n\n'
    "data:no space\n\n"
    "data:  two spaces\n\n"
    "unknown: field\ndata\n\n"
    "data: [DONE]\n\n"
).encode()
EVENTS = [
    '{"delta":"Grüße, 世界 🦜"}'.encode(),
    b'{"delta":\n"two lines"}',
    b"no space",
    b" two spaces",
    b"[DONE]",
]
LINE_ENDS = pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])


def decoded(*chunks: bytes, limit: int = 1000) -> list[bytes]:
    stream = EventStream(limit)
    return [data for chunk in chunks for data in stream.feed(chunk)]


@LINE_ENDS
def test_a_stream_in_one_chunk_gives_its_events(line_end: bytes) -> None:
    assert decoded(RECORDED.replace(b"\n", line_end)) == EVENTS


@LINE_ENDS
def test_a_stream_cut_at_any_one_byte_gives_the_same_events(line_end: bytes) -> None:
    sent = RECORDED.replace(b"\n", line_end)
    for cut in range(len(sent) + 1):
        assert decoded(sent[:cut], sent[cut:]) == EVENTS, f"cut at {cut}"


@LINE_ENDS
def test_a_stream_that_comes_byte_by_byte_gives_the_same_events(line_end: bytes) -> None:
    sent = RECORDED.replace(b"\n", line_end)
    assert decoded(*(sent[at : at + 1] for at in range(len(sent)))) == EVENTS


@given(st.text("da:t \n\r\ufeffé", max_size=60), st.lists(st.integers(0, 120), max_size=8))
def test_no_text_and_no_cuts_make_a_difference(text: str, cuts: list[int]) -> None:
    sent = text.encode()
    at = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    chunks = [sent[start:end] for start, end in pairwise(at)]
    assert decoded(*chunks) == decoded(sent) == by_the_standard(sent)


@given(st.lists(st.integers(1, 30), min_size=1), st.integers(1, 7))
def test_no_cuts_make_a_difference_to_the_limit(sizes: list[int], step: int) -> None:
    sent = b"".join(b"data: " + b"x" * size + b"\n\n" for size in sizes)
    whole, cut = EventStream(limit=20), EventStream(limit=20)
    pieces = [sent[at : at + step] for at in range(0, len(sent), step)]
    assert until_broken(whole, [sent]) == until_broken(cut, pieces)


def test_an_event_is_given_out_with_the_last_byte_of_its_blank_line() -> None:
    stream = EventStream()
    assert list(stream.feed(b"data: x\r\n\r")) == [b"x"]
    assert list(stream.feed(b"\ndata: y\n")) == []
    assert list(stream.feed(b"\n")) == [b"y"]


def test_a_byte_order_mark_is_skipped_at_the_start_and_only_there() -> None:
    assert decoded(b"\xef\xbb", b"\xbfdata: x\n\n\xef\xbb\xbfdata: y\n\n") == [b"x"]


def test_an_event_without_its_blank_line_is_dropped() -> None:
    assert decoded(b"data: x\n\ndata: half\n") == [b"x"]


def test_ten_megabytes_in_one_chunk_without_an_end_are_refused() -> None:
    with pytest.raises(BackendBroken, match="larger than 1048576 bytes"):
        list(EventStream().feed(b"data: " + b"x" * 10_000_000))


def test_an_event_that_never_ends_is_refused_at_the_limit() -> None:
    stream = EventStream(limit=1000)
    for _ in range(10):
        assert list(stream.feed(b"x" * 100)) == []
    with pytest.raises(BackendBroken):
        list(stream.feed(b"xx"))


def test_a_finished_event_over_the_limit_is_refused_and_the_ones_before_it_are_not() -> None:
    stream = EventStream(limit=100)
    events = stream.feed(b"data: x\n\ndata: " + b"y" * 100 + b"\n\n")
    assert next(events) == b"x"
    with pytest.raises(BackendBroken):
        next(events)


def until_broken(stream: EventStream, chunks: list[bytes]) -> list[bytes | None]:
    """The events, and `None` where the stream was refused."""
    events: list[bytes | None] = []
    try:
        for chunk in chunks:
            events.extend(stream.feed(chunk))
    except BackendBroken:
        events.append(None)
    return events


def by_the_standard(sent: bytes) -> list[bytes]:
    """The events of a whole stream, read line by line as section 9.2.6 words it."""
    events, data = [], b""
    text = sent.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for line in text.split(b"\n")[:-1]:
        field, _, value = line.partition(b":")
        if not line:
            if data.removesuffix(b"\n"):
                events.append(data.removesuffix(b"\n"))
            data = b""
        elif field == b"data":
            data += value.removeprefix(b" ") + b"\n"
    return events
