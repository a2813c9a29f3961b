"""What is stored: typed tables and their constraints, no behaviour. The words are those of the whole code base.

A model is never a table: contenders live in config.toml, and a stored battle keeps their names as they were.
"""

from arena.tables.base import Base, Moment
from arena.tables.board import Ballot, BallotChunk, CategorySet, Count, Entrant, Repair
from arena.tables.conversations import Answer, Attachment, Conversation, Image, Reaction, Share, Turn
from arena.tables.people import Acceptance, Voter
from arena.tables.votes import Remark, TurnVote, Vote

__all__ = [
    "Acceptance",
    "Answer",
    "Attachment",
    "Ballot",
    "BallotChunk",
    "Base",
    "CategorySet",
    "Conversation",
    "Count",
    "Entrant",
    "Image",
    "Moment",
    "Reaction",
    "Remark",
    "Repair",
    "Share",
    "Turn",
    "TurnVote",
    "Vote",
    "Voter",
]
