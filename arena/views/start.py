"""GET /: where a battle begins."""

from starlette.requests import Request
from starlette.responses import Response

from arena.views.context import context


async def start(request: Request) -> Response:
    """The prompt box, and how far the models are while they load."""
    arena = context(request)
    weights = arena.router.weights()
    return arena.pages.page(
        "start.html",
        samples=arena.config.sample_prompts,
        statuses=arena.router.statuses(),
        in_the_draw=sum(weight > 0 for weight in weights.values()),
        can_draw=arena.router.can_draw,
        will_draw=arena.router.will_draw,
        is_loading=arena.router.is_loading,
        draft="",
    )
