"""How a vote becomes a ballot: numbers for names, and the counts with it, in one trip to the database."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from hashlib import blake2b
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from arena.appraisal import Appraisal
from arena.conversation import CHOICES, SIDES, Conversation, Pair, Vote
from arena.store.database import Row, Step

How = Literal["new", "kept"]
NEW: How = "new"
KEPT: How = "kept"

ALL = "all"
LOOKS = ("characters", "headers", "lists", "bold", "code_blocks")
LOOKS_OF_SIDES = tuple(f"{name}_{side}" for side in SIDES for name in LOOKS)

OF_THE_VOTE = ("conversation_id", "voter_id", "turn", "choice", "created_at")
_BALLOT = ("a", "b", "outcome", "voter", "day", "category_set", "is_leak", "probability")
_LAST = {"sqlite": "last_insert_rowid()"}  # the id of the row that this connection has inserted last
_LAST_ELSEWHERE = "lastval()"


def _insert(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(f':{name}' for name in columns)})"


NEW_VOTE = _insert("votes", OF_THE_VOTE)
NEW_BALLOT = _insert("ballots", _BALLOT)
COUNT = (
    "INSERT INTO counts (category, a, b, outcome, votes) VALUES (:category, :a, :b, :outcome, :votes) "
    "ON CONFLICT (category, a, b, outcome) DO UPDATE SET votes = counts.votes + excluded.votes"
)
COUNT_UNLESS_SET_ASIDE = (
    "INSERT INTO counts (category, a, b, outcome, votes) SELECT :category, :a, :b, :outcome, :votes "
    "FROM voters WHERE id = :voter_id AND set_aside_at IS NULL "
    "ON CONFLICT (category, a, b, outcome) DO UPDATE SET votes = counts.votes + excluded.votes"
)


@cache
def _new_looks(dialect: str) -> str:
    """Of the ballot that was put in last. As it is the table's own key, it stays the last id."""
    columns = ", ".join(f":{name}" for name in LOOKS_OF_SIDES)
    return (
        f"INSERT INTO ballot_looks (ballot, {', '.join(LOOKS_OF_SIDES)}) "
        f"VALUES ({_LAST.get(dialect, _LAST_ELSEWHERE)}, {columns})"
    )


@cache
def _vote_of_ballot(dialect: str, how: How) -> str:
    """The vote, stored or found, with the ballot that was put in last."""
    last = _LAST.get(dialect, _LAST_ELSEWHERE)
    if how == KEPT:
        return f"UPDATE votes SET ballot = {last} WHERE conversation_id = :conversation_id"
    columns = ", ".join(f":{name}" for name in OF_THE_VOTE)
    return f"INSERT INTO votes ({', '.join(OF_THE_VOTE)}, ballot) VALUES ({columns}, {last})"


@dataclass(frozen=True, slots=True)
class Cast:
    """A conversation with its vote, and what it is to the board."""

    voted: Conversation
    appraisal: Appraisal

    @property
    def vote(self) -> Vote:
        assert self.voted.vote is not None
        return self.voted.vote

    @property
    def pair(self) -> Pair:
        assert self.voted.pair is not None
        return self.voted.pair


def voter_number(voter_id: str) -> int:
    """63 bits that stand for the voter: the same on every machine."""
    return int.from_bytes(blake2b(voter_id.encode(), digest_size=8).digest(), "big") >> 1


def day_of(moment: datetime) -> int:
    """Days since 1970 in UTC."""
    return int(moment.astimezone(UTC).timestamp() // 86_400)


class Numbers:
    """The numbers of entrants and of sets of categories. Those that are remembered are on disk."""

    def __init__(self) -> None:
        self.entrants: dict[str, int] = {}
        self.sets: dict[str, int] = {}
        self._fresh: list[tuple[dict[str, int], dict[str, int]]] = []

    async def find(self, db: AsyncConnection, casts: Iterable[Cast]) -> None:
        """Have numbers for all names in these. Whoever commits calls `keep`, whoever does not `forget`."""
        casts = list(casts)
        names = {name for cast in casts for name in (cast.pair.a, cast.pair.b)}
        sets = {set_name(cast.appraisal.categories) for cast in casts}
        await self._find(db, "entrants", "name", names, self.entrants)
        await self._find(db, "category_sets", "names", sets, self.sets)

    def keep(self) -> None:
        """What was found is on disk."""
        self._fresh.clear()

    def forget(self) -> None:
        """What was found may have been rolled back."""
        for known, fresh in self._fresh:
            for name in fresh:
                known.pop(name, None)
        self._fresh.clear()

    async def _find(
        self, db: AsyncConnection, table: str, column: str, names: set[str], known: dict[str, int]
    ) -> None:
        lacking = sorted(names - known.keys())
        if not lacking:
            return
        rows = [{"name": name} for name in lacking]
        await db.execute(text(f"INSERT INTO {table} ({column}) VALUES (:name) ON CONFLICT DO NOTHING"), rows)
        fresh = {}
        for name in lacking:
            fresh[name] = await db.scalar(text(f"SELECT id FROM {table} WHERE {column} = :name"), {"name": name})
        self._fresh.append((known, fresh))
        known.update(fresh)

    def ballot(self, cast: Cast) -> Row:
        """The row of `ballots`."""
        return {
            "a": self.entrants[cast.pair.a],
            "b": self.entrants[cast.pair.b],
            "outcome": CHOICES.index(cast.vote.choice),
            "voter": voter_number(cast.voted.voter_id),
            "day": day_of(cast.vote.created_at),
            "category_set": self.sets[set_name(cast.appraisal.categories)],
            "is_leak": int(cast.appraisal.is_leak),
            "probability": cast.pair.probability or 0.0,
        }

    def steps(self, cast: Cast, dialect: str, how: How) -> list[Step]:
        """What stores the vote, or finds it, with its ballot, looks and counts."""
        ballot = self.ballot(cast)
        of_vote = vote_row(cast.voted) if how == NEW else {"conversation_id": cast.voted.id}
        steps: list[Step] = [
            (NEW_BALLOT, [ballot]),
            (_new_looks(dialect), [looks_row(cast.appraisal)]),
            (_vote_of_ballot(dialect, how), [of_vote]),
        ]
        if not cast.appraisal.is_leak:
            cells = cells_of(ballot, cast.appraisal.categories, 1)
            steps.append((COUNT_UNLESS_SET_ASIDE, [cell | {"voter_id": cast.voted.voter_id} for cell in cells]))
        return steps


def cells_of(ballot: Row, categories: Sequence[str], votes: int) -> list[Row]:
    """So many such ballots, as rows of `counts`."""
    cell = {"a": ballot["a"], "b": ballot["b"], "outcome": ballot["outcome"], "votes": votes}
    return [cell | {"category": category} for category in (ALL, *categories)]


@lru_cache(maxsize=1000)
def set_name(categories: tuple[str, ...]) -> str:
    """How a set of categories is written down."""
    return json.dumps(list(categories), ensure_ascii=False)


def vote_row(voted: Conversation) -> Row:
    """The row of `votes`, but for its ballot."""
    assert voted.vote is not None
    return {
        "conversation_id": voted.id,
        "voter_id": voted.voter_id,
        "turn": voted.vote.turn,
        "choice": voted.vote.choice,
        "created_at": voted.vote.created_at,
    }


def looks_row(appraisal: Appraisal) -> Row:
    """The looks of both sides, as columns of `ballot_looks`."""
    return {f"{name}_{side}": getattr(appraisal.looks[side], name) for side in SIDES for name in LOOKS}
