"""Errors -> pages: what happened, what to do about it, and for our own faults the id of the line in the log."""

import logging
import secrets
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from arena.errors import Refusal, StoreError
from arena.views.context import context
from arena.views.pages import SECURITY_HEADERS

log = logging.getLogger(__name__)

WORDS = {
    HTTPStatus.NOT_FOUND: "There is no page at this address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address is only used by the forms of the arena.",
}


async def refusal(request: Request, exc: Exception) -> Response:
    """A request that was not carried out, in words written for the visitor."""
    assert isinstance(exc, Refusal)
    response = page(request, exc.status, exc.words)
    response.headers.update(exc.headers)
    return response


async def http_error(request: Request, exc: Exception) -> Response:
    """What the framework itself refuses."""
    assert isinstance(exc, HTTPException)
    status = HTTPStatus(exc.status_code)
    response = page(request, status, WORDS.get(status, status.description))
    response.headers.update(exc.headers or {})
    return response


async def store_error(request: Request, exc: Exception) -> Response:
    """The database failed: nothing was stored."""
    key = _note(request, exc)
    words = "The arena could not save or read its records just now. Nothing was stored; please try again."
    return page(request, HTTPStatus.SERVICE_UNAVAILABLE, words, key=key)


async def unexpected(request: Request, exc: Exception) -> Response:
    """Our own fault. Starlette answers it from outside all middleware, so the page brings its headers along."""
    key = _note(request, exc)
    response = page(request, HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side.", key=key)
    response.headers.update(SECURITY_HEADERS)
    return response


def page(request: Request, status: HTTPStatus, words: str, *, key: str = "") -> Response:
    """An error page. It leads back to where the visitor was, and gives back what was typed."""
    path = request.url.path
    battle = "/".join(path.split("/")[:3]) if path.startswith("/conversations/") else ""
    return context(request).pages.page(
        "error.html",
        status,
        heading=f"{status.value} {status.phrase}",
        words=words,
        draft=getattr(request.state, "draft", ""),
        action=path,
        back="" if status is HTTPStatus.NOT_FOUND else battle,
        key=key,
    )


def _note(request: Request, exc: Exception) -> str:
    """Log what happened under an id that the page shows."""
    key = secrets.token_hex(4)
    level = logging.ERROR
    trace = None if isinstance(exc, StoreError) else exc
    log.log(level, "[%s] %s %s: %s", key, request.method, request.url.path, exc, exc_info=trace)
    return key
