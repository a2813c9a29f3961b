"""The tree of errors is the one that its docstring draws, and a visitor's words give nothing away."""

import re
from http import HTTPStatus

import pytest

from arena import errors
from arena.errors import BACKEND_ERRORS, ArenaError, BackendError, Refusal, words_for

DRAWN = re.compile(r"^ {4}(?P<bars>[│├└─ ]*)(?P<name>[A-Z]\w+)(?: +(?P<status>\d{3}))?(?:  .*)?$", re.MULTILINE)


def drawn_tree() -> dict[str, tuple[str | None, str | None]]:
    """Each class in the docstring's tree: the class above it, and its HTTP status."""
    tree: dict[str, tuple[str | None, str | None]] = {}
    above: list[str] = []
    for line in DRAWN.finditer(errors.__doc__ or ""):
        depth = len(line["bars"]) // 4
        above[depth:] = [line["name"]]
        tree[line["name"]] = (above[depth - 1] if depth else None, line["status"])
    return tree


def defined() -> dict[str, type[ArenaError]]:
    found = vars(errors).items()
    return {name: value for name, value in found if isinstance(value, type) and issubclass(value, ArenaError)}


def test_every_error_is_in_the_drawn_tree_below_its_own_parent() -> None:
    parents = {
        name: (None if error is ArenaError else error.__mro__[1].__name__) for name, error in defined().items()
    }
    assert {name: parent for name, (parent, _) in drawn_tree().items()} == parents


def test_every_refusal_has_the_status_it_is_drawn_with() -> None:
    refusals = {
        name: error for name, error in defined().items() if issubclass(error, Refusal) and error is not Refusal
    }
    assert refusals
    for name, error in refusals.items():
        assert drawn_tree()[name][1] == str(error.status.value)
    assert len({error.status for error in refusals.values()}) == len(refusals)


def test_only_refusals_are_drawn_with_a_status() -> None:
    for name, (parent, status) in drawn_tree().items():
        assert (status is not None) == (parent == "Refusal"), name


def test_a_refusal_keeps_its_words() -> None:
    refusal = errors.Unprocessable("It is too long.")
    assert (refusal.words, str(refusal)) == ("It is too long.", "It is too long.")
    assert refusal.status == HTTPStatus.UNPROCESSABLE_ENTITY


def test_every_backend_error_has_a_kind_of_its_own() -> None:
    assert set(BACKEND_ERRORS) == {error for error in defined().values() if issubclass(error, BackendError)}
    assert len({error.kind for error in BACKEND_ERRORS}) == len(BACKEND_ERRORS)
    assert len({error.words for error in BACKEND_ERRORS}) == len(BACKEND_ERRORS)


@pytest.mark.parametrize("error", BACKEND_ERRORS)
def test_a_visitors_words_are_those_of_the_class_whatever_the_message_names(error: type[BackendError]) -> None:
    raised = error("Concise on https://api.example.com: 401")
    assert raised.words == words_for(raised.kind) == error.words
    assert re.fullmatch(r"This (side|conversation)[ '][^:/\"`<>]+\.", raised.words)


def test_a_kind_that_is_not_known_any_more_has_the_most_general_words() -> None:
    assert words_for("from another age") == BackendError.words


def test_what_another_backend_would_do_no_better_does_not_move() -> None:
    staying = {error.__name__ for error in BACKEND_ERRORS if not error.may_move}
    assert staying == {"BackendError", "ContentFiltered", "PromptTooLong"}
