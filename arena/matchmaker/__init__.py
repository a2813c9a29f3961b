"""Who meets whom. Pure, but for `Matchmaker`, which keeps what a policy knows of the votes so far.

    rule.py         by weight, and the rules that bend it: the old arena's
    lottery.py      pairs with their probabilities, and the mixture of two
    balanced.py     policy "balanced": fewest battles first
    informative.py  policy "informative": what makes the board surer; needs numpy, imported when it is used
    matchmaker.py   draws by the policy of the configuration

It knows neither who is up (the router tells) nor where counts are kept (it is handed the question).
"""

from arena.matchmaker.matchmaker import Matchmaker
from arena.matchmaker.rule import can_draw, contenders, draw, may_meet, pair_probability

__all__ = ["Matchmaker", "can_draw", "contenders", "draw", "may_meet", "pair_probability"]
