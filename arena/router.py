"""model -> backend: which ones can answer now, the least loaded one, failover before the first token.

Knows what backends promise (`arena.backend`), not what they are. Never used for URLs.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from arena.backend import Backend, Delta, Message, Prompt, Sampling, Status, Usage
from arena.config import Config, Model
from arena.conversation import Pair
from arena.errors import BackendError, BackendTimeout, BackendUnreachable, Unavailable
from arena.matchmaker import can_draw, draw
from arena.patience import Patience

log = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Handed:
    """The request has been handed to this backend. The first event of every attempt."""

    backend: str


class Router:
    """Hands requests for a model to one of its backends."""

    def __init__(self, config: Config, backends: Mapping[str, Backend], rng: random.Random) -> None:
        self._config = config
        self._models = {model.name: model for model in config.models}
        self._backends = backends
        self._outstanding: Counter[str] = Counter()
        self._rng = rng

    # Who can be drawn

    def status(self, name: str) -> Status:
        """How far a model is: that of the backend that is closest to answering."""
        order = {"ready": 0, "loading": 1, "waiting": 2, "failed": 3}
        statuses = [self._backends[backend].status for backend in self._models[name].backends]
        return min(statuses, key=lambda status: order[status.state])

    def statuses(self) -> dict[str, Status]:
        return {name: self.status(name) for name in self._models}

    def weights(self) -> dict[str, float]:
        """The models that are up, with their weights: what the matchmaker draws from."""
        return {m.name: m.weight for m in self._models.values() if self.status(m.name).state == "ready"}

    @property
    def can_draw(self) -> bool:
        return can_draw(self.weights())

    @property
    def will_draw(self) -> bool:
        """Whether a battle can be drawn if all that are still loading come up."""
        return can_draw({m.name: m.weight for m in self._models.values() if self.status(m.name).state != "failed"})

    @property
    def is_loading(self) -> bool:
        return any(status.state in ("waiting", "loading") for status in self.statuses().values())

    def draw(self) -> Pair | None:
        """A pair, or `None` while models are still loading. Raises `Unavailable` where there is none to come."""
        weights = self.weights()
        if can_draw(weights):
            return draw(weights, self._rng)
        if self.will_draw:
            return None
        raise Unavailable("No battle can be started at present: fewer than two models are up.")

    async def wait_to_draw(self) -> Pair:
        """A pair as soon as two models are up. Raises `Unavailable`."""
        while (pair := self.draw()) is None:  # noqa: ASYNC110 - backends have no event to wait for
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        return pair

    # Requests

    async def stream(self, name: str, chat: tuple[Message, ...]) -> AsyncGenerator[Handed | Delta | Usage, None]:
        """The answer of the model `name` to `chat`. Raises `BackendError`.

        A backend that fails before its first token is left for the next one of the model, each tried once; after
        the first token the failure is the answer's.
        """
        model = self._models.get(name)
        if model is None:
            raise BackendUnreachable(f"{name}: is no longer in the configuration")
        prompt = _prompt(model, chat)
        deadline = asyncio.get_running_loop().time() + (model.answer_seconds or self._config.limits.answer_seconds)
        tried: set[str] = set()
        while True:
            backend = self._choose(model, tried)
            tried.add(backend.name)
            yield Handed(backend.name)
            has_spoken = False
            try:
                async with aclosing(self._attempt(backend, model, prompt, deadline)) as events:
                    async for event in events:
                        has_spoken = True
                        yield event
                return
            except BackendError as exc:
                log.warning("%s on %s: %s: %s", name, backend.name, type(exc).__name__, exc)
                if has_spoken or not exc.may_move or not self._candidates(model, tried):
                    raise

    def _candidates(self, model: Model, tried: set[str]) -> list[Backend]:
        backends = (self._backends[name] for name in model.backends if name not in tried)
        return [backend for backend in backends if backend.status.state == "ready"]

    def _choose(self, model: Model, tried: set[str]) -> Backend:
        """The ready backend with the least outstanding requests, ties at random. Raises `BackendUnreachable`."""
        candidates = self._candidates(model, tried)
        if not candidates:
            raise BackendUnreachable(f"{model.name}: none of its backends is ready")
        least = min(self._outstanding[backend.name] for backend in candidates)
        return self._rng.choice([b for b in candidates if self._outstanding[b.name] == least])

    async def _attempt(
        self, backend: Backend, model: Model, prompt: Prompt, total: float
    ) -> AsyncGenerator[Delta | Usage, None]:
        """One backend's answer, its first token within the model's limit and all of it before `total`."""
        first = model.first_token_seconds or self._config.limits.first_token_seconds
        deadline = min(total, asyncio.get_running_loop().time() + first)
        patience = Patience()
        self._outstanding[backend.name] += 1
        try:
            async with aclosing(backend.stream(prompt)) as events:
                while event := await patience.wait(anext(events, None), deadline):
                    deadline = total
                    yield event
        except TimeoutError as exc:
            raise BackendTimeout(f"{model.name}: silent past its time limit") from exc
        finally:
            patience.close()
            self._outstanding[backend.name] -= 1


def _prompt(model: Model, chat: tuple[Message, ...]) -> Prompt:
    system = (Message("system", model.system_prompt),) if model.system_prompt else ()
    sampling = Sampling(model.temperature, model.top_p, model.max_tokens, model.stop, model.seed)
    return Prompt(system + chat, sampling, model.model_id)
