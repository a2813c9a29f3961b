"""What the released formats say of a battle, and our records do not: pseudonyms, tokens, counts of Markdown.

The patterns are those of FastChat's `monitor/add_markdown_info.py`, so that style control finds the same numbers.
"""

import re
from dataclasses import replace
from hashlib import blake2b
from typing import Any, TypedDict
from uuid import UUID

from arena.conversation import SIDES, Side
from arena.store.votes import AnswerRecord, TurnRecord, VoteRecord

PSEUDONYM = "arena_user_"
BYTES_A_TOKEN = 4

WINNERS = {"a": "model_a", "b": "model_b", "tie": "tie", "both_bad": "both_bad"}

_CODE = re.compile(r"```[^`]*```")
_HEADERS = {f"h{depth}": re.compile(rf"^#{{{depth}}}\s", re.MULTILINE) for depth in range(1, 7)}
_LISTS = {
    "ordered": re.compile(r"^[^\S\n]*\d+\.\s", re.MULTILINE),
    "unordered": re.compile(r"^[^\S\n]*[-*+]\s", re.MULTILINE),
}
_BOLD = {"**": re.compile(r"\*\*[^*\n]+\*\*"), "__": re.compile(r"__[^_\n]+__")}

Metadata = dict[str, Any]


class Message(TypedDict):
    """What one of the two said."""

    role: str
    content: str
    num_tokens: int


def pseudonym(voter_id: str) -> str:
    """A name for the voter: the same in every export, and not the id. Who came with one keeps it."""
    if voter_id.startswith(PSEUDONYM):
        return voter_id
    return PSEUDONYM + blake2b(voter_id.encode(), digest_size=16).hexdigest()


def plain_hex(conversation_id: str) -> str:
    """A UUID as FastChat writes it, without dashes; any other id as it is."""
    try:
        is_uuid = str(UUID(conversation_id)) == conversation_id
    except ValueError:
        return conversation_id
    return conversation_id.replace("-", "") if is_uuid else conversation_id


def estimate(text: str) -> int:
    """Tokens of a text that nobody has counted: one for every four bytes of UTF-8, and what is left over."""
    return -(-len(text.encode()) // BYTES_A_TOKEN)


def answer_tokens(answer: AnswerRecord) -> int:
    """As the backend has counted them, else the estimate."""
    return estimate(answer.text) if answer.completion_tokens is None else answer.completion_tokens


def side_of(turn: TurnRecord, side: Side) -> AnswerRecord:
    return turn.a if side == "a" else turn.b


def as_voted(vote: VoteRecord) -> VoteRecord:
    """The battle as far as it had come when the vote was cast: what these formats are about."""
    return replace(vote, turns=tuple(turn for turn in vote.turns if turn.number <= vote.turn))


def messages(vote: VoteRecord, side: Side) -> list[Message]:
    """What was said on this side, in turns."""
    said: list[Message] = []
    for turn in vote.turns:
        answer = side_of(turn, side)
        said.append({"role": "user", "content": turn.prompt, "num_tokens": estimate(turn.prompt)})
        said.append({"role": "assistant", "content": answer.text, "num_tokens": answer_tokens(answer)})
    return said


def metadata(vote: VoteRecord) -> Metadata:
    """`conv_metadata`: what style control needs, and the length of it all."""
    found: Metadata = {"sum_user_tokens": sum(estimate(turn.prompt) for turn in vote.turns)}
    for side in SIDES:
        said = messages(vote, side)
        reported = side_of(vote.turns[-1], side).prompt_tokens
        before = sum(message["num_tokens"] for message in said[:-1])
        answers = [message for message in said if message["role"] == "assistant"]
        found[f"sum_assistant_{side}_tokens"] = sum(message["num_tokens"] for message in answers)
        found[f"context_{side}_tokens"] = before if reported is None else reported
        found |= _markdown("\n".join(message["content"] for message in answers), side)
    return found | {"turns": len(vote.turns)}


def _markdown(text: str, side: Side) -> Metadata:
    plain = _CODE.sub("", text)
    kinds = {"header": _HEADERS, "list": _LISTS, "bold": _BOLD}
    return {
        f"{kind}_count_{side}": {name: len(pattern.findall(plain)) for name, pattern in patterns.items()}
        for kind, patterns in kinds.items()
    }
