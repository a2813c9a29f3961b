"""Files of the old arena (FastChat's `api_endpoint.json`) -> the tables that config.toml would have instead.

Knows both formats of configuration and no client. `entries` reads the file, `kinds` knows what became of each
`api_type`, `contender` makes of an entry a provider and a model.
"""

from arena.endpoints.contender import Contender, add, read

__all__ = ["Contender", "add", "read"]
