"""Errors -> pages: what happened, what to do about it, a way back, and the id of the line in the log.

A form or control that htmx sent gets the words alone, as a partial that arena.js places where the action was: what
was typed and the rest of the page stay. A log line names the request, never what was typed.
"""

import logging
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from arena.errors import Refusal, StoreError
from arena.views.context import context
from arena.views.forms import given_back
from arena.views.pages import SECURITY_HEADERS
from arena.views.paths import CONVERSATIONS, HOME, came_from
from arena.words import _, ngettext

log = logging.getLogger(__name__)

LONGEST_PATH = 200  # of a path in the log


async def refusal(request: Request, exc: Exception) -> Response:
    """A request that was not carried out, in words written for the visitor."""
    assert isinstance(exc, Refusal)
    return page(request, exc.status, exc.words, note(request, exc.status, exc), exc.headers)


async def http_error(request: Request, exc: Exception) -> Response:
    """What the framework itself refuses."""
    assert isinstance(exc, HTTPException)
    status = HTTPStatus(exc.status_code)
    return page(request, status, _words(status), note(request, status, exc), exc.headers or {})


async def store_error(request: Request, exc: Exception) -> Response:
    """The database failed: nothing was stored."""
    status = HTTPStatus.SERVICE_UNAVAILABLE
    words = _("The arena could not save or read its records just now. Nothing was stored; please try again.")
    return page(request, status, words, note(request, status, exc))


async def unexpected(request: Request, exc: Exception) -> Response:
    """Our own fault. Starlette answers it from outside all middleware, so the page brings its headers along."""
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return page(request, status, _words(status), note(request, status, exc), SECURITY_HEADERS)


def page(
    request: Request, status: HTTPStatus, words: str, key: str, headers: Mapping[str, str] | None = None
) -> Response:
    """An error as a page or partial. It leads back to where the visitor was, and gives back what was typed."""
    is_partial, headers, again = _is_partial(request), headers or {}, given_back(request)
    response = context(request).pages.page(
        "_problem.html" if is_partial else "error.html",
        status,
        heading=f"{status.value} · {heading(status)}",
        words=words,
        wait=wait_words(headers.get("Retry-After", "")),
        key=key,
        action=again.action or request.url.path,
        battle="" if status is HTTPStatus.NOT_FOUND else _battle(request),
        back=_back(request),
        is_outdated=status is HTTPStatus.CONFLICT,
        draft=again.draft,
        attached=again.attached,
        fields=again.fields,
        settings=again.settings,
    )
    response.headers.update(headers)
    return response


def note(request: Request, status: HTTPStatus, exc: Exception) -> str:
    """Write what happened into the log; returns the id of the line, which the page shows."""
    key, path = secrets.token_hex(4), quote(request.scope["path"])[:LONGEST_PATH]
    if isinstance(exc, Refusal | HTTPException):
        level = logging.WARNING if status >= HTTPStatus.INTERNAL_SERVER_ERROR else logging.INFO
        log.log(level, "[%s] %s %s: %d %s", key, request.method, path, status, status.phrase)
        return key
    trace = None if isinstance(exc, StoreError) else exc
    log.error("[%s] %s %s: %s", key, request.method, path, exc, exc_info=trace)
    return key


def heading(status: HTTPStatus) -> str:
    """A status in a word or two."""
    return {
        400: _("This could not be read"),
        403: _("Not allowed"),
        404: _("Not found"),
        405: _("Not like this"),
        409: _("Not as things stand"),
        413: _("Too large"),
        422: _("This cannot be used"),
        428: _("Terms first"),
        429: _("Too often"),
        500: _("Our fault"),
        503: _("Not at the moment"),
    }.get(status, status.phrase)


def wait_words(seconds: str) -> str:
    """A Retry-After in seconds, as people say it; nothing for a date or none."""
    if not seconds.isdecimal() or not (count := int(seconds[:9])):
        return ""
    if count < 60:
        return ngettext("Try again in %(num)s second.", "Try again in %(num)s seconds.", count) % {"num": count}
    minutes = -(-count // 60)
    return ngettext("Try again in %(num)s minute.", "Try again in %(num)s minutes.", minutes) % {"num": minutes}


def _words(status: HTTPStatus) -> str:
    if status is HTTPStatus.NOT_FOUND:
        return _("There is no page at this address.")
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        return _("This address is only used by the forms of the arena.")
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        return _("Something went wrong on our side.")
    return status.description or status.phrase


def _is_partial(request: Request) -> bool:
    """Whether htmx asks for something to happen on a page, and not for another page."""
    if request.headers.get("hx-request") != "true" or request.headers.get("hx-history-restore-request"):
        return False
    return request.method != "GET" or request.headers.get("hx-target") != "main#main"


def _battle(request: Request) -> str:
    """The address of the conversation that the request was about, if it was about one."""
    path = request.url.path
    return "/".join(path.split("/")[:3]) if path.startswith(f"{CONVERSATIONS}/") else ""


def _back(request: Request) -> str:
    """The page of this arena that led here; not this one, nor the start page, to which every page leads."""
    path = came_from(request).partition("?")[0]
    return "" if path in (HOME, request.url.path) else path
