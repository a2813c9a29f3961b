"""GET /attachments/ID: what models read of a document, shown to the visitor who has handed it in."""

from starlette.requests import Request
from starlette.responses import Response

from arena.views.context import context
from arena.views.paths import key_in


async def document(request: Request) -> Response:
    """The text on a page of its own, or alone for the list in which it is unfolded."""
    arena = context(request)
    voter, key = arena.visitors.known(request), key_in(request)
    file, text = await arena.store.attachments.text(voter, key)
    most = arena.config.limits.document_characters
    is_part = request.headers.get("hx-request") == "true" and not request.headers.get("hx-boosted")
    template = "_words.html" if is_part else "document.html"
    return arena.pages.page(template, file=file, text=text[:most], more=max(0, len(text) - most))
