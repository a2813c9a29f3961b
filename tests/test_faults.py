"""What is lost when the server is killed or stopped, or its disk is full: never a vote."""

import asyncio
import random
import signal
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from time import monotonic

import httpx
import pytest

from tests.processes import Guest, Served, counted, kept, run, scripted, serve

SPEED = 20
"""Words a second of the answers that are cut off."""

SLOW = scripted(counted(400, "a"), counted(400, "b"), words_per_second=SPEED)
FAST = scripted(counted(40, "a"), counted(40, "b"), words_per_second=400)
SLOW_AND_FAST = scripted(counted(400, "a"), "All at once.", words_per_second=SPEED)
SLOW_AND_FAST["providers"][1]["words_per_second"] = 1000.0

LATEST = """
    SELECT side, text, state, version FROM answers
    WHERE version = (SELECT max(version) FROM answers AS later
                     WHERE (later.conversation_id, later.turn, later.side)
                         = (answers.conversation_id, answers.turn, answers.side))
    ORDER BY created_at, side
"""

# Killed


async def test_a_killed_server_loses_at_most_two_seconds_of_text(tmp_path: Path) -> None:
    async with serve(tmp_path, SLOW) as served, served.guest() as guest:
        await guest.begins()
        async with guest.watches() as stream:
            await stream.until(" a60")
            await stream.until(" b60")
            await served.kill()
        for side, text, state, _ in kept(tmp_path, LATEST):
            shown = stream.page.answer(side).split()
            assert state == "streaming"
            assert shown[: len(text.split())] == text.split()
            assert len(shown) - len(text.split()) <= 2 * SPEED


