"""/healthz and /readyz, for whoever watches the process: the state of every model as JSON."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from arena.views.context import Context, context


async def healthz(request: Request) -> Response:
    """200 as soon as pages are served."""
    return _report(context(request), HTTPStatus.OK)


async def readyz(request: Request) -> Response:
    """200 once a battle can be drawn, 503 before."""
    arena = context(request)
    return _report(arena, HTTPStatus.OK if arena.router.can_draw else HTTPStatus.SERVICE_UNAVAILABLE)


def _report(arena: Context, status: HTTPStatus) -> Response:
    models = {
        name: {"state": s.state, "detail": s.detail, "progress": round(s.progress, 2)}
        for name, s in arena.router.statuses().items()
    }
    body = {"ready": arena.router.can_draw, "models": models}
    return JSONResponse(body, status, {"Cache-Control": "no-store"})
