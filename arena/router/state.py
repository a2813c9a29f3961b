"""What an operator sees of one backend."""

from dataclasses import dataclass
from datetime import datetime

from arena.backend import Status


@dataclass(frozen=True, slots=True)
class BackendState:
    """One backend at one moment.

    `outstanding` requests are with it, `waiting` ones could be handed to it. `requests` and `failures` (by
    `BackendError.kind`) count attempts since the start, without trials. `first_token_ms` is the median of the
    latest ones. `out_until`: seconds until it is tried again, 0 where it is not left alone; of all the `models`
    that have it, it is left alone for those in `out_for`.
    """

    name: str
    status: Status
    outstanding: int
    waiting: int
    requests: int
    failures: dict[str, int]
    last_error: str | None
    last_error_at: datetime | None
    first_token_ms: float | None
    out_until: float
    models: tuple[str, ...]
    out_for: tuple[str, ...] = ()
