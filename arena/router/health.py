"""Whether a backend is left alone after it failed, and for how long. Pure: time and chance are arguments.

What counts as a failure, and how long it lasts:

    unreachable, busy, timeout,   before the first token: one takes it out
    refused, broken               after the first token: two in a row do, for the service may be well and one
                                  answer ill (too long for its time limit, a line that was cut)
    filtered, too_long            never: that is the prompt's matter

It is left alone for `backoff_seconds`, twice as long each time, up to `backoff_max_seconds`, a little less by
chance so that several servers do not come back in step; longer where the service says so (Retry-After). Then one
trial request decides. The doubling starts anew only when a visitor's request was answered to its end: a service
that passes its trials and fails its work is left alone longer and longer.
"""

import random

from arena.config import Routing
from arena.errors import BackendBusy, BackendError, BackendRefused, ContentFiltered, PromptTooLong

JITTER = 0.2  # a wait is up to this share shorter
STRIKES = 2  # failures after the first token, in a row, that take a backend out
REFUSED_PATIENCE = 15  # a refusal is for people to mend: it is tried again this many times less often
LONGEST_RETRY_AFTER = 600.0  # seconds; a service that asks for more is tried again all the same


class Health:
    """Of one thing that can fail by itself: a backend for one model id, or one model's settings there."""

    def __init__(self, settings: Routing, rng: random.Random) -> None:
        self.is_out = False
        self.until = 0.0
        self.is_busy = False  # out, because it was busy
        self._settings = settings
        self._rng = rng
        self._row = 0
        self._strikes = 0

    def fail(self, error: BackendError, now: float, *, has_spoken: bool) -> bool:
        """A request has failed. Whether that takes the backend out, so that trials have to begin."""
        if isinstance(error, ContentFiltered | PromptTooLong):
            return False
        if self.is_out:  # it was asked before that: the same trouble, not a new one
            self.until = max(self.until, now + _asked_for(error))
            return False
        self._strikes += 1
        if has_spoken and self._strikes < STRIKES:
            return False
        self.leave(error, now)
        return True

    def leave(self, error: BackendError, now: float) -> None:
        """Leave it alone for a while, longer each time in a row."""
        self.is_out = True
        self.is_busy = isinstance(error, BackendBusy)
        longest = self._settings.backoff_max_seconds
        if isinstance(error, BackendRefused):
            longest *= REFUSED_PATIENCE
        # 2**32 is past any maximum; an unbounded power would overflow one day
        wait = min(longest, self._settings.backoff_seconds * 2 ** min(self._row, 32))
        self._row += 1
        self.until = now + max(wait * (1 - JITTER * self._rng.random()), _asked_for(error))

    def come_back(self) -> None:
        """A trial was answered."""
        self.is_out = self.is_busy = False
        self._strikes = 0

    def succeed(self) -> None:
        """A visitor's request was answered to its end."""
        self._strikes = 0
        if not self.is_out:
            self._row = 0


def _asked_for(error: BackendError) -> float:
    """For how long the service wants to be left alone."""
    return min(error.retry_after or 0.0, LONGEST_RETRY_AFTER)
