"""/metrics: what is counted, under which names, and for whom."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from arena.backend import Status, Usage
from arena.errors import BACKEND_ERRORS, BackendBusy, BackendTimeout
from arena.providers.script import Cue, CuedBackend
from tests.house import MODELS, House, Visitor, tables
from tests.operator import BEARER, TOKEN, VARIABLE, open_guarded


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, TOKEN)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_guarded(tmp_path) as found:
        yield found


class Scrape:
    """What one request to /metrics told."""

    def __init__(self, text: str) -> None:
        families = text_string_to_metric_families(text)
        self.samples = [sample for family in families for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that have these labels."""
        found = [s.value for s in self.samples if s.name == name and labels.items() <= s.labels.items()]
        assert found, f"there is no {name} {labels}"
        return sum(found)


async def scrape(visitor: Visitor) -> Scrape:
    reply = await visitor.gets("/metrics", **BEARER)
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    return Scrape(reply.text)


def model_of(backend: str) -> str:
    return next(name for name in MODELS if name.lower().startswith(backend))


async def test_a_battle_is_counted_on_both_sides(visitor: Visitor) -> None:
    await visitor.plays()
    told = await scrape(visitor)
    for backend in ("aurora", "borealis"):
        where = {"model": model_of(backend), "backend": backend}
        assert told.value("arena_requests_total", outcome="ok", **where) == 1
        assert told.value("arena_first_token_seconds_count", **where) == 1
        assert told.value("arena_answer_seconds_count", **where) == 1
        assert 0 < told.value("arena_answer_seconds_sum", **where) < 20


async def test_tokens_are_counted_as_the_backend_counts_them(visitor: Visitor) -> None:
    cues = await visitor.starts()
    cues["a"].say("Because.")
    cues["a"].end(Usage(11, 22))
    cues["b"].say("Because.")
    cues["b"].end(Usage())  # which says nothing
    await visitor.waits()
    told = await scrape(visitor)
    assert told.value("arena_prompt_tokens_total") == 11
    assert told.value("arena_completion_tokens_total") == 22


async def test_a_failure_is_counted_by_its_kind(visitor: Visitor) -> None:
    cues = await visitor.starts()
    failing = visitor.backend("a").name
    cues["a"].say("Well,")
    cues["a"].fail(BackendBusy("slow down"))
    cues["b"].end()
    await visitor.waits()
    told = await scrape(visitor)
    assert told.value("arena_request_failures_total", backend=failing, kind="busy") == 1
    assert told.value("arena_request_failures_total") == 1
    assert told.value("arena_requests_total", backend=failing, outcome="failed") == 1
    assert told.value("arena_answer_seconds_count", backend=failing) == 0


async def test_a_failover_is_a_failure_of_one_backend_and_an_answer_of_another(tmp_path: Path) -> None:
    first, second = tables()["models"]
    models = [first | {"backends": ["aurora", "spare"]}, second]
    providers = [*tables()["providers"], {"name": "spare", "format": "script"}]
    async with open_guarded(tmp_path, models=models, providers=providers) as house, house.visitor() as visitor:
        visitor.path = (await visitor.posts("/conversations", prompt="Why?")).headers["location"]
        (await house.backends["borealis"].asked()).end()
        for failure in (BackendTimeout("no"), None):
            cue = await one_of(house.backends["aurora"], house.backends["spare"])
            cue.fail(failure) if failure else cue.end()
        await visitor.waits()
        told = await scrape(visitor)
    for outcome in ("failed", "ok"):
        assert told.value("arena_requests_total", model=MODELS[0], outcome=outcome) == 1


async def one_of(*backends: CuedBackend) -> Cue:
    """The next request to any of them."""
    asked = [asyncio.create_task(backend.asked()) for backend in backends]
    done, waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    return done.pop().result()


async def test_a_stopped_answer_is_cancelled_and_no_failure(visitor: Visitor) -> None:
    for cue in (await visitor.starts()).values():
        cue.say("Half")
        await cue.heard()
    await visitor.posts(f"{visitor.path}/stop")
    told = await scrape(visitor)
    assert told.value("arena_requests_total", outcome="cancelled") == 2
    assert told.value("arena_answer_seconds_count") == 0
    assert told.value("arena_request_failures_total") == 0


