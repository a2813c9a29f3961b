"""GET /about, /rules: pages that the operator writes; /shortcuts: which keys do what."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from arena.errors import NotFound
from arena.texts import Text
from arena.views.context import context
from arena.words import _


async def about(request: Request) -> Response:
    """GET /about: what this arena is."""
    return _page(request, "about")


async def rules(request: Request) -> Response:
    """GET /rules: how to vote."""
    return _page(request, "rules")


async def shortcuts(request: Request) -> Response:
    """GET /shortcuts: which keys do what. A page with scripts shows it as a dialog."""
    return context(request).pages.page("shortcuts.html")


def _page(request: Request, name: str) -> Response:
    arena = context(request)
    return arena.pages.page("text.html", text=found(arena.texts, name))


def found(texts: Mapping[str, Text], name: str) -> Text:
    """The text of this name. Raises `NotFound` where the arena has none."""
    if name not in texts:
        raise NotFound(_("This arena has no such page."))
    return texts[name]
