"""An answer is cut at a stop sequence in the same place, however it came."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.providers.stops import Cut


def cut(stops: list[str], *pieces: str) -> str:
    made = Cut(stops)
    text = ""
    for piece in pieces:
        text += made.take(piece)
        if made.is_made:
            return text
    return text + made.rest()


@given(st.lists(st.text("ab|", min_size=1, max_size=4), max_size=3), st.text("ab|", max_size=12), st.data())
def test_the_pieces_do_not_matter(stops: list[str], text: str, data: st.DataObject) -> None:
    places = sorted(data.draw(st.lists(st.integers(0, len(text)))))
    pieces = [text[start:end] for start, end in pairwise([0, *places, len(text)])]
    assert cut(stops, *pieces) == cut(stops, text)


@pytest.mark.parametrize(
    ("stops", "text", "expected"),
    [
        (["END"], "The END.", "The "),
        (["END"], "The EN", "The EN"),
        (["x", "END"], "END x", ""),
        (["<|end|>", "nd"], "a<|end|>b", "a<|e"),  # the one that is complete first
        ([], "The END.", "The END."),
    ],
)
def test_a_text_ends_in_front_of_the_first_stop(stops: list[str], text: str, expected: str) -> None:
    assert cut(stops, text) == expected


def test_what_cannot_begin_a_stop_is_not_held_back() -> None:
    made = Cut(["END"])
    assert [made.take(piece) for piece in ("One E", "N", "ough E")] == ["One ", "", "ENough "]
