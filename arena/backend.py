"""The contract every answer source keeps: a `Prompt` goes in, `Delta`s and one `Usage` come out.

An engine replica and a provider endpoint are both backends. This module knows neither; it only says what they
promise to the router:

- `stream` yields the answer as it is generated and ends with exactly one `Usage`;
- whatever goes wrong is raised as a `BackendError`, translated where the foreign error enters;
- cancelling the task that iterates `stream` is the abort signal, and it reaches the place that computes.
"""

from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Image:
    """A picture in a prompt, as bytes of this media type (`image/png`, for one)."""

    media_type: str
    data: bytes = field(repr=False)

    @property
    def base64(self) -> str:
        return b64encode(self.data).decode()

    @property
    def data_url(self) -> str:
        """As RFC 2397 writes it: data:image/png;base64,…"""
        return f"data:{self.media_type};base64,{self.base64}"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat, as every wire format knows it. Only a user's has images; they come first."""

    role: Role
    content: str
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class Sampling:
    """How an answer is drawn. `None` leaves the choice to the backend's own default.

    `extra` are fields of the request's body as the service calls them, set over all others.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prompt:
    """All a backend needs to know: the chat so far, how to sample, and what the service calls the model.

    `thread` is what the service called this side of the conversation when it last answered (`Usage.thread`).
    """

    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    model_id: str | None = None
    thread: str | None = None


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer. Reasoning is kept apart: it is never part of `text` and never fed back."""

    text: str = ""
    reasoning: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """How the answer ended. `None` where the backend does not say.

    `thread`: the conversation as the service keeps it, to be handed back with the next prompt. `answered_by`: the
    model that really answered, where the one that was asked hands prompts on.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    finish_reason: str | None = None
    request_id: str | None = None
    thread: str | None = None
    answered_by: str | None = None


State = Literal["waiting", "loading", "ready", "failed"]


@dataclass(frozen=True, slots=True)
class Status:
    """Where a backend is on its way to answering.

    `detail` is for people (the step that is running, or why it failed); `progress` runs from 0 to 1.
    """

    state: State
    detail: str = ""
    progress: float = 0.0


READY = Status("ready", progress=1.0)


class Backend(ABC):
    """An engine replica or a provider endpoint."""

    name: str

    @property
    def status(self) -> Status:
        """Backends that have nothing to load are ready at once."""
        return READY

    async def start(self) -> None:
        """Get ready to answer. A failure is kept in `status`, not raised: the other backends go on."""

    @abstractmethod
    def stream(self, prompt: Prompt) -> AsyncGenerator[Delta | Usage, None]:
        """The answer as it is generated, then one `Usage`. Raises `BackendError`."""

    async def close(self) -> None:
        """Let go of everything. May be called twice, and without `start`."""
