"""The boards of a server: computed in a thread when asked for, at most every few seconds, and then shared."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

from arena.board.values import ALL, Board, LeftOut, Neighbours, OddVoter, View
from arena.config import Config
from arena.errors import NotFound, StoreError, Unprocessable
from arena.store import Roll, Store
from arena.words import _

if TYPE_CHECKING:
    from arena.board.odd import Suspicions
    from arena.board.poll import Poll

log = logging.getLogger(__name__)

VIEWS = 50  # kept at once


class Boards:
    """What boards a server has computed, and the ballots they are computed from."""

    def __init__(self, config: Config, store: Store) -> None:
        self._settings = config.leaderboard
        self._box = store.box
        self._boards: dict[View, tuple[Board, Roll, float]] = {}
        self._fragile: dict[tuple[str, int], tuple[Neighbours, ...]] = {}
        self._odd: tuple[tuple[OddVoter, ...], float] | None = None
        self._poll: Poll | None = None
        self._suspicions: Suspicions | None = None
        self._turn = asyncio.Lock()
        self._filling: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to give votes their ballots where an older version has left them without, in the background."""
        self._filling = asyncio.create_task(self._fill())

    async def filled(self) -> None:
        """Until that is done."""
        if self._filling is not None:
            await asyncio.wait([self._filling])

    async def close(self) -> None:
        """Stop that: the next start goes on."""
        if self._filling is not None:
            self._filling.cancel()
            with suppress(asyncio.CancelledError):
                await self._filling

    def forget(self) -> None:
        """Let the next look at each board be a fresh one: a voter has been set aside, for one."""
        self._boards.clear()
        self._odd = None

    async def board(self, view: View | None = None) -> Board:
        """The board of that view, at most `refresh_seconds` old.

        Raises `NotFound` for a category without votes, `Unprocessable` for a view that cannot be, `StoreError`.
        """
        view = view or View()
        _check(view)
        asked = replace(view, order="rank")
        async with self._turn:
            board = self._fresh(asked) or await self._renewed(asked)
        if view.category != ALL and view.category not in board.categories:
            raise NotFound(_("There are no votes in the category {category}.").format(category=view.category))
        return await asyncio.to_thread(_ordered, board, view)

    async def fragile(self, view: View | None = None, pairs: int = 20) -> tuple[Neighbours, ...]:
        """The first neighbours of the list, and how few votes hold them apart. Raises as `board`.

        None where votes do not count alike: with weights, or with style taken out.
        """
        from arena.board import making

        board = await self.board(view)
        if (board.digest, pairs) not in self._fragile:
            found = await asyncio.to_thread(making.neighbours, board, pairs)
            self._fragile = {**dict(list(self._fragile.items())[-VIEWS:]), (board.digest, pairs): found}
        return self._fragile[board.digest, pairs]

    async def odd_voters(self) -> tuple[OddVoter, ...]:
        """For the operator: voters whose votes do not look like judgements, the oddest first."""
        from arena.board.odd import Suspicions

        async with self._turn:
            if self._odd and monotonic() - self._odd[1] < self._settings.refresh_seconds:
                return self._odd[0]
            poll = await self._caught_up()
            self._suspicions = self._suspicions or Suspicions()
            found = await asyncio.to_thread(self._suspicions.update, poll.rows)
            ids = await self._box.voters(poll.roll, [suspicion.row for suspicion in found])
            away = {voter.voter_id for voter in poll.roll.set_aside}
            odd = tuple(
                OddVoter(voter, one.habit, one.target, one.evidence, one.votes, voter in away)
                for one, voter in zip(found, ids, strict=True)
            )
            self._odd = odd, monotonic()
            return odd

    async def _fill(self) -> None:
        try:
            if filled := await self._box.fill():
                log.info("%d votes of an older version have been given their ballots", filled)
                self.forget()
        except StoreError as exc:
            log.error("votes could not be given their ballots: %s", exc)

    def _fresh(self, view: View) -> Board | None:
        board, _roll, at = self._boards.get(view, (None, None, 0.0))
        return board if monotonic() - at < self._settings.refresh_seconds else None

    async def _renewed(self, view: View) -> Board:
        """The board as it was where nothing has happened since, or a new one."""
        poll = await self._caught_up()
        board, roll, _at = self._boards.get(view, (None, None, 0.0))
        if board is None or roll != poll.roll:
            board = await self._computed(view, poll)
        self._boards.pop(view, None)
        while len(self._boards) >= VIEWS:
            del self._boards[next(iter(self._boards))]
        self._boards[view] = (board, poll.roll, monotonic())
        return board

    async def _computed(self, view: View, poll: "Poll") -> Board:
        from arena.board import electorate, making

        without = await self._box.without_ballot()
        rows = await poll.rows_for(view)

        def compute() -> Board:
            chosen = electorate.of_rows(view, rows, LeftOut(not_blind=without.not_blind, waiting=without.waiting))
            return making.make(view, self._settings, chosen, datetime.now(UTC))

        return await asyncio.to_thread(compute)

    async def _caught_up(self) -> "Poll":
        poll_module = await asyncio.to_thread(_load_poll)
        if self._poll is None:
            self._poll = poll_module(self._box)
        await self._poll.catch_up()
        return self._poll


async def board_of(config: Config, store: Store, view: View) -> Board:
    """The board of that view, for once: from the counts alone where they are enough. Raises as `Boards.board`."""
    _check(view)
    if view != View(view.category, is_anytime=view.is_anytime, clusters="votes", order=view.order):
        return await Boards(config, store).board(view)
    from arena.board import making, poll

    electorate = await poll.from_counts(store.box, view)
    if view.category != ALL and view.category not in electorate.categories:
        raise NotFound(_("There are no votes in the category {category}.").format(category=view.category))
    return making.make(view, config.leaderboard, electorate, datetime.now(UTC))


def _check(view: View) -> None:
    if view.is_weighted and view.is_style_controlled:
        raise Unprocessable(_("A board is either weighted or without style, not both: drop one of the two."))


def _ordered(board: Board, view: View) -> Board:
    from arena.board.making import in_order

    return replace(board, view=view, standings=in_order(board.standings, view.order))


def _load_poll() -> "type[Poll]":
    """numpy comes with it, so this is done in a thread."""
    from arena.board.poll import Poll

    return Poll
