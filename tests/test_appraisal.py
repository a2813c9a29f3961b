"""What a battle is to the board: categories, looks and leaks."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from arena.appraisal import OVERLAP, PIECE, Appraiser
from arena.conversation import SIDES, Answer, Conversation, Pair, Turn
from arena.markdown import looks
from tests.house import configure

ENGLISH = "Why is the sky blue on a clear day, and why does it turn red in the evening?"
GERMAN = "Warum ist der Himmel an einem klaren Tag blau, und warum wird er am Abend rot?"


def appraiser(**leaderboard: Any) -> Appraiser:
    return Appraiser(configure(Path(), leaderboard=leaderboard))


def battle(*prompts: str, a: str = "Because.", b: str = "Because.") -> Conversation:
    """A battle with these prompts, each answered so."""
    said = {"a": a, "b": b}
    turns = tuple(
        Turn(number, prompt, {side: Answer(side, 1, side, "done", said[side]) for side in SIDES})
        for number, prompt in enumerate(prompts, 1)
    )
    return Conversation("1", "ann", datetime.now(UTC), Pair("Aurora Prime", "Borealis Nine", 0.5), turns)


def categories(*prompts: str, a: str = "Because.", b: str = "Because.", **leaderboard: Any) -> set[str]:
    return set(appraiser(**leaderboard).conversation(battle(*prompts, a=a, b=b)).categories)


@pytest.mark.parametrize(
    ("prompts", "category"),
    [
        ((ENGLISH,), "language:en"),
        ((GERMAN,), "language:de"),
        ((GERMAN, ENGLISH), "language:de"),
        ((ENGLISH,), "turns:one"),
        ((ENGLISH, "And then?"), "turns:many"),
        (("word " * 399,), "prompt:short"),
        (("word " * 400,), "prompt:long"),
        (("word " * 200, "word " * 200), "prompt:long"),
        (("What does this print?\n\n```\nprint(1)\n```",), "code"),
        (("What is $x^2$ for $x = 3$?",), "math"),
    ],
)
def test_a_battle_belongs_to(prompts: tuple[str, ...], category: str) -> None:
    assert category in categories(*prompts)


def test_a_battle_with_a_picture_belongs_to_image() -> None:
    plain = battle(ENGLISH, "And this?")
    pictured = replace(plain, turns=(plain.turns[0], replace(plain.turns[1], images=2)))
    assert "image" in appraiser().conversation(pictured).categories
    assert "image" not in appraiser().conversation(plain).categories


def test_a_battle_with_a_document_belongs_to_document() -> None:
    plain = battle(ENGLISH)
    handed_in = replace(plain, turns=(replace(plain.turns[0], documents=1),))
    assert "document" in appraiser().conversation(handed_in).categories
    assert "document" not in appraiser().conversation(plain).categories


def test_a_prompt_is_looked_through_once_from_its_opening_to_its_vote() -> None:
    one = appraiser()
    assert one.prompt(ENGLISH) is one.prompt(ENGLISH)
    assert one.prompt(ENGLISH * 20) is not one.prompt(ENGLISH * 20)  # long ones would fill the memory


def test_words_that_tell_no_language_belong_to_none() -> None:
    assert not {name for name in categories("ok?") if name.startswith("language")}


def test_code_and_formulas_of_an_answer_count_as_those_of_the_prompt() -> None:
    assert {"code", "math"} <= categories(ENGLISH, a="```\n1\n```", b="Thus $E = mc^2$.")
    assert not {"code", "math"} & categories(ENGLISH)


def test_where_a_prompt_becomes_long_is_configured() -> None:
    assert "prompt:long" in categories("four", long_prompt_characters=4)
    assert "prompt:short" in categories("four", long_prompt_characters=5)


def test_a_tag_is_searched_in_prompts_alone_in_any_case() -> None:
    tags = {"weather": "sky|rain", "law": r"\bcourt\b"}
    assert "tag:weather" in categories("Why is the SKY blue?", tags=tags)
    assert "tag:law" not in categories("Who courts whom?", a="The court.", tags=tags)


def test_categories_are_sorted_so_that_equal_sets_are_one() -> None:
    found = appraiser(tags={"a": "sky"}).conversation(battle(ENGLISH, a="```\n1\n```")).categories
    assert list(found) == sorted(found)


def test_looks_are_summed_over_the_turns_of_each_side() -> None:
    found = appraiser().conversation(battle("One?", "Two?", a="# A\n\n- b", b="**c**"))
    assert (found.looks["a"].headers, found.looks["a"].lists, found.looks["a"].bold) == (2, 2, 0)
    assert (found.looks["b"].characters, found.looks["b"].bold) == (10, 2)


@pytest.mark.parametrize(
    ("prompt", "answer", "is_leak"),
    [
        ("Which model are you?", "I would rather not say.", True),
        ("Hello!", "I am Borealis Nine.", True),
        ("How do I find a route with Google Maps?", "Open it and type an address.", False),
    ],
)
def test_a_text_that_gives_a_side_away_is_a_leak(prompt: str, answer: str, is_leak: bool) -> None:
    assert appraiser().conversation(battle(prompt, b=answer)).is_leak == is_leak


@pytest.mark.parametrize("place", [0, PIECE - OVERLAP, PIECE - 20, PIECE - 5, PIECE, 3 * PIECE - 7])
@pytest.mark.parametrize("gap", [" ", "x"])
def test_a_leak_in_a_long_text_is_found_wherever_it_is(place: int, gap: str) -> None:
    text = ("word " * PIECE)[:place] + gap.join([" ", " I am Borealis Nine ", " "]) + "word " * PIECE
    assert appraiser().answer(text).is_leak
    assert not appraiser().answer(text.replace("Nine", "Eight")).is_leak


def test_marks_that_were_noted_are_not_looked_for_again() -> None:
    known = battle(ENGLISH)
    answer = known.last.answers["a"]
    noted = replace(answer, is_leak=True, characters=1, headers=2, lists=3, bold=4, code_blocks=5, formulas=6)
    found = appraiser().conversation(
        replace(known, turns=(replace(known.last, answers={"a": noted, "b": answer}),))
    )
    assert found.is_leak
    assert found.looks["a"].headers == 2
    assert found.looks["b"] == looks(answer.text)
