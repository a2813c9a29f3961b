"""Votes as files, written row by row in bounded memory, and conversations.

    writer.py       what all formats have in common
    own.py          JSON lines, CSV, Parquet: all that is known of a vote
    facts.py        what the released formats say of a battle: pseudonyms, tokens, counts of Markdown
    fastchat.py     the JSON array that the tools of FastChat's arena read
    preference.py   the Parquet table that arena-human-preference-140k was released as
    named.py        conversations with models chosen by name, which hold no vote that counts
    history.py      a visitor's own conversations, to keep

`arena.intake` reads all of them but the last two.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from arena.export.fastchat import FastChat
from arena.export.own import COLUMNS, CSV, JSONLines, Parquet
from arena.export.preference import Preference
from arena.export.writer import Writer
from arena.store.votes import VoteRecord

__all__ = ["COLUMNS", "FORMATS", "WHOLE", "Writer", "export"]

WHOLE: dict[str, type[Writer]] = {"jsonl": JSONLines, "csv": CSV, "parquet": Parquet}
"""The formats that hold all that is known of a vote."""

FORMATS: dict[str, type[Writer]] = {**WHOLE, "fastchat": FastChat, "arena-human-preference-140k": Preference}


async def export(
    votes: AsyncGenerator[VoteRecord, None], writer: Writer, progress: Callable[[], None] = lambda: None
) -> int:
    """Write all votes that the format has a place for; returns how many. `progress` is called after each vote."""
    written = 0
    async with aclosing(votes):
        async for vote in votes:
            written += writer.write(vote)
            progress()
    writer.close()
    return written
