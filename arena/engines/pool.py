"""Owns every engine of the configuration: loads them one after the other, closes them all.

Knows nothing of vLLM, nor of which model an engine answers for.
"""

import asyncio
import gc
from pathlib import Path

from arena import config
from arena.backend import Backend
from arena.engines.vllm import VllmEngine
from arena.engines.vllm import problem as checkpoint_problem


class EnginePool:
    """The engines of one server. `folder` is where relative checkpoint paths start.

    Loading is background work of the pool: pages are served meanwhile, and `Backend.status` says how far it is.
    Side by side, engines on one machine would only fight for its memory.
    """

    def __init__(self, engines: tuple[config.Engine, ...], folder: Path) -> None:
        self._engines = tuple(VllmEngine(engine, _checkpoint(folder, engine.checkpoint)) for engine in engines)
        self._loading: asyncio.Task[None] | None = None

    @property
    def backends(self) -> dict[str, Backend]:
        """The engines by their name in the configuration."""
        return {engine.name: engine for engine in self._engines}

    async def start(self) -> None:
        """Begin to load, and return at once. What goes wrong is kept in the status of the engine concerned."""
        if self._loading is None:
            self._loading = asyncio.create_task(self._load(), name="load engines")

    async def loaded(self) -> None:
        """Wait until every engine is ready or has failed."""
        if self._loading is not None:
            await asyncio.shield(self._loading)

    async def close(self) -> None:
        """Stop loading and let go of every engine, the last one first, without waiting for one to close the next.

        May be called twice, and without `start`.
        """
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait([self._loading])
        await asyncio.gather(*(engine.close() for engine in reversed(self._engines)))
        gc.unfreeze()

    async def _load(self) -> None:
        for engine in self._engines:
            await engine.start()
            gc.freeze()  # vLLM's objects stay; to look through them for garbage would stop the loop each time


def problem(engine: config.Engine, folder: Path) -> str | None:
    """Why this engine cannot be loaded, with the mend, as far as can be told without loading it."""
    return checkpoint_problem(_checkpoint(folder, engine.checkpoint))


def _checkpoint(folder: Path, name: str) -> str:
    """A checkpoint that lies below the configuration's folder by its full path, any other as it is written."""
    path = folder / Path(name).expanduser()
    return str(path) if path.exists() else name
