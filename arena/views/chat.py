"""GET /chat: where a chat with one model begins. And what visitors think of its answers: thumbs, and a flag."""

from collections.abc import Mapping
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from arena import named
from arena.conversation import Parameters
from arena.errors import Unprocessable
from arena.store.reactions import Change, Thumb
from arena.views.context import context
from arena.views.forms import NOTHING, Draft, read_form
from arena.views.named import picks, resolved
from arena.views.parameters import settings
from arena.views.paths import conversation_path, key_in, see
from arena.words import _


async def chat(request: Request) -> Response:
    """The prompt box for the model of this name, or names to choose from."""
    arena = context(request)
    named.check_mode(arena.config, "direct")
    return resolved(arena, "direct", request.query_params) or filled(request, request.query_params)


def filled(request: Request, query: Mapping[str, str], draft: Draft = NOTHING) -> Response:
    """The page for the model that the query names, with this in its box."""
    arena = context(request)
    (pick,) = picks(arena, "direct", query)
    return arena.pages.page(
        "chat.html",
        pick=pick,
        models=named.choosable(arena.config),
        statuses=arena.router.statuses(),
        settings=settings(arena.config, [pick.model], draft.said or Parameters()) if pick.model else None,
        draft=draft.text,
        attached=draft.attached,
        problems=draft.problems,
    )


async def react(request: Request) -> Response:
    """POST .../reactions: a `thumb` (`up`, `down`, `none`) or `flag` (`on`, `off`) for the answer to a `turn`."""
    arena, key = context(request), key_in(request)
    form = await read_form(request, arena.config.limits.body_bytes)
    change = Change(_thumb(form.get("thumb")), _flag(form.get("flag")))
    await arena.store.reactions.react(key, arena.visitors.known(request), _turn(form.get("turn", "")), change)
    return see(conversation_path(key))


def _thumb(said: str | None) -> Thumb | Literal[""] | None:
    match said:
        case None | "up" | "down":
            return said
        case "none":
            return ""
    raise Unprocessable(_("A thumb is up, down or none."))


def _flag(said: str | None) -> bool | None:
    if said not in (None, "on", "off"):
        raise Unprocessable(_("A flag is on or off."))
    return None if said is None else said == "on"


def _turn(said: str) -> int:
    if not (said.isascii() and said.isdigit() and len(said) < 10):
        raise Unprocessable(_("A reaction is about the answer to a turn, by its number."))
    return int(said)
