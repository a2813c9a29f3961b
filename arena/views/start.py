"""GET /: where a battle begins."""

import random
from http import HTTPStatus
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from arena import prompts
from arena.errors import NotFound
from arena.prompts import StartingPrompt
from arena.views.context import Context, context
from arena.views.forms import NOTHING, Draft
from arena.views.languages import reads
from arena.words import N_, _

_CHANCE = random.SystemRandom()
_UNKNOWN = N_("There is no prompt to start from at this address. It may have been renamed or removed.")


async def start(request: Request) -> Response:
    """The prompt box, filled where `prompt` names a prompt to start from, and how far the models are."""
    arena, key = context(request), request.query_params.get("prompt", "")
    if key == prompts.ANY and arena.prompts:
        but = request.query_params.get("but", "")
        found = prompts.surprise(arena.prompts, reads(request), _CHANCE, but)
        # An address of its own, so that the page that shows it may be loaded again.
        return RedirectResponse(
            f"/?prompt={quote(found.key)}", HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"}
        )
    return _page(arena, request, _chosen(arena, key))


def _chosen(arena: Context, key: str) -> StartingPrompt | None:
    """The prompt of this key; none for no key. Raises `NotFound`."""
    found = prompts.find(arena.prompts, key)
    if key and found is None:
        raise NotFound(_(_UNKNOWN))
    return found


def filled(request: Request, draft: Draft) -> Response:
    """The start page with this in its box."""
    return _page(context(request), request, None, draft)


def _page(arena: Context, request: Request, chosen: StartingPrompt | None, draft: Draft = NOTHING) -> Response:
    weights = arena.router.weights()
    return arena.pages.page(
        "start.html",
        offered=prompts.offer(arena.prompts, reads(request), _CHANCE),
        chosen=chosen,
        statuses=arena.router.statuses(),
        in_the_draw=sum(weight > 0 for weight in weights.values()),
        can_draw=arena.router.can_draw,
        will_draw=arena.router.will_draw,
        is_loading=arena.router.is_loading,
        draft=chosen.text if chosen else draft.text,
        attached=draft.attached,
        problems=draft.problems,
    )
