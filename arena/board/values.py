"""The board as values: what is asked (`View`), and what is shown (`Board` and its rows)."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from arena.rating import Fit, Tally

Order = Literal["rank", "name", "rating", "votes", "win_rate", "both_bad_rate"]
ORDERS: tuple[Order, ...] = get_args(Order)
Clusters = Literal["voters", "votes"]

ALL = "all"
"""The category of every ballot."""

STYLE = ("characters", "headers", "lists", "bold", "code_blocks")
"""The looks whose effect style control takes out."""

Matrix = tuple[tuple[float | None, ...], ...]
"""Row against column, models as in `Board.names`; `None` where there is nothing to say."""


@dataclass(frozen=True, slots=True)
class View:
    """Which votes are looked at, and how. Every view has its own address.

    `category`: `all`, or one of `Board.categories`. `is_style_controlled`: the looks of answers are taken out.
    `is_anytime`: intervals and rank sets that hold at every look of a lifetime. `is_weighted`: every vote by
    1/probability of its pair. `has_set_aside`: with the votes of voters who are set aside. `since`, `until`: the
    days (UTC) of the first and last votes. `clusters`: whether intervals let votes of one voter lean the same way.
    """

    category: str = ALL
    is_style_controlled: bool = False
    is_anytime: bool = False
    is_weighted: bool = False
    has_set_aside: bool = False
    since: date | None = None
    until: date | None = None
    clusters: Clusters = "voters"
    order: Order = "rank"


@dataclass(frozen=True, slots=True)
class Standing:
    """A model on the board. Ratings in points, rates from 0 to 1.

    `rank`: its place in the plain order of those that are listed; `best` to `worst`: the ranks it may have. With
    too few votes it is not listed, and has none. `loose`: why no vote fixes its place against the others, where
    that is so (`undefeated`, `winless`, `unmet`, `between`): its rating is then the weak prior's.
    """

    name: str
    rating: float
    low: float
    high: float
    rank: int | None
    best: int | None
    worst: int | None
    votes: int
    wins: int
    losses: int
    ties: int
    both_bad: int
    is_listed: bool
    loose: str | None = None

    @property
    def win_rate(self) -> float:
        """Its share of the points: a tie of either kind is half a win."""
        return (self.wins + (self.ties + self.both_bad) / 2) / self.votes if self.votes else 0.0

    @property
    def both_bad_rate(self) -> float:
        return self.both_bad / self.votes if self.votes else 0.0


@dataclass(frozen=True, slots=True)
class Effect:
    """What one standard deviation more of a feature than the other answer is worth, in points."""

    feature: str
    points: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Two neighbours of the list, and the fewest votes whose removal would swap them; `None`: no removal does."""

    above: str
    below: str
    votes: int | None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Votes of this category and time that do not count, and why; a vote is in the first place that fits.

    `unknown_pair`: where votes are weighted, those of pairs whose probability nobody knows. `not_blind` and
    `waiting` (for their ballot, after an upgrade) are of the whole arena.
    """

    leaks: int = 0
    set_aside: int = 0
    unknown_pair: int = 0
    not_blind: int = 0
    waiting: int = 0

    @property
    def total(self) -> int:
        return self.leaks + self.set_aside + self.unknown_pair + self.not_blind + self.waiting


@dataclass(frozen=True, slots=True)
class Board:
    """A leaderboard: listed models first, each part in the view's order.

    `names`: models by rating, the rows and columns of `predicted` (the chance that row beats column, ties as
    halves), `observed` (the share of points that it took) and `games`. `digest`: the same for the same ballots,
    settings and rules of rating, on any machine. `anchor`: the model whose rating is fixed, if it has votes.
    """

    view: View
    standings: tuple[Standing, ...]
    votes: int
    voters: int | None
    left_out: LeftOut
    categories: dict[str, int]
    effects: tuple[Effect, ...]
    has_prior: bool
    anchor: str | None
    names: tuple[str, ...]
    predicted: Matrix
    observed: Matrix
    games: Matrix
    digest: str
    computed_at: datetime
    inner: "Inner | None" = field(default=None, repr=False, compare=False)

    @property
    def listed(self) -> tuple[Standing, ...]:
        return tuple(s for s in self.standings if s.is_listed)

    @property
    def unlisted(self) -> tuple[Standing, ...]:
        """Those with too few votes."""
        return tuple(s for s in self.standings if not s.is_listed)


@dataclass(frozen=True, slots=True)
class Inner:
    """What a board was made of, for questions that are asked of it later. `names` are those of the tally."""

    names: tuple[str, ...]
    tally: "Tally"
    fit: "Fit"
    covariance: Any


@dataclass(frozen=True, slots=True)
class OddVoter:
    """A voter whose votes do not look like judgements.

    `evidence`: how many times over one would have been paid who bet against honest voting, at its height. `habit`:
    what the votes look like most, with the model that is pushed where it is `pushes`. `votes` are those looked at.
    """

    voter_id: str
    habit: str
    target: str | None
    evidence: float
    votes: int
    is_set_aside: bool
