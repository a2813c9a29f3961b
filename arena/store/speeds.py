"""How quickly models answer, by the answers that are kept."""

from dataclasses import dataclass
from statistics import median
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class Speed:
    """How quickly a model answered of late, in medians: `None` where nothing is known."""

    answers: int
    first_token_ms: float | None
    tokens_per_second: float | None


async def speeds(db: AsyncConnection) -> dict[str, Speed]:
    """How quickly models answered in the latest battles, by name.

    Battles without a vote are left out: whoever saw a median move would know who answered them. So are turns
    after the vote, whose names may be hidden still, and models chosen by name, who answer as visitors have set
    them.
    """
    by_model: dict[str, list[Any]] = {}
    for row in (await db.execute(_LATEST_ANSWERS, {"limit": LATEST})).all():
        by_model.setdefault(row.model, []).append(row)
    return {model: _speed(answers) for model, answers in by_model.items()}


def _speed(answers: list[Any]) -> Speed:
    waits = [row.first_token_ms for row in answers if row.first_token_ms is not None]
    rates = [
        1000 * row.completion_tokens / (row.duration_ms - row.first_token_ms)
        for row in answers
        if row.completion_tokens and row.first_token_ms is not None and row.duration_ms > row.first_token_ms
    ]
    return Speed(len(answers), median(waits) if waits else None, median(rates) if rates else None)


LATEST = 20_000  # answers: in an arena of 20 models, a thousand of each

_LATEST_ANSWERS = text(
    "SELECT model, first_token_ms, duration_ms, completion_tokens FROM answers "
    "WHERE state = 'done' AND turn <= "
    "(SELECT turn FROM votes WHERE votes.conversation_id = answers.conversation_id AND ballot IS NOT NULL) "
    "ORDER BY conversation_id DESC LIMIT :limit"
)
