"""The questions the arena asks of what it keeps: one method, one transaction.

The rules of a battle are asked (`arena.conversation`) inside the transaction that writes, so two requests at once
cannot both be right.
"""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from sqlalchemy import Table, bindparam, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils import uuid7

from arena import tables
from arena.appraisal import Appraisal, Appraiser
from arena.conversation import SIDES, Answer, Choice, Conversation, Pair, Side, Turn, Vote
from arena.store.arrivals import Arrival, Fate, appraise, foresee, take_in
from arena.store.batch import Batch, Row
from arena.store.box import BallotBox
from arena.store.browse import Browse
from arena.store.conversations import load, load_version, parameters_column
from arena.store.database import Database, open_database, whole
from arena.store.terms import Terms
from arena.store.votes import VoteRecord, count, vote_records

MIGRATIONS = ("migrations", "../migrations")


@dataclass(frozen=True, slots=True)
class Partial:
    """The text an answer in flight has so far."""

    conversation_id: str
    turn: int
    side: Side
    version: int
    text: str
    reasoning: str


async def open_store(url: str, appraiser: Appraiser | None = None) -> "Store":
    """The store at `url`, migrated. Without an appraiser votes wait for their ballots. Raises `StoreError`."""
    return Store(await open_database(url, _migrations()), appraiser)


def _migrations() -> Path:
    """Beside the package in a checkout, inside it in an installed wheel."""
    package = Path(__file__).parent.parent
    return next(path for place in MIGRATIONS if (path := package / place).is_dir())


