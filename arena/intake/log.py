"""The daily logs that FastChat's arena writes (YYYY-MM-DD-conv.json): its votes, as they were cast.

The rules are those of its `clean_battle_data`, without its faults: a vote whose texts name a model stays in, as
leaks are marked here; one with a picture is read; a vote cast after the names were shown is no blind one.
"""

from typing import Any

import msgspec

from arena.intake.decoding import convert, moment
from arena.intake.fastchat import voter
from arena.intake.formats import Format, Row
from arena.intake.problems import LeftOut
from arena.intake.turns import IMAGE, Asked, answer, identity, joined
from arena.store.votes import VoteRecord

NAME = "fastchat-log"
CHOICES = {"leftvote": "a", "rightvote": "b", "tievote": "tie", "bothbad_vote": "both_bad"}

HIDDEN = {"", "Model A", "Model B", "### Model A", "### Model B"}
"""What stands where the names are, as long as they are not shown."""

ERRORS = ("NETWORK ERROR DUE TO HIGH TRAFFIC", "API REQUEST ERROR", "$MODERATION$")
"""With these begins, in bold or not, what the old arena wrote instead of an answer, or instead of a prompt."""

CURSORS = ("▌", '<span class="cursor">')


class State(msgspec.Struct):
    """A side. `messages` from `offset` on were said."""

    model_name: str
    messages: list[tuple[str, Any]]
    conv_id: str
    offset: int = 0


class Ballot(msgspec.Struct):
    """A vote. `models` are the names that the page showed."""

    type: str
    tstamp: float
    models: list[str | None]
    states: list[State]
    ip: str | None = None


def parse(row: Row) -> VoteRecord:
    """The record as a vote about its last turn. Of two votes in one battle the first counts."""
    if row.get("type") not in CHOICES:
        raise LeftOut("is a record of another kind, and no vote", row.get("type"))
    found = convert(dict(row), Ballot)
    if len(found.states) != 2 or len(found.models) != 2:
        raise LeftOut("has not two sides")
    a, b = found.states
    asked_a, answers_a = _said(a)
    asked_b, answers_b = _said(b)
    if asked_a != asked_b:
        raise LeftOut("has other prompts on side a than on side b")
    said = joined(asked_a, answers_a, answers_b)
    key = identity(a.conv_id, NAME)
    at = moment(found.tstamp)
    return VoteRecord(
        conversation_id=key,
        voter_id=voter(found.ip, key),
        choice=CHOICES[found.type],
        turn=len(said),
        voted_at=at,
        mode="battle" if _is_blind(found) else "side_by_side",
        model_a=a.model_name,
        model_b=b.model_name,
        pair_probability=None,
        started_at=at,
        turns=said,
    )


def _is_blind(found: Ballot) -> bool:
    """Whether no name was shown. Raises `LeftOut` where names are shown that are not those of the sides."""
    shown = [_plain(name) for name in found.models]
    if all(name in HIDDEN for name in shown):
        return True
    for name, state in zip(shown, found.states, strict=True):
        if name in HIDDEN or state.model_name not in name:
            raise LeftOut("shows other names than its sides have", " / ".join(shown))
    return False


def _plain(shown: str | None) -> str:
    if shown is None:
        raise LeftOut("has no names")
    return shown.strip().removeprefix("<h3>").removesuffix("</h3>").strip()


def _said(state: State) -> tuple[list[Asked], list[Any]]:
    """Prompts and answers of a side."""
    contents = [content for _, content in state.messages[max(state.offset, 0) :]]
    spoken = [_text(content) for content in contents]
    if not spoken:
        raise LeftOut("has no messages")
    if not all(spoken):
        raise LeftOut("has an empty message")
    if any(text.lstrip("*").startswith(ERRORS) for text in spoken):
        raise LeftOut("has an error instead of a text")
    if any(text.rstrip().endswith(CURSORS[0]) or CURSORS[1] in text for text in spoken):
        raise LeftOut("has an answer that was not finished")
    asked = zip(spoken[::2], contents[::2], strict=True)
    return [Asked(text, _images(content)) for text, content in asked], [answer(text) for text in spoken[1::2]]


def _text(content: Any) -> str:
    """A text, or the text beside pictures."""
    if isinstance(content, list) and len(content) == 2 and isinstance(content[0], str):
        return content[0] or IMAGE
    if content is None or isinstance(content, str):
        return content or ""
    raise LeftOut("has a message that is no text")


def _images(content: Any) -> int:
    """How many pictures are beside the text."""
    return len(content[1]) if isinstance(content, list) and isinstance(content[1], list) else 0


FORMAT = Format(NAME, frozenset({"type", "tstamp"}), frozenset(Ballot.__struct_fields__), parse)
