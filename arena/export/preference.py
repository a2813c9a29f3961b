"""The Parquet table that arena-human-preference-140k was released as: the same columns, nested in the same way.

A session of that release goes on after a vote, with other models. A battle here ends with its vote: each is a
session of its own. Its tags were given by models, which nobody asks here: they stay empty.
"""

from typing import Any

from arena.conversation import Side
from arena.export.columns import Columns
from arena.export.facts import WINNERS, Message, as_voted, messages, metadata
from arena.language import language
from arena.store.votes import VoteRecord

SESSION = "session:"
"""With these words begins the id of a voter of whom nothing is known but the session."""


class Preference(Columns):
    """The release's columns, in smaller groups: its rows are long."""

    GROUP = 200

    def _schema_of(self, pa: Any) -> Any:
        return _schema(pa)

    def _takes(self, vote: VoteRecord) -> bool:
        """Blind ones alone: it cannot be said in it that the names were shown."""
        return vote.mode == "battle"

    def _row(self, vote: VoteRecord) -> dict[str, Any]:
        return row(vote)


def row(vote: VoteRecord) -> dict[str, Any]:
    """The vote as that release has it."""
    vote = as_voted(vote)
    said: dict[Side, list[dict[str, Any]]] = {
        "a": [_message(message) for message in messages(vote, "a")],
        "b": [_message(message) for message in messages(vote, "b")],
    }
    return {
        "id": vote.conversation_id,
        "model_a": vote.model_a,
        "model_b": vote.model_b,
        "winner": WINNERS[vote.choice],
        "evaluation_session_id": session(vote),
        "evaluation_order": 1,
        "conversation_a": said["a"],
        "conversation_b": said["b"],
        "full_conversation": [
            {"user": user, "model_side_a": a, "model_side_b": b}
            for user, a, b in zip(said["a"][::2], said["a"][1::2], said["b"][1::2], strict=True)
        ],
        "conv_metadata": metadata(vote),
        "category_tag": None,
        "language": language(vote.turns[0].prompt),
        "is_code": any("```" in text for turn in vote.turns for text in (turn.prompt, turn.a.text, turn.b.text)),
        "timestamp": vote.voted_at,
    }


def session(vote: VoteRecord) -> str:
    """The id of the battle, or of the session in which it was fought elsewhere."""
    return vote.voter_id.removeprefix(SESSION) if vote.voter_id.startswith(SESSION) else vote.conversation_id


def _message(message: Message) -> dict[str, Any]:
    content = {"type": "text", "text": message["content"], "image": None, "mimeType": None}
    return {"role": message["role"], "content": [content], "num_tokens": message["num_tokens"]}


def _schema(pa: Any) -> Any:
    """As on the card of the release."""
    part = pa.struct([(name, pa.string()) for name in ("type", "text", "image", "mimeType")])
    message = pa.struct([("role", pa.string()), ("content", pa.list_(part)), ("num_tokens", pa.int32())])
    whole = [("user", message), ("model_side_a", message), ("model_side_b", message)]
    counted = {
        "header_count": [f"h{depth}" for depth in range(1, 7)],
        "list_count": ["ordered", "unordered"],
        "bold_count": ["**", "__"],
    }
    of_sides = [
        field
        for side in "ab"
        for field in (
            (f"sum_assistant_{side}_tokens", pa.int32()),
            (f"context_{side}_tokens", pa.int32()),
            *(
                (f"{kind}_{side}", pa.struct([(name, pa.int64()) for name in names]))
                for kind, names in counted.items()
            ),
        )
    ]
    return pa.schema(
        [
            *((name, pa.string()) for name in ("id", "model_a", "model_b", "winner", "evaluation_session_id")),
            ("evaluation_order", pa.int32()),
            ("conversation_a", pa.list_(message)),
            ("conversation_b", pa.list_(message)),
            ("full_conversation", pa.list_(pa.struct(whole))),
            ("conv_metadata", pa.struct([("sum_user_tokens", pa.int32()), *of_sides, ("turns", pa.int32())])),
            ("category_tag", _tags(pa)),
            ("language", pa.string()),
            ("is_code", pa.bool_()),
            ("timestamp", pa.timestamp("us", tz="UTC")),
        ]
    )


def _tags(pa: Any) -> Any:
    """The kinds of prompts of that release, which a model told apart."""
    hard = ("complexity", "creativity", "domain_knowledge", "problem_solving", "real_world", "specificity")
    criteria = (*hard, "technical_accuracy")
    return pa.struct(
        [
            (
                "creative_writing_v0.1",
                pa.struct([("creative_writing", pa.bool_()), ("score", pa.string())]),
            ),
            ("criteria_v0.1", pa.struct([(name, pa.bool_()) for name in criteria])),
            ("if_v0.1", pa.struct([("if", pa.bool_()), ("score", pa.int64())])),
            ("math_v0.1", pa.struct([("math", pa.bool_())])),
        ]
    )
