"""The arena's own formats: JSON lines, CSV and Parquet. They hold all that is known of a vote.

One row a vote, with its whole battle. JSON lines keep the turns as objects; CSV and Parquet put the turns into one
column of JSON, and the numbers of the voted turn into columns of their own.
"""

import csv
import io
from datetime import datetime
from typing import IO, Any

import msgspec

from arena.conversation import SIDES
from arena.export.columns import Columns
from arena.export.writer import Writer
from arena.store.votes import AnswerRecord, TurnRecord, VoteRecord

MEASURES = ("state", "backend", "prompt_tokens", "completion_tokens", "first_token_ms", "duration_ms")

Row = dict[str, str | int | float | datetime | None]

COLUMNS: dict[str, type] = {
    "conversation_id": str,
    "voter_id": str,
    "set_aside": str,
    "choice": str,
    "turn": int,
    "voted_at": datetime,
    "mode": str,
    "model_a": str,
    "model_b": str,
    "pair_probability": float,
    "started_at": datetime,
    "prompt": str,
    "answer_a": str,
    "answer_b": str,
    **{
        f"{measure}_{side}": str if measure in ("state", "backend") else float if "_ms" in measure else int
        for measure in MEASURES
        for side in SIDES
    },
    "turns": str,
    "reasons_a": str,
    "reasons_b": str,
    "comment": str,
    "remarked_at": datetime,
    "turn_votes": str,
}
NESTED = ("turns", "reasons_a", "reasons_b", "turn_votes")
"""Columns of JSON."""


class JSONLines(Writer):
    """One JSON object a line: https://jsonlines.org."""

    def __init__(self, out: IO[bytes]) -> None:
        super().__init__(out)
        self._encoder = msgspec.json.Encoder()

    def _add(self, vote: VoteRecord) -> None:
        self.out.write(self._encoder.encode(vote) + b"\n")


class CSV(Writer):
    """RFC 4180, UTF-8, with a header line.

    A text that a spreadsheet would take for a formula is quoted like every other one: whoever opens the file in a
    spreadsheet should import its columns as text.
    """

    def __init__(self, out: IO[bytes]) -> None:
        super().__init__(out)
        self._text = io.TextIOWrapper(out, "utf-8", newline="", write_through=True)
        self._rows = csv.DictWriter(self._text, list(COLUMNS))
        self._rows.writeheader()

    def _add(self, vote: VoteRecord) -> None:
        row = _flat(vote)
        moments = {name: v.isoformat() for name, v in row.items() if isinstance(v, datetime)}
        self._rows.writerow(row | moments)

    def close(self) -> None:
        self._text.detach()


class Parquet(Columns):
    """All that is known of a vote, in columns."""

    def _schema_of(self, pa: Any) -> Any:
        types = {
            str: pa.string(),
            int: pa.int64(),
            float: pa.float64(),
            datetime: pa.timestamp("us", tz="UTC"),
        }
        return pa.schema([(name, types[kind]) for name, kind in COLUMNS.items()])

    def _row(self, vote: VoteRecord) -> Row:
        return _flat(vote)


def _flat(vote: VoteRecord) -> Row:
    """The vote in columns; those of prompt, answers and measures are of the turn that was voted on."""
    voted = next(turn for turn in vote.turns if turn.number == vote.turn)
    row: Row = {name: getattr(vote, name) for name in COLUMNS if hasattr(vote, name)}
    row |= {"prompt": voted.prompt, "answer_a": voted.a.text, "answer_b": voted.b.text}
    for side, answer in _answers(voted):
        row |= {f"{measure}_{side}": getattr(answer, measure) for measure in MEASURES}
    return row | {name: msgspec.json.encode(getattr(vote, name)).decode() for name in NESTED}


def _answers(turn: TurnRecord) -> tuple[tuple[str, AnswerRecord], ...]:
    return (("a", turn.a), ("b", turn.b))