async def test_after_a_kill_the_page_comes_back_and_the_interrupted_side_alone_is_written_again(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(serve(tmp_path, SLOW_AND_FAST))
        guest = await stack.enter_async_context(served.guest())
        await guest.begins("Where were we?")
        async with guest.watches() as stream:
            await stream.until("All at once.")
            await stream.until("a5")
            await served.kill()

        again = await stack.enter_async_context(serve(tmp_path, FAST))
        guest = await guest.returns(again, stack)
        assert "Where were we?" in await guest.sees()
        await guest.reads()
        versions = {text: (state, version) for _, text, state, version in kept(tmp_path, LATEST)}
        assert versions == {counted(40, "a"): ("done", 2), "All at once.": ("done", 1)}
        assert (await guest.votes("tie")).status_code == 303


async def test_a_kill_before_anyone_comes_back_leaves_nothing_half_written(tmp_path: Path) -> None:
    async with serve(tmp_path, SLOW) as served, served.guest() as guest:
        await guest.begins()
        await served.kill()
    async with serve(tmp_path) as again:
        await again.says("2 answers were cut off by the last stop")
        await again.kill()
    assert {state for _, _, state, _ in kept(tmp_path, LATEST)} == {"interrupted"}


async def test_no_acknowledged_vote_is_lost_however_often_the_server_is_killed(tmp_path: Path) -> None:
    acknowledged: dict[str, str] = {}
    for seed in range(4):
        rng, enough = random.Random(seed), asyncio.Event()
        async with serve(tmp_path, FAST) as served, asyncio.TaskGroup() as crowd:
            for _ in range(20):
                crowd.create_task(_plays_on(served, rng, acknowledged, enough))
            await enough.wait()
            asyncio.get_running_loop().call_later(rng.uniform(0, 0.3), served.process.kill)
        assert kept(tmp_path, "PRAGMA integrity_check") == [("ok",)]
        votes = dict(kept(tmp_path, "SELECT conversation_id, choice FROM votes"))
        assert {key: votes.get(key) for key in acknowledged} == acknowledged


async def _plays_on(
    served: Served, rng: random.Random, acknowledged: dict[str, str], enough: asyncio.Event
) -> None:
    """Battle after battle, until the server is gone; `enough` is set by some vote that was acknowledged."""
    async with served.guest() as guest:
        with suppress(httpx.TransportError):
            while True:
                await guest.begins()
                await guest.reads()
                choice = rng.choice(("a", "b", "tie", "both_bad"))
                assert (await guest.votes(choice)).status_code == 303
                acknowledged[guest.key] = choice
                if rng.random() < 0.1:
                    enough.set()


# Stopped


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_keeps_all_that_was_shown_and_does_not_wait_for_watchers(
    tmp_path: Path, how: signal.Signals
) -> None:
    async with serve(tmp_path, SLOW) as served, served.guest() as guest:
        await guest.begins()
        async with guest.watches() as stream:
            await stream.until("a10")
            await stream.until("b10")
            start = monotonic()
            served.process.send_signal(how)
            await stream.to_the_end()
        assert await served.ended() == (0 if how == signal.SIGINT else -how)
        assert monotonic() - start < 5
        assert not [line for line in served.said if "Traceback" in line or "Aborted" in line]
    for side, text, _, _ in kept(tmp_path, LATEST):
        assert text.startswith(stream.page.answer(side))


async def test_a_request_that_never_ends_holds_up_a_stop_no_longer_than_configured(tmp_path: Path) -> None:
    async with serve(tmp_path, FAST | {"server": {"port": 0, "shutdown_seconds": 1.0}}) as served:
        _, writer = await _begins_a_request(served)
        start = monotonic()
        served.process.send_signal(signal.SIGTERM)
        await served.ended()
        assert 1 <= monotonic() - start < 4
        writer.close()


async def test_a_second_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    patient = {"server": {"port": 0, "shutdown_seconds": 600.0}}
    async with serve(tmp_path, SLOW | patient) as served, served.guest() as guest:
        _, writer = await _begins_a_request(served)
        await guest.begins()
        async with guest.watches() as stream:
            served.process.send_signal(signal.SIGINT)
            await stream.to_the_end()  # the first one has been understood
        served.process.send_signal(signal.SIGINT)
        await served.ended()
        writer.close()
    assert kept(tmp_path, "PRAGMA integrity_check") == [("ok",)]


async def _begins_a_request(served: Served) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client that says it will send a form, and does not."""
    address = httpx.URL(served.url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(
        b"POST /conversations HTTP/1.1\r\nHost: arena\r\nContent-Length: 99\r\nExpect: 100-continue\r\n\r\n"
    )
    assert b"100" in await reader.readline()  # the server has begun to read it
    return reader, writer


# A full disk


async def test_on_a_full_disk_a_vote_is_refused_in_words_and_taken_when_there_is_room_again(
    tmp_path: Path,
) -> None:
    async with serve(tmp_path, FAST) as served, served.guest() as early, served.guest() as late:
        for guest in (early, late):
            await guest.begins()
            await guest.reads()
        assert (await early.votes("a")).status_code == 303
        with served.full_disk():
            reply = await late.votes("b")
            assert reply.status_code == 503
            assert "Nothing was stored; please try again." in reply.text
            assert "Which answer is better?" in await late.sees()
            assert "You voted: A is better" in await early.sees()
        assert (await late.votes("b")).status_code == 303
    assert kept(tmp_path, "SELECT choice FROM votes ORDER BY created_at") == [("a",), ("b",)]
    assert kept(tmp_path, "PRAGMA integrity_check") == [("ok",)]


async def test_on_a_full_disk_a_prompt_is_refused_in_words_and_pages_are_served_all_the_same(
    tmp_path: Path,
) -> None:
    async with serve(tmp_path, FAST) as served, served.guest() as guest:
        with served.full_disk():
            reply = await guest.posts("/conversations", prompt="Is there room?")
            assert reply.status_code == 503
            assert "Nothing was stored" in reply.text
            assert (await guest.gets("/")).status_code == 200
        await guest.begins("Is there room?")
        await guest.reads()
    assert kept(tmp_path, "SELECT prompt FROM turns") == [("Is there room?",)]


@pytest.mark.parametrize("size", [10, 3_000_000])  # one that stays in memory, one that waits on the disk
async def test_on_a_full_disk_a_file_is_refused_in_words_and_taken_when_there_is_room_again(
    tmp_path: Path, size: int
) -> None:
    async with serve(tmp_path, FAST) as served, served.guest() as guest:
        file = {"file": ("notes.txt", b"a" * size, "text/plain")}
        form = {"to": "/conversations"}
        with served.full_disk():
            reply = await guest.http.post("/attachments", files=file, data=form)
            assert reply.status_code == 503
            assert "Nothing was stored; please try again." in reply.text
        reply = await guest.http.post("/attachments", files=file, data=form)
        assert "notes.txt" in reply.text
    assert kept(tmp_path, "SELECT name, length(text) FROM attachments") == [("notes.txt", size)]


async def test_text_in_flight_outlives_a_disk_that_was_full_for_a_while(tmp_path: Path) -> None:
    arena = scripted(counted(90, "a"), counted(90, "b"), words_per_second=30, live={"checkpoint_seconds": 0.1})
    async with serve(tmp_path, arena) as served, served.guest() as guest:
        await guest.begins()
        async with guest.watches() as stream:
            await stream.until("a5")
            with served.full_disk():
                await served.says("could not be saved")
                await stream.until("a30")
            await stream.to_the_end()
        assert (await guest.votes("tie")).status_code == 303
    assert {state for _, _, state, _ in kept(tmp_path, LATEST)} == {"done"}


async def test_an_answer_that_ends_on_a_full_disk_is_kept_once_there_is_room(tmp_path: Path) -> None:
    arena = scripted(counted(30, "a"), counted(30, "b"), words_per_second=30)
    async with serve(tmp_path, arena) as served, served.guest() as guest:
        await guest.begins()
        async with guest.watches() as stream:
            await stream.until("a5")
            with served.full_disk():
                await stream.until("a29")
                await stream.until("b29")
            events = await stream.to_the_end()
        assert events[-1].name == "done"
        assert (await guest.votes("tie")).status_code == 303


# Beside others


async def test_two_servers_on_one_database_lose_no_vote(tmp_path: Path) -> None:
    (tmp_path / "arena.secret").write_text("s" * 64)
    async with AsyncExitStack() as stack:
        servers = await asyncio.gather(*(stack.enter_async_context(serve(tmp_path, FAST)) for _ in range(2)))
        guests = [await stack.enter_async_context(served.guest()) for served in servers for _ in range(5)]
        await asyncio.gather(*(_plays_once(guest) for guest in guests))
    assert len(kept(tmp_path, "SELECT * FROM votes")) == len(guests)
    assert kept(tmp_path, "PRAGMA integrity_check") == [("ok",)]


async def _plays_once(guest: Guest) -> None:
    await guest.begins()
    await guest.reads()
    assert (await guest.votes("tie")).status_code == 303


async def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    async with serve(tmp_path, FAST) as served:
        port = str(httpx.URL(served.url).port)
        other = await run(tmp_path, "serve", "--port", port)
        assert other.complaint.startswith(f"arena: cannot listen on 127.0.0.1:{port}: Address already in use")
        assert other.complaint.endswith("Try another --port.")


# Started


async def test_pages_are_served_soon_after_the_start_and_only_to_this_machine(tmp_path: Path) -> None:
    start = monotonic()
    async with serve(tmp_path, FAST) as served, served.guest() as guest:
        assert (await guest.gets("/")).status_code == 200
        assert monotonic() - start < 5
        assert served.url.startswith("http://127.0.0.1:")
        assert not [line for line in served.said if "WARNING" in line]


async def test_an_address_that_others_reach_is_served_with_a_warning(tmp_path: Path) -> None:
    async with serve(tmp_path, FAST, "--host", "0.0.0.0") as served:
        assert "there is no access control" in await served.says("WARNING")
