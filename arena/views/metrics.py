"""GET /metrics: what the arena counts, for Prometheus. For the operator alone: names would betray battles."""

from starlette.requests import Request
from starlette.responses import Response

from arena.errors import StoreError
from arena.metrics import Now
from arena.store import Store
from arena.views.context import context


async def metrics(request: Request) -> Response:
    """Everything at once, in the text format of Prometheus or in OpenMetrics."""
    arena = context(request)
    arena.access.check(request)
    now = Now(arena.router.backends(), arena.live.in_flight, await _votes(arena.store))
    text, media_type = arena.metrics.text(request.headers.get("accept", ""), now)
    return Response(text, headers={"Content-Type": media_type, "Cache-Control": "no-store"})


async def _votes(store: Store) -> int | None:
    """While the database is away, all the other figures are wanted more than ever."""
    try:
        return await store.count_votes()
    except StoreError:
        return None
