"""The voting booth: votes cast, taken back while the names are hidden, and counted once they are asked for.

A vote that shows the names has its ballot at once. Where names wait, it has none until they are out, or until so
much time has passed that a board which moves tells nobody who has answered.
"""

from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from arena import tables
from arena.appraisal import Appraisal
from arena.conversation import Choice, Conversation, Vote
from arena.errors import Conflict
from arena.store import casting
from arena.store.box import BallotBox
from arena.store.casting import Cast
from arena.store.conversations import load
from arena.store.database import Database, Row, Step, carry_out, whole
from arena.words import _


class Booth:
    """Where visitors vote. Every method raises `StoreError` where that fails."""

    def __init__(self, database: Database, box: BallotBox) -> None:
        self._database = database
        self._box = box

    @whole
    async def cast(self, key: str, voter_id: str | None, choice: Choice, seen: str | None) -> Conversation:
        """See `Store.cast_vote`."""
        looked: dict[str, Appraisal | None] = {}  # by edition
        while True:
            async with self._box.write() as db:
                conversation = await load(db, key, voter_id)
                conversation.check_vote(choice, seen)
                if conversation.is_over or conversation.has_voted:
                    return conversation
                vote = Vote(choice, conversation.last.number, datetime.now(UTC))
                if not conversation.counts_at_once:
                    return await _keep(db, conversation, vote)
                voted = replace(conversation, vote=vote)
                if await self._box.put_foreseen(db, voted):
                    return voted
                if not self._box.takes_long(conversation):
                    looked[conversation.edition] = await self._box.appraise(conversation)
                if conversation.edition in looked:
                    await self._box.put(db, voted, looked[conversation.edition])
                    return voted
            looked[conversation.edition] = await self._box.appraise(conversation)

    def foresee(self, conversation: Conversation) -> None:
        """Do now what a vote on these answers would have to wait for."""
        if conversation.can_vote and conversation.counts_at_once:
            self._box.foresee(conversation)

    @whole
    async def undo(self, key: str, voter_id: str | None, seconds: float) -> None:
        """Take back the vote about the last turn, which is at most so old. Raises `NotFound`, `Conflict`."""
        async with self._database.write() as db:
            conversation = await load(db, key, voter_id)
            vote = conversation.check_undo(datetime.now(UTC), seconds)
            if vote == conversation.vote:
                if await db.scalar(_BALLOT, {"key": key}) is not None:
                    raise Conflict(_("Your vote counts by now, so it stands."))
                await carry_out(db, [(_NO_VOTE, [{"key": key}])], is_last=True)
            else:
                await carry_out(db, [(_NO_TURN_VOTE, [{"key": key, "turn": vote.turn}])], is_last=True)

    @whole
    async def reveal(self, key: str, voter_id: str | None) -> None:
        """Let the names be out; the vote counts from now on. Raises `NotFound`, `Conflict`."""
        looked: dict[Vote | None, Appraisal | None] = {}
        while True:
            async with self._box.write() as db:
                conversation = await load(db, key, voter_id)
                conversation.check_reveal()
                if conversation.names_are_out:
                    return None
                voted = conversation.as_voted
                has_ballot = await db.scalar(_BALLOT, {"key": key}) is not None
                if not has_ballot and not self._box.takes_long(voted):
                    looked[voted.vote] = await self._box.appraise(voted)
                if has_ballot or voted.vote in looked:
                    return await self._show(db, voted, None if has_ballot else looked[voted.vote])
            looked[voted.vote] = await self._box.appraise(voted)

    async def settle(self, after: datetime, before: datetime) -> int:
        """Count votes cast between the two moments whose names nobody has asked for. Returns how many."""
        from arena.store import recount

        return await recount.settle(self._box, self._database, after, before)

    async def _show(self, db: AsyncConnection, voted: Conversation, appraisal: Appraisal | None) -> None:
        shown: Step = (_SHOWN, [{"key": voted.id, "now": datetime.now(UTC)}])
        await carry_out(db, [shown], is_last=appraisal is None)
        if appraisal is not None:
            await self._box.put_all(db, [Cast(voted, appraisal)], casting.KEPT)


async def _keep(db: AsyncConnection, conversation: Conversation, vote: Vote) -> Conversation:
    """The vote without a ballot: the first of a conversation, or one about a later turn."""
    if conversation.vote is None:
        voted = replace(conversation, vote=vote)
        await carry_out(db, [(casting.NEW_VOTE, [casting.vote_row(voted)])], is_last=True)
        return voted
    await carry_out(db, [(NEW_TURN_VOTE, [turn_vote_row(conversation.id, vote)])], is_last=True)
    return replace(conversation, later_votes=(*conversation.later_votes, vote))


def turn_vote_row(key: str, vote: Vote) -> Row:
    """The row of `turn_votes`."""
    return {"conversation_id": key, "turn": vote.turn, "choice": vote.choice, "created_at": vote.created_at}


NEW_TURN_VOTE = casting.insertion("turn_votes", ("conversation_id", "turn", "choice", "created_at"))
_NO_VOTE = "DELETE FROM votes WHERE conversation_id = :key"
_NO_TURN_VOTE = "DELETE FROM turn_votes WHERE conversation_id = :key AND turn = :turn"
_SHOWN = "UPDATE conversations SET revealed_at = :now WHERE id = :key"
_BALLOT = select(tables.Vote.ballot).where(tables.Vote.conversation_id == bindparam("key"))
