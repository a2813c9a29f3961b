"""Votes for tests of what becomes of them: cast in a real store, as many as wanted, without a server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import text

from arena.appraisal import Appraiser
from arena.config import Config
from arena.conversation import SIDES, Choice, Conversation, Pair
from arena.store import Store, open_store
from arena.store.database import Database, open_database
from tests.house import configure

MIGRATIONS = Path(__file__).parent.parent / "migrations"


@dataclass(frozen=True)
class Cast:
    """A vote to be cast."""

    voter: str = "ann"
    a: str = "Aurora Prime"
    b: str = "Borealis Nine"
    choice: Choice = "a"
    prompt: str = "Why?"
    answer_a: str = "Because a."
    answer_b: str = "Because b."
    probability: float = 0.5
    is_foreseen: bool = True


@dataclass
class Station:
    """A polling station: a store whose votes become ballots, and its database for a look behind."""

    config: Config
    store: Store
    database: Database

    async def casts(self, *votes: Cast) -> list[Conversation]:
        return [await self._cast(vote) for vote in votes]

    async def answered(self, vote: Cast) -> Conversation:
        """A battle whose answers are complete."""
        pair = Pair(vote.a, vote.b, vote.probability)
        battle = await self.store.open_conversation(vote.voter, vote.prompt, pair)
        answers = {}
        for side, said in zip(SIDES, (vote.answer_a, vote.answer_b), strict=True):
            answer = replace(battle.last.answers[side], state="done", text=said)
            answers[side] = await self.store.finish_answer(battle.id, 1, answer)
        battle = replace(battle, turns=(replace(battle.last, answers=answers),))
        if vote.is_foreseen:
            self.store.booth.foresee(battle)
        return battle

    async def sql(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """Ask or change the database past the store."""
        async with self.database.write() as db:
            found = await db.execute(text(statement), values)
            return [tuple(row) for row in found] if found.returns_rows else []

    async def counts(self, category: str = "all") -> dict[tuple[str, str, int], int]:
        """What is counted, by names."""
        return {
            (a, b, outcome): votes
            for a, b, *outcomes in await self.sql(
                "SELECT one.name, other.name, wins_a, wins_b, ties, both_bad FROM counts "
                "JOIN entrants one ON one.id = a JOIN entrants other ON other.id = b WHERE category = :category",
                category=category,
            )
            for outcome, votes in enumerate(outcomes)
            if votes
        }

    async def _cast(self, vote: Cast) -> Conversation:
        battle = await self.answered(vote)
        return await self.store.cast_vote(battle.id, vote.voter, vote.choice)


@asynccontextmanager
async def station(folder: Path, **changes: Any) -> AsyncIterator[Station]:
    """A polling station in `folder`; `changes` replace tables of its configuration."""
    config = configure(folder, **changes)
    store = await open_store(config.database_url, Appraiser(config))
    database = await open_database(config.database_url, MIGRATIONS)
    try:
        yield Station(config, store, database)
    finally:
        await store.close()
        await database.close()
