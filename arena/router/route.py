"""The backends as the router sees them (`Desk`), and a model's ways to them (`Route`)."""

from collections import Counter, deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from statistics import median

from arena import named
from arena.backend import Backend, Message, Prompt, Sampling
from arena.config import Config, Model
from arena.conversation import Parameters
from arena.errors import BackendError
from arena.router.health import Health
from arena.router.quota import Quota

REMEMBERED = 100  # first-token times, for their median


@dataclass(eq=False, slots=True)
class Record:
    """What has become of a backend's requests."""

    requests: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    last_error: str | None = None
    last_error_at: datetime | None = None
    first_token_ms: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def fail(self, error: BackendError) -> None:
        self.failures[error.kind] += 1
        self.note(error)

    def note(self, error: BackendError) -> None:
        """The latest trouble, whoever ran into it."""
        self.last_error = str(error)
        self.last_error_at = datetime.now(UTC)

    @property
    def median_ms(self) -> float | None:
        return median(self.first_token_ms) if self.first_token_ms else None


@dataclass(eq=False, slots=True)
class Desk:
    """One backend with its quota and its record. `promised`: requests let in that have not arrived yet."""

    backend: Backend
    quota: Quota
    record: Record = field(default_factory=Record)
    waiting: int = 0
    promised: int = 0

    @property
    def name(self) -> str:
        return self.backend.name

    def can_take_one(self, queue_length: int, now: float) -> bool:
        """Whether one more request would be served at once or find a place in the queue."""
        return self.quota.free(now) + queue_length - self.waiting - self.promised >= 1


@dataclass(eq=False, slots=True, frozen=True)
class Route:
    """A model's way to one of its backends.

    `service` is the health of the backend as this model's id finds it, shared by all contenders with that id: one
    of a service's models may be down or over its limit while the others answer. `settings` is the health of what
    this contender alone asks for: a refusal may lie in its parameters, and must not take its siblings out.
    """

    model: Model
    desk: Desk
    service: Health
    settings: Health

    @property
    def is_open(self) -> bool:
        """Whether a request may be handed over as far as health goes."""
        return not (self.service.is_out or self.settings.is_out) and self.desk.backend.status.state == "ready"

    @property
    def is_resting(self) -> bool:
        """Left alone only because it is over its limit for now: who waits for it goes on waiting."""
        return self.service.is_busy and not self.settings.is_out

    @property
    def out_until(self) -> float:
        """When it is tried again, on the monotonic clock; 0 where it is not left alone."""
        return max((health.until for health in (self.service, self.settings) if health.is_out), default=0.0)


def prompt_for(model: Model, chat: tuple[Message, ...], thread: str | None = None) -> Prompt:
    """What the contender asks its backend with."""
    system = (Message("system", model.system_prompt),) if model.system_prompt else ()
    sampling = Sampling(model.temperature, model.top_p, model.max_tokens, model.stop, model.seed, model.extra_body)
    return Prompt(system + chat, sampling, model.model_id, thread)


def as_said(prompt: Prompt, config: Config, model: Model, said: Parameters) -> Prompt:
    """The same, as the visitor wants it drawn."""
    chat = tuple(message for message in prompt.messages if message.role != "system")
    words = named.system_prompt(model, said)
    system = (Message("system", words),) if words else ()
    return replace(prompt, messages=system + chat, sampling=named.sampling(config, model, said))
