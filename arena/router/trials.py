"""Trial requests: how a backend that is left alone comes back, without a visitor's request to find out."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from time import monotonic

from arena.backend import Message, Prompt
from arena.config import Config
from arena.errors import (
    BackendBroken,
    BackendError,
    BackendRefused,
    BackendTimeout,
    BackendUnreachable,
    ContentFiltered,
    PromptTooLong,
)
from arena.router.health import Health
from arena.router.route import Route, prompt_for

log = logging.getLogger(__name__)

QUESTION = (Message("user", "Hi"),)
MAX_TOKENS = 16  # the least that every service takes; a trial hangs up at the first one
LOOK_AGAIN_SECONDS = 0.1


class Trials:
    """One task for everything that is left alone. `freed` is called when a trial has let go of its backend."""

    def __init__(self, config: Config, freed: Callable[[], None]) -> None:
        self._config = config
        self._freed = freed
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, route: Route, health: Health) -> None:
        """Try this route again and again, each time when its `health` says so, until it answers."""
        task = asyncio.create_task(self._recover(route, health))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _recover(self, route: Route, health: Health) -> None:
        while health.is_out:
            if (wait := health.until - monotonic()) > 0:
                await asyncio.sleep(wait)
                continue  # a Retry-After may have come meanwhile
            error = await self._ask(route, _question(route, health))
            self._judge(route, health, error)
            self._freed()

    def _judge(self, route: Route, health: Health, error: BackendError | None) -> None:
        """What the trial says. A service that refuses it is there all the same: the fault is the contender's."""
        if error is None or (isinstance(error, BackendRefused) and health is route.service):
            log.info("%s on %s answers again", route.model.name, route.desk.name)
            health.come_back()
        else:
            health.leave(error, monotonic())
        if error is not None:
            log.debug("trial of %s on %s: %s", route.model.name, route.desk.name, error)
            route.desk.record.note(error)
            if not health.is_out and route.settings.fail(error, monotonic(), has_spoken=False):
                self.begin(route, route.settings)

    async def _ask(self, route: Route, prompt: Prompt) -> BackendError | None:
        """Why there is no first token, `None` where there is one. It takes a place like any other request."""
        desk = route.desk
        if desk.backend.status.state != "ready":
            return BackendUnreachable(f"{desk.name}: {desk.backend.status.detail or 'is not up'}")
        desk.quota.held += 1
        try:
            while not desk.quota.has_held_room(monotonic()):  # noqa: ASYNC110 - a minute that ends has no event
                await asyncio.sleep(LOOK_AGAIN_SECONDS)
        finally:
            desk.quota.held -= 1
        charge = desk.quota.take(0, monotonic())
        seconds = route.model.first_token_seconds or self._config.limits.first_token_seconds
        try:
            async with asyncio.timeout(seconds), aclosing(desk.backend.stream(prompt)) as events:
                await anext(events, None)
        except (ContentFiltered, PromptTooLong):
            return None
        except TimeoutError:
            return BackendTimeout(f"{desk.name}: silent in a trial for {seconds:g} s")
        except BackendError as exc:
            return exc
        except Exception as exc:
            log.exception("trial of %s on %s failed unexpectedly", route.model.name, desk.name)
            return BackendBroken(f"{desk.name}: {type(exc).__name__}")
        finally:
            desk.quota.give_back(charge, None, monotonic())
        return None


def _question(route: Route, health: Health) -> Prompt:
    """A few tokens; after a refusal, which may lie in the contender's own parameters, exactly those."""
    prompt = prompt_for(route.model, QUESTION)
    if health is route.settings:
        return prompt
    return replace(prompt, sampling=replace(prompt.sampling, max_tokens=MAX_TOKENS))
