"""Models asked from the terminal: their backends made, engines loaded where wanted, an answer timed."""

import logging
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from arena import providers
from arena.backend import Backend, Delta, Usage
from arena.config import Config
from arena.engines import EnginePool


@asynccontextmanager
async def open_backends(
    config: Config, environ: Mapping[str, str] = os.environ
) -> AsyncIterator[dict[str, Backend]]:
    """All backends of this configuration. Engines have begun to load when this returns."""
    for chatty in ("httpx", "vllm"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    clients = {provider.name: providers.make(provider, environ) for provider in config.providers}
    pool = EnginePool(config.engines, config.folder)
    try:
        for client in clients.values():
            await client.start()
        await pool.start()
        yield {**pool.backends, **clients}
    finally:
        await pool.close()
        for client in clients.values():
            await client.close()


@dataclass
class Timing:
    """How long an answer took, from when it was asked for, and what its backend said of it."""

    asked: float = field(default_factory=time.perf_counter)
    first_token_ms: float | None = None
    duration_ms: float = 0.0
    usage: Usage = field(default_factory=Usage)

    def take(self, event: Delta | Usage) -> None:
        """Note the next event of the stream."""
        self.duration_ms = (time.perf_counter() - self.asked) * 1000
        if isinstance(event, Usage):
            self.usage = event
        elif self.first_token_ms is None:
            self.first_token_ms = self.duration_ms

    @property
    def tokens_per_second(self) -> float | None:
        """After the first token; `None` where the backend does not count, or there were too few to tell."""
        count, first = self.usage.completion_tokens, self.first_token_ms
        if count is None or count < 2 or first is None or self.duration_ms - first < 1:
            return None
        return (count - 1) / (self.duration_ms - first) * 1000
