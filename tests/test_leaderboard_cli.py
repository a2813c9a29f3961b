"""`arena leaderboard`: the same board from the database and from an export of it, to the last digit."""

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.battles import battle, battles, write
from tests.processes import run, scripted, write_config
from tests.terminals import open_terminal


async def fill(folder: Path, votes: int = 120) -> None:
    """An arena with so many votes, and an export of it: votes.jsonl."""
    write_config(folder, scripted("A.", "B.", leaderboard={"min_votes": 20}))
    write(folder / "votes.jsonl", list(battles(votes)))
    assert (await run(folder, "import", "votes.jsonl")).status == 0


async def printed(folder: Path, *options: str) -> dict[str, Any]:
    """The board as JSON."""
    finished = await run(folder, "leaderboard", "--json", *options)
    assert finished.status == 0, finished.err
    board: dict[str, Any] = json.loads(finished.out)
    return board


@pytest.mark.parametrize("options", [(), ("--style",), ("--anytime",), ("--category", "turns:many")])
async def test_an_export_gives_the_board_of_its_database(tmp_path: Path, options: tuple[str, ...]) -> None:
    await fill(tmp_path)
    of_database = await printed(tmp_path, *options)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write_config(elsewhere, scripted("A.", "B.", leaderboard={"min_votes": 20}))
    (elsewhere / "votes").write_bytes((await run(tmp_path, "export")).out)
    assert await printed(elsewhere, *options, "--from", "votes") == of_database
    assert len(of_database["digest"]) == 64
    assert of_database["votes"] > 20
    assert not (elsewhere / "arena.db").exists()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
async def test_every_whole_export_gives_the_same_board(tmp_path: Path, kind: str) -> None:
    await fill(tmp_path)
    (tmp_path / "votes").write_bytes((await run(tmp_path, "export", "--format", kind)).out)
    assert await printed(tmp_path, "--from", "votes") == await printed(tmp_path)


async def test_a_released_format_gives_the_same_ratings(tmp_path: Path) -> None:
    await fill(tmp_path)
    (tmp_path / "votes").write_bytes((await run(tmp_path, "export", "--format", "fastchat")).out)
    boards = [await printed(tmp_path), await printed(tmp_path, "--from", "votes")]
    ratings = [{row["name"]: row["rating"] for row in board["standings"]} for board in boards]
    assert ratings[0] == ratings[1]
    assert boards[0]["digest"] != boards[1]["digest"]  # its voters have other names


async def test_a_file_alone_is_enough(tmp_path: Path) -> None:
    write(tmp_path / "votes.jsonl", list(battles(100)))
    board = await printed(tmp_path, "--from", "votes.jsonl", "--min-votes", "1")
    assert sorted(row["name"] for row in board["standings"]) == ["Aurora Prime", "Borealis Nine", "Cirrus", "Dune"]
    assert all(row["rank"] for row in board["standings"])
    assert os.listdir(tmp_path) == ["votes.jsonl"]  # noqa: PTH208  # at once


async def test_votes_taken_in_later_leave_the_board_as_if_they_had_come_in_their_turn(tmp_path: Path) -> None:
    await fill(tmp_path, 0)
    write(tmp_path / "later.jsonl", list(battles(120))[60:])
    write(tmp_path / "all.jsonl", list(battles(120)))
    await run(tmp_path, "import", "later.jsonl", "all.jsonl")
    board = await printed(tmp_path)
    assert board == await printed(tmp_path, "--from", "all.jsonl")


async def test_in_a_pipe_the_board_is_plain_text(tmp_path: Path) -> None:
    await fill(tmp_path)
    finished = await run(tmp_path, "leaderboard")
    lines = finished.text.splitlines()
    assert lines[0].split() == ["rank", "model", "rating", "low", "high", "votes", "win", "rate", "both", "bad"]
    assert len([line for line in lines if "Prime" in line]) == 1
    assert lines[-1].startswith("digest ")
    assert "\x1b" not in finished.text
    assert finished.err == ""


async def test_on_a_terminal_the_board_is_a_table(tmp_path: Path) -> None:
    await fill(tmp_path)
    async with open_terminal(tmp_path, "leaderboard") as terminal:
        await terminal.shows("Borealis Nine")
        await terminal.shows("digest")
        assert await terminal.ended() == 0


async def test_csv_has_a_row_for_each_model(tmp_path: Path) -> None:
    await fill(tmp_path)
    rows = list(csv.DictReader(io.StringIO((await run(tmp_path, "leaderboard", "--csv")).text)))
    board = await printed(tmp_path)
    assert [(row["name"], float(row["rating"])) for row in rows] == [
        (row["name"], row["rating"]) for row in board["standings"]
    ]


async def test_votes_that_are_left_out_are_told(tmp_path: Path) -> None:
    votes = [*battles(60), battle(70, mode="side_by_side"), battle(71, set_aside="odd", voter_id="odd")]
    whole = write(tmp_path / "votes.jsonl", votes).read_text()
    (tmp_path / "votes.jsonl").write_text(f"{whole}{{broken\n")
    finished = await run(tmp_path, "leaderboard", "--from", "votes.jsonl")
    assert "1 are of voters who are set aside, 1 were not blind" in finished.text
    assert "line 63" in finished.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--from", "nonsense"), "arena: nonsense: no vote in it can be read."),
        (("--category", "language:tlh", "--from", "votes.jsonl"), "no votes in the category language:tlh"),
        (("--config", "missing.toml", "--from", "votes.jsonl"), "arena: missing.toml: there is no such file."),
        ((), "arena: config.toml: there is no such file."),
    ],
)
async def test_what_cannot_be_shown_is_said(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    write(tmp_path / "votes.jsonl", list(battles(30)))
    (tmp_path / "nonsense").write_text("nonsense")
    finished = await run(tmp_path, "leaderboard", *options)
    assert finished.status == 2
    assert words in finished.err.splitlines()[-1]


async def test_boards_without_any_vote_are_empty(tmp_path: Path) -> None:
    await fill(tmp_path, 0)
    assert (await printed(tmp_path))["standings"] == []
    assert "0 votes" in (await run(tmp_path, "leaderboard")).text
