"""model -> backend: the least loaded healthy one, its limits, a fair queue, failover before the first token.

Knows what backends promise (`arena.backend`), not what they are. Never used for URLs. `quota` is what a backend
takes, `health` whether it is left alone, `trials` how it comes back, `route` the way to it, `queue` who waits,
`sight` which models may be shown a picture.
"""

from arena.router.observer import Observer, Unobserved
from arena.router.router import Event, Handed, Router, Waiting
from arena.router.state import BackendState

__all__ = ["BackendState", "Event", "Handed", "Observer", "Router", "Unobserved", "Waiting"]
