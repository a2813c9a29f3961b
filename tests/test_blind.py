"""The one door through which names leave the server."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from arena.blind import Face, faces
from arena.conversation import CHOICES, Answer, Choice, Conversation, Pair, Turn, Vote
from tests.house import MODELS, configure

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ANSWERS = {"a": Answer("a", 1, MODELS[0], "done", "x"), "b": Answer("b", 1, MODELS[1], "done", "y")}


def battle(choice: Choice | None = None) -> Conversation:
    """A battle with two answers, voted on where there is a choice."""
    turn = Turn(1, "Why?", {"a": ANSWERS["a"], "b": ANSWERS["b"]})
    vote = Vote(choice, 1, NOW) if choice else None
    return Conversation("id", "voter", NOW, Pair(*MODELS, probability=1.0), (turn,), vote)


def test_before_the_vote_nobody_has_a_face(tmp_path: Path) -> None:
    assert faces(battle(), configure(tmp_path)) is None


@pytest.mark.parametrize("choice", CHOICES)
def test_after_any_vote_both_sides_have_their_own_face(tmp_path: Path, choice: Choice) -> None:
    found = faces(battle(choice), configure(tmp_path))
    assert found is not None
    assert {side: face.name for side, face in found.items()} == {"a": MODELS[0], "b": MODELS[1]}


def test_a_face_is_what_the_configuration_says_of_the_model(tmp_path: Path) -> None:
    found = faces(battle("tie"), configure(tmp_path))
    assert found is not None
    assert found["a"] == Face(
        "Aurora Prime", "Aurora Works", "The Prime of its kind.", "https://aurora.example/card"
    )


def test_a_face_knows_neither_the_backend_nor_the_system_prompt(tmp_path: Path) -> None:
    found = faces(battle("a"), configure(tmp_path))
    assert found is not None
    assert set(Face.__dataclass_fields__) == {"name", "organisation", "description", "link", "licence"}


def test_a_model_that_has_left_the_configuration_keeps_its_name(tmp_path: Path) -> None:
    found = faces(battle("b"), configure(tmp_path, models=[{"name": "Borealis Nine", "backends": ["borealis"]}]))
    assert found == {"a": Face("Aurora Prime"), "b": Face("Borealis Nine")}


def test_a_battle_whose_pair_was_never_drawn_has_no_faces(tmp_path: Path) -> None:
    assert faces(replace(battle("a"), pair=None), configure(tmp_path)) is None
