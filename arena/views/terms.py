"""The terms: shown, accepted, and asked for before anybody starts or goes on with a conversation.

What was typed when they are asked for travels along in the form, so that it stands in its box again afterwards.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from arena.errors import Refusal, StoreError, TermsNotAccepted
from arena.texts import Text
from arena.views import mishaps
from arena.views.context import context
from arena.views.forms import Draft, Form, read_form
from arena.views.paths import CONVERSATIONS, HOME, came_from, inside, see
from arena.views.texts import found
from arena.views.unsent import ACTION, begin, going_on, start_of
from arena.views.uploads import ATTACHED
from arena.words import _

PATH = "/terms"
ROOM = 4096  # bytes that the form of the terms may have on top of what was typed


@dataclass(frozen=True, slots=True)
class Typed:
    """A `prompt` that waits for the terms: where it was sent (`action`), and the ids of what comes with it.

    Empty where nothing was typed.
    """

    action: str = ""
    prompt: str = ""
    attached: tuple[str, ...] = ()


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
        if await are_accepted(request):
            return None
        form = await read_form(request, arena.config.limits.body_bytes)
    except StoreError as exc:
        return await mishaps.store_error(request, exc)
    except Refusal as exc:
        return await mishaps.refusal(request, exc)
    path = request.url.path
    to = start_of(form) if path == CONVERSATIONS else _elsewhere("/".join(path.split("/")[:3]))
    typed = _typed(path, form)
    words = _("Please accept these terms first.")
    kept = _("What you wrote is kept.") if typed.prompt else ""
    return _ask(request, terms, f"{words} {kept}".rstrip(), to, typed)


async def are_accepted(request: Request) -> bool:
    """Whether this visitor has accepted the terms as they are now, or there are none. Raises `StoreError`."""
    arena = context(request)
    terms, voter = arena.texts.get("terms"), arena.visitors.known(request)
    return terms is None or (voter is not None and bool(await arena.store.terms.accepted_at(voter, terms.version)))


async def show(request: Request) -> Response:
    """GET /terms: the text, and whether this visitor has accepted it."""
    arena = context(request)
    terms, voter = found(arena.texts, "terms"), arena.visitors.known(request)
    accepted_at = await arena.store.terms.accepted_at(voter, terms.version) if voter else None
    return arena.pages.page(
        "terms.html",
        terms=terms,
        words="",
        to=_elsewhere(came_from(request)),
        typed=Typed(),
        accepted_at=accepted_at,
    )


async def accept(request: Request) -> Response:
    """POST /terms: the visitor accepts this `version`, and is back where they were, their `prompt` in its box."""
    arena = context(request)
    terms = found(arena.texts, "terms")
    form = await read_form(request, arena.config.limits.body_bytes + ROOM)
    to, typed = _elsewhere(form.get("to", "")), _typed(form.get("action", ""), form)
    if form.get("version") != terms.version:
        words = _("The terms have changed. Please read and accept them as they are now.")
        return _ask(request, terms, words, to, typed)
    voter = arena.visitors.welcome(request)
    await arena.store.terms.accept(voter, terms.version)
    response = await _back(request, terms, to, typed)
    arena.visitors.remember(request, response, voter)
    return response


def _ask(request: Request, terms: Text, words: str, to: str, typed: Typed) -> Response:
    exc = TermsNotAccepted(words)
    return context(request).pages.page(
        "terms.html",
        exc.status,
        terms=terms,
        words=exc.words,
        key=mishaps.note(request, exc.status, exc),
        to=to,
        typed=typed,
        accepted_at=None,
    )


async def _back(request: Request, terms: Text, to: str, typed: Typed) -> Response:
    """Where the visitor was. What they typed is in its box: on the start page, in the battle, or else here."""
    if not typed.prompt:
        return see(to)
    arena = context(request)
    draft = Draft(
        typed.prompt, await arena.store.attachments.waiting(arena.visitors.known(request), typed.attached)
    )
    if typed.action == CONVERSATIONS:
        to, response = begin(request, to, draft)
    else:
        response = await going_on(request, typed.action, draft) or arena.pages.page(
            "terms.html",
            terms=terms,
            words="",
            to=to,
            typed=typed,
            attached=draft.attached,
            accepted_at=datetime.now(UTC),
        )
    response.headers["HX-Push-Url"] = to
    return response


def _typed(action: str, form: Form) -> Typed:
    draft = form.get("prompt", "").replace("\0", "")
    if not draft.strip() or not ACTION.fullmatch(action):
        return Typed()
    return Typed(action, draft, form.every(ATTACHED))


def _elsewhere(address: str) -> str:
    """The address, if it is one of this arena's pages, but not the terms themselves."""
    return HOME if urlsplit(address).path == PATH else inside(address) or HOME
