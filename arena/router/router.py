"""Hands requests for a model to one of its backends, and the answer back."""

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from functools import partial
from time import monotonic

from arena.backend import Backend, Delta, Message, Status, Usage
from arena.config import Backed, Config
from arena.conversation import Pair, Parameters
from arena.errors import (
    BackendBusy,
    BackendError,
    BackendRefused,
    BackendUnreachable,
    Unavailable,
)
from arena.matchmaker import Matchmaker, can_draw, contenders
from arena.router.attempt import Attempt
from arena.router.errand import Errand
from arena.router.health import Health
from arena.router.observer import Observer, Unobserved
from arena.router.promises import Promises
from arena.router.queue import Queue, Ticket
from arena.router.quota import Quota, prompt_tokens
from arena.router.route import Desk, Route, as_said, prompt_for
from arena.router.state import BackendState
from arena.router.trials import Trials
from arena.words import N_, _

log = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS = 0.2
A_MOMENT = 0.1  # is said to be left of a back-off whose trial is under way
BUSY = N_("The arena is busy: every place is taken at present. Please try again in a moment.")
TOO_FEW = N_("No battle can be started at present: fewer than two models are up.")
TOO_FEW_TO_LOOK = N_(
    "No battle about a picture can be started at present: fewer than two models that read pictures are up."
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """No backend has room: so many requests are served first. Comes again when it changes, and before `Handed`."""

    ahead: int


@dataclass(frozen=True, slots=True)
class Handed:
    """The request has been handed to this backend. The first event of every attempt."""

    backend: str


Event = Waiting | Handed | Delta | Usage


class Router:
    """Hands requests for a model to one of its backends."""

    def __init__(
        self,
        config: Config,
        backends: Mapping[str, Backend],
        rng: random.Random,
        observer: Observer | None = None,
        matchmaker: Matchmaker | None = None,
    ) -> None:
        self._config = config
        self._models = {model.name: model for model in config.models}
        self._rules = config.matchmaker
        self._matchmaker = matchmaker or Matchmaker(config)
        self._rng = rng
        self._observer = observer or Unobserved()
        limits = {backed.name: backed for backed in (*config.engines, *config.providers)}
        self._desks = {
            name: Desk(backend, Quota(limits.get(name) or Backed(name=name))) for name, backend in backends.items()
        }
        self._routes = _routes(config, self._desks, rng)
        self._promises = Promises({name: [r.desk for r in routes] for name, routes in self._routes.items()})
        policy = _POLICIES[config.router.policy]
        self._queue = Queue(self._desks.values(), lambda routes: policy(routes, rng), self._observer.queue)
        self._trials = Trials(config, self._queue.serve)

    async def close(self) -> None:
        """End the trials. Requests under way are their readers' to end."""
        self._queue.close()
        await self._trials.close()

    # Who can be drawn

    def status(self, name: str) -> Status:
        """How far a model is: that of the backend that is closest to answering."""
        order = {"ready": 0, "loading": 1, "waiting": 2, "failed": 3}
        statuses = [route.desk.backend.status for route in self._routes[name]]
        return min(statuses, key=lambda status: order[status.state])

    def statuses(self) -> dict[str, Status]:
        return {name: self.status(name) for name in self._models}

    def weights(self, *, has_images: bool = False) -> dict[str, float]:
        """The models that can take a request now, with their weights: what the matchmaker draws from."""
        now = monotonic()
        self._promises.forget(now)
        return self._weights_of(lambda name: self._has_room(name, now), has_images)

    @property
    def can_draw(self) -> bool:
        """Whether two models are up and well. They may be full for the moment: that is no fault of theirs."""
        return can_draw(self._weights_of(self._is_open), self._rules)

    @property
    def will_draw(self) -> bool:
        """Whether two models are up and well, or will be when all that are loading have come up."""
        return can_draw(self._weights_of(lambda name: self._is_open(name) or self._is_coming(name)), self._rules)

    @property
    def is_loading(self) -> bool:
        return any(status.state in ("waiting", "loading") for status in self.statuses().values())

    def draw(self, *, has_images: bool = False) -> Pair | None:
        """A pair, or `None` while models are still loading. Raises `Unavailable` where there is none to come.

        With `has_images`, of models that read pictures, by their weights for those.
        """
        weights = self.weights(has_images=has_images)
        if can_draw(weights, self._rules):
            return self._matchmaker.draw(weights, self._rng)
        if self._can_draw_of(lambda name: name in weights or self._is_coming(name), has_images):
            return None
        if self._can_draw_of(lambda name: self._is_open(name) or self._is_coming(name), has_images):
            raise Unavailable(_(BUSY))
        raise Unavailable(_(TOO_FEW_TO_LOOK if has_images else TOO_FEW))

    async def wait_to_draw(self, *, has_images: bool = False) -> Pair:
        """A pair as soon as two models can take a request. Raises `Unavailable` where they never will."""
        while not can_draw(weights := self.weights(has_images=has_images), self._rules):
            if not self._can_draw_of(lambda name: self.status(name).state != "failed", has_images):
                raise Unavailable(_(TOO_FEW_TO_LOOK if has_images else TOO_FEW))
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        return self._matchmaker.draw(weights, self._rng)

    def check_room(self, *names: str) -> None:
        """Raises `Unavailable` where one more request for any of these models would find the queue full.

        A model that is down is not full: its request is taken, and fails at once in its own words.
        """
        now = monotonic()
        self._promises.forget(now)
        if any(self._is_open(name) and not self._has_room(name, now) for name in names):
            raise Unavailable(_(BUSY))

    def check_up(self, *names: str) -> None:
        """Raises `Unavailable`, with the name, where one of these models cannot answer for now."""
        for name in names:
            state = self.status(name).state
            if state == "failed":
                raise Unavailable(_("{name} is not up at present. Choose another model.").format(name=name))
            if state != "ready":
                raise Unavailable(_("{name} is still loading. Please try again in a moment.").format(name=name))

    @contextmanager
    def places(self, *names: str) -> Iterator[None]:
        """Keep a place for a request to each of these models, which comes right after this block."""
        for name in names:
            self._promises.make(name, monotonic())
        is_stored = False
        try:
            yield
            is_stored = True
        finally:
            for name in () if is_stored else names:
                self._promises.keep(name)

    def _weights_of(self, is_in: Callable[[str], bool], has_images: bool = False) -> dict[str, float]:
        return contenders((m for m in self._models.values() if is_in(m.name)), self._rules, has_images=has_images)

    def _can_draw_of(self, is_in: Callable[[str], bool], has_images: bool) -> bool:
        return can_draw(self._weights_of(is_in, has_images), self._rules)

    def _is_open(self, name: str) -> bool:
        return any(route.is_open for route in self._routes.get(name, ()))

    def _is_coming(self, name: str) -> bool:
        return self.status(name).state in ("waiting", "loading")

    def _has_room(self, name: str, now: float) -> bool:
        length = self._config.router.queue_length
        return any(r.is_open and r.desk.can_take_one(length, now) for r in self._routes[name])

    # What an operator sees

    def backends(self) -> list[BackendState]:
        """The state of every backend."""
        now = monotonic()
        return [self._state(desk, now) for desk in self._desks.values()]

    def _state(self, desk: Desk, now: float) -> BackendState:
        routes = [route for routes in self._routes.values() for route in routes if route.desk is desk]
        record = desk.record
        return BackendState(
            name=desk.name,
            status=desk.backend.status,
            outstanding=desk.quota.outstanding,
            waiting=desk.waiting,
            requests=record.requests,
            failures=dict(record.failures),
            last_error=record.last_error,
            last_error_at=record.last_error_at,
            first_token_ms=record.median_ms,
            out_until=max((max(r.out_until - now, A_MOMENT) for r in routes if r.out_until), default=0.0),
            models=tuple(r.model.name for r in routes),
            out_for=tuple(r.model.name for r in routes if r.out_until),
        )

    # Requests

    async def stream(
        self, name: str, chat: tuple[Message, ...], thread: str | None = None, said: Parameters | None = None
    ) -> AsyncGenerator[Event, None]:
        """The answer of the model `name` to `chat`, drawn as the visitor has `said`. Raises `BackendError`.

        A backend that fails before its first token is left for the next one of the model, each tried once; after
        the first token the failure is the answer's. Time in the queue counts towards no limit but its own.
        """
        model = self._models.get(name)
        if model is None:
            raise BackendUnreachable(f"{name}: is no longer in the configuration")
        seconds = model.answer_seconds or self._config.limits.answer_seconds
        is_let_in = self._promises.keep(name)
        prompt, has_wishes = prompt_for(model, chat, thread), said is not None and said != Parameters()
        if said is not None and has_wishes:
            prompt = as_said(prompt, self._config, model, said)
        errand = Errand(model, prompt, self._routes[name], seconds, is_let_in, has_wishes)
        while True:
            try:
                async with aclosing(self._run(errand)) as events:
                    async for event in events:
                        yield event
                return
            except BackendError as exc:
                if not errand.moves_on(exc):
                    if (told := errand.told(exc)) is not exc:
                        raise told from exc
                    raise

    async def _run(self, errand: Errand) -> AsyncGenerator[Event, None]:
        """Wait for a backend, and pass on what it answers: one generator, for each costs every token a step."""
        errand.attempt = None
        ticket = self._join(errand)
        try:
            while ticket.route is None:
                yield Waiting(ticket.ahead)
                await ticket.moved()
            with self._attempt(errand, ticket.route) as attempt:
                yield Handed(attempt.backend.name)
                latest = None
                async with aclosing(attempt.backend.stream(errand.prompt)) as events:
                    while event := await attempt.patience.wait(anext(events, None), attempt.deadline):
                        if latest is None:
                            attempt.begin(event)
                        latest = event
                        yield event
                attempt.usage = latest if isinstance(latest, Usage) else None
        finally:
            self._leave(ticket, errand.attempt)

    def _join(self, errand: Errand) -> Ticket:
        """A place in the queue, or at once at a backend. Raises `BackendUnreachable`, `BackendBusy`."""
        name, now, settings = errand.model.name, monotonic(), self._config.router
        if not any(route.is_open for route in errand.routes):
            raise BackendUnreachable(f"{name}: none of its backends is up and well")
        if not errand.is_let_in and not self._has_room(name, now):
            raise BackendBusy(f"{name}: the queues of its backends are full (router.queue_length)")
        ticket = Ticket(name, errand.routes, prompt_tokens(errand.prompt), now + settings.queue_seconds)
        self._queue.join(ticket)
        return ticket

    def _leave(self, ticket: Ticket, attempt: Attempt | None) -> None:
        """Give up the place, in the queue or at the backend; it goes to the next in line."""
        self._queue.leave(ticket)
        if ticket.route is not None and ticket.charge is not None:
            ticket.route.desk.quota.give_back(ticket.charge, attempt.usage if attempt else None, monotonic())
        self._queue.serve()

    def _attempt(self, errand: Errand, route: Route) -> Attempt:
        limits, model = self._config.limits, errand.model
        first_seconds = model.first_token_seconds or limits.first_token_seconds
        failed = partial(self._failed, has_wishes=errand.has_wishes)
        errand.attempt = Attempt(route, first_seconds, errand.seconds, self._observer, failed)
        return errand.attempt

    def _failed(self, attempt: Attempt, error: BackendError, *, has_wishes: bool) -> None:
        """Leave the backend alone where that is due, before anybody else is handed to it."""
        route = attempt.route
        log.warning("%s on %s: %s: %s", route.model.name, route.desk.name, type(error).__name__, error)
        if has_wishes and isinstance(error, BackendRefused):
            return  # it may lie in what the visitor has set: nobody else is to be without the model for that
        health = route.settings if isinstance(error, BackendRefused) else route.service
        if health.fail(error, monotonic(), has_spoken=attempt.has_spoken):
            self._trials.begin(route, health)
            self._queue.turn_away()


def _routes(config: Config, desks: Mapping[str, Desk], rng: random.Random) -> dict[str, list[Route]]:
    """Each model's ways to its backends; contenders with the same model id share a service's health."""
    services: defaultdict[tuple[str, str | None], Health] = defaultdict(lambda: Health(config.router, rng))
    return {
        model.name: [
            Route(model, desks[name], services[name, model.model_id], Health(config.router, rng))
            for name in dict.fromkeys(model.backends)
        ]
        for model in config.models
    }


def _least_loaded(routes: Sequence[Route], rng: random.Random) -> Route:
    """The one with the least outstanding work relative to its capacity, ties at random."""
    least = min(route.desk.quota.load for route in routes)
    return rng.choice([route for route in routes if route.desk.quota.load == least])


def _lottery(routes: Sequence[Route], rng: random.Random) -> Route:
    """Drawn by capacity."""
    return rng.choices(routes, [route.desk.quota.capacity for route in routes])[0]


_POLICIES: dict[str, Callable[[Sequence[Route], random.Random], Route]] = {
    "least_loaded": _least_loaded,
    "lottery": _lottery,
}
