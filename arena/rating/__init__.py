"""Votes -> standings: Bradley-Terry ratings, how sure they are, and what would change them. Pure numpy.

It takes counts, never rows: how often each pair ended in each way (`Tally`). Knows neither the database nor a
page. The same counts give the same numbers; what is random (the bootstrap, the critical value of ranks) is seeded.

    counts.py         what was voted, as an M x M x 4 tensor
    bradley_terry.py  the maximum of the likelihood, or of a stated weak prior where there is none
    spread.py         how far it may be off: sandwich, by voter, by bootstrap
    ranks.py          which ranks a model may have: at one look, and at every look of a lifetime
    style.py          the same with the looks of the answers taken out
    fragility.py      the fewest votes whose removal would swap two neighbours
    audit.py          voters whose votes do not look like judgements

Ratings are in points: 400/ln 10 = 173.72 for each unit of log-odds, around 1000.
"""

from arena.rating.bradley_terry import Fit, fit
from arena.rating.counts import OUTCOMES, Tally
from arena.rating.fragility import swap
from arena.rating.ranks import anytime_ranks, ranks
from arena.rating.spread import bootstrap, by_voter, no_surer, sandwich

POINTS = 400 / 2.302585092994046
"""Points for one unit of natural log-odds."""

RATING_VERSION = 2
"""Goes up whenever the same votes give other numbers than before."""

__all__ = [
    "OUTCOMES",
    "POINTS",
    "RATING_VERSION",
    "Fit",
    "Tally",
    "anytime_ranks",
    "bootstrap",
    "by_voter",
    "fit",
    "no_surer",
    "ranks",
    "sandwich",
    "swap",
]
