"""All ballots of a store in memory, kept up with it: new ones are read, and after a repair all of them."""

from dataclasses import replace

import numpy as np

from arena.board.electorate import Electorate, Rows, aside, of_counts
from arena.board.values import LeftOut, View
from arena.store import BallotBox, Roll
from arena.store.arrays import EMPTY, Ballots, Names

NEVER = Roll(0, 0, ())


class Poll:
    """The ballots up to a roll of the box. What few views need is read when one asks for it."""

    def __init__(self, box: BallotBox) -> None:
        self._box = box
        self._clear()

    def _clear(self) -> None:
        self.roll = NEVER
        self.rows = Rows(EMPTY, Names({}, {}), aside(()))

    async def catch_up(self) -> None:
        """Read what is new."""
        roll = await self._box.roll()
        if roll.repairs != self.roll.repairs or roll.newest < self.roll.newest:
            self._clear()
        rows, upto = self.rows, self.roll.newest
        if roll.newest > upto:
            names, fresh = await self._box.ballots(upto, roll.newest)
            rows = replace(rows, names=names, ballots=Ballots.join([rows.ballots, fresh]))
            rows = await self._extended(rows, upto, roll.newest)
        away = aside(voter.voter_id for voter in roll.set_aside)
        self.rows, self.roll = replace(rows, set_aside=away), roll

    async def rows_for(self, view: View) -> Rows:
        """The rows with all that the view needs, and without what it does not."""
        upto, rows = self.roll.newest, self.rows
        has_days = view.since is not None or view.until is not None
        if has_days and rows.days is None:
            rows = replace(rows, days=await self._box.days(0, upto))
        if view.is_weighted and rows.probabilities is None:
            rows = replace(rows, probabilities=await self._box.probabilities(0, upto))
        if view.is_style_controlled and rows.looks is None:
            rows = replace(rows, looks=await self._box.looks(0, upto))
        self.rows = rows
        return replace(
            rows,
            days=rows.days if has_days else None,
            probabilities=rows.probabilities if view.is_weighted else None,
            looks=rows.looks if view.is_style_controlled else None,
        )

    async def _extended(self, rows: Rows, after: int, upto: int) -> Rows:
        """The same, with the rest of what has been read of earlier ballots."""
        if rows.days is not None:
            rows = replace(rows, days=np.concatenate([rows.days, await self._box.days(after, upto)]))
        if rows.probabilities is not None:
            more = await self._box.probabilities(after, upto)
            rows = replace(rows, probabilities=np.concatenate([rows.probabilities, more]))
        if rows.looks is not None:
            rows = replace(rows, looks=np.concatenate([rows.looks, await self._box.looks(after, upto)]))
        return rows


async def from_counts(box: BallotBox, view: View) -> Electorate:
    """The electorate of a view that needs nothing but counts."""
    left_out, waiting = await box.left_out(view.category), await box.without_ballot()
    return of_counts(
        await box.tally(view.category),
        LeftOut(left_out.leaks, left_out.set_aside, 0, waiting.not_blind, waiting.waiting),
        await box.categories(),
    )
