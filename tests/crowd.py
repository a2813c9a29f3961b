"""A crowd that has voted: battles, ballots and counts written into a database, as many as a test needs at once."""

import math
import random
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from arena.conversation import CHOICES
from arena.store.casting import voter_number

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ANSWER = "It depends on **{word}**, as {model} sees it."


@dataclass(frozen=True)
class Crowd:
    """Who votes on what. Models are as strong as they come late in the list; `days` before `NOW`."""

    models: tuple[str, ...]
    votes: int
    days: int = 10
    voters: int = 25
    leaks: float = 0.0
    seed: int = 7


def vote(file: Path, crowd: Crowd) -> None:
    """Write all of the crowd's battles into the database at once."""
    rng = random.Random(crowd.seed)
    with closing(sqlite3.connect(file, timeout=30)) as database, database:
        first = database.execute("SELECT coalesce(max(id), 0) FROM ballots").fetchone()[0]
        for name in crowd.models:
            database.execute("INSERT INTO entrants (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))
        numbers = dict(database.execute("SELECT name, id FROM entrants"))
        for categories in ("[]", '["code"]', '["code", "language:en"]', '["language:en"]'):
            database.execute("INSERT INTO category_sets (names) VALUES (?) ON CONFLICT DO NOTHING", (categories,))
        sets = [(key, names) for key, names in database.execute("SELECT id, names FROM category_sets ORDER BY id")]
        for number in range(crowd.voters):
            row = (f"voter-{number:03}", _text(NOW - timedelta(days=crowd.days)))
            database.execute("INSERT INTO voters (id, created_at) VALUES (?, ?) ON CONFLICT DO NOTHING", row)
        for number in range(crowd.votes):
            _battle(database, crowd, rng, number, first + number + 1, numbers, sets)
        _count(database)


def _battle(
    database: sqlite3.Connection,
    crowd: Crowd,
    rng: random.Random,
    number: int,
    ballot: int,
    numbers: dict[str, int],
    sets: list[tuple[int, str]],
) -> None:
    strengths = {name: 2.4 * place / len(crowd.models) for place, name in enumerate(crowd.models)}
    a, b = rng.sample(crowd.models, 2)
    at = NOW - timedelta(days=crowd.days * (1 - number / crowd.votes))
    key = str(UUID(int=(int(at.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62) | rng.getrandbits(60) << 2 | 1))
    voter = f"voter-{rng.randrange(crowd.voters):03}"
    choice = _choice(rng, strengths[a] - strengths[b])
    share = 2 / (len(crowd.models) * (len(crowd.models) - 1))
    moment = _text(at)
    database.execute(
        "INSERT INTO conversations (id, voter_id, mode, model_a, model_b, pair_probability, created_at) "
        "VALUES (?, ?, 'battle', ?, ?, ?, ?)",
        (key, voter, a, b, share, moment),
    )
    word = rng.choice(("weather", "palindromes", "Lisbon", "rain", "tea"))
    database.execute(
        "INSERT INTO turns (conversation_id, number, prompt, created_at) VALUES (?, 1, ?, ?)",
        (key, f"What about {word}? ({number})", moment),
    )
    for side, model in (("a", a), ("b", b)):
        pace = 1 + numbers[model] / 4
        database.execute(
            "INSERT INTO answers (conversation_id, turn, side, version, model, backend, state, text, reasoning, "
            "completion_tokens, first_token_ms, duration_ms, created_at) "
            "VALUES (?, 1, ?, 1, ?, 'seeded', 'done', ?, '', 100, ?, ?, ?)",
            (key, side, model, ANSWER.format(word=word, model=side), 200 * pace, 200 * pace + 2000 / pace, moment),
        )
    row = (
        ballot, numbers[a], numbers[b], CHOICES.index(choice), voter_number(voter), int(at.timestamp() // 86400),
        rng.choice(sets)[0], int(rng.random() < crowd.leaks), share, " ".join(_looks(rng) + _looks(rng)),
    )  # fmt: skip
    database.execute(
        "INSERT INTO ballots (id, a, b, outcome, voter, day, category_set, is_leak, probability, looks) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        row,
    )
    database.execute(
        "INSERT INTO votes (conversation_id, voter_id, turn, choice, created_at, ballot) "
        "VALUES (?, ?, 1, ?, ?, ?)",
        (key, voter, choice, moment, ballot),
    )


def _looks(rng: random.Random) -> list[str]:
    """Of one side: its characters, headers, lists, bold and code blocks."""
    return [str(rng.randrange(1, 900)), *(str(rng.randrange(4)) for _ in range(4))]


def _choice(rng: random.Random, apart: float) -> str:
    if rng.random() < 0.2:
        return rng.choice(("tie", "tie", "both_bad"))
    return "a" if rng.random() < 1 / (1 + math.exp(-apart)) else "b"


def _count(database: sqlite3.Connection) -> None:
    """The counts anew, as the votes stand."""
    database.execute("DELETE FROM counts")
    outcomes = ", ".join(f"sum(outcome = {number})" for number in range(4))
    counted = (
        "FROM ballots JOIN votes ON votes.ballot = ballots.id JOIN voters ON voters.id = votes.voter_id "
        "{join} WHERE is_leak = 0 AND set_aside_at IS NULL"
    )
    database.execute(
        f"INSERT INTO counts SELECT a, b, 'all', {outcomes} " + counted.format(join="") + " GROUP BY a, b"
    )
    join = "JOIN category_sets ON category_sets.id = category_set, json_each(category_sets.names)"
    database.execute(
        f"INSERT INTO counts SELECT a, b, json_each.value, {outcomes} "
        + counted.format(join=join)
        + " GROUP BY a, b, json_each.value"
    )


def _text(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(" ", "microseconds")


def names(count: int) -> tuple[str, ...]:
    """So many names, some of them long."""
    first = ("Aurora", "Borealis", "Cirrus", "Delta", "Ember", "Fjord", "Glacier", "Harbour", "Isthmus", "Juniper")
    last = ("7B Instruct", "Max", "mini (thinking, high effort, preview of 2026-10-31)", "70B", "Nano")
    found = tuple(f"{one} {other}" for other in last for one in first)
    return (*found, *(f"Zephyr {number}" for number in range(count)))[:count]
