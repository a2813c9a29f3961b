"""GET /static/…: styles, scripts and pictures, under names that change with what is in them. Knows no battle.

`arena.css` is asked for as `arena.3f2a9c1b.css` and kept by browsers for a year. The bare name serves the same
and an outdated one leads there: a page that was opened before an update still gets its style.
"""

import asyncio
import gzip
import hashlib
import mimetypes
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path

import brotli  # type: ignore[import-untyped]
import rcssmin  # type: ignore[import-untyped]
import rjsmin  # type: ignore[import-untyped]
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

YEAR_SECONDS = 365 * 24 * 3600
FOREVER = f"public, max-age={YEAR_SECONDS}, immutable"
ASK_AGAIN = "no-cache"

_VERSIONED = re.compile(r"(?P<stem>.+)\.(?P<version>[0-9a-f]{8})(?P<suffix>\.\w+)", re.ASCII)
_PACKERS: Mapping[str, Callable[[bytes], bytes]] = {"br": brotli.compress, "gzip": gzip.compress}  # at their best
_MINIFIERS: Mapping[str, Callable[[bytes], bytes]] = {".css": rcssmin.cssmin, ".js": rjsmin.jsmin}
_PACKED = re.compile(r"text/|image/svg|application/(?:json|manifest)")


def folder(name: str) -> Path:
    """A folder of the project: beside the package in a checkout, inside it in an installed wheel."""
    package = Path(__file__).parent.parent
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


@dataclass(frozen=True, slots=True)
class File:
    """A static file as it was when the server first served it, without its comments."""

    name: str
    content: bytes
    version: str

    @property
    def path(self) -> str:
        """Its address, which changes with its content."""
        stem, _, suffix = self.name.rpartition(".")
        return f"/static/{stem}.{self.version}.{suffix}"

    @property
    def kind(self) -> str:
        return mimetypes.guess_type(self.name)[0] or "application/octet-stream"


@cache
def files() -> Mapping[str, File]:
    """Every static file by its name inside the folder, such as `vendor/htmx.min.js`."""
    root = folder("static")
    found = (path for path in root.rglob("*.*") if path.is_file() and not path.name.startswith("."))
    return {file.name: file for file in (_read(root, path) for path in found)}


def address(name: str) -> str:
    """The address of a static file for a page to ask for."""
    return files()[name].path


async def static(request: Request) -> Response:
    """The file, as small as the browser can read it."""
    asked = request.path_params["path"]
    versioned = _VERSIONED.fullmatch(asked)
    file = files().get(versioned["stem"] + versioned["suffix"]) if versioned else files().get(asked)
    if file is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    if versioned and versioned["version"] != file.version:
        return RedirectResponse(file.path, headers={"Cache-Control": ASK_AGAIN})
    packing = _packing(request.headers.get("accept-encoding", "")) if _PACKED.match(file.kind) else ""
    headers = {
        "Cache-Control": FOREVER if versioned else ASK_AGAIN,
        "ETag": f'"{file.version}{packing and "-"}{packing}"',
    }
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if not packing:
        return Response(file.content, headers=headers, media_type=file.kind)
    content = await asyncio.to_thread(_pack, file.content, packing)
    return Response(
        content, headers=headers | {"Content-Encoding": packing, "Vary": "Accept-Encoding"}, media_type=file.kind
    )


def _read(root: Path, path: Path) -> File:
    content = path.read_bytes()
    if path.suffix in _MINIFIERS and ".min." not in path.name:
        content = _MINIFIERS[path.suffix](content)
    return File(path.relative_to(root).as_posix(), content, hashlib.sha256(content).hexdigest()[:8])


@cache
def _pack(content: bytes, packing: str) -> bytes:
    return _PACKERS[packing](content)


def _packing(accepted: str) -> str:
    """The best of our packings that a browser accepts (RFC 9110, 12.5.3), or none."""
    offers = (offer.replace(" ", "").lower().partition(";") for offer in accepted.split(","))
    able = {name for name, _, weight in offers if weight not in ("q=0", "q=0.0", "q=0.00", "q=0.000")}
    return next((packing for packing in _PACKERS if packing in able), "")
