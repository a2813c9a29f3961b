"""The leaderboard as a value, computed from ballots in a thread and kept for a few seconds. Knows no page.

    values.py     what is asked and what is shown: View -> Board of Standings
    poll.py       all ballots of a store in memory, kept up with it
    electorate.py those of them that a view looks at, as arrays
    making.py     the same ballots, settings and view give the same board, to its last digit
    odd.py        voters whose votes do not look like judgements
    boards.py     the boards of a server: computed when asked for, at most every few seconds
    late.py       votes whose names nobody asks for, counted after a while

Importing it does not import numpy: the first board does, in its thread.
"""

from arena.board.boards import Boards, board_of
from arena.board.values import (
    ALL,
    ORDERS,
    STYLE,
    Board,
    Effect,
    LeftOut,
    Neighbours,
    OddVoter,
    Order,
    Standing,
    View,
)

__all__ = [
    "ALL",
    "ORDERS",
    "STYLE",
    "Board",
    "Boards",
    "Effect",
    "LeftOut",
    "Neighbours",
    "OddVoter",
    "Order",
    "Standing",
    "View",
    "board_of",
]
