"""The one door through which a name may leave the server: closed until the names are out.

Everything a page, a stream or a reply says about who is behind a side is asked for here. Before the vote the
answer is `None`, and there is nothing else in the values handed to templates that could tell the sides apart.
"""

from dataclasses import dataclass

from arena.config import Config
from arena.conversation import Conversation, Side


@dataclass(frozen=True, slots=True)
class Face:
    """Who is behind a side, as config.toml describes the model."""

    name: str
    organisation: str = ""
    description: str = ""
    link: str = ""
    licence: str = ""


def faces(conversation: Conversation, config: Config) -> dict[Side, Face] | None:
    """The face of each side where the visitor may know, otherwise `None`."""
    if not conversation.names_are_out or not conversation.models:
        return None
    return {side: _face(model, config) for side, model in conversation.models.items()}


def names(conversation: Conversation, config: Config) -> dict[Side, str]:
    """The name of each side where the visitor may know, otherwise none."""
    return {side: face.name for side, face in (faces(conversation, config) or {}).items()}


def _face(name: str, config: Config) -> Face:
    """A model that has left config.toml since keeps its name."""
    try:
        model = config.model(name)
    except KeyError:
        return Face(name)
    return Face(model.name, model.organisation, model.description, model.link, model.licence)
