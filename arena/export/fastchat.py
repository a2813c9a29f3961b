"""The JSON array that the tools of FastChat's arena read: `elo_analysis`, `add_markdown_info`, `deduplication`, …

The rows are those of its `clean_battle_data --mode conv_release`, with the `conv_metadata` that style control
needs.
"""

from typing import IO, Any

import msgspec

from arena.export.facts import WINNERS, as_voted, messages, metadata, plain_hex, pseudonym
from arena.export.writer import Writer
from arena.language import english, language
from arena.store.votes import VoteRecord

BOTH_BAD = "tie (bothbad)"


class FastChat(Writer):
    """One JSON array, with a vote on each of its lines."""

    def __init__(self, out: IO[bytes]) -> None:
        super().__init__(out)
        self._encoder = msgspec.json.Encoder()
        self._before = b"[\n"

    def _add(self, vote: VoteRecord) -> None:
        self.out.write(self._before + self._encoder.encode(row(vote)))
        self._before = b",\n"

    def close(self) -> None:
        self.out.write(b"[]\n" if self._before == b"[\n" else b"\n]\n")


def row(vote: VoteRecord) -> dict[str, Any]:
    """The vote as those tools have it."""
    vote = as_voted(vote)
    return {
        "question_id": plain_hex(vote.conversation_id),
        "model_a": vote.model_a,
        "model_b": vote.model_b,
        "winner": BOTH_BAD if vote.choice == "both_bad" else WINNERS[vote.choice],
        "judge": pseudonym(vote.voter_id),
        "conversation_a": messages(vote, "a"),
        "conversation_b": messages(vote, "b"),
        "turn": len(vote.turns),
        "anony": vote.mode == "battle",
        "language": english(language(vote.turns[0].prompt)),
        "tstamp": vote.voted_at.timestamp(),
        "conv_metadata": metadata(vote),
    }