class Store:
    """Voters, conversations and votes on a `Database`. Every method raises `StoreError` where that fails.

    `box` holds the ballots: what boards are made of. `browse` answers the operator; `terms`: who accepted them.
    """

    def __init__(self, database: Database, appraiser: Appraiser | None = None) -> None:
        self._database = database
        self.box = BallotBox(database, appraiser)
        self.browse = Browse(database)
        self.terms = Terms(database)
        self._finished = Batch(self._finish_answers)

    async def close(self) -> None:
        await self._finished.close()
        await self._database.close()

    @whole
    async def open_conversation(self, voter_id: str, prompt: str, pair: Pair | None) -> Conversation:
        """A new battle with its first turn; with a pair, both answers are being written."""
        self.box.note(prompt)
        return await self._open(Conversation(str(uuid7()), voter_id, datetime.now(UTC), pair, (Turn(1, prompt),)))

    async def _open(self, conversation: Conversation) -> Conversation:
        async with self._database.write() as db:
            await db.execute(_WELCOME, {"voter": conversation.voter_id, "now": conversation.created_at})
            await db.execute(_NEW_CONVERSATION, _row(conversation))
            turn = await _insert_turn(db, conversation, conversation.last)
        return replace(conversation, turns=(turn,))

    @whole
    async def set_pair(self, conversation: Conversation, pair: Pair) -> Conversation:
        """The pair of a conversation that was opened without one; both answers are being written from now on."""
        table = tables.Conversation
        drawn = replace(conversation, pair=pair)
        async with self._database.write() as db:
            await db.execute(update(table).where(table.id == drawn.id).values(**_models(drawn)))
            return await _write_again(db, drawn, SIDES)

    async def conversation(self, key: str, voter_id: str | None) -> Conversation:
        """The visitor's own conversation. Raises `NotFound`, for one that belongs to somebody else as well."""
        async with self._database.read() as db:
            return await load(db, key, voter_id)

    async def version(self, key: str, turn: int, side: Side, version: int) -> Answer:
        """One version of an answer, whoever it belongs to. Raises `NotFound`."""
        async with self._database.read() as db:
            return await load_version(db, key, turn, side, version)

    @whole
    async def open_turn(self, key: str, voter_id: str | None, prompt: str, turns_allowed: int) -> Conversation:
        """A follow-up prompt, with both answers being written. Raises `NotFound`, `Conflict`."""
        self.box.note(prompt)
        async with self._database.write() as db:
            conversation = await load(db, key, voter_id)
            conversation.check_follow_up(turns_allowed)
            turn = await _insert_turn(db, conversation, Turn(conversation.last.number + 1, prompt))
        return replace(conversation, turns=(*conversation.turns, turn))

    @whole
    async def edit_prompt(self, key: str, voter_id: str | None, prompt: str) -> Conversation:
        """The last prompt in other words, with both answers being written anew. Raises `NotFound`, `Conflict`."""
        self.box.note(prompt)
        async with self._database.write() as db:
            conversation = await load(db, key, voter_id)
            conversation.check_edit()
            turn = conversation.last
            where = {"key": key, "turn_": turn.number}
            await db.execute(_KEEP_PROMPT, where | {"asked": turn.prompt})
            await db.execute(_OTHER_PROMPT, where | {"asked": prompt})
            edited = replace(conversation, turns=(*conversation.turns[:-1], replace(turn, prompt=prompt)))
            return await _write_again(db, edited, edited.sides)

    @whole
    async def regenerate(self, key: str, voter_id: str | None, side: Side | None) -> Conversation:
        """The next version of the last answers, on one side or both. Raises `NotFound`, `Conflict`."""
        async with self._database.write() as db:
            conversation = await load(db, key, voter_id)
            sides = conversation.sides_to_regenerate(side)
            return await _write_again(db, conversation, sides)

    @whole
    async def revive(self, conversation: Conversation) -> Conversation:
        """The next version of the answers that a stop of the server had cut off."""
        async with self._database.write() as db:
            conversation = await load(db, conversation.id, conversation.voter_id)
            return await _write_again(db, conversation, conversation.last.sides_in("interrupted"))

    @whole
    async def cast_vote(
        self, key: str, voter_id: str | None, choice: Choice, seen: str | None = None
    ) -> Conversation:
        """The vote, on disk when this returns; the same vote again is a no-op. Raises `NotFound`, `Conflict`.

        `seen` is the `edition` of the conversation that was voted on, where the visitor's page knew it. Long texts
        are looked through between two transactions, so that nobody waits for that.
        """
        looked: dict[str, Appraisal | None] = {}  # by edition
        while True:
            async with self.box.write() as db:
                conversation = await load(db, key, voter_id)
                conversation.check_vote(choice, seen)
                if conversation.vote is not None:
                    return conversation
                if not self.box.takes_long(conversation):
                    looked[conversation.edition] = await self.box.appraise(conversation)
                if conversation.edition in looked:
                    vote = Vote(choice, conversation.last.number, datetime.now(UTC))
                    voted = replace(conversation, vote=vote)
                    await self.box.put(db, voted, looked[conversation.edition])
                    return voted
            looked[conversation.edition] = await self.box.appraise(conversation)

    @whole
    async def save_partials(self, partials: Iterable[Partial]) -> None:
        """The text so far of answers in flight, all in one transaction; a finished answer is left alone."""
        rows = [
            {
                "key": p.conversation_id,
                "turn_": p.turn,
                "side_": p.side,
                "version_": p.version,
                "text": p.text,
                "reasoning": p.reasoning,
            }
            for p in partials
        ]
        if rows:
            async with self._database.write() as db:
                await db.execute(_STILL_STREAMING, rows)

    async def finish_answer(self, key: str, turn: int, answer: Answer) -> None:
        """How an answer ended, with all that is known of it: on disk when this returns."""
        where = {"key": key, "turn_": turn, "side_": answer.side, "version_": answer.version}
        columns = {column: getattr(answer, column) for column in _ANSWER_COLUMNS}
        await self._finished.add(where | columns | await self.box.marks(answer.text))

    @whole
    async def _finish_answers(self, rows: list[Row]) -> None:
        async with self._database.write() as db:
            await db.execute(_THIS_ANSWER, rows)

    @whole
    async def interrupt_all(self) -> int:
        """After a start: answers nobody is writing any more become `interrupted`. Returns how many."""
        table = tables.Answer
        async with self._database.write() as db:
            result = await db.execute(update(table).where(table.state == "streaming").values(state="interrupted"))
        return result.rowcount

    @whole
    async def take_in(self, arrivals: Sequence[Arrival]) -> list[Fate]:
        """Store votes that were cast elsewhere: all that are not there yet, or none."""
        fates = await self.foresee(arrivals)
        fresh = [arrival for arrival, fate in zip(arrivals, fates, strict=True) if fate == "stored"]
        appraised = [await appraise(self.box, arrival) for arrival in fresh]
        if appraised:
            async with self.box.write() as db:
                stored = iter(await take_in(db, self.box, appraised))
            fates = [next(stored) if fate == "stored" else fate for fate in fates]
        return fates

    async def foresee(self, arrivals: Sequence[Arrival]) -> list[Fate]:
        """What `take_in` would do."""
        async with self._database.read() as db:
            return await foresee(db, arrivals)

    async def count_votes(self, since: datetime | None = None) -> int:
        async with self._database.read() as db:
            return await count(db, since)

    async def votes(self, since: datetime | None = None) -> AsyncGenerator[VoteRecord, None]:
        """Every vote with its battle, oldest first, in bounded memory."""
        async with self._database.read() as db, aclosing(vote_records(db, since)) as records:
            async for record in records:
                yield record


