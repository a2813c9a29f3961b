"""GET /side-by-side: where two models that the visitor has chosen by name answer side by side."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from arena import named
from arena.conversation import Parameters
from arena.views.context import context
from arena.views.forms import NOTHING, Draft
from arena.views.named import RANDOM, Pick, address, picks, resolved
from arena.views.parameters import settings
from arena.words import _


async def side_by_side(request: Request) -> Response:
    """The prompt box for two models of these names, or names to choose from. `random`: any other that is up."""
    arena = context(request)
    named.check_mode(arena.config, "side_by_side")
    return resolved(arena, "side_by_side", request.query_params) or filled(request, request.query_params)


def filled(request: Request, query: Mapping[str, str], draft: Draft = NOTHING) -> Response:
    """The page for the models that the query names, with this in its box."""
    arena = context(request)
    a, b = picks(arena, "side_by_side", query)
    models = [pick.model for pick in (a, b) if pick.model]
    words = _what_is_wrong(a, b)
    is_chosen = len(models) == 2 and not words
    return arena.pages.page(
        "side_by_side.html",
        picks=(a, b),
        is_chosen=is_chosen,
        words=words,
        any_other=address("side_by_side", [a.model.name if a.model else RANDOM, RANDOM]),
        models=named.choosable(arena.config),
        statuses=arena.router.statuses(),
        settings=settings(arena.config, models, draft.said or Parameters()) if is_chosen else None,
        draft=draft.text,
        attached=draft.attached,
        problems=draft.problems,
    )


def _what_is_wrong(a: Pick, b: Pick) -> str:
    """What is wrong with the two together."""
    if a.model and b.model and a.model.name == b.model.name:
        return _("A model is not compared with itself. Choose two different ones.")
    return ""
