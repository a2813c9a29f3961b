"""The votes as files: all of them, whole, in every format, in bounded memory, and never half a file."""

import asyncio
import csv
import io
import json
import resource
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from arena.export import COLUMNS, FORMATS, WHOLE
from arena.export.own import NESTED
from tests.memory import measured
from tests.processes import CHECKOUT, Guest, counted, kept, run, scripted, serve, write_config

AWKWARD = 'Commas, "quotes",\nlines\r\nand\ttabs; =1+1, 🦆, 長, \u202e, \u2028, \\n, \ufeff, </script>'
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def fill(folder: Path, votes: int, text: str = "Words of an answer. " * 10) -> None:
    """A configuration, and a database with so many votes in it, a minute apart; every tenth has a second turn."""
    write_config(folder, scripted("A.", "B."))
    asyncio.run(_migrate(folder))
    with closing(sqlite3.connect(folder / "arena.db")) as db, db:
        db.execute("INSERT INTO voters (id, created_at) VALUES ('v', '2026-01-01 00:00:00.000000')")
        db.executemany(
            "INSERT INTO conversations (id, voter_id, mode, model_a, model_b, pair_probability, created_at)"
            " VALUES (?, 'v', 'battle', 'Aurora', 'Borealis', 0.25, ?)",
            ((key, when) for key, when, _ in _battles(votes)),
        )
        db.executemany(
            "INSERT INTO turns (conversation_id, number, prompt, created_at) VALUES (?, ?, ?, ?)",
            ((key, turn, f"Prompt {turn} of {key}", when) for key, when, turn in _turns(votes)),
        )
        db.executemany(
            "INSERT INTO answers (conversation_id, turn, side, version, model, backend, state, text, reasoning,"
            " prompt_tokens, completion_tokens, first_token_ms, duration_ms, finish_reason, created_at)"
            " VALUES (?, ?, ?, ?, 'Aurora', 'one', ?, ?, '', 7, 42, 12.5, 1250.0, 'stop', ?)",
            (
                (key, turn, side, version, state, f"{side} {key} {text}", when)
                for key, when, turn in _turns(votes)
                for side, version, state in (("a", 1, "interrupted"), ("a", 2, "done"), ("b", 1, "done"))
            ),
        )
        db.executemany(
            "INSERT INTO votes (conversation_id, voter_id, turn, choice, created_at) VALUES (?, 'v', ?, ?, ?)",
            (
                (key, turns, ("a", "b", "tie", "both_bad")[number % 4], when)
                for number, (key, when, turns) in enumerate(_battles(votes))
            ),
        )


def _battles(votes: int) -> Iterator[tuple[str, str, int]]:
    """The id, the moment and the number of turns of each battle."""
    for number in range(votes):
        when = FIRST + timedelta(minutes=number)
        yield f"{number:08}", f"{when:%Y-%m-%d %H:%M:%S.%f}", 2 if number % 10 == 0 else 1


def _turns(votes: int) -> Iterator[tuple[str, str, int]]:
    for key, when, turns in _battles(votes):
        for turn in range(1, turns + 1):
            yield key, when, turn


async def _migrate(folder: Path) -> None:
    from arena.store import open_store

    await (await open_store(f"sqlite+aiosqlite:///{folder}/arena.db")).close()


def read(kind: str, content: bytes) -> list[dict[str, Any]]:
    """The rows of an exported file, with one shape whatever the format: the columns of the flat ones."""
    if kind == "jsonl":
        return [_flat(json.loads(line)) for line in content.splitlines()]
    if kind == "parquet":
        rows = parquet.read_table(io.BytesIO(content)).to_pylist()
        moments = ("voted_at", "started_at")
        return [row | {name: row[name].isoformat() for name in moments} | _parsed(row) for row in rows]
    kinds: dict[type, Any] = {str: str, int: int, float: float, datetime: str}
    lines = csv.DictReader(io.StringIO(content.decode(), newline=""))
    flat = [
        {name: kinds[COLUMNS[name]](value) if value else None for name, value in line.items()} for line in lines
    ]
    return [row | _parsed(row) for row in flat]


def _parsed(row: dict[str, Any]) -> dict[str, Any]:
    return {name: json.loads(row[name]) for name in NESTED}