# A voter's row, unless it is there: in one question, as every question waits for the database's thread.
_WELCOME = insert(tables.Voter).from_select(
    ["id", "created_at"],
    select(
        bindparam("voter", type_=tables.Voter.id.type), bindparam("now", type_=tables.Voter.created_at.type)
    ).where(~exists().where(tables.Voter.id == bindparam("voter"))),
)
# Written out once, and over the bare tables: to build them anew takes longer than SQLite takes to carry them out.
_NEW_CONVERSATION, _NEW_TURN, _NEW_ANSWER = (
    insert(cast(Table, record.__table__)) for record in (tables.Conversation, tables.Turn, tables.Answer)
)
_KEYS = {"conversation_id": "key", "turn": "turn_", "side": "side_", "version": "version_"}
_ANSWER_COLUMNS = (
    "backend",
    "state",
    "text",
    "reasoning",
    "error",
    "prompt_tokens",
    "completion_tokens",
    "first_token_ms",
    "duration_ms",
    "finish_reason",
    "request_id",
    "thread",
    "answered_by",
)
_THIS_ANSWER = update(cast(Table, tables.Answer.__table__)).where(
    *(getattr(tables.Answer, column) == bindparam(name) for column, name in _KEYS.items())
)
_KEEP_PROMPT = (
    update(cast(Table, tables.Answer.__table__))
    .where(
        tables.Answer.conversation_id == bindparam("key"),
        tables.Answer.turn == bindparam("turn_"),
        tables.Answer.prompt.is_(None),
    )
    .values(prompt=bindparam("asked"))
)
_OTHER_PROMPT = (
    update(cast(Table, tables.Turn.__table__))
    .where(tables.Turn.conversation_id == bindparam("key"), tables.Turn.number == bindparam("turn_"))
    .values(prompt=bindparam("asked"))
)
_STILL_STREAMING = _THIS_ANSWER.where(tables.Answer.state == "streaming")


def _row(conversation: Conversation) -> Row:
    """Its row of `conversations`."""
    return _models(conversation) | {
        "id": conversation.id,
        "voter_id": conversation.voter_id,
        "mode": conversation.mode,
        "reveal": conversation.reveal,
        "created_at": conversation.created_at,
    }


def _models(conversation: Conversation) -> Row:
    """Who answers in it, as columns of `conversations`."""
    models, pair = conversation.models, conversation.pair
    return {
        "model_a": models.get("a"),
        "model_b": models.get("b"),
        "pair_probability": pair.probability if pair else None,
    }


async def _insert_turn(db: AsyncConnection, conversation: Conversation, turn: Turn) -> Turn:
    """A new turn of it; where its models are known, their answers are being written."""
    row = {
        "conversation_id": conversation.id,
        "number": turn.number,
        "prompt": turn.prompt,
        "parameters": parameters_column(turn.parameters),
        "created_at": datetime.now(UTC),
    }
    await db.execute(_NEW_TURN, row)
    if not conversation.models:
        return turn
    return replace(turn, answers=await _insert_answers(db, conversation, turn, conversation.sides))


async def _insert_answers(
    db: AsyncConnection, conversation: Conversation, turn: Turn, sides: tuple[Side, ...]
) -> dict[Side, Answer]:
    """The next version of these sides' answers, `streaming`. Returns all answers of the turn."""
    models = conversation.models
    fresh = {side: Answer(side, _next_version(turn, side), models[side], "streaming") for side in sides}
    await db.execute(
        _NEW_ANSWER,
        [
            {
                "conversation_id": conversation.id,
                "turn": turn.number,
                "side": answer.side,
                "version": answer.version,
                "model": answer.model,
                "state": answer.state,
                "created_at": datetime.now(UTC),
            }
            for answer in fresh.values()
        ],
    )
    merged = turn.answers | fresh
    return {side: merged[side] for side in SIDES if side in merged}


def _next_version(turn: Turn, side: Side) -> int:
    return turn.answers[side].version + 1 if side in turn.answers else 1


async def _write_again(db: AsyncConnection, conversation: Conversation, sides: tuple[Side, ...]) -> Conversation:
    """The next version of these sides' answers to its last turn."""
    if not sides or not conversation.models:
        return conversation
    turn = conversation.last
    answers = await _insert_answers(db, conversation, turn, sides)
    return replace(conversation, turns=(*conversation.turns[:-1], replace(turn, answers=answers)))
