"""The rules of a battle: what may be done next, and why not."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.conversation import (
    CHOICES,
    SIDES,
    Answer,
    AnswerState,
    Choice,
    Conversation,
    Pair,
    Side,
    Turn,
    Vote,
    parse_choice,
    parse_side,
)
from arena.errors import Conflict, Unprocessable

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STATES: tuple[AnswerState, ...] = get_args(AnswerState)

states = st.sampled_from(STATES)
texts = st.sampled_from(["", "something"])
answers = st.tuples(states, texts)


def turn(a: AnswerState, b: AnswerState, text_a: str = "said", text_b: str = "said") -> Turn:
    """A turn whose answers are in these states."""
    return Turn(1, "Why?", {"a": Answer("a", 1, "Aurora", a, text_a), "b": Answer("b", 1, "Borealis", b, text_b)})


def battle(*turns: Turn, choice: Choice | None = None) -> Conversation:
    """A battle of these turns (without any: one that is complete), voted on where there is a choice."""
    vote = Vote(choice, 1, NOW) if choice else None
    return Conversation(
        "id", "voter", NOW, Pair("Aurora", "Borealis", 1.0), turns or (turn("done", "done"),), vote
    )


UNDRAWN = Turn(1, "Why?")


# The vote


@pytest.mark.parametrize("choice", CHOICES)
def test_a_complete_battle_takes_any_choice(choice: Choice) -> None:
    assert battle().can_vote
    battle().check_vote(choice)


def test_an_answer_that_was_stopped_with_something_to_read_counts() -> None:
    assert battle(turn("done", "stopped")).can_vote


def test_an_answer_that_was_stopped_before_its_first_word_does_not_count() -> None:
    with pytest.raises(Conflict, match="not complete yet"):
        battle(turn("done", "stopped", text_b="")).check_vote("a")


def test_a_silent_but_finished_answer_counts() -> None:
    assert battle(turn("done", "done", text_a="")).can_vote


@pytest.mark.parametrize("last", [turn("streaming", "done"), turn("done", "interrupted"), UNDRAWN])
def test_a_vote_has_to_wait_for_both_answers(last: Turn) -> None:
    with pytest.raises(Conflict, match="You can vote as soon as both are"):
        battle(last).check_vote("tie")


@pytest.mark.parametrize("others", STATES)
def test_a_battle_with_a_failed_side_cannot_be_voted_on(others: AnswerState) -> None:
    with pytest.raises(Conflict, match=r"One side failed.* Try that side again"):
        battle(turn("failed", others)).check_vote("b")


def test_only_the_last_turn_decides_whether_a_vote_can_be_cast() -> None:
    assert not battle(turn("done", "done"), turn("streaming", "done")).can_vote
    assert battle(turn("done", "stopped"), turn("done", "done")).can_vote


@pytest.mark.parametrize("choice", CHOICES)
def test_the_same_vote_again_is_no_conflict_and_any_other_is(choice: Choice) -> None:
    voted = battle(choice=choice)
    voted.check_vote(choice)
    for different in set(CHOICES) - {choice}:
        with pytest.raises(Conflict, match="already voted"):
            voted.check_vote(different)
    assert not voted.can_vote


@given(answers, answers)
def test_the_page_offers_a_vote_exactly_where_one_is_taken(
    a: tuple[AnswerState, str], b: tuple[AnswerState, str]
) -> None:
    found = battle(turn(a[0], b[0], a[1], b[1]))
    assert found.can_vote == (not words_of(lambda: found.check_vote("a")))
    assert found.can_vote == (not words_of(lambda: found.check_follow_up(50)))


# The next prompt


def test_a_complete_turn_can_be_followed_up() -> None:
    battle().check_follow_up(turns_allowed=2)


def test_the_last_allowed_turn_is_the_last() -> None:
    with pytest.raises(Conflict, match=r"reached its 2 turns\. Please vote now"):
        battle(turn("done", "done"), turn("done", "done")).check_follow_up(turns_allowed=2)


@pytest.mark.parametrize("last", [turn("done", "streaming"), turn("interrupted", "done"), UNDRAWN])
def test_a_follow_up_waits_for_the_answers_to_the_last_prompt(last: Turn) -> None:
    with pytest.raises(Conflict, match=r"not complete yet\. Wait for them, or stop them"):
        battle(last).check_follow_up(50)


def test_a_failed_side_has_to_be_tried_again_before_a_follow_up() -> None:
    with pytest.raises(Conflict, match="Try that side again"):
        battle(turn("done", "failed")).check_follow_up(50)


def test_a_battle_that_was_voted_on_is_over() -> None:
    with pytest.raises(Conflict, match="over: you have voted"):
        battle(choice="a").check_follow_up(50)
    with pytest.raises(Conflict, match="over: you have voted"):
        battle(choice="a").sides_to_regenerate(None)


# Answered again


@pytest.mark.parametrize("state", ["done", "stopped", "failed", "interrupted"])
def test_an_answer_that_has_ended_can_be_given_again(state: AnswerState) -> None:
    assert battle(turn(state, "done")).sides_to_regenerate("a") == ("a",)
    assert battle(turn(state, "done")).sides_to_regenerate(None) == SIDES


def test_an_answer_in_flight_is_not_given_again() -> None:
    for side in ("b", None):
        with pytest.raises(Conflict, match="still being written"):
            battle(turn("done", "streaming")).sides_to_regenerate(side)


def test_a_failed_side_can_be_tried_again_while_the_other_is_in_flight() -> None:
    assert battle(turn("failed", "streaming")).sides_to_regenerate("a") == ("a",)


@pytest.mark.parametrize("side", [*SIDES, None])
def test_what_was_never_drawn_is_not_given_again(side: Side | None) -> None:
    with pytest.raises(Conflict, match="still being written"):
        battle(UNDRAWN).sides_to_regenerate(side)


@pytest.mark.parametrize("conversation", [battle(turn("failed", "done")), battle(UNDRAWN), battle(choice="tie")])
def test_no_refusal_names_a_model(conversation: Conversation) -> None:
    refusals = [
        words_of(lambda: conversation.check_vote("a")),
        words_of(lambda: conversation.check_follow_up(1)),
        words_of(lambda: conversation.sides_to_regenerate("b")),
    ]
    assert any(refusals)
    assert not any(name in words for name in ("Aurora", "Borealis") for words in refusals)
    assert all(words.endswith(".") for words in refusals if words)


# Turns and sides


def test_a_turn_tells_which_sides_are_in_a_state() -> None:
    found = turn("failed", "done")
    assert found.sides_in("failed") == ("a",)
    assert found.sides_in("done", "failed") == SIDES
    assert found.sides_in("streaming") == ()


def test_a_turn_is_streaming_until_both_sides_have_ended() -> None:
    assert UNDRAWN.is_streaming
    assert turn("streaming", "done").is_streaming
    assert not turn("failed", "interrupted").is_streaming


def test_a_pair_knows_the_model_of_each_side() -> None:
    pair = Pair("Aurora", "Borealis", 1.0)
    assert [pair.model(side) for side in SIDES] == ["Aurora", "Borealis"]


@pytest.mark.parametrize("choice", CHOICES)
def test_the_four_choices_are_read(choice: Choice) -> None:
    assert parse_choice(str(choice)) == choice


@given(st.text().filter(lambda text: text not in CHOICES) | st.sampled_from(["A", " a", "Tie", "both bad", ""]))
def test_any_other_choice_is_refused_with_the_four(text: str) -> None:
    with pytest.raises(Unprocessable, match="A is better, B is better, tie, both are bad"):
        parse_choice(text)


@given(st.text() | st.sampled_from(["A", "ab", ""]))
def test_a_side_is_a_or_b_and_nothing_else(text: str) -> None:
    if text in SIDES:
        assert parse_side(text) == text
        return
    with pytest.raises(Unprocessable, match="neither side a nor side b"):
        parse_side(text)


def words_of(attempt: Callable[[], object]) -> str:
    """What a visitor reads who attempts this; nothing where it is allowed."""
    try:
        attempt()
    except Conflict as exc:
        return exc.words
    return ""
