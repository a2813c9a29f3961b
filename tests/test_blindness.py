"""Before the vote nothing that leaves the server tells which model is which; after it the names are there.

Whole battles are driven over HTTP, with each kind of failure on each side, and every byte that reached the visitor
is searched for every word of the configuration that could tell.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from arena.backend import Delta, Prompt, Usage
from arena.conversation import SIDES, Side
from arena.errors import BACKEND_ERRORS, BackendError
from arena.providers.script import Cue, CuedBackend
from tests.house import House, Screen, Visitor, names, open_house, other, tables

USAGE = {
    "a": Usage(48151, 62342, "eos_of_model", "req-5f3a99c7"),
    "b": Usage(31337, 27182, "eos_of_model", "req-0b1e77d2"),
}
TOLD_BY_BACKENDS = ["48151", "62342", "31337", "27182", "eos_of_model", "req-5f3a99c7", "req-0b1e77d2"]
HOST = "gpu7.lab.example:8443"
TRIP = "\N{BANANA}"


class TrippingBackend(CuedBackend):
    """Breaks its contract at a banana: what it raises is no `BackendError`, and full of names."""

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Delta | Usage, None]:
        async with aclosing(super().stream(prompt)) as lines:
            async for line in lines:
                if isinstance(line, Delta) and line.text == TRIP:
                    raise RuntimeError(f"{self.name} ({prompt.model_id}) slipped at {HOST}")
                yield line


def secretive() -> list[dict[str, Any]]:
    """Models with everything a configuration can say about them."""
    models: list[dict[str, Any]] = tables()["models"]
    for number, model in enumerate(models):
        key = model["backends"][0]
        model |= {
            "model_id": f"vendor/{key}-70b-instruct",
            "system_prompt": f"You are {model['name']}, and number {number}.",
            "licence": f"{key}-community-licence",
        }
    return models


def leaks(visitor: Visitor) -> list[str]:
    """What reached the visitor and must not have."""
    everything = b"\n".join(visitor.received).lower()
    words = [*names(visitor.house.config), *TOLD_BY_BACKENDS, HOST, "arena.live", "Traceback", "Error:"]
    return [word for word in words if word.lower().encode() in everything]


def fail(cue: Cue, side: Side, failure: type[BackendError] | None) -> None:
    cue.say(f"{side.upper()} began ")
    if failure is None:
        cue.say(TRIP)
    else:
        cue.fail(failure(f"vendor/aurora-70b-instruct and borealis at {HOST} answered 500"))


async def answers(visitor: Visitor, cues: dict[Side, Cue]) -> None:
    """Both sides answer to the end, and their backends say all they know."""
    for side in SIDES:
        cues[side].say(f"{side.upper()} says so.", reasoning="Hm.")
        cues[side].end(USAGE[side])
    await visitor.waits()


async def blunders(visitor: Visitor) -> None:
    """Everything that is refused."""
    await visitor.votes("a")
    await visitor.votes("nonsense")
    await visitor.posts(f"{visitor.path}/turns", prompt="More?")
    await visitor.posts(f"{visitor.path}/turns", prompt=" ")
    await visitor.posts(f"{visitor.path}/regenerate", side="z")
    await visitor.gets(f"/conversations/{uuid4()}")
    await visitor.gets(f"{visitor.path}/vote")
    await visitor.gets("/nowhere")


@pytest.mark.parametrize("failure", [*BACKEND_ERRORS, None])
@pytest.mark.parametrize("side", SIDES)
async def test_no_name_leaves_the_server_before_the_vote(
    tmp_path: Path, side: Side, failure: type[BackendError] | None
) -> None:
    async with open_house(tmp_path, TrippingBackend, models=secretive()) as house, house.visitor() as visitor:
        await visitor.gets("/")
        cues = await visitor.starts("One?")
        async with visitor.watches() as stream:  # one side fails, the other answers
            fail(cues[side], side, failure)
            await stream.until(f"{side.upper()} began")
            await blunders(visitor)
            cues[other(side)].say("Still here.")
            cues[other(side)].end(USAGE[other(side)])
            await stream.to_the_end()
            assert f"Try side {side.upper()} again" in stream.page.text
        await blunders(visitor)
        await visitor.sees()

        again = await visitor.regenerates(side)
        async with visitor.watches(stream.last_id) as stream:
            again.say("Back again.")
            again.end(USAGE[side])
            await stream.to_the_end()
        await answers(visitor, await visitor.asks("Two?"))
        await visitor.gets(f"{visitor.path}/events")
        cues = await visitor.asks("Three?")  # stopped halfway
        for cue in cues.values():
            cue.say("Half of it")
            await cue.heard()
        await visitor.posts(f"{visitor.path}/stop")
        await visitor.posts(f"{visitor.path}/regenerate")
        await answers(visitor, await visitor.cues())
        await visitor.sees()
        assert leaks(visitor) == []

        await visitor.votes("tie")
        page = Screen(await visitor.sees())
        for model in house.config.models:
            assert all(words in page.html for words in (model.name, model.organisation, model.description))


@pytest.mark.parametrize("side", SIDES)
async def test_a_restart_in_the_middle_tells_no_name(tmp_path: Path, side: Side) -> None:
    async with open_house(tmp_path, models=secretive()) as house, house.visitor() as visitor:
        cues = await visitor.starts()
        cues[side].say("Half of it")
        await cues[side].heard()
    async with open_house(tmp_path, models=secretive()) as house, house.visitor(visitor) as back:
        await back.sees()
        await answers(back, await back.cues())
        await back.sees()
        assert leaks(back) == []


async def test_an_answer_that_tells_its_own_tokens_is_the_only_place_for_them(visitor: Visitor) -> None:
    await answers(visitor, await visitor.starts())
    [row] = await visitor.house.sql("SELECT prompt_tokens, request_id FROM answers WHERE side = 'a'")
    assert row == (48151, "req-5f3a99c7"), "kept for the export, and for nobody else"
    await visitor.votes("a")
    await visitor.sees()
    assert not any(b"48151" in piece or b"req-5f3a99c7" in piece for piece in visitor.received)


async def opposites(house: House) -> list[Visitor]:
    """Two visitors whose battles have the same models, on opposite sides."""
    found: dict[str, Visitor] = {}
    for _ in range(64):
        async with house.visitor() as visitor:
            await answers(visitor, await visitor.starts())
            [(model,)] = await house.sql(f"SELECT model_a FROM conversations WHERE id = '{visitor.key}'")
            found[model] = visitor
        if len(found) == 2:
            break
    return list(found.values())


async def test_a_battle_looks_the_same_whichever_model_is_on_which_side(house: House) -> None:
    pages, streams = set(), set()
    for earlier in await opposites(house):
        async with house.visitor(earlier) as visitor:
            pages.add((await visitor.sees()).replace(visitor.key, "ID"))
            reply = await visitor.gets(f"{visitor.path}/events")
            streams.add(reply.text.replace(visitor.key, "ID"))
    assert len(pages) == len(streams) == 1


async def test_a_failed_side_looks_the_same_whichever_model_is_behind_it(house: House) -> None:
    pages = set()
    for earlier in await opposites(house):
        async with house.visitor(earlier) as visitor:
            cue = await visitor.regenerates("a")
            fail(cue, "a", BACKEND_ERRORS[0])
            await visitor.waits()
            pages.add((await visitor.sees()).replace(visitor.key, "ID"))
    assert len(pages) == 1
