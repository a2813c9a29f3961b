"""Votes whose names wait, at a server that is killed: none is lost, and each counts once."""

import asyncio
import random
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import httpx

from tests.processes import Served, counted, kept, run, scripted, serve

VOTES = "SELECT conversation_id, choice FROM votes"
COUNTED = "SELECT coalesce(sum(wins_a + wins_b + ties + both_bad), 0) FROM counts WHERE category = 'all'"
WITHOUT_BALLOT = "SELECT count(*) FROM votes WHERE ballot IS NULL"


def waiting(count_after: float) -> dict[str, Any]:
    """An arena in which names wait to be asked for, and votes so long for that."""
    blind = {"reveal": "on_request", "undo_seconds": min(10.0, count_after), "count_after_seconds": count_after}
    return scripted(counted(40, "a"), counted(40, "b"), words_per_second=400, blind=blind)


async def until_counted(folder: Path) -> None:
    """Until no vote waits any more."""
    async with asyncio.timeout(30):
        while kept(folder, WITHOUT_BALLOT) != [(0,)]:  # noqa: ASYNC110 (another process counts)
            await asyncio.sleep(0.05)


async def test_a_vote_that_waits_survives_a_kill_and_counts_once(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(serve(tmp_path, waiting(1000)))
        guest = await stack.enter_async_context(served.guest())
        await guest.begins()
        await guest.reads()
        assert (await guest.votes("b")).status_code == 303
        await served.kill()
        assert kept(tmp_path, VOTES) == [(guest.key, "b")]
        assert "Ballots and counts agree" in (await run(tmp_path, "db", "verify")).text
        assert kept(tmp_path, COUNTED) == [(0,)]

        again = await stack.enter_async_context(serve(tmp_path))
        guest = await guest.returns(again, stack)
        assert "Show the names" in await guest.sees()
        assert (await guest.posts(f"{guest.path}/reveal")).status_code == 303
        await again.kill()
    assert kept(tmp_path, COUNTED) == [(1,)]
    assert "Ballots and counts agree" in (await run(tmp_path, "db", "verify")).text


async def test_a_restart_counts_what_is_left_over(tmp_path: Path) -> None:
    async with serve(tmp_path, waiting(1000)) as served, served.guest() as guest:
        await guest.begins()
        await guest.reads()
        assert (await guest.votes("b")).status_code == 303
        await served.kill()
    async with serve(tmp_path, waiting(0.1)) as again:
        await again.says("1 votes whose names nobody asked for are counted")
        await again.kill()
    assert (kept(tmp_path, COUNTED), kept(tmp_path, WITHOUT_BALLOT)) == ([(1,)], [(0,)])


async def test_however_often_the_server_is_killed_no_acknowledged_vote_is_lost_or_counted_twice(
    tmp_path: Path,
) -> None:
    acknowledged: dict[str, str | None] = {}
    for seed in range(3):
        chance, enough = random.Random(seed), asyncio.Event()
        async with serve(tmp_path, waiting(0.5)) as served, asyncio.TaskGroup() as crowd:
            for _ in range(15):
                crowd.create_task(_plays_on(served, chance, acknowledged, enough))
            await enough.wait()
            asyncio.get_running_loop().call_later(chance.uniform(0, 1), served.process.kill)
        assert kept(tmp_path, "PRAGMA integrity_check") == [("ok",)]
        votes = dict(kept(tmp_path, VOTES))
        assert {key: votes.get(key) for key in acknowledged} == acknowledged
    async with serve(tmp_path):
        await until_counted(tmp_path)
    assert len(acknowledged) > 20
    assert kept(tmp_path, COUNTED) == [(len(kept(tmp_path, VOTES)),)]
    assert "Ballots and counts agree" in (await run(tmp_path, "db", "verify")).text


async def _plays_on(
    served: Served, chance: random.Random, acknowledged: dict[str, str | None], enough: asyncio.Event
) -> None:
    """Battle after battle until the server is gone: voted on, undone, asked for the names, or left."""
    async with served.guest() as guest:
        with suppress(httpx.TransportError):
            while True:
                await guest.begins()
                await guest.reads()
                choice = chance.choice(("a", "b", "tie", "both_bad"))
                assert (await guest.votes(choice)).status_code == 303
                acknowledged[guest.key] = choice
                if chance.random() < 0.3:
                    del acknowledged[guest.key]  # until the reply nobody knows whether it is undone
                    reply = await guest.posts(f"{guest.path}/vote/undo")
                    acknowledged[guest.key] = None if reply.status_code == 303 else choice
                elif chance.random() < 0.5:
                    assert (await guest.posts(f"{guest.path}/reveal")).status_code == 303
                if chance.random() < 0.1:
                    enough.set()
