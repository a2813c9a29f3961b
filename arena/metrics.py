"""What the arena counts, for Prometheus: requests as the router tells of them, and the state at each scrape.

Nothing here costs anything per token. Labels are names from config.toml and words from the code, so the number of
series is bounded by the configuration.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from arena.backend import Usage
from arena.config import Config
from arena.errors import BACKEND_ERRORS
from arena.router import BackendState

FIRST_TOKEN_SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 30, 60)
ANSWER_SECONDS = (0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600)

BY_BACKEND = ("model", "backend")
KINDS = tuple(error.kind for error in BACKEND_ERRORS)


class Metrics:
    """The instruments of one arena, in a registry of their own. An `Observer` of its router."""

    def __init__(self, config: Config) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which nobody asks for
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "arena_requests_total",
            "Requests handed to a backend that are over: ok, failed or cancelled.",
            (*BY_BACKEND, "outcome"),
            registry=registry,
        )
        self._failures = Counter(
            "arena_request_failures_total",
            "Requests that a backend failed, by kind of failure.",
            (*BY_BACKEND, "kind"),
            registry=registry,
        )
        self._prompt_tokens = Counter(
            "arena_prompt_tokens_total", "Tokens read, as backends count them.", ("model",), registry=registry
        )
        self._completion_tokens = Counter(
            "arena_completion_tokens_total",
            "Tokens written, as backends count them.",
            ("model",),
            registry=registry,
        )
        self._first_token = Histogram(
            "arena_first_token_seconds",
            "From when a request is handed over to the first piece of its answer.",
            BY_BACKEND,
            buckets=FIRST_TOKEN_SECONDS,
            registry=registry,
        )
        self._duration = Histogram(
            "arena_answer_seconds",
            "From when a request is handed over to the end of its answer, for answers that came to one.",
            BY_BACKEND,
            buckets=ANSWER_SECONDS,
            registry=registry,
        )
        ProcessCollector(registry=registry)
        self._begin(config)

    def _begin(self, config: Config) -> None:
        """Every series is there from the start at nought, so that the first failure counts as a rise."""
        for model in config.models:
            self._prompt_tokens.labels(model.name)
            self._completion_tokens.labels(model.name)
            for backend in model.backends:
                for outcome in ("ok", "failed", "cancelled"):
                    self._requests.labels(model.name, backend, outcome)
                for kind in KINDS:
                    self._failures.labels(model.name, backend, kind)
                self._first_token.labels(model.name, backend)
                self._duration.labels(model.name, backend)

    # What the router tells

    def handed(self, model: str, backend: str) -> None:
        """Counted when it is over; those that are not are in the state of the backend."""

    def first_token(self, model: str, backend: str, seconds: float) -> None:
        self._first_token.labels(model, backend).observe(seconds)

    def finished(self, model: str, backend: str, outcome: str, seconds: float, usage: Usage | None) -> None:
        has_failed = outcome in KINDS
        self._requests.labels(model, backend, "failed" if has_failed else outcome).inc()
        if has_failed:
            self._failures.labels(model, backend, outcome).inc()
        elif outcome == "ok":
            self._duration.labels(model, backend).observe(seconds)
        if usage is not None:
            self._prompt_tokens.labels(model).inc(usage.prompt_tokens or 0)
            self._completion_tokens.labels(model).inc(usage.completion_tokens or 0)

    def queue(self, backend: str, length: int) -> None:
        """Looked at when it is asked for."""

    def text(self, accept: str, now: "Now") -> tuple[bytes, str]:
        """All that was counted and how things stand, as the client prefers to read it, with its media type."""
        encode, media_type = choose_encoder(accept)
        return encode(_Scrape(self._registry, now)), media_type


@dataclass(frozen=True, slots=True)
class Now:
    """How things stand at a scrape. `votes`: `None` where the database does not say."""

    backends: Iterable[BackendState]
    battles: int
    votes: int | None


class _Scrape(Collector):
    """The instruments, then the gauges of the moment."""

    def __init__(self, counted: CollectorRegistry, now: Now) -> None:
        self._counted = counted
        self._now = now

    def collect(self) -> Iterable[Metric]:
        yield from self._counted.collect()
        if self._now.votes is not None:
            yield CounterMetricFamily("arena_votes", "Votes that are kept.", value=self._now.votes)
        yield GaugeMetricFamily("arena_battles_in_flight", "Battles being written.", value=self._now.battles)
        for name, words, value in _GAUGES:
            gauge = GaugeMetricFamily(name, words, labels=("backend",))
            for backend in self._now.backends:
                gauge.add_metric((backend.name,), value(backend))
            yield gauge


_GAUGES: tuple[tuple[str, str, Callable[[BackendState], float]], ...] = (
    ("arena_backend_up", "Whether a backend is ready to answer.", lambda b: b.status.state == "ready"),
    ("arena_backend_out", "Whether it is left alone after failures.", lambda b: b.out_until > 0),
    ("arena_backend_outstanding_requests", "Requests that are with it.", lambda b: b.outstanding),
    ("arena_backend_queue_length", "Requests that wait and could go to it.", lambda b: b.waiting),
)
