"""/healthz and /readyz: what whoever watches the process is told."""

from pathlib import Path

from arena.backend import READY, Status
from tests.house import MODELS, House, Visitor, open_house, tables

LOADING = Status("loading", "reading weights", 0.456)
FAILED = Status("failed", "out of memory")


async def test_pages_are_served_before_any_model_is_up(house: House, visitor: Visitor) -> None:
    for backend in house.backends.values():
        backend.become(LOADING)
    reply = await visitor.gets("/healthz")
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    told = {"state": "loading", "detail": "reading weights", "progress": 0.46}
    assert reply.json() == {"ready": False, "models": dict.fromkeys(MODELS, told)}


async def test_the_arena_is_ready_once_two_models_are_up(house: House, visitor: Visitor) -> None:
    house.backends["aurora"].become(LOADING)
    reply = await visitor.gets("/readyz")
    assert reply.status_code == 503
    assert {name: model["state"] for name, model in reply.json()["models"].items()} == {
        "Aurora Prime": "loading",
        "Borealis Nine": "ready",
    }
    house.backends["aurora"].become(READY)
    reply = await visitor.gets("/readyz")
    assert reply.status_code == 200
    assert reply.json()["ready"] is True


async def test_the_arena_is_no_longer_ready_when_a_model_goes_down(house: House, visitor: Visitor) -> None:
    house.backends["borealis"].become(FAILED)
    reply = await visitor.gets("/readyz")
    assert reply.status_code == 503
    assert reply.json()["models"]["Borealis Nine"] == {"state": "failed", "detail": "out of memory", "progress": 0}
    assert (await visitor.gets("/healthz")).status_code == 200


async def test_a_model_is_as_far_as_the_best_of_its_backends(tmp_path: Path) -> None:
    first, second = tables()["models"]
    models = [first | {"backends": ["aurora", "borealis"]}, second]
    async with open_house(tmp_path, models=models) as house, house.visitor() as visitor:
        house.backends["aurora"].become(FAILED)
        assert (await visitor.gets("/readyz")).status_code == 200
        house.backends["borealis"].become(LOADING)
        states = (await visitor.gets("/readyz")).json()["models"]
        assert {model["state"] for model in states.values()} == {"loading"}


async def test_a_model_of_weight_zero_makes_no_battle(tmp_path: Path) -> None:
    first, second = tables()["models"]
    async with open_house(tmp_path, models=[first, second | {"weight": 0}]) as house, house.visitor() as visitor:
        assert (await visitor.gets("/readyz")).status_code == 503
        assert (await visitor.posts("/conversations", prompt="Why?")).status_code == 503


async def test_health_is_kept_by_no_cache(visitor: Visitor) -> None:
    for path in ("/healthz", "/readyz"):
        assert (await visitor.gets(path)).headers["cache-control"] == "no-store"
