"""How a vote becomes a ballot: numbers for names, and the counts with it, in one trip to the database."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
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
OUTCOMES = ("wins_a", "wins_b", "ties", "both_bad")
FORESEEN = 2000  # slips in memory, some 3 KB each
_NOBODY = dict.fromkeys(OUTCOMES, 0)

OF_THE_VOTE = ("conversation_id", "voter_id", "turn", "choice", "created_at")
_BALLOT = ("a", "b", "outcome", "voter", "day", "category_set", "is_leak", "probability", "looks")
_LAST = {"sqlite": "last_insert_rowid()"}  # the id of the row that this connection has inserted last
_LAST_ELSEWHERE = "lastval()"


def insertion(table: str, columns: Sequence[str]) -> str:
    """The statement that adds a row with these columns."""
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(f':{name}' for name in columns)})"


NEW_VOTE = insertion("votes", OF_THE_VOTE)
NEW_BALLOT = insertion("ballots", _BALLOT)
_CELL = ("a", "b", "category", *OUTCOMES)
_MORE = ", ".join(f"{name} = counts.{name} + excluded.{name}" for name in OUTCOMES)
NEW_COUNT = f"{insertion('counts', _CELL)} ON CONFLICT (a, b, category) DO UPDATE SET"
COUNT = f"{NEW_COUNT} {_MORE}"
_EACH = {"sqlite": "json_each(:categories)"}  # the names in a list, as rows of one column, `value`
_EACH_ELSEWHERE = "json_array_elements_text(CAST(:categories AS json)) AS each (value)"


@cache
def count_of_vote(dialect: str) -> str:
    """Count a ballot in all its categories, unless its voter is set aside. For the row of `counted`."""
    return (
        f"INSERT INTO counts ({', '.join(_CELL)}) "
        f"SELECT :a, :b, value, {', '.join(f':{name}' for name in OUTCOMES)} "
        f"FROM voters, {_EACH.get(dialect, _EACH_ELSEWHERE)} "
        "WHERE voters.id = :voter_id AND set_aside_at IS NULL "
        f"ON CONFLICT (a, b, category) DO UPDATE SET {_MORE}"
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
    return int(moment.timestamp() // 86_400)


class Numbers:
    """The numbers of entrants and of sets of categories. Those that are remembered are on disk."""

    def __init__(self) -> None:
        self.entrants: dict[str, int] = {}
        self.sets: dict[str, int] = {}
        self._fresh: list[tuple[dict[str, int], dict[str, int]]] = []

    async def find(self, db: AsyncConnection, casts: Iterable[Cast]) -> None:
        """Have numbers for all names in these. Whoever commits calls `keep`, whoever does not `forget`."""
        names, sets = set(), set()
        for cast in casts:
            names |= {cast.pair.a, cast.pair.b} - self.entrants.keys()
            sets |= {set_name(cast.appraisal.categories)} - self.sets.keys()
        if names:
            await self._find(db, "entrants", "name", names, self.entrants)
        if sets:
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
        lacking = sorted(names)
        rows = [{"name": name} for name in lacking]
        await db.execute(text(f"INSERT INTO {table} ({column}) VALUES (:name) ON CONFLICT DO NOTHING"), rows)
        fresh = {}
        for name in lacking:
            fresh[name] = await db.scalar(text(f"SELECT id FROM {table} WHERE {column} = :name"), {"name": name})
        self._fresh.append((known, fresh))
        known.update(fresh)

    def slip_of(self, battle: Conversation, appraisal: Appraisal) -> "Slip | None":
        """All of a ballot but the choice, where all its numbers are on disk and known."""
        assert battle.pair is not None
        names = {battle.pair.a, battle.pair.b} <= self.entrants.keys()
        if self._fresh or not names or set_name(appraisal.categories) not in self.sets:
            return None
        return self.slip(battle, appraisal)

    def slip(self, battle: Conversation, appraisal: Appraisal) -> "Slip":
        """All of a ballot but the choice. Its numbers have been found."""
        assert battle.pair is not None
        row: Row = {
            "a": self.entrants[battle.pair.a],
            "b": self.entrants[battle.pair.b],
            "voter": voter_number(battle.voter_id),
            "category_set": self.sets[set_name(appraisal.categories)],
            "is_leak": int(appraisal.is_leak),
            "probability": battle.pair.probability or 0.0,
            "looks": packed(appraisal),
        }
        return Slip(row, counted(row, appraisal.categories, battle.voter_id))


@dataclass(frozen=True, slots=True)
class Slip:
    """A ballot that lacks its choice and day, and the row for `count_of_vote`, which lacks the choice."""

    ballot: Row
    counted: Row

    def steps(self, voted: Conversation, dialect: str, how: How) -> list[Step]:
        """What stores the vote, or finds it, with its ballot and counts."""
        assert voted.vote is not None
        outcome = CHOICES.index(voted.vote.choice)
        ballot = {**self.ballot, "outcome": outcome, "day": day_of(voted.vote.created_at)}
        of_vote = vote_row(voted) if how == NEW else {"conversation_id": voted.id}
        steps: list[Step] = [(NEW_BALLOT, [ballot]), (_vote_of_ballot(dialect, how), [of_vote])]
        if not ballot["is_leak"]:
            steps.append((count_of_vote(dialect), [{**self.counted, OUTCOMES[outcome]: 1}]))
        return steps


class Foreseen:
    """Slips made before their votes, by conversation and edition of its answers; the latest ones."""

    def __init__(self) -> None:
        self._slips: dict[tuple[str, str], Slip] = {}

    def keep(self, battle: Conversation, slip: Slip) -> None:
        if len(self._slips) >= FORESEEN:
            del self._slips[next(iter(self._slips))]
        self._slips[battle.id, battle.edition] = slip

    def take(self, battle: Conversation) -> Slip | None:
        """What was foreseen of a vote on these answers."""
        return self._slips.pop((battle.id, battle.edition), None)


def counted(ballot: Row, categories: tuple[str, ...], voter_id: str) -> Row:
    """Such a ballot of this voter, for `count_of_vote`, but for how often each outcome is to be counted: never."""
    row = {"a": ballot["a"], "b": ballot["b"], "categories": set_name((ALL, *categories)), "voter_id": voter_id}
    return row | _NOBODY


def cells_of(ballot: Row, categories: Sequence[str], votes: int) -> list[Row]:
    """So many such ballots, as rows of `counts`."""
    cell = {"a": ballot["a"], "b": ballot["b"], **_NOBODY, OUTCOMES[ballot["outcome"]]: votes}
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


def packed(appraisal: Appraisal) -> str:
    """The looks of both sides, as `ballots.looks` has them."""
    return " ".join(str(number) for side in SIDES for number in appraisal.looks[side][: len(LOOKS)])
