"""An electorate -> a board. Pure: the same ballots, settings and view give the same board, to its last digit."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arena.board.electorate import Electorate
from arena.board.values import STYLE, Board, Effect, Inner, Matrix, Neighbours, Order, Standing, View
from arena.config import Leaderboard
from arena.errors import Unprocessable
from arena.rating import (
    POINTS,
    RATING_VERSION,
    Fit,
    Tally,
    anytime_ranks,
    by_voter,
    fit,
    no_surer,
    ranks,
    sandwich,
    swap,
)
from arena.rating.bradley_terry import NotConverged
from arena.rating.counts import Floats, logistic
from arena.rating.ranks import RankSet, anytime_radius
from arena.rating.spread import Z95
from arena.rating.style import Contests, fit_style
from arena.words import _

SEED = 2026
DIGITS = 2
RATES = 4


@dataclass(frozen=True)
class Ratings:
    """`strengths` around their mean and their `covariance`, in log-odds; `effects` where style is taken out."""

    fit: Fit
    strengths: Floats
    covariance: Floats
    effects: tuple[Effect, ...] = ()


def make(view: View, settings: Leaderboard, electorate: Electorate, now: datetime) -> Board:
    """The board of that view. Raises `Unprocessable` where it cannot be computed."""
    tally = electorate.tally
    ratings = _widened(_rate(view, electorate, tally), _unlisted(settings, electorate))
    centre = _centre(settings, electorate.names, ratings.strengths)
    standings = _standings(view, settings, electorate, ratings, centre)
    order = [electorate.names.index(s.name) for s in sorted(standings, key=lambda s: (-s.rating, s.name))]
    predicted, observed, games = _matrices(electorate, ratings, order)
    voters = None if electorate.voter is None else int(electorate.crowd[1].max(initial=-1)) + 1
    return Board(
        view=view,
        standings=in_order(standings, view.order),
        votes=int(electorate.counts.sum()),
        voters=voters,
        left_out=electorate.left_out,
        categories=electorate.categories,
        effects=ratings.effects,
        has_prior=ratings.fit.has_prior,
        anchor=settings.anchor if settings.anchor in electorate.names else None,
        names=tuple(electorate.names[model] for model in order),
        predicted=predicted,
        observed=observed,
        games=games,
        digest=digest(view, settings, electorate),
        computed_at=now,
        inner=Inner(electorate.names, tally, ratings.fit, ratings.covariance),
    )


def in_order(standings: tuple[Standing, ...], order: Order) -> tuple[Standing, ...]:
    """Listed models first; within each part by this, the best or most first, and equal ones by name."""
    keys: dict[Order, Any] = {
        "rank": lambda s: -s.rating,
        "rating": lambda s: -s.rating,
        "name": lambda s: 0,
        "votes": lambda s: -s.votes,
        "win_rate": lambda s: -s.win_rate,
        "both_bad_rate": lambda s: s.both_bad_rate,
    }
    return tuple(sorted(standings, key=lambda s: (not s.is_listed, keys[order](s), s.name.casefold(), s.name)))


def neighbours(board: Board, pairs: int) -> tuple[Neighbours, ...]:
    """The first neighbours of the list by rank, and the fewest votes whose removal would swap them.

    None where votes do not count alike: with weights, or with style taken out.
    """
    if board.inner is None or board.view.is_style_controlled or board.view.is_weighted:
        return ()
    inner = board.inner
    listed = [s.name for s in in_order(board.listed, "rank")]
    return tuple(
        Neighbours(above, below, swap(inner.tally, inner.fit, inner.names.index(above), inner.names.index(below)))
        for above, below in list(pairwise(listed))[:pairs]
    )


# Ratings


def _rate(view: View, electorate: Electorate, tally: Tally) -> Ratings:
    found = fit(tally)
    if not electorate.names:
        return Ratings(found, found.strengths, np.zeros((0, 0)))
    if view.is_style_controlled:
        return _without_style(view, electorate, tally, found)
    return Ratings(found, found.strengths, _covariance(view, electorate, tally, found))


def _widened(ratings: Ratings, unlisted: NDArray[np.bool_]) -> Ratings:
    """No model with few votes surer than its information allows: one tie fits so well that it seems to fix all."""
    if not unlisted.any():
        return ratings
    return replace(ratings, covariance=no_surer(ratings.covariance, ratings.fit.covariance, unlisted))


def _unlisted(settings: Leaderboard, electorate: Electorate) -> NDArray[np.bool_]:
    """The models that are listed apart."""
    counts = electorate.counts
    few: NDArray[np.bool_] = counts.sum(axis=(1, 2)) + counts.sum(axis=(0, 2)) < settings.min_votes
    return few


def _covariance(view: View, electorate: Electorate, tally: Tally, found: Fit) -> Floats:
    """By voter, unless that is not wanted or nobody knows whose the votes are."""
    alone = sandwich(tally, found)
    if view.clusters == "votes" or electorate.voter is None:
        return alone
    order, voter = electorate.crowd
    weights = None if electorate.weight is None else electorate.weight[order]
    return no_surer(by_voter(found, voter, electorate.cell[order], weights), alone)


def _without_style(view: View, electorate: Electorate, tally: Tally, found: Fit) -> Ratings:
    """The joint fit of those whose place the votes fix; the others keep the place of the plain fit beside them."""
    assert electorate.looks is not None
    firm = np.array([model not in found.loose for model in range(len(electorate.names))])
    a, b, outcome = np.unravel_index(electorate.cell, electorate.counts.shape)
    place = np.cumsum(firm) - 1
    order, voter = electorate.crowd
    among = (firm[a] & firm[b])[order]
    own = order[among]
    looks = electorate.looks[own]
    contests = Contests(
        place[a[own]],
        place[b[own]],
        outcome[own],
        looks[:, : len(STYLE)],
        looks[:, len(STYLE) :],
        voter[among] if view.clusters == "voters" else None,
    )
    try:
        style = fit_style(contests, int(firm.sum()))
    except (NotConverged, np.linalg.LinAlgError) as exc:
        raise Unprocessable(_("There are too few votes here to take the looks of answers out of them.")) from exc
    strengths, covariance = found.strengths.copy(), _covariance(view, electorate, tally, found)
    strengths[firm] = style.strengths + found.strengths[firm].mean()
    covariance[np.ix_(firm, firm)] = style.covariance
    effects = tuple(
        Effect(name, *(round(POINTS * (effect + z * error), DIGITS) for z in (0, -Z95, Z95)))
        for name, effect, error in zip(STYLE, style.effects.tolist(), style.errors.tolist(), strict=True)
    )
    return Ratings(found, strengths - strengths.mean(), covariance, effects)


def _centre(settings: Leaderboard, names: tuple[str, ...], strengths: Floats) -> float:
    """The rating of strength 0."""
    if settings.anchor is None or settings.anchor not in names:
        return settings.anchor_rating
    return settings.anchor_rating - POINTS * float(strengths[names.index(settings.anchor)])


# Rows


def _standings(
    view: View, settings: Leaderboard, electorate: Electorate, ratings: Ratings, centre: float
) -> tuple[Standing, ...]:
    counts = electorate.counts
    of_a, of_b = counts.sum(axis=1), counts.sum(axis=0)
    wins, losses = of_a[:, 0] + of_b[:, 1], of_a[:, 1] + of_b[:, 0]
    ties, both_bad = of_a[:, 2] + of_b[:, 2], of_a[:, 3] + of_b[:, 3]
    votes = wins + losses + ties + both_bad
    is_listed = ~_unlisted(settings, electorate)
    points = np.round(centre + POINTS * ratings.strengths, DIGITS)
    spread = np.round(POINTS * _half_widths(view, ratings.covariance), DIGITS)
    sets = _rank_sets(view, ratings, np.flatnonzero(is_listed))
    listed = sorted(sets, key=lambda model: (-points[model], electorate.names[model]))
    place = {model: rank for rank, model in enumerate(listed, 1)}
    return tuple(
        Standing(
            name,
            float(points[model]),
            round(float(points[model] - spread[model]), DIGITS),
            round(float(points[model] + spread[model]), DIGITS),
            place.get(model),
            sets[model].best if model in sets else None,
            sets[model].worst if model in sets else None,
            int(votes[model]),
            int(wins[model]),
            int(losses[model]),
            int(ties[model]),
            int(both_bad[model]),
            bool(is_listed[model]),
            ratings.fit.loose.get(model),
        )
        for model, name in enumerate(electorate.names)
    )


def _half_widths(view: View, covariance: Floats) -> Floats:
    errors: Floats = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    return anytime_radius(errors, 0.05) if view.is_anytime else Z95 * errors


def _rank_sets(view: View, ratings: Ratings, listed: NDArray[np.int64]) -> dict[int, RankSet]:
    """The ranks that listed models may have among themselves."""
    if not len(listed):
        return {}
    strengths, covariance = ratings.strengths[listed], ratings.covariance[np.ix_(listed, listed)]
    found = anytime_ranks(strengths, covariance) if view.is_anytime else ranks(strengths, covariance, SEED)
    return dict(zip(listed.tolist(), found, strict=True))


def _matrices(electorate: Electorate, ratings: Ratings, order: list[int]) -> tuple[Matrix, Matrix, Matrix]:
    """Predicted, observed and games, in this order of the models."""
    grid = np.ix_(order, order)
    tally = Tally.of(electorate.counts)
    games, points = tally.games[grid], tally.points[grid]
    predicted = logistic(ratings.strengths[:, None] - ratings.strengths[None, :])[grid]
    others = ~np.eye(len(order), dtype=bool)
    observed = np.divide(points, games, out=np.zeros_like(points), where=games > 0)
    return (
        _matrix(np.round(predicted, RATES), others),
        _matrix(np.round(observed, RATES), games > 0),
        _matrix(games.astype(np.int64), others),
    )


def _matrix(values: NDArray[Any], there: NDArray[np.bool_]) -> Matrix:
    cells = values.astype(object)
    cells[~there] = None
    return tuple(tuple(row) for row in cells.tolist())


# Digest


def digest(view: View, settings: Leaderboard, electorate: Electorate) -> str:
    """SHA-256 of the ballots in an order of their own, the rules of rating, and the settings that matter."""
    asked = {name: value for name, value in asdict(view).items() if name != "order"}
    matters = [settings.min_votes, settings.anchor, settings.anchor_rating]
    head = json.dumps([RATING_VERSION, asked, matters, electorate.names], default=str, ensure_ascii=False)
    found = hashlib.sha256(head.encode())
    found.update(np.ascontiguousarray(electorate.counts).astype("<i8").tobytes())
    is_by_ballot = view.clusters == "voters" or view.is_style_controlled or view.is_weighted
    if electorate.voter is not None and is_by_ballot:
        found.update(np.sort(_fingerprints(electorate)).astype("<u8").tobytes())
    return found.hexdigest()


def _fingerprints(electorate: Electorate) -> NDArray[np.uint64]:
    """A number for each ballot that tells it from others, whatever order they come in."""
    assert electorate.voter is not None
    columns: list[NDArray[Any]] = [electorate.voter, electorate.cell]
    if electorate.weight is not None:
        columns.append(np.round(electorate.weight * 1e9).astype(np.int64))
    if electorate.looks is not None:
        columns.extend(electorate.looks.T)
    found = np.zeros(len(electorate.voter), np.uint64)
    for column in columns:
        found = _mixed(found ^ column.astype(np.uint64))
    return found


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele, Lea and Flood 2014): each bit of a number depends on all of it."""
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