def _flat(vote: dict[str, Any]) -> dict[str, Any]:
    voted = vote["turns"][vote["turn"] - 1]
    row = {name: vote[name].replace("Z", "+00:00") for name in ("voted_at", "started_at")}
    row |= {"prompt": voted["prompt"], "answer_a": voted["a"]["text"], "answer_b": voted["b"]["text"]}
    for side in "ab":
        measures = ("state", "backend", "prompt_tokens", "completion_tokens", "first_token_ms", "duration_ms")
        row |= {f"{name}_{side}": voted[side][name] for name in measures}
    return {name: row.get(name, vote.get(name)) for name in COLUMNS}


async def export(folder: Path, kind: str, *options: str) -> list[dict[str, Any]]:
    finished = await run(folder, "export", "--format", kind, *options)
    assert finished.status == 0, finished.err
    return read(kind, finished.out)


# What is in it


@pytest.mark.parametrize("kind", WHOLE)
async def test_a_battle_comes_out_as_it_was_fought(tmp_path: Path, kind: str) -> None:
    async with serve(tmp_path, scripted(f"First {AWKWARD}", "Second.")) as served, served.guest() as guest:
        await guest.begins(AWKWARD)
        await guest.reads()
        await guest.votes("both_bad")
        (row,) = await export(tmp_path, kind)  # while the server runs
    assert row["conversation_id"] == guest.key
    assert (row["choice"], row["turn"], row["mode"]) == ("both_bad", 1, "battle")
    awkward = AWKWARD.replace("\r\n", "\n")  # lines are kept with one kind of end
    assert row["prompt"] == awkward
    assert {row["model_a"]: row["answer_a"], row["model_b"]: row["answer_b"]} == {
        "Aurora Prime": f"First {awkward}",
        "Borealis Nine": "Second.",
    }
    assert row["pair_probability"] == 1.0
    assert {row["completion_tokens_a"], row["completion_tokens_b"]} == {1, len(AWKWARD.split()) + 1}
    assert row["first_token_ms_a"] <= row["duration_ms_a"]
    assert row["state_a"] == row["state_b"] == "done"
    assert row["turns"][0]["a"]["text"] == row["answer_a"]


async def test_all_formats_hold_the_same_votes(tmp_path: Path) -> None:
    await asyncio.to_thread(fill, tmp_path, 1201)
    files = [await export(tmp_path, kind) for kind in WHOLE]
    assert files[0] == files[1] == files[2]
    assert [row["conversation_id"] for row in files[0]] == [key for key, _, _ in _battles(1201)]
    assert files[0][10]["turn"] == len(files[0][10]["turns"]) == 2
    assert files[0][10]["prompt"] == "Prompt 2 of 00000010"
    assert {row["state_a"] for row in files[0]} == {"done"}  # of two versions, the later


async def test_parquet_has_the_types_of_its_columns(tmp_path: Path) -> None:
    await asyncio.to_thread(fill, tmp_path, 3)
    finished = await run(tmp_path, "export", "--format", "parquet", "--output", "votes.parquet")
    assert "3 votes in votes.parquet" in finished.err
    schema = parquet.read_schema(tmp_path / "votes.parquet")
    assert schema.names == list(COLUMNS)
    assert schema.field("voted_at").type == pa.timestamp("us", tz="UTC")
    assert schema.field("pair_probability").type == pa.float64()
    assert schema.field("prompt_tokens_a").type == pa.int64()


@pytest.mark.parametrize("kind", WHOLE)
async def test_since_leaves_out_the_earlier_votes(tmp_path: Path, kind: str) -> None:
    await asyncio.to_thread(fill, tmp_path, 20)
    rows = await export(tmp_path, kind, "--since", "2026-01-01T00:15:00")
    assert [row["conversation_id"] for row in rows] == [f"{number:08}" for number in range(15, 20)]
    assert len(await export(tmp_path, kind, "--since", "2026-01-01")) == 20
    assert await export(tmp_path, kind, "--since", "2027-01-01") == []


async def test_votes_of_one_moment_all_come_out(tmp_path: Path) -> None:
    await asyncio.to_thread(fill, tmp_path, 1700)
    with closing(sqlite3.connect(tmp_path / "arena.db")) as db, db:
        db.execute("UPDATE votes SET created_at = '2026-01-01 00:00:00.000000'")
    rows = await export(tmp_path, "csv")
    assert [row["conversation_id"] for row in rows] == [f"{number:08}" for number in range(1700)]


