"""A stream of JSON lines comes out the same however the network cut it; a growing text tells what it gains."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.errors import BackendBroken
from arena.providers.growing import GrowingText
from arena.providers.json_lines import JSONLines

RECORDED = '\ufeff{"text":"Grüße, 世界 🦜"}\n\n \t\n{"a": 1}\r\n\r\n{"last": true}'.encode()
LINES = ['{"text":"Grüße, 世界 🦜"}'.encode(), b'{"a": 1}', b'{"last": true}']


def decoded(*chunks: bytes, limit: int = 1000) -> list[bytes]:
    stream = JSONLines(limit)
    return [line for chunk in (*(c for c in chunks if c), b"") for line in stream.feed(chunk)]


def test_a_stream_cut_at_any_one_byte_gives_the_same_lines() -> None:
    for cut in range(len(RECORDED) + 1):
        assert decoded(RECORDED[:cut], RECORDED[cut:]) == LINES, f"cut at {cut}"


def test_a_stream_that_comes_byte_by_byte_gives_the_same_lines() -> None:
    assert decoded(*(RECORDED[at : at + 1] for at in range(len(RECORDED)))) == LINES


@given(st.text("{é \r\n", max_size=60), st.lists(st.integers(0, 120), max_size=8))
def test_no_text_and_no_cuts_make_a_difference(text: str, cuts: list[int]) -> None:
    sent = text.encode()
    at = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    lines = [line.removesuffix(b"\r") for line in sent.split(b"\n") if line.strip()]
    assert decoded(*(sent[start:end] for start, end in pairwise(at))) == lines


def test_a_line_is_given_out_with_its_line_break() -> None:
    stream = JSONLines()
    assert list(stream.feed(b'{"a"')) == []
    assert list(stream.feed(b": 1}\n{")) == [b'{"a": 1}']
    assert list(stream.feed(b"}")) == []


def test_ten_megabytes_in_one_line_are_refused() -> None:
    with pytest.raises(BackendBroken, match="larger than 1048576 bytes"):
        list(JSONLines().feed(b"x" * 10_000_000))


def test_a_line_that_never_ends_is_refused_at_the_limit_and_the_ones_before_it_are_not() -> None:
    stream = JSONLines(limit=10)
    lines = stream.feed(b"{}\n" + b"x" * 10)
    assert next(lines) == b"{}"
    assert list(lines) == []
    with pytest.raises(BackendBroken):
        list(stream.feed(b"x"))


# A text that is sent anew, longer each time


def added(*states: str) -> list[str]:
    text = GrowingText()
    return [text.added(state, is_last=at == len(states)) for at, state in enumerate(states, start=1)]


def test_each_state_of_a_text_adds_what_the_last_one_had_not() -> None:
    assert added("Hel", "Hello", "Hello", "Hello!") == ["Hel", "lo", "", "!"]


def test_a_state_that_is_trimmed_at_its_end_adds_nothing_and_takes_nothing_back() -> None:
    assert added("Hello \n", "Hello", "Hello \nthere") == ["Hello \n", "", "there"]


def test_half_a_character_is_held_back_until_it_is_whole_or_the_last() -> None:
    assert added("Hi \ufffd", "Hi 🦜", "Hi 🦜\ufffd") == ["Hi ", "🦜", "\ufffd"]


def test_another_text_is_broken() -> None:
    with pytest.raises(BackendBroken, match="changed after it had been sent"):
        added("Hello", "Hallo")


@given(st.lists(st.text("ab\ufffd"), min_size=1))
def test_what_was_added_is_the_last_state(pieces: list[str]) -> None:
    states = ["".join(pieces[: at + 1]) for at in range(len(pieces))]
    assert "".join(added(*states)) == states[-1]
