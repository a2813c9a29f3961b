"""The terms: shown, accepted, and asked for before anybody starts or goes on with a conversation.

What was typed when they are asked for travels along in the form, so that it stands in its box again afterwards.
"""

import re
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from arena.errors import NotFound, Refusal, StoreError, TermsNotAccepted
from arena.texts import Text
from arena.views import conversations, mishaps, start
from arena.views.battle import view
from arena.views.context import context
from arena.views.forms import read_form
from arena.views.texts import found

HOME, PATH = "/", "/terms"
CONVERSATIONS = "/conversations"
ACTION = re.compile(rf"{CONVERSATIONS}(?:/[\w-]+)*", re.ASCII)
FOLLOW_UP = re.compile(rf"{CONVERSATIONS}/(?P<id>[\w-]+)/turns", re.ASCII)
INSIDE = re.compile(r"/(?:[\w.~-]+(?:/[\w.~-]+)*)?(?:\?[\w&=.%+~-]*)?", re.ASCII)  # where this page may lead
ROOM = 4096  # bytes that the form of the terms may have on top of what was typed

Typed = tuple[str, str]
"""The address a prompt was sent to, and the prompt; both empty where nothing was typed."""


class TermsFirst:
    """Answers what would start or change a conversation with the terms, until the visitor has accepted them."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_asked = scope["type"] == "http" and scope["method"] == "POST" and _is_conversation(scope["path"])
        refused = await _refused(Request(scope, receive)) if is_asked else None
        await (refused or self.app)(scope, receive, send)


def _is_conversation(path: str) -> bool:
    return f"{path}/".startswith(f"{CONVERSATIONS}/")


async def _refused(request: Request) -> Response | None:
    """The reply to a visitor who has not accepted the terms, if there are any."""
    arena = context(request)
    terms = arena.texts.get("terms")
    if terms is None:
        return None
    try:
        voter = arena.visitors.known(request)
        if voter and await arena.store.terms.accepted_at(voter, terms.version):
            return None
        form = await read_form(request, arena.config.limits.body_bytes)
    except StoreError as exc:
        return await mishaps.store_error(request, exc)
    except Refusal as exc:
        return await mishaps.refusal(request, exc)
    path = request.url.path
    to = HOME if path == CONVERSATIONS else _inside("/".join(path.split("/")[:3]))
    typed = _typed(path, form.get("prompt", ""))
    kept = " What you wrote is kept." if typed[1] else ""
    return _ask(request, terms, f"Please accept these terms first.{kept}", to, typed)


async def show(request: Request) -> Response:
    """GET /terms: the text, and whether this visitor has accepted it."""
    arena = context(request)
    terms, voter = found(arena.texts, "terms"), arena.visitors.known(request)
    accepted_at = await arena.store.terms.accepted_at(voter, terms.version) if voter else None
    return arena.pages.page(
        "terms.html", terms=terms, words="", to=_came_from(request), typed=("", ""), accepted_at=accepted_at
    )


async def accept(request: Request) -> Response:
    """POST /terms: the visitor accepts this `version`, and is back where they were, their `prompt` in its box."""
    arena = context(request)
    terms = found(arena.texts, "terms")
    form = await read_form(request, arena.config.limits.body_bytes + ROOM)
    to, typed = _inside(form.get("to", "")), _typed(form.get("action", ""), form.get("prompt", ""))
    if form.get("version") != terms.version:
        words = "The terms have changed. Please read and accept them as they are now."
        return _ask(request, terms, words, to, typed)
    voter = arena.visitors.welcome(request)
    await arena.store.terms.accept(voter, terms.version)
    response = await _back(request, terms, to, typed)
    arena.visitors.remember(request, response, voter)
    return response


def _ask(request: Request, terms: Text, words: str, to: str, typed: Typed) -> Response:
    exc = TermsNotAccepted(words)
    return context(request).pages.page(
        "terms.html", exc.status, terms=terms, words=exc.words, to=to, typed=typed, accepted_at=None
    )


async def _back(request: Request, terms: Text, to: str, typed: Typed) -> Response:
    """Where the visitor was. What they typed is in its box: on the start page, in the battle, or else here."""
    action, draft = typed
    if not draft:
        return RedirectResponse(to, HTTPStatus.SEE_OTHER)
    if action == CONVERSATIONS:
        to, response = HOME, start.filled(request, draft)
    else:
        response = await _battle(request, action, draft) or context(request).pages.page(
            "terms.html", terms=terms, words="", to=to, typed=typed, accepted_at=datetime.now(UTC)
        )
    response.headers["HX-Push-Url"] = to
    return response


async def _battle(request: Request, action: str, draft: str) -> Response | None:
    """The page of the battle that would be gone on with, if its visitor can do that now."""
    if not (asked := FOLLOW_UP.fullmatch(action)):
        return None
    arena = context(request)
    try:
        conversation, live = await conversations.own(Request({**request.scope, "path_params": asked.groupdict()}))
    except NotFound:
        return None
    battle = view(conversation, live, arena.config, arena.router)
    if battle.phase != "vote" or not battle.turns_left:
        return None
    return arena.pages.page("conversation.html", battle=battle, draft=draft)


def _typed(action: str, prompt: str) -> Typed:
    draft = prompt.replace("\0", "")
    return (action, draft) if draft.strip() and ACTION.fullmatch(action) else ("", "")


def _inside(address: str) -> str:
    """The address, if it is one of this arena's pages."""
    return address if INSIDE.fullmatch(address) and urlsplit(address).path != PATH else HOME


def _came_from(request: Request) -> str:
    """The page of this arena that led here."""
    page = urlsplit(request.headers.get("referer", ""))
    is_ours = page.netloc == request.headers.get("host")
    return _inside(f"{page.path}?{page.query}".removesuffix("?")) if is_ours else HOME
