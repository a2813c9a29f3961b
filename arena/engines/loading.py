"""Something slow built in a thread, beside the loop, that can be told to stop. Knows nothing of what is built.

A thread cannot be cancelled and an import cannot be interrupted. So the thread is a daemon, asks between its steps
whether to go on, and has the processes it started killed under it, until nothing of it is left.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from arena.engines.cores import Cores

T = TypeVar("T")

_LOOK_SECONDS = 0.1


class Stopped(Exception):
    """Raised between two steps of a build that was told to stop."""


class Loading(Generic[T]):
    """One attempt. `build` gets a function to call between its steps, which raises `Stopped` if told to."""

    def __init__(self, build: Callable[[Callable[[], None]], T]) -> None:
        self._build = build
        self._built: Future[T] = Future()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="build engine", daemon=True)
        self._cores = Cores()

    async def result(self) -> T:
        """What was built; raises what `build` raised. Cancelling this leaves the thread to `stop`."""
        self._built.set_running_or_notify_cancel()
        self._thread.start()
        threading.Thread(target=self._keep, name="watch engine", daemon=True).start()
        return await asyncio.wrap_future(self._built)

    async def stop(self, seconds: float) -> T | None:
        """End it, waiting so long at most for a step that cannot be interrupted. Returns what had been built."""
        self._stopping.set()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join, seconds)
        if self._thread.is_alive() or not self._built.done() or self._built.exception():
            return None
        return self._built.result()

    async def dismiss(self) -> None:
        """What was built is no longer needed: see that no process of it is left. May be called twice."""
        if not self._thread.is_alive():
            await asyncio.to_thread(self._cores.close)

    def _run(self) -> None:
        self._cores.shield()
        try:
            self._built.set_result(self._build(self._go_on))
        except (Exception, SystemExit) as exc:  # noqa: BLE001  the outer edge of a thread: it is raised by `result`
            self._built.set_exception(exc if isinstance(exc, Exception) else RuntimeError(f"exit {exc}"))

    def _go_on(self) -> None:
        if self._stopping.is_set():
            raise Stopped

    def _keep(self) -> None:
        """Look after the processes while the thread lives; once told to stop, it fails for want of them."""
        while self._thread.is_alive():
            self._cores.look()
            if self._stopping.is_set():
                self._cores.kill()
            self._thread.join(_LOOK_SECONDS)
        self._cores.look()
        if self._built.exception():
            self._cores.close()
