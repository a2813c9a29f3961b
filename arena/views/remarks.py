"""What a visitor says about a vote, as a page shows it: a form until their next battle, then what they said."""

from dataclasses import dataclass

from arena.blind import faces
from arena.config import Config
from arena.conversation import Conversation, Side
from arena.store.remarks import Remark, Said
from arena.views.context import Context
from arena.views.paths import conversation_path
from arena.words import _


@dataclass(frozen=True, slots=True)
class TagView:
    """A reason to choose, in the visitor's words."""

    value: str
    words: str
    is_chosen: bool
    is_fault: bool


@dataclass(frozen=True, slots=True)
class SideRemarks:
    """The reasons of a side, which has this name."""

    side: Side
    name: str
    tags: tuple[TagView, ...]

    @property
    def chosen(self) -> list[str]:
        """Those that were chosen, in the visitor's words."""
        return [tag.words for tag in self.tags if tag.is_chosen]


@dataclass(frozen=True, slots=True)
class RemarksView:
    """The form of what a visitor says about a vote, or what was said once it is closed."""

    path: str
    sides: tuple[SideRemarks, ...]
    comment: str
    comment_characters: int
    is_open: bool
    is_said: bool

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said in it."""
        return not (self.comment or any(side.chosen for side in self.sides))


async def remarks(arena: Context, conversation: Conversation) -> RemarksView | None:
    """What there is to say about the vote, once the names are out."""
    said = await arena.store.remarks.said(conversation)
    return remarks_view(arena.config, conversation, said) if said else None


def remarks_view(config: Config, conversation: Conversation, said: Said) -> RemarksView:
    """The same from what is known already."""
    names = faces(conversation, config) or {}
    return RemarksView(
        f"{conversation_path(conversation.id)}/remarks",
        tuple(SideRemarks(side, face.name, _tags(config, said.remark, side)) for side, face in names.items()),
        said.remark.comment if said.remark else "",
        config.votes.comment_characters,
        said.is_open,
        said.remark is not None,
    )


def _tags(config: Config, earlier: Remark | None, side: Side) -> tuple[TagView, ...]:
    chosen = earlier.reasons.get(side, ()) if earlier else ()
    return tuple(
        TagView(tag, _(tag), tag in chosen, tag in config.votes.faults) for tag in offered(config, earlier, side)
    )


def offered(config: Config, earlier: Remark | None, side: Side) -> tuple[str, ...]:
    """The tags of the configuration, and those chosen earlier that have left it since."""
    tags = (*config.votes.reasons, *config.votes.faults)
    before = earlier.reasons.get(side, ()) if earlier else ()
    return (*tags, *(tag for tag in before if tag not in tags))
