"""Battles that were fought nowhere: votes to write, to read back, and to rate."""

import io
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import msgspec

from arena.appraisal import Appraiser
from arena.export import FORMATS, export
from arena.intake import take_in
from arena.store import Store, open_store
from arena.store.votes import AnswerRecord, TurnRecord, VoteRecord
from tests.house import configure

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
MODELS = ("Aurora Prime", "Borealis Nine", "Cirrus", "Dune")
PROMPTS = (
    "Why is the sky blue, and why is it red in the evening?",
    "Schreibe mir bitte ein kurzes Gedicht über den Herbst und den Regen.",
    "Write a function that adds two numbers, please.\n```python\ndef add(): ...\n```",
)
ANSWERS = (
    "Because of **Rayleigh** scattering.\n\n# Why\n- short waves\n- long waves",
    "1. Blätter fallen.\n2. Regen fällt.",
    "```python\ndef add(a, b):\n    return a + b\n```\nThat is all.",
    "",
)


def answer(text: str = "Because.", tokens: int | None = 3, state: str = "done") -> AnswerRecord:
    """An answer of which everything is known."""
    return AnswerRecord(text, "Thought.", state, "one", 12, tokens, 12.5, 1250.25, "stop", "snapshot", 2)


def battle(number: int = 0, **changes: object) -> VoteRecord:
    """A vote, the same for the same number."""
    chance = random.Random(number)
    a, b = chance.sample(MODELS, 2)
    turns = tuple(
        TurnRecord(
            turn,
            chance.choice(PROMPTS),
            answer(chance.choice(ANSWERS), chance.choice((None, 42))),
            answer(chance.choice(ANSWERS), chance.choice((None, 7))),
        )
        for turn in range(1, chance.randint(1, 3) + 1)
    )
    at = FIRST + timedelta(minutes=number, microseconds=chance.randrange(10**6))
    vote = VoteRecord(
        conversation_id=str(UUID(int=0x01890000000070008000000000000000 + number)),
        voter_id=f"voter-{number % 7}",
        choice=("a", "b", "tie", "both_bad")[chance.randrange(4)],
        turn=len(turns),
        voted_at=at,
        mode="battle",
        model_a=a,
        model_b=b,
        pair_probability=chance.choice((0.25, 1 / 3)),
        started_at=at - timedelta(seconds=30),
        turns=turns,
    )
    found = msgspec.convert(msgspec.to_builtins(vote) | changes, VoteRecord)
    return found if "turn" in changes else replace(found, turn=len(found.turns))


def battles(votes: int) -> Iterator[VoteRecord]:
    """So many of them."""
    return (battle(number) for number in range(votes))


def write(path: Path, votes: Iterator[VoteRecord] | list[VoteRecord]) -> Path:
    """An export of these votes, as JSON lines."""
    with path.open("wb") as file:
        for vote in votes:
            file.write(msgspec.json.encode(vote) + b"\n")
    return path


@asynccontextmanager
async def opened(folder: Path, name: str = "arena") -> AsyncIterator[Store]:
    """The store in a database of that name, which need not be there."""
    store = await open_store(f"sqlite+aiosqlite:///{folder}/{name}.db", Appraiser(configure(folder)))
    try:
        yield store
    finally:
        await store.close()


async def exported(store: Store, kind: str = "jsonl") -> bytes:
    """All votes of a store as a file of that format."""
    out = io.BytesIO()
    await export(store.votes(), FORMATS[kind](out))
    return out.getvalue()


async def there_and_back(folder: Path, votes: list[VoteRecord], kind: str) -> tuple[bytes, bytes]:
    """An export of these votes in that format, and what comes out of an empty database that it was taken into."""
    async with opened(folder, "first") as first, opened(folder, "second") as second:
        await take_in(first, write(folder / "votes.jsonl", votes))
        (folder / "there").write_bytes(await exported(first, kind))
        await take_in(second, folder / "there")
        return (folder / "there").read_bytes(), await exported(second, kind)
