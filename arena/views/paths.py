"""Addresses of this arena: of a visitor's conversation, and of pages that somebody may be led back to."""

import re
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

HOME = "/"
CONVERSATIONS = "/conversations"

_NAME = r"[\w.~%!$'()*+,;=:@-]+"
# A path that begins with two slashes, said in whichever way, is the address of another site to some.
_INSIDE = re.compile(
    rf"/(?!%2F|%5C)(?:{_NAME}(?:/{_NAME})*)?(?:\?[\w.~%!$'()*+,;=:@&/-]*)?", re.ASCII | re.IGNORECASE
)


def key_in(request: Request) -> str:
    """The id of the conversation, battle or file that the address is about."""
    return str(request.path_params["id"])


def conversation_path(key: str) -> str:
    """The page of the conversation with this id."""
    return f"{CONVERSATIONS}/{key}"


def see(path: str) -> Response:
    """What a form is answered with that has done something: the page to look at now."""
    return RedirectResponse(path, HTTPStatus.SEE_OTHER)


def inside(address: str) -> str:
    """The address, if it is a path of this server, with its query or without; else nothing."""
    return address if _INSIDE.fullmatch(address) else ""


def came_from(request: Request) -> str:
    """The page of this arena that the visitor was on, with its query; nothing where the browser does not say."""
    page = urlsplit(request.headers.get("referer", ""))
    is_ours = page.netloc == request.headers.get("host")
    return inside(f"{page.path}?{page.query}".removesuffix("?")) if is_ours else ""
