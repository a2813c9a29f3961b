"""What one backend takes: requests at once, requests and tokens a minute. Pure: time is an argument, in seconds.

A minute is a sliding one: in any 60 seconds no more is handed over than the limit. What an answer will cost is not
known before its end, so a request is charged an estimate when it is handed over: a token for every four
characters of its prompt, and as many for the answer as this backend's answers took lately. At the end the estimate
is corrected to what the service counted, where it says so: what was too little is charged then, what was too much
given back.
"""

import math
from collections import deque
from dataclasses import dataclass

from arena.backend import Prompt, Usage
from arena.config import Backed

MINUTE = 60.0
CHARACTERS_PER_TOKEN = 4
RECENT = 0.1  # how much the latest answer moves the length that is expected of the next one


@dataclass(eq=False, slots=True)
class Charge:
    """What one request takes of the minute in which it began."""

    at: float
    tokens: float
    prompt_tokens: float
    requests: int = 1  # 0: what a request took beyond its estimate
    is_past: bool = False  # no longer within the last minute


class Quota:
    """The limits of one backend, and how much of them is in use."""

    def __init__(self, limits: Backed) -> None:
        self.capacity = limits.capacity
        self.outstanding = 0
        self.held = 0  # places kept for trials, which would never get one where others stand in line
        self._at_once = limits.max_concurrency or math.inf
        self._requests = limits.requests_per_minute or math.inf
        self._tokens = limits.tokens_per_minute or math.inf
        self._is_metered = not math.isinf(min(self._requests, self._tokens))
        self._minute: deque[Charge] = deque()
        self._begun = 0
        self._charged = 0.0
        self._answer_tokens = 0.0

    @property
    def load(self) -> float:
        """Outstanding work, relative to the capacity."""
        return self.outstanding / self.capacity

    def has_room(self, prompt_tokens: float, now: float) -> bool:
        """Whether a request may be handed over now; one larger than the limit waits for a minute of its own."""
        if self.free(now) < 1:
            return False
        expected = prompt_tokens + self._answer_tokens
        return self._charged + min(expected, self._tokens) <= self._tokens

    def free(self, now: float) -> float:
        """How many small requests could be handed over at once; infinity without a limit."""
        return self._room(now) - self.held

    def has_held_room(self, now: float) -> bool:
        """Whether there is room for one whose place is held."""
        return self._room(now) >= 1

    def _room(self, now: float) -> float:
        self._forget(now)
        if self._charged >= self._tokens:
            return 0
        return min(self._at_once - self.outstanding, self._requests - self._begun)

    def take(self, prompt_tokens: float, now: float) -> Charge:
        """Hand a request over."""
        self.outstanding += 1
        charge = Charge(now, prompt_tokens + self._answer_tokens, prompt_tokens)
        if self._is_metered:
            self._note(charge)
        return charge

    def give_back(self, charge: Charge, usage: Usage | None, now: float) -> None:
        """The request is over; `usage` is what the service counted."""
        self.outstanding -= 1
        if usage is None or usage.completion_tokens is None or not self._is_metered:
            return
        self._answer_tokens += RECENT * (usage.completion_tokens - self._answer_tokens)
        prompt_tokens = charge.prompt_tokens if usage.prompt_tokens is None else usage.prompt_tokens
        missing = prompt_tokens + usage.completion_tokens - charge.tokens
        if missing > 0:
            self._note(Charge(now, missing, 0, requests=0))
        elif not charge.is_past:
            charge.tokens += missing
            self._charged += missing

    def _note(self, charge: Charge) -> None:
        self._minute.append(charge)
        self._charged += charge.tokens
        self._begun += charge.requests

    def _forget(self, now: float) -> None:
        """Drop what is more than a minute old."""
        while self._minute and self._minute[0].at <= now - MINUTE:
            charge = self._minute.popleft()
            charge.is_past = True
            self._charged -= charge.tokens
            self._begun -= charge.requests
        if not self._minute:
            self._charged = 0.0  # without what rounding has left: a request of the whole limit would wait for ever


def prompt_tokens(prompt: Prompt) -> float:
    """About how many tokens a prompt is. Pictures are not counted: the services differ too much."""
    return sum(len(message.content) for message in prompt.messages) / CHARACTERS_PER_TOKEN
