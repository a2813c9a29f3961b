"""In which language a visitor is served: as they chose at the foot of a page, else as their browser says.

Knows no page: `arena.words` has what is said, and a page takes the language that is spoken when it is rendered.
"""

import re
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from arena.errors import Unprocessable
from arena.views.context import context
from arena.views.forms import read_form
from arena.views.paths import HOME, came_from, inside, see
from arena.views.visitors import MAX_AGE_SECONDS
from arena.words import ENGLISH, Language, _, codes, known, speak

COOKIE = "arena_language"

_QUALITY = re.compile(r"\s*q\s*=\s*(1(?:\.0*)?|0(?:\.\d*)?)\s*", re.IGNORECASE)


def spoken(wanted: Sequence[str]) -> tuple[Language, ...]:
    """The languages of an arena that is to speak these, or all there are."""
    return tuple(known(code) for code in wanted or codes())


class Languages:
    """Serves every request in a language of its visitor."""

    def __init__(self, app: ASGIApp, languages: Sequence[Language]) -> None:
        self.app = app
        self._languages = languages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            speak(chosen(Request(scope), self._languages))
        await self.app(scope, receive, send)


def chosen(request: Request, languages: Sequence[Language]) -> Language:
    """The first of these that the visitor reads; where they read none, the first of all."""
    for code in reads(request):
        for language in languages:
            if code.lower() == language.code.lower():
                return language
        for language in languages:
            if _base(code) == _base(language.code):
                return language
    return languages[0] if languages else ENGLISH


def _base(code: str) -> str:
    """The language without its country or script."""
    return code.lower().split("-")[0]


def reads(request: Request) -> list[str]:
    """The languages of the visitor, the dearest first: the one they chose, then as the browser says it."""
    choice = request.cookies.get(COOKIE)
    return [*([choice] if choice else []), *_accepted(request.headers.get("accept-language", ""))]


def _accepted(header: str) -> list[str]:
    """The languages of an Accept-Language header, the dearest first (RFC 9110, 12.5.4)."""
    found: dict[str, float] = {}
    for entry in header.split(","):
        language, _semicolon, parameters = entry.partition(";")
        quality = _QUALITY.fullmatch(parameters)
        weight = float(quality[1]) if quality else float(not parameters)
        if weight and language.strip() not in ("", "*"):
            found[language.strip()] = weight
    return sorted(found, key=lambda language: -found[language])


async def switch(request: Request) -> Response:
    """POST /language: from now on in the language `to`. Leads back to the page that it came from."""
    arena = context(request)
    form = await read_form(request, arena.config.limits.body_bytes)
    code = form.get("to", "")
    if code not in [language.code for language in arena.pages.languages]:
        raise Unprocessable(_("This arena does not speak that language."))
    there = form.get("back", "")  # said by pages that let no address out with a request
    there = there if inside(there) and _is_page(request, there.partition("?")[0]) else _back(request)
    response = see(there)
    response.set_cookie(
        COOKIE, code, MAX_AGE_SECONDS, httponly=True, samesite="lax", secure=request.url.scheme == "https"
    )
    return response


def _back(request: Request) -> str:
    """The page of this arena that the form was on; after a form was refused there, the page before it."""
    came = came_from(request)
    path = came.partition("?")[0]
    while path and not _is_page(request, path):
        came = path = path.rpartition("/")[0]
    return came or HOME


def _is_page(request: Request, path: str) -> bool:
    """Whether there is a page to look at under this address."""
    scope = {**request.scope, "path": path, "method": "GET"}
    return any(isinstance(route, Route) and route.matches(scope)[0] is Match.FULL for route in request.app.routes)
