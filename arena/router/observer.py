"""Whoever counts what the router does, for metrics. Called from the loop: must be quick and must not raise."""

from typing import Protocol

from arena.backend import Usage


class Observer(Protocol):
    """What the router tells about each request. Trials are not told: no visitor waits for them."""

    def handed(self, model: str, backend: str) -> None:
        """A request has been handed to this backend: an attempt begins."""

    def first_token(self, model: str, backend: str, seconds: float) -> None:
        """The first piece of the answer or of its reasoning is here, so long after it was handed over."""

    def finished(self, model: str, backend: str, outcome: str, seconds: float, usage: Usage | None) -> None:
        """The attempt is over. `outcome` is `ok`, `cancelled` or a `BackendError.kind`."""

    def queue(self, backend: str, length: int) -> None:
        """So many requests now wait that could be handed to this backend."""


class Unobserved:
    """Nobody counts."""

    def handed(self, model: str, backend: str) -> None: ...

    def first_token(self, model: str, backend: str, seconds: float) -> None: ...

    def finished(self, model: str, backend: str, outcome: str, seconds: float, usage: Usage | None) -> None: ...

    def queue(self, backend: str, length: int) -> None: ...
