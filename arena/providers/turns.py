"""A prompt as services want it that keep the system prompt apart and have roles take turns. Knows no service."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter

from arena.backend import Message, Role


def system_of(messages: Iterable[Message]) -> str:
    """All system prompts, a blank line between them; empty where there is none."""
    return "\n\n".join(message.content for message in messages if message.role == "system" and message.content)


def turns_of(messages: Iterable[Message]) -> Iterator[tuple[Role, tuple[Message, ...]]]:
    """Who speaks, and what: messages in a row from the same role are one turn.

    System prompts are left out, and so is a message that says nothing, an answer stopped before its first word:
    services refuse empty text.
    """
    spoken = (message for message in messages if message.role != "system" and (message.content or message.images))
    for role, turn in groupby(spoken, key=attrgetter("role")):
        yield role, tuple(turn)
