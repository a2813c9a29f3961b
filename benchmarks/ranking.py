"""Whether the board is right: simulations of boards whose truth is known, each with one table. Seeded.

`python -m benchmarks.ranking` runs them all (a quarter of an hour on one core); names run some of them:
`policies`, `coverage`, `peeking`, `voters`, `bent`. `--peers` compares with other packages, which it installs.
"""

import argparse
from collections.abc import Callable

from benchmarks import bent, certainty, peers, policies, voters

PARTS: dict[str, Callable[[], None]] = {
    "policies": policies.report,
    "coverage": certainty.coverage,
    "peeking": certainty.peeking,
    "voters": voters.report,
    "bent": bent.report,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = [*PARTS, []]  # none named is checked as [] by Python 3.11
    parser.add_argument("parts", nargs="*", metavar="part", choices=parts, help=", ".join(PARTS))
    parser.add_argument("--peers", action="store_true", help="compare with choix and evalica instead")
    asked = parser.parse_args()
    if asked.peers:
        peers.report()
        return
    for name in asked.parts or PARTS:
        PARTS[name]()


if __name__ == "__main__":
    main()
