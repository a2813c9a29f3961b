"""Who asks: the signed cookie, pages of other sites, and what a browser is told to allow."""

import stat
from html.parser import HTMLParser
from pathlib import Path

import pytest

from arena.app import create_app
from arena.views.visitors import COOKIE
from tests.house import House, Visitor, configure, open_house
from tests.servers import serving

FORM = b"prompt=Why?"


# The cookie


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(visitor: Visitor) -> None:
    reply = await visitor.posts("/conversations", prompt="Why?")
    cookie = reply.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie, "there is no https here"


async def test_a_visitor_who_only_looks_gets_no_cookie(visitor: Visitor) -> None:
    assert "set-cookie" not in (await visitor.gets("/")).headers


async def test_a_visitor_keeps_one_identity_through_many_battles(visitor: Visitor) -> None:
    await visitor.plays()
    await visitor.plays()
    assert await visitor.house.sql("SELECT COUNT(*) FROM voters") == [(1,)]
    assert await visitor.house.sql("SELECT COUNT(*) FROM conversations") == [(2,)]


async def test_a_tampered_cookie_is_that_of_a_stranger(house: House, visitor: Visitor) -> None:
    await visitor.plays()
    [(voter,)] = await house.sql("SELECT id FROM voters")
    good = visitor.http.cookies[COOKIE]
    assert good.startswith(voter)
    for bad in (voter, f"{good}x", f"x{good}", good.rsplit(".", 1)[0] + ".AAAA", "", ".", "a.b.c", '"\\377"'):
        reply = await visitor.http.get(visitor.path, headers={"cookie": f"{COOKIE}={bad}"})
        assert reply.status_code == 404, bad
    async with house.visitor(visitor) as honest:
        assert "Because A." in await honest.sees()


async def test_a_visitor_with_a_bad_cookie_can_start_a_battle_all_the_same(house: House) -> None:
    async with house.visitor() as visitor:
        visitor.http.cookies.set(COOKIE, "nonsense", domain="127.0.0.1", path="/")
        await visitor.plays()
        assert "Because A." in await visitor.sees()


# The secret


async def test_the_secret_is_readable_by_nobody_else_and_outlives_a_restart(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, house.visitor() as visitor:
        await visitor.plays()
    file = tmp_path / "arena.secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    secret = file.read_bytes()
    async with open_house(tmp_path) as house, house.visitor(visitor) as back:
        assert "Because A." in await back.sees()
    assert file.read_bytes() == secret


async def test_another_secret_makes_strangers_of_all(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, house.visitor() as visitor:
        await visitor.plays()
    (tmp_path / "arena.secret").unlink()
    async with open_house(tmp_path) as house, house.visitor(visitor) as back:
        assert (await back.gets(visitor.path)).status_code == 404


@pytest.mark.parametrize("secret", [b"", b"short", b" " * 100 + b"\n"])
async def test_a_secret_that_is_too_short_refuses_to_start(tmp_path: Path, secret: bytes) -> None:
    (tmp_path / "arena.secret").write_bytes(secret)
    app = create_app(configure(tmp_path), {})
    with pytest.raises(RuntimeError):
        async with serving(app):
            pass
    assert "arena.secret: the secret for cookies is too short. Delete the file" in str(app.state.failure)


# Pages of other sites


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "nonsense"},
        {"sec-fetch-site": "cross-site", "origin": "{house}"},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "{house}.evil.example"},
        {"origin": "http://user@evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": "nonsense"},
    ],
)
async def test_a_page_of_another_site_cannot_post(house: House, visitor: Visitor, headers: dict[str, str]) -> None:
    sent = {name: value.replace("{house}", house.url) for name, value in headers.items()}
    await visitor.plays()
    for action in ("turns", "stop", "regenerate", "vote"):
        reply = await visitor.sends(f"{visitor.path}/{action}", b"prompt=x&choice=a", **sent)
        assert reply.status_code == 403
        assert "from a page of another site" in reply.text
    assert (await visitor.sends("/conversations", FORM, **sent)).status_code == 403
    assert await house.sql("SELECT COUNT(*) FROM turns") == [(1,)]
    assert await house.sql("SELECT COUNT(*) FROM votes") == [(0,)]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "same-origin", "origin": "null"},
        {"origin": "{house}"},
    ],
)
async def test_our_own_pages_and_plain_clients_can_post(
    house: House, visitor: Visitor, headers: dict[str, str]
) -> None:
    sent = {name: value.replace("{house}", house.url) for name, value in headers.items()}
    assert (await visitor.sends("/conversations", FORM, **sent)).status_code == 303


async def test_a_link_from_another_site_opens_a_page(visitor: Visitor) -> None:
    await visitor.plays()
    for path in ("/", visitor.path):
        headers = {"sec-fetch-site": "cross-site", "origin": "http://evil.example"}
        assert (await visitor.gets(path, **headers)).status_code == 200


# What a browser is told


MARKDOWN = "```python\nprint(1)\n```\n\n| a | b |\n|--:|:-:|\n| 1 | $x^2$ |"


async def every_page(visitor: Visitor) -> list[str]:
    """The HTML of each kind of page, and of a stream."""
    pages = [(await visitor.gets("/")).text, (await visitor.gets("/nowhere")).text]
    cues = await visitor.starts("A `prompt`")
    pages.append(await visitor.sees())
    async with visitor.watches() as stream:
        await visitor.hears(
            cues, "```python\nprint(1)\n```\n\n| a | b |\n|--:|:-:|\n| 1 | $x^2$ |", "<b onclick=x>B</b>"
        )
        await stream.to_the_end()
        pages.append(stream.page.html)
    pages += [(await visitor.posts("/conversations", prompt=" ")).text, await visitor.sees()]
    await visitor.votes("a")
    return [*pages, await visitor.sees()]


class Inline(HTMLParser):
    """Collects what the policy would not let run: inline scripts, styles and handlers, and foreign addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in given):
            self.found.append(tag)
        self.found += [f"{tag} {name}" for name in given if name == "style" or name.startswith("on")]
        for name in ("src", "action"):
            if not (given.get(name) or "/").startswith("/"):
                self.found.append(f"{tag} {name}={given[name]}")


async def test_no_page_has_anything_inline(visitor: Visitor) -> None:
    for page in await every_page(visitor):
        inline = Inline()
        inline.feed(page)
        assert inline.found == []


async def test_every_reply_says_what_a_browser_may_do_with_it(visitor: Visitor) -> None:
    await visitor.plays()
    for path in ("/", visitor.path, f"{visitor.path}/events", "/nowhere", "/healthz", "/static/arena.css"):
        headers = (await visitor.gets(path)).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    refused = await visitor.sends("/conversations", FORM, **{"sec-fetch-site": "cross-site"})
    assert refused.headers["x-content-type-options"] == "nosniff"


async def test_a_page_is_kept_by_no_cache(visitor: Visitor) -> None:
    await visitor.plays()
    for path in ("/", visitor.path, "/nowhere"):
        assert (await visitor.gets(path)).headers["cache-control"] == "no-store"
