"""Static files: named after what is in them, kept for a year, as small as the browser can read them."""

import gzip
import re

import brotli  # type: ignore[import-untyped]
import pytest

from arena.views.statics import files
from tests.house import Visitor

FOREVER = "public, max-age=31536000, immutable"


async def test_every_file_a_page_asks_for_is_named_after_its_content_and_kept(visitor: Visitor) -> None:
    page = (await visitor.gets("/")).text
    addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert len(addresses) >= 5
    for address in addresses:
        assert re.fullmatch(r"/static/[\w/.-]+\.[0-9a-f]{8}\.\w+", address)
        reply = await visitor.gets(address)
        assert reply.status_code == 200
        assert reply.headers["cache-control"] == FOREVER


async def test_a_file_under_its_bare_name_is_asked_for_again(visitor: Visitor) -> None:
    first = await visitor.gets("/static/arena.css")
    assert first.headers["cache-control"] == "no-cache"
    again = await visitor.gets("/static/arena.css", **{"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_an_outdated_name_leads_to_the_file_as_it_is_now(visitor: Visitor) -> None:
    reply = await visitor.gets("/static/vendor/htmx.min.00000000.js")
    assert reply.status_code == 307
    assert reply.headers["location"] == files()["vendor/htmx.min.js"].path
    assert reply.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    [
        "nothing.css",
        "nothing.0a1b2c3d.css",
        "../config.toml",
        "%2e%2e/config.toml",
        "",
        "vendor",
        ".keep",
        "%00.css",
    ],
)
async def test_what_is_no_static_file_is_not_found(visitor: Visitor, path: str) -> None:
    reply = await visitor.gets(f"/static/{path}")
    assert reply.status_code == 404
    assert "There is no page at this address." in reply.text


@pytest.mark.parametrize(
    ("accepted", "packing"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("deflate", ""),
        ("identity", ""),
        ("", ""),
    ],
)
async def test_a_file_is_packed_as_the_browser_can_read_it(visitor: Visitor, accepted: str, packing: str) -> None:
    request = visitor.http.build_request("GET", files()["arena.css"].path, headers={"accept-encoding": accepted})
    reply = await visitor.http.send(request, stream=True)
    raw = b"".join([chunk async for chunk in reply.aiter_raw()])
    assert reply.headers.get("content-encoding", "") == packing
    assert reply.headers["vary"] == "Accept-Encoding"
    unpack = {"br": brotli.decompress, "gzip": gzip.decompress, "": bytes}[packing]
    assert unpack(raw) == files()["arena.css"].content
    assert not packing or len(raw) < len(files()["arena.css"].content) / 3


async def test_pages_are_packed_and_the_stream_of_a_battle_is_not(visitor: Visitor) -> None:
    cues = await visitor.starts()
    page = await visitor.gets(visitor.path)
    assert page.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in page.headers["vary"]
    async with visitor.watches() as stream:
        cues["a"].say("At once.")
        await stream.until("At once.")
    async with visitor.http.stream("GET", f"{visitor.path}/events") as reply:
        assert "content-encoding" not in reply.headers
    await visitor.hears(cues)


async def test_only_a_get_reads_a_static_file(visitor: Visitor) -> None:
    assert (await visitor.posts("/static/arena.css")).status_code == 405
    head = await visitor.http.head("/static/arena.css")
    assert (head.status_code, head.content) == (200, b"")
