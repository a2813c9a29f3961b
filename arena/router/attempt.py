"""One request at one backend: its clock, its time limits, and what is written down about it."""

import asyncio
from collections.abc import Callable
from types import TracebackType

from arena.backend import Backend, Delta, Usage
from arena.errors import BackendError, BackendTimeout
from arena.patience import Patience
from arena.router.observer import Observer
from arena.router.route import Route


class Attempt:
    """From the moment a backend is handed a request, to whatever comes of it: a context.

    Its first token may take `first_seconds`, all of it `seconds`; `patience` ends waits past the `deadline` that
    holds now, which is told as `BackendTimeout`. `failed` is called with what went wrong, before anybody else may
    be handed to this backend.
    """

    def __init__(
        self,
        route: Route,
        first_seconds: float,
        seconds: float,
        observer: Observer,
        failed: Callable[["Attempt", BackendError], None],
    ) -> None:
        self.route = route
        self.has_spoken = False
        self.usage: Usage | None = None
        self._observer = observer
        self._failed = failed
        self.patience = Patience()
        self._now = asyncio.get_running_loop().time
        self._began = self._now()
        self._end = self._began + seconds
        self.deadline = min(self._end, self._began + first_seconds)

    @property
    def backend(self) -> Backend:
        return self.route.desk.backend

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return self._now() - self._began

    def begin(self, event: Delta | Usage) -> None:
        """The backend has answered: from here on only the whole answer is timed."""
        self.has_spoken = True
        self.deadline = self._end
        if isinstance(event, Delta):
            seconds = self.seconds
            self.route.desk.record.first_token_ms.append(seconds * 1000)
            self._observer.first_token(*self._names, seconds)

    def __enter__(self) -> "Attempt":
        self.route.desk.record.requests += 1
        self._observer.handed(*self._names)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.patience.close()
        late = BackendTimeout(f"{self.route.model.name}: silent past its time limit")
        self._close(late if isinstance(error, TimeoutError) else error)
        if isinstance(error, TimeoutError):
            raise late from error

    def _close(self, error: BaseException | None) -> None:
        match error:
            case None:
                outcome = "ok"
                self.route.service.succeed()
                self.route.settings.succeed()
            case asyncio.CancelledError() | GeneratorExit():
                outcome = "cancelled"
            case BackendError():
                outcome = error.kind
                self.route.desk.record.fail(error)
                self._failed(self, error)
            case _:
                outcome = BackendError.kind
        self._observer.finished(*self._names, outcome, self.seconds, self.usage)

    @property
    def _names(self) -> tuple[str, str]:
        return self.route.model.name, self.route.desk.name
