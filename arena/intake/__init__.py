"""Files of votes -> votes in the store: our own exports, and those of the arenas that came before.

    problems.py     why a row is left out, and the report of a file
    pieces.py       lines and JSON objects out of a file of any size, in bounded memory
    files.py        what kind of file it is, and its rows
    decoding.py     JSON, and values as a format says they are
    formats.py      what a format is
    known.py        the formats that are known, and which of them a row is in
    own.py          the arena's own exports
    fastchat.py     the JSON array of FastChat's tools; the releases of 33k and 100k votes
    preference.py   the release of 140k votes
    kaggle.py       the release of 55k votes, a table for a competition
    log.py          the daily logs that FastChat's arena writes
    turns.py        two lists of messages -> turns
    checking.py     what every vote has to keep to, whatever file it comes from
    taking.py       all together: rows in, a few hundred at a time, and the report

Every row becomes a `VoteRecord`, which is what an export is made of; the store writes it as a vote cast here.
"""

from arena.intake.known import FORMATS
from arena.intake.problems import Report
from arena.intake.taking import take_in

__all__ = ["FORMATS", "Report", "take_in"]
