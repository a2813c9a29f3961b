"""What holds for every request: no other site may post, and every reply says what a browser may do with it.

The policy allows scripts, styles and images from this server alone, nothing inline, and no frame around a page.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from arena.errors import Forbidden
from arena.views import mishaps
from arena.views.pages import SECURITY_HEADERS
from arena.words import _

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
SAME_SITE = {"same-origin", "none"}


class SecurityHeaders:
    """Adds `SECURITY_HEADERS` to every reply."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)  # a page may be stricter
            await send(message)

        await self.app(scope, receive, send_with_headers)


class SameSite:
    """Refuses what a page of another site makes a browser post here.

    A browser says where a request comes from (Sec-Fetch-Site, or Origin in older ones); a request with neither is
    not a browser's, and has no visitor's cookie to misuse.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS or is_same_site(Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        exc = Forbidden(_("This came from a page of another site. Open the arena itself and try again there."))
        response = await mishaps.refusal(Request(scope), exc)
        await response(scope, receive, send)


def is_same_site(headers: Headers) -> bool:
    """Whether a request comes from a page of this server, from the address bar, or from no browser at all."""
    if site := headers.get("sec-fetch-site"):
        return site in SAME_SITE
    if origin := headers.get("origin"):
        return origin.partition("://")[2] == headers.get("host")
    return True
