"""The operator's door: log in with the token, and see how models and their backends are."""

import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from arena.backend import Status
from arena.config import Config, Matchmaking, Model
from arena.errors import Unauthorized
from arena.matchmaker import contenders
from arena.router import BackendState
from arena.views.context import Context, context
from arena.views.forms import read_form
from arena.words import _, number

HOME = "/admin"
INSIDE = re.compile(r"/admin(?:/[\w./-]*)?(?:\?[\w&=.%+-]*)?", re.ASCII)  # where a login may lead


async def login(request: Request) -> Response:
    """GET /admin/login: the form."""
    access = context(request).access
    access.check_configured()
    if access.is_known(request):
        return RedirectResponse(HOME, HTTPStatus.SEE_OTHER)
    return _login_page(request, HTTPStatus.OK)


async def log_in(request: Request) -> Response:
    """POST /admin/login: the right `token` leaves a cookie, and leads on `to` the page that was asked for."""
    arena = context(request)
    form = await read_form(request, arena.config.limits.body_bytes)
    request.state.to = _inside(form.get("to", ""))
    arena.access.check_token(request, form.get("token", "").strip())
    response = RedirectResponse(request.state.to, HTTPStatus.SEE_OTHER)
    arena.access.remember(request, response)
    return response


async def log_out(request: Request) -> Response:
    """POST /admin/logout: the cookie goes."""
    arena = context(request)
    response = RedirectResponse("/admin/login", HTTPStatus.SEE_OTHER)
    arena.access.forget(response)
    return response


async def unauthorized(request: Request, exc: Exception) -> Response:
    """Who is not the operator gets the form; a program one line."""
    assert isinstance(exc, Unauthorized)
    if "text/html" in request.headers.get("accept", ""):
        response = _login_page(request, exc.status, exc.words if request.method == "POST" else "")
    else:
        how = _("Send the admin token: Authorization: Bearer TOKEN")
        response = PlainTextResponse(f"{exc.words} {how}\n", exc.status, {"Cache-Control": "no-store"})
    response.headers.update(exc.headers)
    return response


def _login_page(request: Request, status: HTTPStatus, words: str = "") -> Response:
    asked = f"{request.url.path}?{request.url.query}".removesuffix("?") if request.method == "GET" else ""
    to = getattr(request.state, "to", "") or _inside(asked)
    return context(request).pages.page("admin_login.html", status, words=words, to=to)


def _inside(address: str) -> str:
    """The address, if it is one of the operator's pages to look at."""
    is_page = INSIDE.fullmatch(address) and not address.startswith("/admin/log")
    return address if is_page else HOME


async def models(request: Request) -> Response:
    """GET /admin/models: every model and every backend at this moment, as a page or as JSON.

    The page asks for itself again by itself, unless its address says `?still`.
    """
    arena = context(request)
    arena.access.check(request)
    if _wants_json(request):
        return JSONResponse(_report(arena), headers={"Cache-Control": "no-store", "Vary": "Accept"})
    now, states = datetime.now(UTC), arena.router.backends()
    response = arena.pages.page(
        "admin_models.html",
        models=_models(arena, states),
        backends=[BackendView(state, _kind(arena.config, state.name), now) for state in states],
        outstanding=sum(state.outstanding for state in states),
        battles=arena.live.in_flight,
        is_still="still" in request.query_params,
    )
    response.headers.add_vary_header("Accept")
    return response


@dataclass(frozen=True, slots=True)
class ModelView:
    """A contender, how far it is, and how often it is drawn."""

    model: Model
    status: Status
    backends: list[BackendState]
    rules: Matchmaking

    @property
    def weight(self) -> float:
        """That of the matchmaker, where its other rules let it be drawn."""
        return self.rules.weight(self.model)

    @property
    def is_in_outage(self) -> bool:
        return self.model.name in self.rules.outages

    @property
    def is_drawn(self) -> bool:
        """Whether it is a contender of text battles, as far as weights, outages and `text` go."""
        return contenders((self.model,), self.rules).get(self.model.name, 0.0) > 0

    @property
    def mood(self) -> str:
        """In one word: `out` is a model that all its backends are left alone for."""
        ready = [b for b in self.backends if b.name in self.model.backends and b.status.state == "ready"]
        is_out = bool(ready) and all(self.model.name in b.out_for for b in ready)
        return "out" if is_out else self.status.state


def _models(arena: Context, states: list[BackendState]) -> list[ModelView]:
    rules = arena.config.matchmaker
    return [ModelView(model, arena.router.status(model.name), states, rules) for model in arena.config.models]


@dataclass(frozen=True, slots=True)
class BackendView:
    """A backend in the words of a table's cells. `kind`: its wire format, or that it is an engine."""

    state: BackendState
    kind: str
    now: datetime

    @property
    def mood(self) -> str:
        """In one word: `out` is ready but left alone for a while."""
        is_out = self.state.status.state == "ready" and self.state.out_until > 0
        return "out" if is_out else self.state.status.state

    @property
    def words(self) -> str:
        """What there is to say about the mood."""
        state = self.state
        if self.mood != "out":
            return state.status.detail
        seconds = number(state.out_until, 1)
        if set(state.out_for) >= set(state.models):
            return _("left alone after failures; tried again in {seconds} s").format(seconds=seconds)
        words = _("left alone after failures of {models}; tried again in {seconds} s")
        return words.format(models=", ".join(state.out_for), seconds=seconds)

    @property
    def failures(self) -> list[tuple[str, int]]:
        """By kind, the most frequent first."""
        return sorted(((kind, n) for kind, n in self.state.failures.items() if n), key=lambda item: -item[1])

    @property
    def last_error_ago(self) -> str:
        at = self.state.last_error_at
        return "" if at is None else ago((self.now - at).total_seconds())


def ago(seconds: float) -> str:
    """How long ago, to one unit: `now`, `12 s ago`, `3 min ago`, `5 h ago`, `2 d ago`."""
    units = ((86_400, _("{n} d ago")), (3600, _("{n} h ago")), (60, _("{n} min ago")), (1, _("{n} s ago")))
    for size, words in units:
        if seconds >= size:
            return words.format(n=int(seconds // size))
    return _("now")


def _kind(config: Config, name: str) -> str:
    """What answers: `engine`, or the wire format of the provider."""
    formats = {provider.name: str(provider.__struct_config__.tag) for provider in config.providers}
    return formats.get(name) or _("engine")


def _wants_json(request: Request) -> bool:
    accept = request.headers.get("accept", "")
    return request.url.path.endswith(".json") or ("application/json" in accept and "text/html" not in accept)


def _report(arena: Context) -> dict[str, Any]:
    """The same as the page, for programs. Times in ISO 8601, UTC."""
    states = arena.router.backends()
    return {
        "battles_in_flight": arena.live.in_flight,
        "models": [
            {
                "name": view.model.name,
                "organisation": view.model.organisation,
                "weight": view.weight,
                "is_in_outage": view.is_in_outage,
                "is_drawn": view.is_drawn,
                "backends": view.model.backends,
                "status": asdict(view.status),
            }
            for view in _models(arena, states)
        ],
        "backends": [
            asdict(state) | {"last_error_at": state.last_error_at and state.last_error_at.isoformat()}
            for state in states
        ],
    }
