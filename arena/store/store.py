"""The questions the arena asks of what it keeps: one method, one transaction.

The rules of a battle are asked (`arena.conversation`) inside the transaction that writes, so two requests at once
cannot both be right.
"""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import update
from uuid_utils import uuid7

from arena import tables
from arena.appraisal import Appraiser
from arena.conversation import (
    SIDES,
    Answer,
    Asked,
    Choice,
    Conversation,
    Mode,
    Pair,
    Parameters,
    Reveal,
    Side,
    Turn,
)
from arena.store.arrivals import Arrival, Fate, appraise, foresee, take_in
from arena.store.attachments import Attachments, attach, find, turn_with
from arena.store.batch import Batch, Row
from arena.store.booth import Booth
from arena.store.box import BallotBox
from arena.store.browse import Browse
from arena.store.conversations import load, load_version, parameters_column
from arena.store.database import Database, carry_out, open_database, whole
from arena.store.history import History
from arena.store.named import Named
from arena.store.reactions import Reactions
from arena.store.remarks import Remarks
from arena.store.shares import Shares
from arena.store.terms import Terms
from arena.store.voters import WELCOME
from arena.store.votes import VoteRecord, count, vote_records
from arena.store.writing import (
    ANSWER_COLUMNS,
    KEEP_PROMPT,
    NEW_CONVERSATION,
    OTHER_PROMPT,
    STILL_STREAMING,
    THIS_ANSWER,
    conversation_row,
    insert_turn,
    models_row,
    write_again,
)

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

    `box` holds the ballots: what boards are made of. `booth`: where votes are cast; `remarks`: what is said about
    them; `reactions`: what is thought of a chat's answers. `attachments`: what comes with prompts. `history`: what
    is a visitor's own; `shares`: what they let others read; `terms`: who accepted them. `browse` answers the
    operator; `named`: conversations with models chosen by name, for exports.
    """

    def __init__(self, database: Database, appraiser: Appraiser | None = None) -> None:
        self._database = database
        self.box = BallotBox(database, appraiser)
        self.booth = Booth(database, self.box)
        self.remarks = Remarks(database)
        self.browse = Browse(database)
        self.terms = Terms(database)
        self.history = History(database, self.box)
        self.shares = Shares(database)
        self.attachments = Attachments(database)
        self.reactions = Reactions(database)
        self.named = Named(database)
        self._finished = Batch(self._finish_answers)

    async def close(self) -> None:
        await self._finished.close()
        await self._database.close()

    @whole
    async def open_conversation(
        self,
        voter_id: str,
        prompt: str,
        pair: Pair | None,
        *,
        attached: Sequence[str] = (),
        reveal: Reveal = "on_vote",
    ) -> Conversation:
        """A new battle with its first turn; with a pair, both answers are being written.

        `attached`: the ids of what comes with the prompt. Raises `Unprocessable` where one of them does not wait
        for a prompt of this voter.
        """
        self.box.note(prompt)
        opened = Conversation(str(uuid7()), voter_id, datetime.now(UTC), pair, (Turn(1, prompt),), reveal=reveal)
        return await self._open(opened, attached)

    @whole
    async def open_named(self, voter_id: str, mode: Mode, names: Sequence[str], asked: Asked) -> Conversation:
        """A new conversation with these models, two side by side or one alone; their answers are being written.

        Raises `Unprocessable`.
        """
        pair = Pair(names[0], names[1], None) if mode == "side_by_side" else None
        turn = Turn(1, asked.prompt, parameters=asked.said or Parameters())
        model = None if pair else names[0]
        opened = Conversation(str(uuid7()), voter_id, datetime.now(UTC), pair, (turn,), mode=mode, model=model)
        return await self._open(opened, asked.attached)

    async def _open(self, conversation: Conversation, attached: Sequence[str]) -> Conversation:
        async with self._database.write() as db:
            await carry_out(db, [(WELCOME, [{"voter": conversation.voter_id, "now": conversation.created_at}])])
            await db.execute(NEW_CONVERSATION, conversation_row(conversation))
            turn = await insert_turn(db, conversation, conversation.last, attached)
        return replace(conversation, turns=(turn,))

    @whole
    async def set_pair(self, conversation: Conversation, pair: Pair) -> Conversation:
        """The pair of a conversation that was opened without one; both answers are being written from now on."""
        table = tables.Conversation
        drawn = replace(conversation, pair=pair)
        async with self._database.write() as db:
            await db.execute(update(table).where(table.id == drawn.id).values(**models_row(drawn)))
            return await write_again(db, drawn, SIDES)

    async def conversation(self, key: str, voter_id: str | None) -> Conversation:
        """The visitor's own conversation. Raises `NotFound`, for one that belongs to somebody else as well."""
        async with self._database.read() as db:
            return await load(db, key, voter_id)

    async def version(self, key: str, turn: int, side: Side, version: int) -> Answer:
        """One version of an answer, whoever it belongs to. Raises `NotFound`."""
        async with self._database.read() as db:
            return await load_version(db, key, turn, side, version)

    @whole
    async def open_turn(self, key: str, voter_id: str | None, asked: Asked, turns_allowed: int) -> Conversation:
        """A follow-up prompt, with its answers being written. Raises `NotFound`, `Conflict`, `Unprocessable`."""
        self.box.note(asked.prompt)
        async with self._database.write() as db:
            conversation = await load(db, key, voter_id)
            conversation.check_follow_up(turns_allowed)
            last, said = conversation.last, asked.said
            turn = Turn(last.number + 1, asked.prompt, parameters=last.parameters if said is None else said)
            turn = await insert_turn(db, conversation, turn, asked.attached)
        return replace(conversation, turns=(*conversation.turns, turn))

    @whole
    async def edit_prompt(self, key: str, voter_id: str | None, asked: Asked) -> Conversation:
        """The last prompt in other words and with these files, with its answers being written anew.

        Raises `NotFound`, `Conflict`, `Unprocessable`.
        """
        self.box.note(asked.prompt)
        async with self._database.write() as db:
            conversation = await load(db, key, voter_id)
            conversation.check_edit()
            turn = conversation.last
            where = {"key": key, "turn_": turn.number}
            await db.execute(KEEP_PROMPT, where | {"asked": turn.prompt})
            said = turn.parameters if asked.said is None else asked.said
            found = await find(db, voter_id, asked.attached, at=(key, turn.number))
            turn = turn_with(replace(turn, prompt=asked.prompt, parameters=said), found)
            row: Row = {"asked": turn.prompt, "said": parameters_column(said)}
            row |= {"pictures": turn.images, "papers": turn.documents}
            await db.execute(OTHER_PROMPT, where | row)
            await attach(db, key, turn.number, found)
            edited = replace(conversation, turns=(*conversation.turns[:-1], turn))
            return await write_again(db, edited, edited.sides)

    @whole
    async def regenerate(self, key: str, voter_id: str | None, side: Side | None) -> Conversation:
        """The next version of the last answers, on one side or both. Raises `NotFound`, `Conflict`."""
        async with self._database.write() as db:
            conversation = await load(db, key, voter_id)
            sides = conversation.sides_to_regenerate(side)
            return await write_again(db, conversation, sides)

    @whole
    async def revive(self, conversation: Conversation) -> Conversation:
        """The next version of the answers that a stop of the server had cut off."""
        async with self._database.write() as db:
            conversation = await load(db, conversation.id, conversation.voter_id)
            return await write_again(db, conversation, conversation.last.sides_in("interrupted"))

    async def cast_vote(
        self, key: str, voter_id: str | None, choice: Choice, seen: str | None = None
    ) -> Conversation:
        """The vote, on disk when this returns; the same vote again is a no-op. Raises `NotFound`, `Conflict`.

        `seen` is the `edition` of the conversation that was voted on, where the visitor's page knew it. Long texts
        are looked through between two transactions, so that nobody waits for that.
        """
        return await self.booth.cast(key, voter_id, choice, seen)

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
                await db.execute(STILL_STREAMING, rows)

    async def finish_answer(self, key: str, turn: int, answer: Answer) -> Answer:
        """How an answer ended, with all that is known of it: on disk when this returns. Returns it as kept."""
        where = {"key": key, "turn_": turn, "side_": answer.side, "version_": answer.version}
        columns = {column: getattr(answer, column) for column in ANSWER_COLUMNS}
        marks = await self.box.marks(answer.text)
        await self._finished.add(where | columns | marks)
        return replace(answer, **marks)

    @whole
    async def _finish_answers(self, rows: list[Row]) -> None:
        async with self._database.write() as db:
            await db.execute(THIS_ANSWER, rows)

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
