"""Turns in flight: the server owns a generation, a connection only watches.

A `LiveTurn` is filled by one task a side and seen by any number of watchers. Watchers see state, not a queue: each
says how far it is (`Cursor`) and gets a `Frame` with what it lacks, so a slow one skips and a late one catches up.
Text is rendered once however many watch, and not at all while nobody does. Knows nothing of HTTP.
"""

from arena.live.chat import chat_for
from arena.live.live import Live
from arena.live.side import UNWATCHED, Cursor, LiveSide, SideCursor, SideFrame
from arena.live.turn import Frame, LiveTurn

__all__ = [
    "UNWATCHED",
    "Cursor",
    "Frame",
    "Live",
    "LiveSide",
    "LiveTurn",
    "SideCursor",
    "SideFrame",
    "chat_for",
]
