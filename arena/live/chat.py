"""A conversation as the model on one side of it reads it."""

from collections.abc import Mapping

from arena.backend import Image, Message
from arena.conversation import Conversation, Side, Turn
from arena.documents import Document, prompt_with

Contents = Mapping[str, Image | str]
"""What is behind attachments, by their ids: a picture, or the text of a document."""


def chat_for(conversation: Conversation, side: Side, contents: Contents | None = None) -> tuple[Message, ...]:
    """The chat as this side knows it: every prompt with all that came with it, and its own answers."""
    chat: list[Message] = []
    for turn in conversation.turns[:-1]:
        chat += [_asked(turn, contents or {}), Message("assistant", turn.answers[side].text)]
    return (*chat, _asked(conversation.last, contents or {}))


def thread_of(conversation: Conversation, side: Side) -> str | None:
    """What the side's service called the conversation in the turn before, if it keeps one."""
    return conversation.turns[-2].answers[side].thread if len(conversation.turns) > 1 else None


def _asked(turn: Turn, contents: Contents) -> Message:
    """A prompt: the documents, what the visitor wrote, and the pictures."""
    found = [(one, contents[one.id]) for one in turn.attachments if one.id in contents]
    documents = [Document(one.name, text, one.pages) for one, text in found if isinstance(text, str)]
    images = tuple(image for _, image in found if isinstance(image, Image))
    return Message("user", prompt_with(documents, turn.prompt), images)
