"""The arena's own exports: JSON lines, CSV and Parquet. They hold all that is known of a vote."""

from dataclasses import fields
from typing import Any

from arena.export.own import NESTED
from arena.intake.decoding import convert, nested
from arena.intake.formats import Format, Row
from arena.store.votes import VoteRecord

NAMES = frozenset(field.name for field in fields(VoteRecord))


def parse(row: Row) -> VoteRecord:
    """As it was exported. A table holds every value as text, and what is nested as JSON."""
    value: dict[str, Any] = {"pair_probability": None, **row}
    value |= {name: nested(row[name]) for name in NESTED if name in row}
    return convert(value, VoteRecord, strict=not isinstance(row.get("turns"), str))


FORMAT = Format("arena", frozenset({"conversation_id", "choice", "turns"}), NAMES, parse)
