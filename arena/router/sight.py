"""Who may be shown a picture, and why not: in words, before anything is sent or stored.

In a battle whose names are not out, whether its two models read pictures would tell something of who they are. So
what is said there depends on how the battle began, and never on its models.
"""

from collections.abc import Iterable

from arena.config import Config, Model
from arena.conversation import Conversation
from arena.matchmaker import can_draw, contenders
from arena.words import _


def why_no_pictures(conversation: Conversation, config: Config) -> str:
    """Why no picture can come with the next prompt of this conversation; empty where one can."""
    if conversation.mode != "battle":
        return why_not_by(conversation.models.values(), config)
    if conversation.turns[0].images or all(model.vision for model in _drawn(config)):
        return ""
    return _(
        "A picture can only be added to a battle that began with one: the models of this battle were drawn for "
        "text. Start a new battle to ask about it."
    )


def why_no_battle(config: Config) -> str:
    """Why no battle can begin with a picture, however long one waits; empty where one can."""
    if can_draw(contenders(config.models, config.matchmaker, has_images=True), config.matchmaker):
        return ""
    return _("No battle can be about a picture here: fewer than two models of this arena read pictures.")


def why_not_by(names: Iterable[str], config: Config) -> str:
    """Which of these models, chosen by name, read text alone; empty where all of them read pictures."""
    able = {model.name for model in config.models if model.vision}
    blind = [name for name in names if name not in able]
    if not blind:
        return ""
    words = _("No picture can be sent: {names} reads text alone. Choose a model that reads pictures.")
    if len(blind) > 1:
        words = _("No picture can be sent: {names} read text alone. Choose models that read pictures.")
    return words.format(names=", ".join(blind))


def _drawn(config: Config) -> list[Model]:
    """Whoever may be in a battle that began without a picture."""
    weights = contenders(config.models, config.matchmaker)
    return [model for model in config.models if weights.get(model.name)]
