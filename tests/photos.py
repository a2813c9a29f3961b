"""Pictures to hand in, made on the spot, and how a visitor without scripts hands them in."""

import re
from html import unescape
from io import BytesIO
from typing import Any

import httpx
from PIL import Image

from tests.house import Visitor

SEEING = ["Clearsight Prime", "Deepsight Nine", "Wordsmith One"]
"""Two models that read pictures, and one that reads text alone."""


def photo(width: int = 64, height: int = 48, kind: str = "JPEG", mode: str = "RGB", **options: Any) -> bytes:
    """A picture whose left half is red and whose right half is blue."""
    image = Image.new(mode, (width, height), "blue")
    image.paste(Image.new(mode, (width // 2, height), "red"), (0, 0))
    return encoded(image, kind, **options)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def seen(data: bytes) -> Image.Image:
    """The picture in these bytes."""
    image = Image.open(BytesIO(data))
    image.load()
    return image


def gallery(*vision: str, **changes: Any) -> dict[str, Any]:
    """Tables of a configuration with three models, of which these read pictures: the first two unless said."""
    able = vision or tuple(SEEING[:2])
    backends = [name.split()[0].lower() for name in SEEING]
    return {
        "providers": [{"name": backend, "format": "script"} for backend in backends],
        "models": [
            {"name": name, "backends": [backend], "vision": name in able}
            for name, backend in zip(SEEING, backends, strict=True)
        ],
    } | changes


async def adds(visitor: Visitor, *files: bytes, to: str = "/conversations", **form: Any) -> httpx.Response:
    """Hand in files as htmx does. A file is called photo-1.jpg and so on, whatever it is."""
    named = [("file", (f"photo-{n}.jpg", data, "image/jpeg")) for n, data in enumerate(files, 1)]
    return await uploads(visitor, named, {"to": to} | form)


async def uploads(visitor: Visitor, files: list[Any], form: dict[str, Any], **headers: str) -> httpx.Response:
    reply = await visitor.http.post(
        "/attachments",
        files=files or [("nothing", ("", b""))],
        data=form,
        headers={"HX-Request": "true"} | headers,
    )
    visitor.received += [str(reply.headers).encode(), reply.content]
    return reply


def keys(page: str) -> list[str]:
    """The ids of what comes with the prompt, as the page sends them."""
    return re.findall(r'name="attachment" value="([^"]+)"', page)


def words(page: str) -> str:
    """A page as it is read, on one line."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def pictures(page: str) -> list[str]:
    """The addresses of the pictures on a page."""
    return list(dict.fromkeys(re.findall(r'<img src="(/images/[^"]+)"', page)))