async def test_an_empty_database_gives_an_empty_file_with_its_columns(tmp_path: Path) -> None:
    await asyncio.to_thread(fill, tmp_path, 0)
    assert (await run(tmp_path, "export")).out == b""
    assert (await run(tmp_path, "export", "--format", "csv")).text.strip().split(",") == list(COLUMNS)
    table = parquet.read_table(io.BytesIO((await run(tmp_path, "export", "--format", "parquet")).out))
    assert (table.num_rows, table.column_names) == (0, list(COLUMNS))


async def test_votes_come_out_without_the_keys_of_the_providers(tmp_path: Path) -> None:
    await asyncio.to_thread(fill, tmp_path, 1)
    hosted = {"name": "hosted", "format": "openai", "base_url": "http://hosted.example", "api_key_env": "NO_KEY"}
    write_config(tmp_path, scripted("A.", "B.", providers=[hosted], models=[]))
    assert "NO_KEY" in (await run(tmp_path, "serve")).complaint
    assert len(await export(tmp_path, "jsonl")) == 1


async def test_an_export_beside_a_busy_server_has_every_vote_cast_before_it(tmp_path: Path) -> None:
    arena = scripted(counted(5, "a"), counted(5, "b"))
    async with serve(tmp_path, arena) as served, served.guest() as guest, asyncio.TaskGroup() as both:
        await _votes(guest)
        writing = both.create_task(_votes_on(guest))
        for kind in WHOLE:
            before = {key for (key,) in kept(tmp_path, "SELECT conversation_id FROM votes")}
            rows = [row["conversation_id"] for row in await export(tmp_path, kind)]
            assert before <= set(rows)
            assert len(rows) == len(set(rows))
        writing.cancel()


async def _votes(guest: Guest) -> None:
    await guest.begins()
    await guest.reads()
    assert (await guest.votes("a")).status_code == 303


async def _votes_on(guest: Guest) -> None:
    while True:
        await _votes(guest)


# The file


async def test_a_file_appears_under_its_name_only_when_it_is_complete(tmp_path: Path) -> None:
    await asyncio.to_thread(fill, tmp_path, 3000)
    command = (sys.executable, "-m", "arena", "export", "--output", "votes.jsonl")
    process = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, env={"PYTHONPATH": str(CHECKOUT)})
    part = tmp_path / "votes.jsonl.part"
    while process.returncode is None and not (part.exists() and part.stat().st_size):  # noqa: ASYNC110
        await asyncio.sleep(0)  # a file that grows is no event
    process.kill()
    await process.wait()
    assert not (tmp_path / "votes.jsonl").exists()
    assert len(await export(tmp_path, "jsonl")) == 3000


@pytest.mark.parametrize("output", ["missing/votes.csv", "config.toml/votes.csv"])
async def test_an_output_that_cannot_be_written_is_named(tmp_path: Path, output: str) -> None:
    await asyncio.to_thread(fill, tmp_path, 1)
    finished = await run(tmp_path, "export", "--format", "csv", "--output", output)
    assert finished.complaint.startswith(f"arena: {output}: cannot be written: ")


@pytest.mark.parametrize("kind", FORMATS)
async def test_a_disk_that_fills_up_leaves_no_file_and_says_so(tmp_path: Path, kind: str) -> None:
    await asyncio.to_thread(fill, tmp_path, 3000)
    (tmp_path / "votes").write_text("The export of yesterday.")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        finished = await run(tmp_path, "export", "--format", kind, "--output", "votes")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert finished.complaint == "arena: votes: cannot be written: File too large"
    assert not (tmp_path / "votes.part").exists()
    assert (tmp_path / "votes").read_text() == "The export of yesterday."


async def test_a_reader_who_has_enough_ends_the_export_quietly(tmp_path: Path) -> None:
    await asyncio.to_thread(fill, tmp_path, 3000)
    shell = f"{sys.executable} -m arena export | head -n 1"
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_shell(
        shell, cwd=tmp_path, env={"PYTHONPATH": str(CHECKOUT), "PATH": "/usr/bin:/bin"}, stdout=pipe, stderr=pipe
    )
    out, err = await process.communicate()
    assert json.loads(out)["conversation_id"] == "00000000"
    assert err == b""


@pytest.mark.parametrize("kind", FORMATS)
async def test_ten_times_the_votes_take_hardly_more_memory(tmp_path: Path, kind: str) -> None:
    peaks = []
    for votes in (2_000, 20_000):
        folder = tmp_path / str(votes)
        folder.mkdir()
        await asyncio.to_thread(fill, folder, votes)
        _, peak = await measured(folder, "export", "--format", kind, "--output", "votes")
        peaks.append(peak)
    assert peaks[1] < 1.5 * peaks[0]
