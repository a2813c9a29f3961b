"""Draws the pair of models for a battle, by the policy of the configuration and the votes so far."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from random import Random
from time import monotonic
from typing import Any, Protocol

from arena.config import Config
from arena.conversation import Pair
from arena.errors import StoreError
from arena.matchmaker.balanced import Games
from arena.matchmaker.lottery import Knowledge, Mixture, Weighted
from arena.matchmaker.rule import contenders

log = logging.getLogger(__name__)

FRESH_SECONDS = 3.0
EXPECTED_SECONDS = 120.0
"""How long a battle that has been drawn counts as a vote to come. Many are never voted on; those that are count
twice for what is left of it."""


class Counts(Protocol):
    """How often each pair ended in each way: `votes[i, j, o]` with `names[i]` on side a, shape (M, M, 4)."""

    @property
    def names(self) -> Sequence[str]: ...

    @property
    def votes(self) -> Any: ...


class Matchmaker:
    """Who meets whom. Until votes are known, and without a question to ask for them, by weight alone.

    A draw never waits: what is known is refreshed behind it, at most every `FRESH_SECONDS`, and each pair drawn in
    between counts as a vote to come, so that a burst of draws spreads.
    """

    def __init__(self, config: Config, counts: Callable[[], Awaitable[Counts]] | None = None) -> None:
        self._rules = config.matchmaker
        kinds = [contenders(config.models, self._rules, has_images=has_images) for has_images in (False, True)]
        weighty = (name for weights in kinds for name, weight in weights.items() if weight > 0)
        self._names = tuple(dict.fromkeys(weighty))
        self._counts = None if self._rules.policy == "weighted" else counts
        self._knowledge: Knowledge | None = None
        self._drawn: deque[tuple[float, str, str]] = deque()
        self._refresh: asyncio.Task[None] | None = None
        self._refreshed_at = 0.0

    async def start(self) -> None:
        """Begin to count the votes, in the background."""
        self._keep_fresh(monotonic())

    async def close(self) -> None:
        """Stop counting."""
        if self._refresh is not None:
            self._refresh.cancel()
            with suppress(asyncio.CancelledError):
                await self._refresh
        self._counts = None

    def draw(self, weights: Mapping[str, float], rng: Random) -> Pair:
        """A pair from `weights` (model -> weight). Raises `ValueError` where no two may meet."""
        by_weight = Weighted(weights, self._rules)
        policy = self._knowledge and self._knowledge.lottery(weights, self._rules)
        pair = (Mixture(self._rules.floor, by_weight, policy) if policy else by_weight).draw(rng)
        if self._counts is not None:
            now = monotonic()
            self._drawn.append((now, pair.a, pair.b))
            self._keep_fresh(now)
        if self._knowledge is not None:
            self._knowledge.expect(pair.a, pair.b)
        return pair

    def _keep_fresh(self, now: float) -> None:
        is_busy = self._refresh is not None and not self._refresh.done()
        if self._counts is None or is_busy or (self._refreshed_at and now - self._refreshed_at < FRESH_SECONDS):
            return
        self._refreshed_at = now
        self._refresh = asyncio.create_task(self._learn(self._counts, now))

    async def _learn(self, question: Callable[[], Awaitable[Counts]], now: float) -> None:
        while self._drawn and self._drawn[0][0] < now - EXPECTED_SECONDS:
            self._drawn.popleft()
        expected = [(one, two) for _, one, two in self._drawn]
        try:
            knowledge = await asyncio.to_thread(self._measure, await question(), expected)
        except (StoreError, ArithmeticError) as exc:
            log.error("votes could not be counted for the draw, which goes on by the last count: %s", exc)
            return
        for _, one, two in list(self._drawn)[len(expected) :]:  # drawn in the meantime
            knowledge.expect(one, two)
        self._knowledge = knowledge

    def _measure(self, counts: Counts, expected: Sequence[tuple[str, str]]) -> Knowledge:
        if self._rules.policy == "informative":
            from arena.matchmaker.informative import measure  # with numpy

            return measure(counts.names, counts.votes, self._rules, self._names, expected)
        met = counts.votes.sum(axis=2)
        return Games(dict(zip(counts.names, met.sum(axis=0) + met.sum(axis=1), strict=True)), expected)
