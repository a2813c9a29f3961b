"""Two lists of messages, one for each side -> turns. The releases and logs of other arenas have them so."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import msgspec

from arena.conversation import SIDES
from arena.export.facts import estimate, messages, side_of
from arena.intake.decoding import convert, nested
from arena.intake.problems import LeftOut
from arena.store.votes import AnswerRecord, TurnRecord, VoteRecord

IMAGE = "[image]"
"""Stands for a prompt of pictures alone: pictures are not kept."""

CHOICES = {"model_a": "a", "model_b": "b", "tie": "tie", "tie (bothbad)": "both_bad", "both_bad": "both_bad"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt, and how many pictures were with it."""

    text: str
    images: int = 0


class Part(msgspec.Struct):
    """A piece of a message with pictures."""

    type: str | None = None
    text: str | None = None


class Said(msgspec.Struct):
    """A message as it was released."""

    role: str
    content: str | list[Part] | None = None
    num_tokens: int | None = None

    @property
    def text(self) -> str | None:
        """What is said in it; `None` where there is nothing at all."""
        if not isinstance(self.content, list):
            return self.content
        said = "\n".join(part.text for part in self.content if part.text)
        return IMAGE if self.images and not said else said

    @property
    def images(self) -> int:
        """How many pictures are in it."""
        parts = self.content if isinstance(self.content, list) else []
        return sum(part.type not in (None, "text") for part in parts)


def turns(a: Any, b: Any) -> tuple[TurnRecord, ...]:
    """What the two sides were asked and said: the same prompts, in turns. Raises `LeftOut`."""
    if a is None or b is None:
        raise LeftOut("has no conversation")
    asked_a, answers_a = _parted(convert(nested(a), list[Said]))
    asked_b, answers_b = _parted(convert(nested(b), list[Said]))
    if asked_a != asked_b:
        raise LeftOut("has other prompts on side a than on side b")
    return joined(asked_a, answers_a, answers_b)


def joined(
    asked: Sequence[Asked], answers_a: Sequence[AnswerRecord], answers_b: Sequence[AnswerRecord]
) -> tuple[TurnRecord, ...]:
    """Prompts and answers as turns. Raises `LeftOut` where they are not as many."""
    if not len(asked) == len(answers_a) == len(answers_b):
        raise LeftOut("has not as many answers as prompts")
    both = zip(asked, answers_a, answers_b, strict=True)
    return tuple(
        TurnRecord(number, prompt.text, a, b, prompt.images) for number, (prompt, a, b) in enumerate(both, 1)
    )


def answer(text: str | None, tokens: int | None = None) -> AnswerRecord:
    """An answer of which no more is known. Raises `LeftOut` where not even the text is."""
    if text is None:
        raise LeftOut("has an answer without text")
    counted = None if tokens == estimate(text) else tokens
    return AnswerRecord(text, "", "done", None, None, counted, None, None, None)


def with_context(vote: VoteRecord, metadata: Any) -> VoteRecord:
    """The vote with the length of what the last answers were given to, where it was counted."""
    if not isinstance(metadata, dict):
        return vote
    last = vote.turns[-1]
    for side in SIDES:
        tokens = metadata.get(f"context_{side}_tokens")
        estimated = sum(message["num_tokens"] for message in messages(vote, side)[:-1])
        if isinstance(tokens, int) and tokens != estimated:
            found = replace(side_of(last, side), prompt_tokens=tokens)
            last = replace(last, a=found) if side == "a" else replace(last, b=found)
    return replace(vote, turns=(*vote.turns[:-1], last))


def choice(winner: str) -> str:
    """Who won, in our words. Raises `LeftOut`."""
    if winner not in CHOICES:
        raise LeftOut("has a winner that is not known", winner)
    return CHOICES[winner]


def identity(foreign: str | int, source: str) -> str:
    """The id of a conversation: a UUID as we write it, a number with its source before it, another as it is."""
    if isinstance(foreign, int):
        return f"{source}-{foreign}"
    if len(foreign) == 32 and set(foreign) <= set("0123456789abcdef"):
        return str(UUID(foreign))
    return foreign


def _parted(said: list[Said]) -> tuple[list[Asked], list[AnswerRecord]]:
    """Prompts and answers, which have to take turns."""
    spoken = [message for message in said if message.role != "system"]
    if [message.role for message in spoken] != ["user", "assistant"] * (len(spoken) // 2) or not spoken:
        raise LeftOut("has messages that do not take turns")
    answers = [answer(message.text, message.num_tokens) for message in spoken[1::2]]
    return [Asked(message.text or "", message.images) for message in spoken[::2]], answers
