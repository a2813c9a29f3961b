"""All that is kept, and all SQL: one method is one question in one transaction.

`store.open(url)` migrates the database and hands out a `Store`. Nobody else knows that there are tables.
"""

from arena.store.box import BallotBox, Roll, SetAside
from arena.store.database import Database
from arena.store.speeds import Speed
from arena.store.store import Partial, Store, open_store

__all__ = ["BallotBox", "Database", "Partial", "Roll", "SetAside", "Speed", "Store", "open_store"]