async def test_what_is_going_on_is_told_as_it_stands(visitor: Visitor) -> None:
    cues = await visitor.starts()
    told = await scrape(visitor)
    assert told.value("arena_battles_in_flight") == 1
    assert told.value("arena_backend_outstanding_requests", backend="aurora") == 1
    assert told.value("arena_backend_queue_length", backend="aurora") == 0
    await visitor.hears(cues)
    told = await scrape(visitor)
    assert told.value("arena_battles_in_flight") == 0
    assert told.value("arena_backend_outstanding_requests") == 0


async def test_a_request_that_waits_is_in_the_queue_of_its_backend(tmp_path: Path) -> None:
    providers = [provider | {"max_concurrency": 1} for provider in tables()["providers"]]
    async with open_guarded(tmp_path, providers=providers) as house, house.visitor() as visitor:
        cues = await visitor.starts()
        await visitor.posts("/conversations", prompt="And this?")
        told = await scrape(visitor)
        await visitor.hears(cues)
    assert told.value("arena_backend_queue_length", backend="aurora") == 1
    assert told.value("arena_backend_outstanding_requests", backend="aurora") == 1


async def test_a_backend_that_is_not_ready_is_not_up(house: House, visitor: Visitor) -> None:
    house.backends["aurora"].become(Status("failed", "gone"))
    told = await scrape(visitor)
    assert told.value("arena_backend_up", backend="aurora") == 0
    assert told.value("arena_backend_up", backend="borealis") == 1


async def test_votes_are_counted_once_and_over_restarts(tmp_path: Path) -> None:
    async with open_guarded(tmp_path) as house, house.visitor() as visitor:
        await visitor.plays()
        for _ in range(2):
            await visitor.votes("tie")
        assert (await scrape(visitor)).value("arena_votes_total") == 1
    async with open_guarded(tmp_path) as house, house.visitor() as visitor:
        assert (await scrape(visitor)).value("arena_votes_total") == 1


async def test_a_database_that_is_away_takes_only_its_own_figure_along(house: House, visitor: Visitor) -> None:
    await house.sql("ALTER TABLE votes RENAME TO elsewhere")
    told = await scrape(visitor)
    assert not any(sample.name == "arena_votes_total" for sample in told.samples)
    assert told.value("arena_backend_up") == 2


async def test_every_series_is_there_from_the_start(visitor: Visitor) -> None:
    told = await scrape(visitor)
    for error in BACKEND_ERRORS:
        assert told.value("arena_request_failures_total", backend="aurora", kind=error.kind) == 0
    assert told.value("arena_requests_total") == 0
    assert told.value("process_resident_memory_bytes") > 1e6


async def test_the_number_of_series_does_not_grow_with_what_is_asked(visitor: Visitor) -> None:
    before = {(s.name, *sorted(s.labels.items())) for s in (await scrape(visitor)).samples}
    await visitor.plays("One?")
    await visitor.plays("Two?")
    await visitor.gets("/nowhere/at/all")
    after = {(s.name, *sorted(s.labels.items())) for s in (await scrape(visitor)).samples}
    assert after == before


async def test_names_follow_the_conventions(visitor: Visitor) -> None:
    await visitor.plays()
    reply = await visitor.gets("/metrics", **BEARER, accept="application/openmetrics-text; version=1.0.0")
    assert reply.headers["content-type"].startswith("application/openmetrics-text")
    read = read_openmetrics(reply.text)  # type: ignore[no-untyped-call]
    families = {family.name: family.type for family in read}
    ours = {name: kind for name, kind in families.items() if not name.startswith("process_")}
    assert all(name.startswith("arena_") for name in ours)
    assert all(name.endswith("_seconds") for name, kind in ours.items() if kind == "histogram")


async def test_two_arenas_in_one_process_count_apart(tmp_path: Path) -> None:
    async with (
        open_guarded(tmp_path / "one") as one,
        open_guarded(tmp_path / "two") as two,
        one.visitor() as here,
        two.visitor() as there,
    ):
        await here.plays()
        assert (await scrape(here)).value("arena_requests_total") == 2
        assert (await scrape(there)).value("arena_requests_total") == 0


async def test_a_name_with_quotes_and_lines_is_a_label_all_the_same(tmp_path: Path) -> None:
    first, second = tables()["models"]
    odd = 'A "quoted" \\ name\nof two lines'
    async with open_guarded(tmp_path, models=[first | {"name": odd}, second]) as house, house.visitor() as visitor:
        await visitor.plays()
        assert (await scrape(visitor)).value("arena_requests_total", model=odd, outcome="ok") == 1
