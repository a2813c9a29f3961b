"""Pages with what was written and not sent, each in the box it was written in."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from arena.errors import NotFound, Unprocessable
from arena.views import chat, conversations, side_by_side, start
from arena.views.context import context
from arena.views.forms import Draft
from arena.views.named import PATHS, address, mode_of, names_in
from arena.views.paths import CONVERSATIONS, HOME

ACTION = re.compile(rf"{CONVERSATIONS}(?:/[\w-]+)*", re.ASCII)
GOING_ON = re.compile(rf"{CONVERSATIONS}/(?P<id>[\w-]+)/(?P<what>turns|prompt)", re.ASCII)


def start_of(form: Mapping[str, str]) -> str:
    """The page where a conversation like the one that was asked for begins."""
    try:
        mode = mode_of(form)
    except Unprocessable:
        return HOME
    return HOME if mode == "battle" else address(mode, names_in(mode, form))


def begin(request: Request, to: str, draft: Draft) -> tuple[str, Response]:
    """The page where a conversation begins, with this in its box, and its address."""
    page, config = urlsplit(to), context(request).config
    query = dict(parse_qsl(page.query))
    if page.path == PATHS["side_by_side"] and config.modes.side_by_side:
        return to, side_by_side.filled(request, query, draft)
    if page.path == PATHS["direct"] and config.modes.direct:
        return to, chat.filled(request, query, draft)
    return HOME, start.filled(request, draft)


async def going_on(request: Request, action: str, draft: Draft) -> Response | None:
    """The page of the conversation that would be gone on with, if its visitor can do that now."""
    if not (asked := GOING_ON.fullmatch(action)):
        return None
    arena = context(request)
    try:
        conversation, live = await conversations.own(request, asked["id"])
    except NotFound:
        return None
    battle = await conversations.shown(arena, conversation, live)
    if asked["what"] == "prompt":
        can_edit = battle.phase in ("vote", "open", "broken")
        return arena.pages.page("conversation.html", battle=battle, editing=draft) if can_edit else None
    if battle.phase not in ("vote", "open") or not battle.turns_left:
        return None
    return arena.pages.page(
        "conversation.html", battle=battle, draft=draft.text, attached=draft.attached, problems=draft.problems
    )
