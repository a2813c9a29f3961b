"""The same votes, rated by other packages: `choix` and `evalica`, each in an environment made for the purpose."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from arena.rating import POINTS, Tally, fit
from benchmarks.crowd import endings, meetings, strengths, table

PEERS = ("choix==0.4.1", "evalica==0.4.2")
BOARDS = ((20, 10_000), (100, 100_000), (300, 100_000), (100, 1_000_000))

# What runs there: counts from standard input, strengths to standard output. Nothing of ours is imported.
SCRIPT = """
import json, sys
import numpy, choix, evalica
from evalica import Winner
found = []
for board in json.load(sys.stdin):
    points = numpy.array(board["points"])
    chain = choix.ilsr_pairwise_dense(points, max_iter=10_000, tol=1e-12)
    a, b, outcome, votes = zip(*board["cells"])
    winners = [(Winner.X, Winner.Y, Winner.Draw, Winner.Draw)[o] for o in outcome]
    newman = evalica.bradley_terry(
        a, b, winners, weights=[float(v) for v in votes], limit=1_000_000, tolerance=1e-14
    )
    scores = numpy.log([newman.scores[name] for name in range(len(points))])
    found.append([list(chain), list(scores)])
json.dump(found, sys.stdout)
"""


def report() -> None:
    """Print how far apart the ratings are at most, in points. Needs a package index."""
    boards = [_board(models, votes) for models, votes in BOARDS]
    asked = [{"points": tally.points.tolist(), "cells": _cells(tally)} for tally in boards]
    rows: list[tuple[object, ...]] = [("board", *PEERS)]
    for (models, votes), tally, theirs in zip(BOARDS, boards, _ask(asked), strict=True):
        ours = fit(tally).strengths
        off = [POINTS * np.abs(ours - (np.array(t) - np.mean(t))).max() for t in theirs]
        rows.append((f"{models} models, {votes:,} votes", *(f"{points:.1e}" for points in off)))
    print("\nLargest difference of a rating from that of another package, in points; at most 1e-4 wanted")
    table(*rows)


def _board(models: int, votes: int) -> Tally:
    rng = np.random.default_rng(models + votes)
    popularity = rng.gamma(2.0, size=models) + 0.2
    games = meetings(popularity[:, None] * popularity, votes, rng)
    return Tally.of(rng.multinomial(games, endings(strengths(models, rng))))


def _cells(tally: Tally) -> list[list[int]]:
    cells = np.argwhere(tally.weight > 0)
    votes = tally.weight[tuple(cells.T)].astype(np.int64)
    found: list[list[int]] = np.column_stack([cells, votes]).tolist()
    return found


def _ask(boards: list[dict[str, object]]) -> list[list[list[float]]]:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = Path(folder) / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *PEERS], check=True)
        ran = subprocess.run(
            [python, "-c", SCRIPT], input=json.dumps(boards), text=True, check=True, stdout=subprocess.PIPE
        )
    found: list[list[list[float]]] = json.loads(ran.stdout)
    return found
